/** What a person chose for a restore, and what is asked of the server with it. */

import { type Overwrite, placeOf, type RestoreQuestion } from '../../api.ts';
import type { PathEntry, Snapshot } from '../../api-types.ts';

export type RestorePlaceKind = 'in place' | 'elsewhere';

/** `empty`: no rule at all, the other folder must hold nothing. */
export type RestoreRule = Overwrite | 'empty';

export interface RestoreChoice {
  readonly place: RestorePlaceKind;
  /** The other folder, as it is typed. */
  readonly target: string;
  readonly rule: RestoreRule;
  readonly isRemoving: boolean;
}

export const FIRST_CHOICE: RestoreChoice = { place: 'in place', target: '', rule: 'if-changed', isRemoving: false };

/** In an empty folder there is nothing to remove. */
export function mayRemove({ rule }: RestoreChoice): boolean {
  return rule !== 'empty';
}

export function questionOf(
  { id }: Pick<Snapshot, 'id'>,
  paths: readonly PathEntry[],
  choice: RestoreChoice,
): RestoreQuestion {
  const { place, target, rule, isRemoving } = choice;
  return {
    snapshot: id,
    paths: paths.map(placeOf),
    ...(place === 'in place' ? { in_place: true } : { target: { path: target.trim() } }),
    ...(rule === 'empty' ? {} : { overwrite: rule }),
    delete: isRemoving && mayRemove(choice),
  };
}

/** The same in the address of the page. */
export function pathsOf(query: URLSearchParams): readonly PathEntry[] {
  const texts = query.getAll('path').map((path) => ({ path }));
  return [...texts, ...query.getAll('path64').map((path64) => ({ path: textOf(path64), path_base64: path64 }))];
}

export function pathQuery(paths: readonly PathEntry[]): {
  readonly path: readonly string[];
  readonly path64: readonly string[];
} {
  return {
    path: paths.filter(({ path_base64 }) => path_base64 === undefined).map(({ path }) => path),
    path64: paths.map(({ path_base64 }) => path_base64).filter((path64) => path64 !== undefined),
  };
}

/** What people see of a name that is not UTF-8. */
function textOf(base64: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
  } catch {
    return base64;
  }
}

/** Kept by the server for its own ends: nobody means one of these by the newest. */
const ASIDE_LABELS = new Set(['before-restore', 'snap-server-state']);

/** `snapshots`: the newest first. */
export function newestOf(snapshots: readonly Snapshot[]): Snapshot | undefined {
  return snapshots.find(({ label }) => !ASIDE_LABELS.has(label)) ?? snapshots[0];
}
