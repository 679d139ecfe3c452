/** Zeros in the place of a hole, where a file system cannot make one. */

import type { FileHandle, FileSystem } from './types.ts';

const ZEROS = Buffer.alloc(64 * 1024);

export function writeZeros(
  fileSystem: Pick<FileSystem, 'write'>,
  file: FileHandle,
  range: { position: number; length: number },
): void {
  for (let done = 0; done < range.length; done += ZEROS.length) {
    const length = Math.min(ZEROS.length, range.length - done);
    fileSystem.write(file, ZEROS, { offset: 0, length, position: range.position + done });
  }
}
