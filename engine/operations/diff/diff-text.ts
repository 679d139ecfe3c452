/** The lines of one text file that changed between two snapshots, or between a snapshot and the disk. */

import { EngineError, isEngineError } from '../../base/errors.ts';
import { DIFF_TEXT_BYTES_MAX } from '../../base/limits.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { LiveDisk } from './live-disk.ts';
import type { DiffOptions } from './options.ts';
import { unifiedDiff } from './unified-text.ts';

/**
 * A unified diff of the file at `options.path`, as `diff -u` prints it: empty where nothing differs; a side without the
 * file is empty. PATH_NOT_FOUND where no side has it; INVALID_ARGUMENT for what is no text file, or has more than
 * DIFF_TEXT_BYTES_MAX.
 */
export async function diffText(
  repository: Repository,
  options: DiffOptions & { readonly path: Buffer },
): Promise<Buffer> {
  const before = await repository.snapshots.find(options.before, options.filter);
  const after =
    typeof options.after === 'string' ? await repository.snapshots.find(options.after, options.filter) : undefined;
  await repository.loadIndex();
  const { path } = options;
  const texts = [
    await readStored(repository, before, path),
    after === undefined ? readLive(repository, options) : await readStored(repository, after, path),
  ] as const;
  if (texts[0] === undefined && texts[1] === undefined) {
    throw new EngineError('PATH_NOT_FOUND', `Neither side has ${path.toString('utf8')}`);
  }
  for (const text of texts) {
    if (text?.includes(0) === true) throw notText(path, 'it has zero bytes');
  }
  const sides = texts.map((text, side) => {
    const when = side === 0 ? before.time : (after?.time ?? 'now');
    const name = text === undefined ? '/dev/null' : `${path.toString('latin1')}\t${when}`;
    return { name, text: text?.toString('latin1') ?? '' };
  });
  const [old, young] = sides;
  return Buffer.from(old === undefined || young === undefined ? '' : unifiedDiff(old, young), 'latin1');
}

function notText(path: Buffer, why: string): EngineError {
  return new EngineError('INVALID_ARGUMENT', `${path.toString('utf8')} is not a text file that can be shown: ${why}`);
}

async function readStored(repository: Repository, snapshot: Snapshot, path: Buffer): Promise<Buffer | undefined> {
  try {
    const found = await findPath(repository.blobs, snapshot, path);
    if (found.kind === 'root' || found.node.type !== 'file') throw notText(path, 'it is no file');
    const { content, size } = found.node;
    if (size > DIFF_TEXT_BYTES_MAX) throw notText(path, `it has ${size} bytes`);
    const text = Buffer.alloc(size);
    let position = 0;
    for await (const { length, blobId } of repository.blobs.content(content, size)) {
      if (blobId !== undefined) (await repository.blobs.read('data', blobId)).copy(text, position);
      position += length;
    }
    return text;
  } catch (error) {
    if (isEngineError(error, 'PATH_NOT_FOUND')) return undefined;
    throw error;
  }
}

function readLive(
  repository: Repository,
  { path, signal }: DiffOptions & { readonly path: Buffer },
): Buffer | undefined {
  const disk = new LiveDisk(repository, { signal, onProblem: () => undefined });
  try {
    if (disk.statPath(path) === undefined) return undefined;
    return disk.readAll(path, DIFF_TEXT_BYTES_MAX) ?? fail(notText(path, 'it is too large'));
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw notText(path, `${error.call} failed with ${error.code}`);
  }
}

function fail(error: EngineError): never {
  throw error;
}
