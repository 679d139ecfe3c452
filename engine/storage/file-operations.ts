/** The system calls of a local repository, as an object, so that a test can record them or let them fail. */

import { constants } from 'node:fs';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { errnoCode } from '../base/errors.ts';

/** The system calls that durability rests on. */
export interface FileOperations {
  makeFolder(path: string): Promise<void>;
  openNew(path: string): Promise<FileHandle>;
  writev(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<number>;
  size(handle: FileHandle): Promise<number>;
  fsync(handle: FileHandle): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  fsyncDirectory(path: string): Promise<void>;
}

/** Some network shares cannot sync a folder, and some folders may be written but not opened: nothing more can be done. */
const CANNOT_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES']);

export const systemFileOperations: FileOperations = {
  makeFolder: (path) => mkdir(path, { mode: 0o700 }),
  openNew: (path) =>
    open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600),
  writev: async (handle, parts, position) => (await handle.writev(parts, position)).bytesWritten,
  size: async (handle) => (await handle.stat()).size,
  fsync: (handle) => handle.sync(),
  link,
  rename,
  unlink,
  fsyncDirectory: async (path) => {
    let handle: FileHandle | undefined;
    try {
      handle = await open(path, 'r');
      await handle.sync();
    } catch (error) {
      if (!CANNOT_SYNC.has(errnoCode(error) ?? '')) throw error;
    } finally {
      await handle?.close();
    }
  },
};
