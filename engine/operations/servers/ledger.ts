/**
 * The pure part of a comparison: verdicts on what rows name come in the order of the tree, and become a bounded list of
 * misses; and two sorted streams of keys are merged.
 */

import { SERVER_LIBRARY_ENTRIES_MIN, SERVER_MISSES_MAX } from '../../base/limits.ts';
import { pathOfTreeKey } from '../../base/server-paths.ts';
import type { MissKind, ServerMiss } from '../../repository/server-check.ts';

export interface Library {
  readonly title: string;
  readonly path: Buffer;
  /** False where the snapshot has no such folder: one line stands for all of it, however little that is. */
  readonly isThere: boolean;
}

/** What a row names. */
export interface Entry {
  readonly key: Buffer;
  readonly what: MissKind;
  readonly title: string;
  /** Number of the library that it lies in; undefined for none. */
  readonly library: number | undefined;
}

/** `left-out`: on purpose. `unjudged`: nobody can tell. */
export type Verdict = 'there' | 'missing' | 'left-out' | 'unjudged';

interface Group {
  rows: number;
  there: number;
  missing: number;
  readonly held: ServerMiss[];
  /** What the keys of all that is missing begin with. */
  common: Buffer | undefined;
}

export class Ledger {
  readonly #libraries: readonly Library[];
  readonly #groups = new Map<number | undefined, Group>();
  readonly #others: ServerMiss[] = [];
  #otherCount = 0;
  #held = 0;
  #lastMissing: Buffer | undefined;
  rows = 0;
  there = 0;
  leftOut = 0;
  unjudged = 0;

  constructor(libraries: readonly Library[]) {
    this.#libraries = libraries;
  }

  /** True for what the last miss stands for: the same path again, or what lies below it. */
  isCovered(key: Buffer): boolean {
    return this.#lastMissing !== undefined && isKeyWithin(key, this.#lastMissing);
  }

  add(entry: Entry, verdict: Verdict): void {
    this.rows++;
    if (verdict === 'left-out') this.leftOut++;
    if (verdict === 'unjudged') this.unjudged++;
    if (verdict === 'left-out' || verdict === 'unjudged') return;
    const group = this.#group(entry.library);
    group.rows++;
    if (verdict === 'there') {
      this.there++;
      group.there++;
    } else if (!this.isCovered(entry.key)) this.#miss(entry, group);
  }

  /** A row that says what no file can be called. */
  addValue(title: string, said: string): void {
    this.rows++;
    this.#addOther({ what: 'value', title, path: Buffer.from(said), entries: 1 });
  }

  /** A folder that no row names. */
  addWithoutRow(key: Buffer): void {
    const path = pathOfTreeKey(key);
    const title = path.subarray(path.lastIndexOf(0x2f) + 1).toString('utf8');
    this.#addOther({ what: 'row', title, path, entries: 1 });
  }

  #group(library: number | undefined): Group {
    const known = this.#groups.get(library);
    if (known !== undefined) return known;
    const group: Group = { rows: 0, there: 0, missing: 0, held: [], common: undefined };
    this.#groups.set(library, group);
    return group;
  }

  #miss({ key, what, title }: Entry, group: Group): void {
    this.#lastMissing = key;
    group.missing++;
    group.common = group.common === undefined ? key : commonFolder(group.common, key);
    if (this.#held >= SERVER_MISSES_MAX) return;
    this.#held++;
    group.held.push({ what, title, path: pathOfTreeKey(key), entries: 1 });
  }

  #addOther(miss: ServerMiss): void {
    this.#otherCount++;
    if (this.#others.length < SERVER_MISSES_MAX) this.#others.push(miss);
  }

  finish(): { readonly misses: readonly ServerMiss[]; readonly missCount: number } {
    const misses: ServerMiss[] = [];
    let missCount = this.#otherCount;
    for (const [number, group] of this.#groups) {
      const library = number === undefined ? undefined : this.#libraries[number];
      const isWhole = group.there === 0 && group.missing > 0;
      if (isWhole && (library?.isThere === false || group.rows >= SERVER_LIBRARY_ENTRIES_MIN)) {
        missCount++;
        misses.push(wholeMiss(library, group));
      } else {
        missCount += group.missing;
        misses.push(...group.held);
      }
    }
    return { misses: [...misses, ...this.#others].slice(0, SERVER_MISSES_MAX), missCount };
  }
}

function wholeMiss(library: Library | undefined, { rows, common }: Group): ServerMiss {
  const where = library?.path ?? pathOfTreeKey(common ?? Buffer.from('\0'));
  return { what: 'library', title: library?.title ?? 'other folders', path: where, entries: rows };
}

function isKeyWithin(key: Buffer, folder: Buffer): boolean {
  if (key.length < folder.length || key.compare(folder, 0, folder.length, 0, folder.length) !== 0) return false;
  return key.length === folder.length || key[folder.length] === 0;
}

/** The deepest folder that holds both, or is one of them. */
function commonFolder(a: Buffer, b: Buffer): Buffer {
  if (isKeyWithin(b, a)) return a;
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  const end = a.subarray(0, at).lastIndexOf(0);
  return a.subarray(0, Math.max(1, end));
}

/** Keys of `second` that `first` does not have. Both ascend; a key of `first` may come again. */
export async function* onlyInSecond(
  first: AsyncIterable<Buffer>,
  second: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const rows = first[Symbol.asyncIterator]();
  try {
    let row = await rows.next();
    for await (const key of second) {
      while (row.done !== true && row.value.compare(key) < 0) row = await rows.next();
      if (row.done === true || !row.value.equals(key)) yield key;
    }
  } finally {
    await rows.return?.();
  }
}
