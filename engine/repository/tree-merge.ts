/**
 * Walks several versions of one directory side by side, name by name. Versions that share a part of a split directory
 * walk it once together, and where all of them share it, it can be stepped over without being read: comparing and
 * searching cost what differs, not what there is.
 */

import type { BlobId } from '../base/ids.ts';
import { MERGE_BATCH_NAMES_MAX, TREE_LEVELS_MAX } from '../base/limits.ts';
import { ROW_NAME_LENGTH_OFFSET, ROW_NAME_OFFSET, rowLengthAt } from '../format/row.ts';
import type { TreePart } from '../format/tree-part.ts';

export type LoadTreePart = (treeId: BlobId) => Promise<TreePart>;

/** One row, in place, and the numbers of the versions that have it. Rows of two parts may be equal. */
export interface MergedRow {
  readonly bytes: Buffer;
  readonly at: number;
  readonly versions: readonly number[];
}

/** All rows of one name. */
export interface MergedName {
  readonly name: Buffer;
  readonly rows: readonly MergedRow[];
}

interface Part {
  readonly treeId: BlobId;
  readonly name: Buffer;
  /** 0 for a leaf; more than any for a directory's first part, whose level nobody told. */
  readonly level: number;
}

const LEVEL_UNKNOWN = TREE_LEVELS_MAX + 1;
const NO_NAME = Buffer.alloc(0);

/** Where one version is, or several that walk a shared part together. */
class Cursor {
  readonly versions: readonly number[];
  /** Those that go on by themselves behind a shared part. */
  readonly members: readonly Cursor[];
  /** The name under the cursor; undefined at the end. */
  name: Buffer | undefined;
  /** A part under the cursor that was not opened; undefined where it is a row. */
  part: Part | undefined;
  bytes: Buffer = NO_NAME;
  at = 0;
  #rowsLeft = 0;
  readonly #lists: { readonly parts: readonly Part[]; next: number }[];

  constructor(versions: readonly number[], members: readonly Cursor[], part: Part) {
    this.versions = versions;
    this.members = members;
    this.#lists = [{ parts: [part], next: 0 }];
    this.#settle();
  }

  #settle(): void {
    if (this.#rowsLeft > 0) {
      const start = this.at + ROW_NAME_OFFSET;
      this.part = undefined;
      this.name = this.bytes.subarray(start, start + this.bytes.readUInt16LE(this.at + ROW_NAME_LENGTH_OFFSET));
      return;
    }
    for (let list = this.#lists.at(-1); list !== undefined; list = this.#lists.at(-1)) {
      this.part = list.parts[list.next];
      this.name = this.part?.name;
      if (this.part !== undefined) return;
      this.#lists.pop();
    }
    this.part = undefined;
    this.name = undefined;
  }

  /** Behind the row or the whole part that is under the cursor. */
  skip(): void {
    if (this.part === undefined) {
      this.at += rowLengthAt(this.bytes, this.at);
      this.#rowsLeft--;
    } else {
      const list = this.#lists.at(-1);
      if (list !== undefined) list.next++;
    }
    this.#settle();
  }

  /**
   * Both behind rows that are the same in both, up to the first that differs or the end of a part. Several rows are
   * compared by one call, twice as many each time while that goes well, and then half as many each time.
   */
  skipSharedRows(other: Cursor): void {
    if (!this.#skipEqualRows(other, 1)) return;
    let count = 2;
    while (this.#skipEqualRows(other, count)) count *= 2;
    // Fewer than that are left to be skipped.
    for (count >>= 1; count > 0; count >>= 1) this.#skipEqualRows(other, count);
    this.#settle();
    other.#settle();
  }

  /** True where the next `count` rows were the same, byte by byte: both are behind them. */
  #skipEqualRows(other: Cursor, count: number): boolean {
    const { bytes, at } = this;
    if (this.#rowsLeft < count || other.#rowsLeft < count) return false;
    let end = at;
    for (let row = 0; row < count; row++) end += rowLengthAt(bytes, end);
    const otherEnd = other.at + end - at;
    if (otherEnd > other.bytes.length || bytes.compare(other.bytes, other.at, otherEnd, at, end) !== 0) return false;
    this.at = end;
    other.at = otherEnd;
    this.#rowsLeft -= count;
    other.#rowsLeft -= count;
    return true;
  }

  /** Into the part under the cursor, which was loaded. */
  enter(loaded: TreePart): void {
    const list = this.#lists.at(-1);
    if (list !== undefined) list.next++;
    if (loaded.kind === 'leaf') {
      this.bytes = loaded.bytes;
      this.at = loaded.firstRow;
      this.#rowsLeft = loaded.rowCount;
    } else {
      const level = loaded.level - 1;
      this.#lists.push({ parts: loaded.entries.map(({ name, treeId }) => ({ name, treeId, level })), next: 0 });
    }
    this.#settle();
  }
}

export interface MergeOptions {
  /** Parts that all versions share are not looked into, and of two versions equal rows neither: their names are left out. */
  readonly skipShared?: boolean;
}

/** Names of the versions of a directory in order of their bytes, in batches. Version N is that of `treeIds[N]`. */
export async function* mergeTrees(
  load: LoadTreePart,
  treeIds: readonly BlobId[],
  options: MergeOptions = {},
): AsyncGenerator<readonly MergedName[]> {
  const versionsInAll = treeIds.length;
  const skipsRows = versionsInAll === 2 && options.skipShared === true;
  let cursors = treeIds.map(
    (treeId, version) => new Cursor([version], [], { treeId, name: NO_NAME, level: LEVEL_UNKNOWN }),
  );
  let batch: MergedName[] = [];
  for (;;) {
    const [one, other] = cursors;
    if (skipsRows && one !== undefined && other !== undefined) one.skipSharedRows(other);
    if (cursors.some(({ name }) => name === undefined)) cursors = withoutEnded(cursors);
    const foremost = foremostOf(cursors);
    const [first] = foremost;
    if (first?.name === undefined) break;
    const parts = foremost.filter(({ part }) => part !== undefined);
    if (parts.length === 0) {
      batch.push({ name: first.name, rows: foremost.map(({ bytes, at, versions }) => ({ bytes, at, versions })) });
      for (const cursor of foremost) cursor.skip();
      if (batch.length < MERGE_BATCH_NAMES_MAX) continue;
      yield batch;
      batch = [];
      continue;
    }
    const shared = parts.length < 2 ? undefined : sharedPart(parts);
    if (shared !== undefined) {
      const versions = shared.cursors.flatMap((cursor) => cursor.versions);
      for (const cursor of shared.cursors) cursor.skip();
      if (versions.length === versionsInAll && options.skipShared === true) continue;
      cursors = cursors.filter((cursor) => !shared.cursors.includes(cursor));
      cursors.push(new Cursor(versions, shared.cursors, shared.part));
      continue;
    }
    // Larger parts first: what is inside may be shared with a smaller one.
    const level = Math.max(...parts.map(({ part }) => part?.level ?? 0));
    const opened = parts.filter(({ part }) => part?.level === level);
    if (batch.length > 0) {
      yield batch;
      batch = [];
    }
    const loaded = await Promise.all(opened.map(({ part }) => (part === undefined ? undefined : load(part.treeId))));
    for (const [index, part] of loaded.entries()) if (part !== undefined) opened[index]?.enter(part);
  }
  if (batch.length > 0) yield batch;
}

/** Cursors with the smallest name. */
function foremostOf(cursors: readonly Cursor[]): Cursor[] {
  let foremost: Cursor[] = [];
  let smallest: Buffer | undefined;
  for (const cursor of cursors) {
    if (cursor.name === undefined) continue;
    const order = smallest === undefined ? -1 : cursor.name.compare(smallest);
    if (order < 0) {
      smallest = cursor.name;
      foremost = [cursor];
    } else if (order === 0) foremost.push(cursor);
  }
  return foremost;
}

function withoutEnded(cursors: readonly Cursor[]): Cursor[] {
  return cursors.flatMap((cursor) => (cursor.name === undefined ? withoutEnded(cursor.members) : [cursor]));
}

/** A part that at least two of the cursors stand before. */
function sharedPart(
  cursors: readonly Cursor[],
): { readonly part: Part; readonly cursors: readonly Cursor[] } | undefined {
  const groups = new Map<string, Cursor[]>();
  let found: Cursor[] | undefined;
  for (const cursor of cursors) {
    if (cursor.part === undefined) continue;
    const key = cursor.part.treeId.toString('latin1');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [cursor]);
    else {
      group.push(cursor);
      if (found === undefined || group.length > found.length) found = group;
    }
  }
  const part = found?.[0]?.part;
  return found === undefined || part === undefined ? undefined : { part, cursors: found };
}
