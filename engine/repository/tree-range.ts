/** Reads a directory from a name on: parts of its tree that lie before the name are not read. */

import type { BlobId } from '../base/ids.ts';
import { compareRowToName, rowLengthAt } from '../format/row.ts';
import type { TreePart } from '../format/tree-part.ts';
import type { BlobReader } from './blob-reader.ts';

type Leaf = TreePart & { readonly kind: 'leaf' };

/** A row where it lies in a leaf. */
export interface PlacedRow {
  readonly bytes: Buffer;
  readonly at: number;
  /** Where the next one begins. */
  readonly end: number;
}

/** The leaves that may have names from `name` on, in order; all of them where there is none. */
export async function* leavesFrom(blobs: BlobReader, treeId: BlobId, name: Buffer | undefined): AsyncGenerator<Leaf> {
  const part = await blobs.loadTreePart(treeId);
  if (part.kind === 'leaf') {
    yield part;
    return;
  }
  // A part holds what is not before its own first name, and before that of the next one.
  const behind = name === undefined ? 0 : part.entries.findLastIndex((entry) => entry.name.compare(name) <= 0);
  const first = Math.max(0, behind);
  for (const entry of part.entries.slice(first, first + 1)) yield* leavesFrom(blobs, entry.treeId, name);
  for (const entry of part.entries.slice(first + 1)) yield* leavesFrom(blobs, entry.treeId, undefined);
}

/** The rows of a leaf from a name on: `at` it, or only `behind` it. */
export function* rowsFrom(leaf: Leaf, name: Buffer | undefined, where: 'at' | 'behind'): Generator<PlacedRow> {
  const { bytes } = leaf;
  let isReached = name === undefined;
  for (let row = 0, at = leaf.firstRow; row < leaf.rowCount; row++) {
    const end = at + rowLengthAt(bytes, at);
    if (!isReached && name !== undefined) {
      const order = compareRowToName(bytes, at, name);
      isReached = order > 0 || (order === 0 && where === 'at');
    }
    if (isReached) yield { bytes, at, end };
    at = end;
  }
}

/** How many entries a directory has, from the one part that stands for all. */
export async function countRows(blobs: BlobReader, treeId: BlobId): Promise<number> {
  const part = await blobs.loadTreePart(treeId);
  return part.kind === 'leaf' ? part.rowCount : part.entries.reduce((sum, { rows }) => sum + rows, 0);
}
