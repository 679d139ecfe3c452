/** Looks up rows of a directory by names that come in their order, so that two directories are read side by side. */

import type { BlobId } from '../../base/ids.ts';
import { compareRowToName, decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import type { TreePart } from '../../format/tree-part.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';

type Leaf = TreePart & { kind: 'leaf' };

export class RowCursor {
  readonly #leaves: AsyncGenerator<Leaf>;
  #leaf: Leaf | undefined;
  #row = 0;
  #at = 0;
  #done = false;

  constructor(blobs: BlobReader, treeId: BlobId) {
    this.#leaves = blobs.leaves(treeId);
  }

  /** The row of this name. Names must come in ascending order. */
  async find(name: Buffer): Promise<Node | undefined> {
    for (;;) {
      const leaf = this.#leaf;
      if (leaf === undefined || this.#row >= leaf.rowCount) {
        if (!(await this.#advance())) return undefined;
        continue;
      }
      const order = compareRowToName(leaf.bytes, this.#at, name);
      if (order > 0) return undefined;
      const end = this.#at + rowLengthAt(leaf.bytes, this.#at);
      if (order === 0) return decodeRow(leaf.bytes.subarray(this.#at, end), `the row of ${name.toString('utf8')}`);
      this.#at = end;
      this.#row++;
    }
  }

  async #advance(): Promise<boolean> {
    if (this.#done) return false;
    const next = await this.#leaves.next();
    if (next.done === true) {
      this.#done = true;
      return false;
    }
    this.#leaf = next.value;
    this.#row = 0;
    this.#at = next.value.firstRow;
    return true;
  }
}

/** Rows of a leaf, decoded one after the other. */
export function* rowsOf(leaf: Leaf): Generator<Node> {
  for (let at = leaf.firstRow, row = 0; row < leaf.rowCount; row++) {
    const length = rowLengthAt(leaf.bytes, at);
    yield decodeRow(leaf.bytes.subarray(at, at + length), `row ${row} of a tree`);
    at += length;
  }
}
