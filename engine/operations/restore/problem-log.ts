/** Collects problems: every one counts, those that would repeat themselves a million times are named once by kind. */

import { isUtf8 } from 'node:buffer';
import type { Problem } from '../../base/errors.ts';
import { SNAPSHOT_PROBLEMS_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';

export interface ProblemSeed {
  readonly path: Buffer;
  readonly during: string;
  readonly code: string;
  readonly message: string;
  /** How many files met the same, this one included. Only problems of metadata and devices are counted together. */
  readonly sameKind?: number;
}

/** What is being done when a problem is one of many that a system forbids alike. */
const AGGREGATED = new Set(['owner', 'mode', 'times', 'attributes', 'make the device']);

export function isAggregated(during: string): boolean {
  return AGGREGATED.has(during);
}

export class ProblemLog {
  readonly #monitor: Monitor | undefined;
  readonly #problems: Problem[] = [];
  readonly #kinds = new Map<string, { at: number; count: number }>();
  count = 0;

  constructor(monitor: Monitor | undefined) {
    this.#monitor = monitor;
  }

  add(seed: ProblemSeed): void {
    const count = seed.sameKind ?? 1;
    this.count += count;
    if (isAggregated(seed.during)) {
      const kind = `${seed.during} ${seed.code}`;
      const known = this.#kinds.get(kind);
      if (known !== undefined) {
        known.count += count;
        return;
      }
      this.#kinds.set(kind, { at: this.#problems.length, count });
    }
    const problem = problemOf(seed);
    if (this.#problems.length < SNAPSHOT_PROBLEMS_MAX || isAggregated(seed.during)) this.#problems.push(problem);
    this.#monitor?.problem?.(problem);
  }

  list(): Problem[] {
    const problems = [...this.#problems];
    for (const { at, count } of this.#kinds.values()) {
      const first = problems[at];
      if (first === undefined || count === 1) continue;
      problems[at] = { ...first, message: `${first.message} (and ${count - 1} more like this)` };
    }
    return problems;
  }
}

function problemOf(seed: ProblemSeed): Problem {
  const { path, during, code, message } = seed;
  const problem = { path: path.toString('utf8'), during, code, message };
  return isUtf8(path) ? problem : { ...problem, pathBase64: path.toString('base64') };
}
