/** Streams one file of a snapshot. */

import { EngineError } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { findPath } from '../repository/find-node.ts';
import type { Repository } from '../repository/repository.ts';
import type { SnapshotFilter } from '../repository/snapshots.ts';

export interface ReadFileOptions {
  readonly snapshot: string;
  readonly path: Buffer;
  readonly filter?: SnapshotFilter | undefined;
}

const ZEROS = Buffer.alloc(MIB);

/** The file's bytes in order, each blob verified; holes as zeros. PATH_NOT_FOUND; INVALID_ARGUMENT for what is no file. */
export async function* readFileContent(repository: Repository, options: ReadFileOptions): AsyncGenerator<Buffer> {
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const found = await findPath(repository.blobs, snapshot, options.path);
  const name = options.path.toString('utf8');
  if (found.kind === 'root' || found.node.type !== 'file') {
    const type = found.kind === 'root' ? 'dir' : found.node.type;
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${name} is not a file but of type ${type}: only files have content to print`,
    );
  }
  for await (const entry of repository.blobs.content(found.node.content, found.node.size)) {
    if (entry.blobId !== undefined) yield await repository.blobs.read('data', entry.blobId);
    else for (let rest = entry.length; rest > 0; rest -= MIB) yield ZEROS.subarray(0, Math.min(rest, MIB));
  }
}
