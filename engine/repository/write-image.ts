/** Puts a file of a snapshot into a private folder, where SQLite can open it. */

import { type FileHandle, open } from 'node:fs/promises';
import { EngineError, errnoCode, errorMessage, throwIfAborted } from '../base/errors.ts';
import type { Node } from '../format/row.ts';
import type { Repository } from './repository.ts';

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
