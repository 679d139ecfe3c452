/** The parent snapshot's rows of one directory, walked in step with the listing, and what counts as unchanged. */

import type { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import { compareRowToName, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { type RowReference, sameBytes } from '../../repository/change-rules.ts';

interface Leaf {
  readonly bytes: Buffer;
  readonly rowCount: number;
  readonly firstRow: number;
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
  stats.copy(copy, ROW_STAT_OFFSET + 4, at + 4, at + STAT_BYTES);
  return copy;
}
