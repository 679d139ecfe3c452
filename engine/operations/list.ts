/** Lists what a snapshot holds. */

import { EngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { decodeRow, type Node, rowLengthAt } from '../format/row.ts';
import { findPath } from '../repository/find-node.ts';
import type { Repository } from '../repository/repository.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';

export interface ListOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Default: the root. */
  readonly path?: Buffer | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** All below, each directory before what it holds. */
  readonly recursive?: boolean | undefined;
}

export interface Entry {
  readonly path: Buffer;
  readonly node: Node;
  /** Names that the snapshot recorded for the ids. */
  readonly user: string | undefined;
  readonly group: string | undefined;
}

/** Entries of a directory in order of their names, or the one entry of a file. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND. */
export async function* listEntries(repository: Repository, options: ListOptions): AsyncGenerator<Entry> {
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const found = await findPath(repository.blobs, snapshot, options.path ?? Buffer.from('/'));
  const recursive = options.recursive === true;
  if (found.kind === 'root') {
    yield* listTree({ repository, snapshot, recursive }, found.treeId, found.path);
  } else if (found.node.content.kind === 'tree') {
    yield* listTree({ repository, snapshot, recursive }, found.node.content.treeId, found.path);
  } else yield entryOf(snapshot, found.path, found.node);
}

function entryOf(snapshot: Snapshot, path: Buffer, node: Node): Entry {
  return { path, node, user: snapshot.users[String(node.uid)], group: snapshot.groups[String(node.gid)] };
}

async function* listTree(
  within: { readonly repository: Repository; readonly snapshot: Snapshot; readonly recursive: boolean },
  treeId: BlobId,
  path: Buffer,
): AsyncGenerator<Entry> {
  const prefix = path.length === 1 ? path : Buffer.concat([path, Buffer.from('/')]);
  for await (const leaf of within.repository.blobs.leaves(treeId)) {
    let at = leaf.firstRow;
    for (let row = 0; row < leaf.rowCount; row++) {
      const length = rowLengthAt(leaf.bytes, at);
      const node = decodeRow(leaf.bytes.subarray(at, at + length), `a row of ${path.toString('utf8')}`);
      at += length;
      const full = Buffer.concat([prefix, node.name]);
      yield entryOf(within.snapshot, full, node);
      if (within.recursive && node.content.kind === 'tree') yield* listTree(within, node.content.treeId, full);
    }
  }
}

/** Splits `SNAP:PATH` at the first `:/`; without a path it is undefined. */
export function splitSnapshotPath(text: Buffer): { readonly snapshot: string; readonly path: Buffer | undefined } {
  const at = text.indexOf(':/');
  if (at === 0)
    throw new EngineError('INVALID_ARGUMENT', `"${text.toString('utf8')}" names no snapshot before its path`);
  if (at < 0) return { snapshot: text.toString('utf8'), path: undefined };
  return { snapshot: text.toString('utf8', 0, at), path: text.subarray(at + 1) };
}
