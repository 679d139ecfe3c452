/** Finds one path in a snapshot, reading only the tree parts on the way to it. */

import { EngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { compareRowToName, decodeRow, type Node, rowLengthAt } from '../format/row.ts';
import type { TreePart } from '../format/tree-part.ts';
import type { BlobReader } from './blob-reader.ts';

/** Where a name is looked for: a row of a leaf, or the part below a branch that has it if any has. */
export type Step =
  | { readonly kind: 'row'; readonly node: Node }
  | { readonly kind: 'part'; readonly treeId: BlobId }
  | { readonly kind: 'none' };

export function stepTowards(part: TreePart, name: Buffer): Step {
  if (part.kind === 'branch') {
    // The last entry whose first name is not behind the wanted one.
    const entry = part.entries.findLast((candidate) => candidate.name.compare(name) <= 0);
    return entry === undefined ? { kind: 'none' } : { kind: 'part', treeId: entry.treeId };
  }
  let at = part.firstRow;
  for (let row = 0; row < part.rowCount; row++) {
    const order = compareRowToName(part.bytes, at, name);
    const end = at + rowLengthAt(part.bytes, at);
    if (order === 0) {
      return { kind: 'row', node: decodeRow(part.bytes.subarray(at, end), `the row of ${name.toString('utf8')}`) };
    }
    if (order > 0) break;
    at = end;
  }
  return { kind: 'none' };
}

/** The row called `name` in a directory, or undefined. */
export async function findRow(blobs: BlobReader, treeId: BlobId, name: Buffer): Promise<Node | undefined> {
  const step = stepTowards(await blobs.loadTreePart(treeId), name);
  if (step.kind === 'part') return findRow(blobs, step.treeId, name);
  return step.kind === 'row' ? step.node : undefined;
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
