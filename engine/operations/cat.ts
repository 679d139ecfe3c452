/** Streams one file of a snapshot, or a part of it. */

import { EngineError } from '../base/errors.ts';
import type { Node } from '../format/row.ts';
import { type ByteRange, readContent } from '../repository/content-pieces.ts';
import { findPath } from '../repository/find-node.ts';
import type { Repository } from '../repository/repository.ts';
import type { SnapshotFilter } from '../repository/snapshots.ts';

export interface ReadFileOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  readonly path: Buffer;
  readonly filter?: SnapshotFilter | undefined;
  /** Where to begin, in bytes, at most the file's size. Default: 0. */
  readonly offset?: number | undefined;
  /** How many bytes, fewer where the file ends before. Default: all that follow. */
  readonly length?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The file's bytes in order, each blob verified; holes as zeros. Of a range only what lies in it is read. Pieces are views,
 * not to be changed. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND; INVALID_ARGUMENT for what is no file, or no range of it;
 * OBJECT_CORRUPT, OBJECT_MISSING; INTERRUPTED after the signal.
 *
 * @example
 * for await (const piece of readFileContent(repository, { snapshot: 'latest', path, offset: 1000, length: 500 })) send(piece);
 */
export async function* readFileContent(repository: Repository, options: ReadFileOptions): AsyncGenerator<Buffer> {
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const found = await findPath(repository.blobs, snapshot, options.path);
  yield* readEntryContent(
    repository,
    { path: options.path, node: found.kind === 'root' ? undefined : found.node },
    options,
  );
}

/** The same of an entry that is at hand already, as findEntry gives it: it is not looked for again. */
export async function* readEntryContent(
  repository: Repository,
  { path, node }: { readonly path: Buffer; readonly node: Node | undefined },
  options: Pick<ReadFileOptions, 'offset' | 'length' | 'signal'> = {},
): AsyncGenerator<Buffer> {
  const name = path.toString('utf8');
  if (node?.type !== 'file') {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${name} is not a file but of type ${node?.type ?? 'dir'}: only files have content to print`,
    );
  }
  const range = rangeOf(options, node.size, name);
  yield* readContent(repository.blobs, node, { range, signal: options.signal });
}

function rangeOf(
  { offset = 0, length }: Pick<ReadFileOptions, 'offset' | 'length'>,
  size: number,
  name: string,
): ByteRange {
  for (const count of [offset, length ?? 0]) {
    if (Number.isSafeInteger(count) && count >= 0) continue;
    throw new EngineError('INVALID_ARGUMENT', `${count} is no number of bytes from which, or up to which, to read`);
  }
  if (offset > size) {
    throw new EngineError('INVALID_ARGUMENT', `Byte ${offset} lies behind the end of ${name}, which has ${size} bytes`);
  }
  return { start: offset, end: length === undefined ? size : Math.min(size, offset + length) };
}
