/** Puts a file of a snapshot into a private folder, where SQLite can open it. */

import { type FileHandle, open } from 'node:fs/promises';
import { EngineError, errnoCode, errorMessage, isEngineError, throwIfAborted } from '../base/errors.ts';
import { sqliteSideFiles } from '../databases/sqlite-names.ts';
import type { Node } from '../format/row.ts';
import { findPath } from './find-node.ts';
import { livePayload } from './live-database.ts';
import type { Repository } from './repository.ts';
import type { Snapshot } from './snapshots.ts';

/**
 * The database at a path of a snapshot, as a file that SQLite opens: its image, or what lay there with its logs beside it,
 * if it was stored like any other file. PATH_NOT_FOUND where it is no file of the snapshot.
 */
export async function writeDatabase(
  repository: Repository,
  source: { readonly snapshot: Snapshot; readonly path: Buffer },
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const node = await fileAt(repository, source);
  await writeImage(repository, node, target, signal);
  if (livePayload(node) !== undefined) return;
  const { wal, journal } = sqliteSideFiles(source.path);
  for (const [path, suffix] of [
    [wal, '-wal'],
    [journal, '-journal'],
  ] as const) {
    try {
      await writeImage(repository, await fileAt(repository, { ...source, path }), `${target}${suffix}`, signal);
    } catch (error) {
      if (!isEngineError(error, 'PATH_NOT_FOUND')) throw error;
    }
  }
}

async function fileAt(
  { blobs }: Repository,
  { snapshot, path }: { readonly snapshot: Snapshot; readonly path: Buffer },
): Promise<Node> {
  const found = await findPath(blobs, snapshot, path);
  if (found.kind === 'node' && found.node.type === 'file') return found.node;
  throw new EngineError('PATH_NOT_FOUND', `${path.toString('utf8')} in snapshot ${snapshot.id.slice(0, 8)} is no file`);
}

/** The file is new, and its owner's alone; every blob is verified. DATABASE_FAILED where there is no room for it. */
export async function writeImage(
  repository: Repository,
  node: Node,
  path: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    let position = 0;
    for await (const { length, blobId } of repository.blobs.content(node.content, node.size)) {
      throwIfAborted(signal);
      if (blobId !== undefined) await writeAt(file, await repository.blobs.read('data', blobId), position);
      position += length;
    }
    await file.truncate(node.size);
  } finally {
    await file.close();
  }
}

/** All of it: one call of the system may write less. DATABASE_FAILED. */
export async function writeAt(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  try {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
      at += bytesWritten;
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    const why = errorMessage(error);
    throw new EngineError(
      'DATABASE_FAILED',
      `The image of a database cannot be written: ${why}. Name another cache directory`,
      error,
    );
  }
}
