/** Folders of a snapshot, one level at a time. */

import type { BlobId } from '../../base/ids.ts';
import { decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Snapshot } from '../../repository/snapshots.ts';

export function treeOf({ content }: Node): BlobId | undefined {
  return content.kind === 'tree' ? content.treeId : undefined;
}

/** PATH_NOT_FOUND where there is nothing; undefined for what is no folder. */
export async function treeAt(blobs: BlobReader, snapshot: Snapshot, path: Buffer): Promise<BlobId | undefined> {
  const found = await findPath(blobs, snapshot, path);
  return found.kind === 'root' ? found.treeId : treeOf(found.node);
}

/** The folders right in a folder, in the order of their names. */
export async function* foldersIn(blobs: BlobReader, tree: BlobId): AsyncGenerator<Node> {
  for await (const leaf of blobs.leaves(tree)) {
    for (let row = 0, at = leaf.firstRow; row < leaf.rowCount; row++) {
      const end = at + rowLengthAt(leaf.bytes, at);
      const node = decodeRow(leaf.bytes.subarray(at, end), 'a row');
      at = end;
      if (node.type === 'dir') yield node;
    }
  }
}
