/** The parent snapshot's rows of one directory, walked in step with the listing, and what counts as unchanged. */

import type { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { COARSE_NANOSECONDS, COARSE_TICK_SECONDS_MAX } from '../../base/limits.ts';
import { STAT_OFFSET, type Time } from '../../base/stat.ts';
import { compareRowToName, isUnstableRow, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';

interface Leaf {
  readonly bytes: Buffer;
  readonly rowCount: number;
  readonly firstRow: number;
}

/** A row in place: bytes and where it begins. */
export interface RowReference {
  readonly bytes: Buffer;
  readonly at: number;
}

export class ParentRows {
  readonly #leaves: readonly Leaf[];
  readonly treeId: BlobId | undefined;
  #leaf = 0;
  #row = 0;
  #at: number;

  constructor(leaves: readonly Leaf[], treeId: BlobId | undefined) {
    this.#leaves = leaves;
    this.treeId = treeId;
    this.#at = leaves[0]?.firstRow ?? 0;
  }

  static async load(blobs: BlobReader, treeId: BlobId): Promise<ParentRows> {
    const leaves: Leaf[] = [];
    for await (const leaf of blobs.leaves(treeId)) leaves.push(leaf);
    return new ParentRows(leaves, treeId);
  }

  /** The same, or no rows where the tree is damaged or missing: everything in the directory is stored again then. */
  static async loadWhole(
    blobs: BlobReader,
    treeId: BlobId,
    onDamage: (object: string, error: EngineError) => void,
  ): Promise<ParentRows> {
    try {
      return await ParentRows.load(blobs, treeId);
    } catch (error) {
      if (!isDamage(error)) throw error;
      onDamage(`tree ${treeId.toString('hex')}`, error);
      return NO_PARENT_ROWS;
    }
  }

  get rowCount(): number {
    return this.#leaves.reduce((sum, leaf) => sum + leaf.rowCount, 0);
  }

  /** The row under the cursor, or undefined at the end. */
  peek(): RowReference | undefined {
    for (;;) {
      const leaf = this.#leaves[this.#leaf];
      if (leaf === undefined) return undefined;
      if (this.#row < leaf.rowCount) return { bytes: leaf.bytes, at: this.#at };
      this.#leaf++;
      this.#row = 0;
      this.#at = this.#leaves[this.#leaf]?.firstRow ?? 0;
    }
  }

  next(): void {
    const leaf = this.#leaves[this.#leaf];
    if (leaf === undefined) return;
    this.#at += rowLengthAt(leaf.bytes, this.#at);
    this.#row++;
  }

  /** Moves to `name` and returns its row, if there is one; `skipped` hears of every row in between. */
  advance(name: Buffer, skipped: (row: RowReference) => void): RowReference | undefined {
    for (;;) {
      const row = this.peek();
      if (row === undefined) return undefined;
      const order = compareRowToName(row.bytes, row.at, name);
      if (order > 0) return undefined;
      this.next();
      if (order === 0) return row;
      skipped(row);
    }
  }

  drain(skipped: (row: RowReference) => void): void {
    for (let row = this.peek(); row !== undefined; row = this.peek()) {
      skipped(row);
      this.next();
    }
  }
}

export const NO_PARENT_ROWS = new ParentRows([], undefined);

export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  /** Entries whose times are not before this are not trusted (trap 7): they may have changed again in the same tick. */
  readonly trustedBefore: Time;
}

const { inode, size, mtimeSeconds, ctimeSeconds, mtimeNanoseconds, ctimeNanoseconds } = STAT_OFFSET;
const FIRST = inode;
const END = ctimeNanoseconds + 4;

function sameField(a: Buffer, aAt: number, b: Buffer, bAt: number, field: { offset: number; bytes: number }): boolean {
  const aStart = aAt + field.offset;
  const bStart = bAt + field.offset;
  return a.compare(b, bStart, bStart + field.bytes, aStart, aStart + field.bytes) === 0;
}

/** True where two stat blocks are the same from the field at `first` on. A call of Buffer.compare would cost more. */
function sameBytes(a: Buffer, aAt: number, b: Buffer, bAt: number, first: number): boolean {
  for (let index = first; index < END; index++) if (a[aAt + index] !== b[bAt + index]) return false;
  return true;
}

/** True where type, size, mtime, ctime and inode are those of the row (`--ignore-inode` and `--ignore-ctime` leave theirs out). */
export function isUnchanged(stats: Buffer, at: number, row: RowReference, rules: ChangeRules): boolean {
  const rowAt = row.at + ROW_STAT_OFFSET;
  // The type bits are the upper half of the mode's second byte.
  if (((stats[at + 1] ?? 0) ^ (row.bytes[rowAt + 1] ?? 0)) & 0xf0) return false;
  if (!rules.ignoreInode && !rules.ignoreCtime) {
    if (!sameBytes(stats, at, row.bytes, rowAt, FIRST)) return false;
  } else {
    const fields: { offset: number; bytes: number }[] = [
      { offset: size, bytes: 8 },
      { offset: mtimeSeconds, bytes: 8 },
      { offset: mtimeNanoseconds, bytes: 4 },
    ];
    if (!rules.ignoreInode) fields.push({ offset: inode, bytes: 8 });
    if (!rules.ignoreCtime) fields.push({ offset: ctimeSeconds, bytes: 8 }, { offset: ctimeNanoseconds, bytes: 4 });
    if (!fields.every((field) => sameField(stats, at, row.bytes, rowAt, field))) return false;
  }
  return isTrusted(stats, at, rules) && !isUnstableRow(row.bytes, row.at);
}

const TWO_32 = 0x1_0000_0000;

function isTrusted(stats: Buffer, at: number, rules: ChangeRules): boolean {
  const low = stats.readUInt32LE(at + mtimeSeconds);
  const high = stats.readInt32LE(at + mtimeSeconds + 4);
  const nanoseconds = stats.readUInt32LE(at + mtimeNanoseconds);
  const changedLow = (low ^ stats.readUInt32LE(at + ctimeSeconds)) >>> 0;
  const changedHigh = high ^ stats.readInt32LE(at + ctimeSeconds + 4);
  const changedNanoseconds = (nanoseconds ^ stats.readUInt32LE(at + ctimeNanoseconds)) >>> 0;
  // Of the two the change time tells how fine the file system's times are: nobody can set it.
  const isCoarse = (rules.ignoreCtime ? nanoseconds : changedNanoseconds) % COARSE_NANOSECONDS === 0;
  const { trustedBefore } = rules;
  const before = isCoarse
    ? { seconds: trustedBefore.seconds - COARSE_TICK_SECONDS_MAX, nanoseconds: trustedBefore.nanoseconds }
    : trustedBefore;
  if (!isBefore(high * TWO_32 + low, nanoseconds, before)) return false;
  return rules.ignoreCtime || isBefore(changedHigh * TWO_32 + changedLow, changedNanoseconds, before);
}

function isBefore(seconds: number, nanoseconds: number, time: Time): boolean {
  return seconds < time.seconds || (seconds === time.seconds && nanoseconds < time.nanoseconds);
}

/** True where the row's whole stat block, mode, owner and links included, is the entry's. */
export function isSameStat(stats: Buffer, at: number, row: RowReference): boolean {
  const rowAt = row.at + ROW_STAT_OFFSET;
  if (stats.readUInt16LE(at) !== row.bytes.readUInt16LE(rowAt)) return false;
  return sameBytes(stats, at, row.bytes, rowAt, STAT_OFFSET.uid);
}

/** The row's own bytes. */
export function rowBytes(row: RowReference): Buffer {
  return row.bytes.subarray(row.at, row.at + rowLengthAt(row.bytes, row.at));
}

/** The row with another stat block, for an entry that counts as unchanged though a field that is ignored moved. */
export function rowWithStat(row: RowReference, stats: Buffer, at: number): Buffer {
  const copy = Buffer.from(rowBytes(row));
  stats.copy(copy, ROW_STAT_OFFSET, at, at + 2);
  stats.copy(copy, ROW_STAT_OFFSET + 4, at + 4, at + END);
  return copy;
}
