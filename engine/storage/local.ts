/**
 * A repository in a folder. Writing is: temporary file, all parts by writev, length check, fsync, link under the final
 * name (which never replaces), fsync of the folder. The calls are taken as an object, so that a test can record them.
 */

import { randomBytes } from 'node:crypto';
import { constants, type Dirent } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EngineError, errnoCode, errorMessage } from '../base/errors.ts';
import { makeDirectories } from '../base/make-directories.ts';
import type { Backend, BackendAddress, FileKind, StoredFile } from './backend.ts';
import { isFileName, KIND_FOLDERS, relativePath, TEMPORARY_FOLDER } from './layout.ts';

/** The system calls that durability rests on. */
export interface FileOperations {
  openNew(path: string): Promise<FileHandle>;
  writev(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<number>;
  size(handle: FileHandle): Promise<number>;
  fsync(handle: FileHandle): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  fsyncDirectory(path: string): Promise<void>;
}

export const systemFileOperations: FileOperations = {
  openNew: (path) =>
    open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600),
  writev: async (handle, parts, position) => (await handle.writev(parts, position)).bytesWritten,
  size: async (handle) => (await handle.stat()).size,
  fsync: (handle) => handle.sync(),
  link,
  rename,
  unlink,
  fsyncDirectory: async (path) => {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

const STALE_TEMPORARY_MS = 24 * 3600_000;
/** Parts for one writev: below every system's IOV_MAX. */
const PARTS_PER_WRITE = 512;
/** File systems without hard links answer one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']);

function failure(action: string, path: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const code = errnoCode(error);
  const hints: { readonly [code: string]: string } = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota is used up',
    EROFS: 'the disk is read-only',
    EACCES: 'permission is denied',
  };
  const why = (code === undefined ? undefined : hints[code]) ?? errorMessage(error);
  return new EngineError('STORAGE_FAILED', `Cannot ${action} ${path} in the repository: ${why}`, error);
}

export class LocalBackend implements Backend {
  readonly location: string;
  readonly address: BackendAddress;
  readonly #root: string;
  readonly #operations: FileOperations;
  readonly #foldersMade = new Set<string>();

  constructor(path: string, operations: FileOperations = systemFileOperations) {
    this.#root = resolve(path);
    this.location = this.#root;
    this.address = { type: 'local', path: this.#root };
    this.#operations = operations;
  }

  async write(kind: FileKind, name: string, parts: readonly Uint8Array[]): Promise<void> {
    const relative = relativePath(kind, name);
    const path = join(this.#root, relative);
    const temporary = join(this.#root, TEMPORARY_FOLDER, randomBytes(12).toString('hex'));
    try {
      await this.#ensureFolder(dirname(path));
      try {
        await this.#writeTemporary(temporary, parts);
        await this.#publish(temporary, path, relative);
      } finally {
        await this.#operations.unlink(temporary).catch(() => undefined);
      }
      await this.#operations.fsyncDirectory(dirname(path));
    } catch (error) {
      throw failure('write', relative, error);
    }
  }

  async #writeTemporary(temporary: string, parts: readonly Uint8Array[]): Promise<void> {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const handle = await this.#operations.openNew(temporary);
    try {
      let position = 0;
      let rest = parts.filter((part) => part.length > 0);
      while (rest.length > 0) {
        const group = rest.slice(0, PARTS_PER_WRITE);
        const written = await this.#operations.writev(handle, group, position);
        position += written;
        rest = [...dropWritten(group, written), ...rest.slice(PARTS_PER_WRITE)];
      }
      const size = await this.#operations.size(handle);
      if (size !== length) throw new Error(`${size} bytes were kept of ${length}`);
      await this.#operations.fsync(handle);
    } finally {
      await handle.close();
    }
  }

  /** Gives the file its name, never replacing one that is there. */
  async #publish(temporary: string, path: string, relative: string): Promise<void> {
    try {
      await this.#operations.link(temporary, path);
      return;
    } catch (error) {
      const code = errnoCode(error);
      if (code === 'EEXIST')
        throw new EngineError('OBJECT_EXISTS', `${relative} exists already; it was not touched`, error);
      if (code === undefined || !NO_LINKS.has(code)) throw error;
    }
    if ((await sizeOf(path)) !== undefined) {
      throw new EngineError('OBJECT_EXISTS', `${relative} exists already; it was not touched`);
    }
    await this.#operations.rename(temporary, path);
  }

  async #ensureFolder(folder: string): Promise<void> {
    if (this.#foldersMade.has(folder)) return;
    try {
      await mkdir(folder, { mode: 0o700 });
      await this.#operations.fsyncDirectory(dirname(folder));
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw error;
    }
    this.#foldersMade.add(folder);
  }

  async read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    const relative = relativePath(kind, name);
    let handle: FileHandle;
    try {
      handle = await open(join(this.#root, relative), 'r');
    } catch (error) {
      if (errnoCode(error) === 'ENOENT')
        throw new EngineError('OBJECT_MISSING', `${relative} is missing in the repository`, error);
      throw failure('read', relative, error);
    }
    try {
      const { size } = await handle.stat();
      const { offset, length } = range ?? { offset: 0, length: size };
      if (offset + length > size) {
        throw new EngineError(
          'OBJECT_CORRUPT',
          `${relative} is too short: ${size} bytes, ${offset + length} are needed`,
        );
      }
      const bytes = Buffer.allocUnsafeSlow(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) throw new EngineError('OBJECT_CORRUPT', `${relative} ended while it was read`);
        done += bytesRead;
      }
      return bytes;
    } catch (error) {
      throw failure('read', relative, error);
    } finally {
      await handle.close();
    }
  }

  async size(kind: FileKind, name: string): Promise<number | undefined> {
    const relative = relativePath(kind, name);
    try {
      return await sizeOf(join(this.#root, relative));
    } catch (error) {
      throw failure('look at', relative, error);
    }
  }

  async *list(kind: FileKind): AsyncGenerator<StoredFile> {
    const folder = KIND_FOLDERS[kind];
    if (kind !== 'pack') {
      yield* this.#listFolder(kind, folder);
      return;
    }
    for (const entry of await this.#readFolder(folder)) {
      if (entry.isDirectory() && /^[0-9a-f]{2}$/.test(entry.name))
        yield* this.#listFolder(kind, `${folder}/${entry.name}`);
    }
  }

  async *#listFolder(kind: FileKind, folder: string): AsyncGenerator<StoredFile> {
    for (const { name } of await this.#readFolder(folder)) {
      if (!isFileName(kind, name)) continue;
      if (kind === 'pack' && !folder.endsWith(`/${name.slice(0, 2)}`)) continue;
      try {
        const found = await lstat(join(this.#root, folder, name));
        if (found.isFile()) yield { name, bytes: found.size, modifiedMs: found.mtimeMs };
      } catch (error) {
        // Removed between listing and look: as if it had been removed before.
        if (errnoCode(error) !== 'ENOENT') throw failure('look at', `${folder}/${name}`, error);
      }
    }
  }

  async #readFolder(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(join(this.#root, folder), { withFileTypes: true });
    } catch (error) {
      // The root must be there; a folder below it is made when it is first needed.
      if (errnoCode(error) === 'ENOENT' && (await exists(this.#root))) return [];
      throw failure('list', folder, error);
    }
  }

  async remove(kind: FileKind, name: string): Promise<void> {
    const relative = relativePath(kind, name);
    const path = join(this.#root, relative);
    try {
      await this.#operations.unlink(path);
      await this.#operations.fsyncDirectory(dirname(path));
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw failure('remove', relative, error);
    }
  }

  async tidy(nowMs: number): Promise<void> {
    const folder = join(this.#root, TEMPORARY_FOLDER);
    try {
      for await (const entry of await opendir(folder)) {
        const file = join(folder, entry.name);
        if (nowMs - (await lstat(file)).mtimeMs > STALE_TEMPORARY_MS) await rm(file, { force: true });
      }
    } catch {
      // Left for the next run.
    }
  }

  async freeBytes(): Promise<number | undefined> {
    try {
      const { bavail, bsize } = await statfs(this.#root);
      return bavail * bsize;
    } catch {
      return undefined;
    }
  }

  async close(): Promise<void> {}
}

function dropWritten(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Makes the folders of a new repository (0700) and opens it. A folder that holds anything else is refused by the caller. */
export async function createLocalBackend(path: string): Promise<LocalBackend> {
  const root = resolve(path);
  try {
    makeDirectories(root, 0o700);
    for (const folder of [...Object.values(KIND_FOLDERS), TEMPORARY_FOLDER]) {
      if (folder !== '.') makeDirectories(join(root, folder), 0o700);
    }
    await systemFileOperations.fsyncDirectory(root);
    await systemFileOperations.fsyncDirectory(dirname(root));
  } catch (error) {
    throw new EngineError('STORAGE_FAILED', `Cannot make a repository at ${root}: ${errorMessage(error)}`, error);
  }
  return new LocalBackend(root);
}
