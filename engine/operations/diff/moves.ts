/** Finds out what only moved: entries that are gone here and new there, by the keys that both have (comparison.ts). */

import type { Entry, MoveKeys } from './comparison.ts';

export interface Candidate<E extends Entry> {
  readonly path: Buffer;
  readonly entry: E;
  /** The candidate that it lies in. */
  readonly parent: Candidate<E> | undefined;
  /** Directories between it and the first candidate above. */
  readonly depth: number;
  /** A key that is found out later is added behind the others. */
  readonly keys: string[];
  matched: boolean;
  /** Of a directory whose entries are candidates, too: those. */
  children: Candidate<E>[] | undefined;
}

export function candidateOf<E extends Entry>(
  path: Buffer,
  entry: E,
  keys: MoveKeys,
  parent?: Candidate<E>,
): Candidate<E> {
  return {
    path,
    entry,
    parent,
    depth: (parent?.depth ?? -1) + 1,
    keys: [...keys],
    matched: false,
    children: undefined,
  };
}

/** True where it, or a directory that it lies in, was found elsewhere. */
export function isSettled<E extends Entry>(candidate: Candidate<E>): boolean {
  for (let one: Candidate<E> | undefined = candidate; one !== undefined; one = one.parent) if (one.matched) return true;
  return false;
}

export interface Move<B extends Entry, A extends Entry> {
  readonly before: Candidate<B>;
  readonly after: Candidate<A>;
}

/**
 * Pairs candidates that share a key, each once and sure keys first; with `outerFirst`, directories before what they hold.
 * What `accepts` refuses stays as it was. Marks those it pairs.
 */
export async function matchCandidates<B extends Entry, A extends Entry>(
  before: readonly Candidate<B>[],
  after: readonly Candidate<A>[],
  options: {
    readonly outerFirst: boolean;
    readonly accepts: (before: Candidate<B>, after: Candidate<A>) => Promise<boolean>;
  },
): Promise<Move<B, A>[]> {
  const moves: Move<B, A>[] = [];
  const levels = new Map<number, Candidate<A>[]>();
  for (const candidate of after) {
    const depth = options.outerFirst ? candidate.depth : 0;
    const level = levels.get(depth);
    if (level === undefined) levels.set(depth, [candidate]);
    else level.push(candidate);
  }
  for (const [, level] of [...levels].sort(([a], [b]) => a - b)) {
    const ranks = level.reduce((most, { keys }) => Math.max(most, keys.length), 0);
    for (let rank = 0; rank < ranks; rank++) {
      const known = byKey(before, rank);
      for (const candidate of level) {
        const key = candidate.keys[rank];
        if (key === undefined || key === '' || isSettled(candidate)) continue;
        for (const other of known.get(key) ?? []) {
          if (isSettled(other) || !(await options.accepts(other, candidate))) continue;
          other.matched = true;
          candidate.matched = true;
          moves.push({ before: other, after: candidate });
          break;
        }
      }
    }
  }
  return moves;
}

function byKey<E extends Entry>(candidates: readonly Candidate<E>[], rank: number): Map<string, Candidate<E>[]> {
  const known = new Map<string, Candidate<E>[]>();
  for (const candidate of candidates) {
    const key = candidate.keys[rank];
    if (key === undefined || key === '' || isSettled(candidate)) continue;
    const same = known.get(key);
    if (same === undefined) known.set(key, [candidate]);
    else same.push(candidate);
  }
  return known;
}
