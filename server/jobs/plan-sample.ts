/** Some entries of each kind that a plan would touch: all of them may be millions. */

import type { PlannedAction, PlannedKind } from '../../engine/index.ts';
import { PLAN_ENTRIES_MAX } from '../limits.ts';
import { pathView } from '../views.ts';

export type PlannedEntry = ReturnType<typeof pathView> & { readonly type: string; readonly bytes: number };

export class PlanSample {
  readonly #entries: { [kind in PlannedKind]: PlannedEntry[] } = {
    create: [],
    replace: [],
    compare: [],
    mend: [],
    delete: [],
    swap: [],
  };

  /** For `onPlanned`. */
  readonly told = ({ kind, path, type, bytes }: PlannedAction): undefined => {
    const entries = this.#entries[kind];
    if (entries.length < PLAN_ENTRIES_MAX) entries.push({ ...pathView(path), type, bytes });
  };

  get entries(): { readonly [kind in PlannedKind]: readonly PlannedEntry[] } {
    return this.#entries;
  }
}
