/** Collects what a check finds: each damaged object once, with who needs it. */

import type { EngineError } from '../../base/errors.ts';

/** Paths that are named for one damaged object. */
export const CHECK_PATHS_MAX = 100;

/** One damaged object, and who needs it. */
export interface CheckError {
  readonly code: string;
  /** `config.copy`, `keys/…`, `packs/…`, `index/…`, `snapshots/…`, `blob …`, `tree …` */
  readonly object: string;
  readonly message: string;
  /** Ids of snapshots that need it. */
  readonly snapshots: readonly string[];
  /** Paths in those that need it, at most CHECK_PATHS_MAX. */
  readonly paths: readonly string[];
}

interface Finding {
  readonly code: string;
  readonly object: string;
  readonly message: string;
  readonly snapshots: Set<string>;
  readonly paths: Set<string>;
}

export class Findings {
  readonly #findings = new Map<string, Finding>();

  add(object: string, error: EngineError, snapshots: readonly string[] = []): void {
    const finding = this.#findings.get(object);
    if (finding === undefined) {
      const { code, message } = error;
      this.#findings.set(object, { code, object, message, snapshots: new Set(snapshots), paths: new Set() });
      return;
    }
    for (const snapshot of snapshots) finding.snapshots.add(snapshot);
  }

  get count(): number {
    return this.#findings.size;
  }

  /** Says that a path of a snapshot needs a damaged object. */
  need(object: string, snapshot: string, path: Buffer): void {
    const finding = this.#findings.get(object);
    if (finding === undefined) return;
    finding.snapshots.add(snapshot);
    if (finding.paths.size < CHECK_PATHS_MAX) finding.paths.add(path.toString('utf8'));
  }

  errors(): CheckError[] {
    return [...this.#findings.values()].map((finding) => ({
      ...finding,
      snapshots: [...finding.snapshots],
      paths: [...finding.paths],
    }));
  }
}
