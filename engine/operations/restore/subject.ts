/** What of a snapshot is to be restored: all of it, a folder, or one entry. */

import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { decodeRow, type Node, ROW_NAME_LENGTH_OFFSET, ROW_NAME_OFFSET, rowLengthAt } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';

const SLASH = 0x2f;

export interface Subject {
  /** Absolute path in the snapshot, without slashes at the end. */
  readonly path: Buffer;
  readonly parentPath: Buffer;
  readonly isRoot: boolean;
  /** Undefined for the root, which has no row. */
  readonly node: Node | undefined;
  /** Device that the walk begins on. */
  readonly device: string;
  readonly content:
    | {
        readonly type: 'tree';
        readonly treeId: BlobId;
        readonly filesBelow: number | undefined;
        readonly bytesBelow: number | undefined;
      }
    | { readonly type: 'entry'; readonly row: Buffer; readonly node: Node };
}

/** PATH_NOT_FOUND where the snapshot does not hold the path. */
export async function findSubject(
  repository: Repository,
  snapshot: Snapshot,
  path: Buffer | undefined,
): Promise<Subject> {
  const names = path === undefined ? [] : namesOf(path);
  const devices = new Map(snapshot.mounts.map((mount) => [mount.path.toString('latin1'), mount.device]));
  let device = devices.get('/') ?? '';
  let at: Buffer = Buffer.alloc(0);
  let parentPath: Buffer = Buffer.from('/');
  let treeId: BlobId | undefined = snapshot.tree;
  let row: Buffer | undefined;
  let node: Node | undefined;
  for (const name of names) {
    row = treeId === undefined ? undefined : await findRow(repository, treeId, name);
    if (row === undefined) throw notFound(snapshot, path ?? at);
    node = decodeRow(row, 'a row');
    parentPath = at.length === 0 ? Buffer.from('/') : at;
    at = Buffer.concat([at, Buffer.from('/'), name]);
    treeId = node.content.kind === 'tree' ? node.content.treeId : undefined;
    if (treeId !== undefined) device = devices.get(at.toString('latin1')) ?? device;
  }
  const isRoot = names.length === 0;
  const common = { path: isRoot ? Buffer.from('/') : at, parentPath, isRoot, node, device };
  if (treeId === undefined && row !== undefined && node !== undefined) {
    return { ...common, content: { type: 'entry', row, node } };
  }
  const below = node?.content.kind === 'tree' ? node.content : await rootTotals(repository, snapshot.tree);
  const totals = { filesBelow: below?.filesBelow, bytesBelow: below?.bytesBelow };
  return { ...common, content: { type: 'tree', treeId: treeId ?? snapshot.tree, ...totals } };
}

function namesOf(path: Buffer): Buffer[] {
  const text = path.toString('utf8');
  if (path[0] !== SLASH) throw new EngineError('INVALID_ARGUMENT', `"${text}" is not an absolute path`);
  const names: Buffer[] = [];
  let start = 1;
  for (let end = 1; end <= path.length; end++) {
    if (end < path.length && path[end] !== SLASH) continue;
    const name = path.subarray(start, end);
    start = end + 1;
    if (name.length === 0) continue;
    const word = name.toString('latin1');
    if (word === '.' || word === '..') {
      throw new EngineError('INVALID_ARGUMENT', `"${text}" has "${word}" in it: write the path without`);
    }
    names.push(name);
  }
  return names;
}

function notFound(snapshot: Snapshot, path: Buffer): EngineError {
  return new EngineError(
    'PATH_NOT_FOUND',
    `Snapshot ${snapshot.id.slice(0, 8)} holds no ${path.toString('utf8')}. "snap ls" shows what it holds`,
  );
}

async function findRow(repository: Repository, treeId: BlobId, name: Buffer): Promise<Buffer | undefined> {
  for await (const leaf of repository.blobs.leaves(treeId)) {
    let at = leaf.firstRow;
    for (let number = 0; number < leaf.rowCount; number++) {
      const end = at + rowLengthAt(leaf.bytes, at);
      const nameStart = at + ROW_NAME_OFFSET;
      const nameEnd = nameStart + leaf.bytes.readUInt16LE(at + ROW_NAME_LENGTH_OFFSET);
      if (leaf.bytes.subarray(nameStart, nameEnd).equals(name)) return Buffer.from(leaf.bytes.subarray(at, end));
      at = end;
    }
  }
  return undefined;
}

/** The root has no row that says what is below it: its own rows do. */
async function rootTotals(
  repository: Repository,
  treeId: BlobId,
): Promise<{ filesBelow: number; bytesBelow: number } | undefined> {
  let filesBelow = 0;
  let bytesBelow = 0;
  for await (const leaf of repository.blobs.leaves(treeId)) {
    let at = leaf.firstRow;
    for (let number = 0; number < leaf.rowCount; number++) {
      const end = at + rowLengthAt(leaf.bytes, at);
      const { content, size } = decodeRow(leaf.bytes.subarray(at, end), 'a row');
      filesBelow += content.kind === 'tree' ? content.filesBelow : 1;
      bytesBelow += content.kind === 'tree' ? content.bytesBelow : size;
      at = end;
    }
  }
  return { filesBelow, bytesBelow };
}
