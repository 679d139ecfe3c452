/** Finds one path in a snapshot, reading only the tree parts on the way to it. */

import { EngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { compareRowToName, decodeRow, type Node, rowLengthAt } from '../format/row.ts';
import type { BlobReader } from './blob-reader.ts';

/** The row called `name` in a directory, or undefined. */
export async function findRow(blobs: BlobReader, treeId: BlobId, name: Buffer): Promise<Node | undefined> {
  const part = await blobs.loadTreePart(treeId);
  if (part.kind === 'branch') {
    // The last entry whose first name is not behind the wanted one.
    const entry = part.entries.findLast((candidate) => candidate.name.compare(name) <= 0);
    return entry === undefined ? undefined : findRow(blobs, entry.treeId, name);
  }
  let at = part.firstRow;
  for (let row = 0; row < part.rowCount; row++) {
    const order = compareRowToName(part.bytes, at, name);
    const length = rowLengthAt(part.bytes, at);
    if (order === 0) return decodeRow(part.bytes.subarray(at, at + length), `the row of ${name.toString('utf8')}`);
    if (order > 0) return undefined;
    at += length;
  }
  return undefined;
}

/** A path of a snapshot: its node, or the root, which has none. */
export type FoundPath =
  | { readonly kind: 'root'; readonly path: Buffer; readonly treeId: BlobId }
  | { readonly kind: 'node'; readonly path: Buffer; readonly node: Node };

/** PATH_NOT_FOUND names the nearest directory that is there. */
export async function findPath(
  blobs: BlobReader,
  snapshot: { readonly tree: BlobId; readonly id: string },
  path: Buffer,
): Promise<FoundPath> {
  const parts = path
    .toString('latin1')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  let treeId = snapshot.tree;
  let node: Node | undefined;
  let done = '';
  for (const part of parts) {
    const isDirectory = node === undefined || node.content.kind === 'tree';
    const next = isDirectory ? await findRow(blobs, treeId, Buffer.from(part, 'latin1')) : undefined;
    if (next === undefined) {
      const nearest = Buffer.from(done === '' ? '/' : done, 'latin1').toString('utf8');
      throw new EngineError(
        'PATH_NOT_FOUND',
        `Snapshot ${snapshot.id.slice(0, 8)} does not hold ${path.toString('utf8')}; the nearest that it holds is ${nearest}`,
      );
    }
    done += `/${part}`;
    node = next;
    if (next.content.kind === 'tree') treeId = next.content.treeId;
  }
  const full = Buffer.from(done === '' ? '/' : done, 'latin1');
  return node === undefined ? { kind: 'root', path: full, treeId } : { kind: 'node', path: full, node };
}
