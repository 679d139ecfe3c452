/**
 * A repository in a folder. Writing is: temporary file, all parts by writev, length check, fsync, link under the final
 * name (which never replaces), fsync of the folder. The calls are taken as an object, so that a test can record them.
 */

import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { lstat, open, opendir, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EngineError, errnoCode, errorMessage } from '../base/errors.ts';
import { makeDirectories } from '../base/make-directories.ts';
import type { Backend, BackendAddress, FileKind, FileWriter, ReadRange, StoredFile } from './backend.ts';
import { type FileOperations, systemFileOperations } from './file-operations.ts';
import { CONFIG_NAMES, isFileName, KIND_FOLDERS, RESERVE_NAME, relativePath, TEMPORARY_FOLDER } from './layout.ts';
import { readLocalFile } from './local-file-reader.ts';
import { LocalFileWriter } from './local-file-writer.ts';

export { type FileOperations, systemFileOperations } from './file-operations.ts';

/** Of the free space, what is kept aside at most. */
const RESERVE_SHARE_MAX = 1 / 16;
const STALE_TEMPORARY_MS = 24 * 3600_000;
/** Files of a listing that are looked at together: waiting for each alone costs more than the call itself. */
const LOOKS_AT_ONCE = 32;
/** File systems without hard links answer one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']);

/** A read that ends so may concern this one file only. */
const OF_ONE_FILE = new Set(['EIO', 'EACCES', 'EPERM', 'EISDIR']);

function failure(action: string, path: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  return new EngineError('STORAGE_FAILED', failureMessage(action, path, error), error);
}

function failureMessage(action: string, path: string, error: unknown): string {
  const code = errnoCode(error);
  const hints: { readonly [code: string]: string } = {
    ENOSPC: 'the disk is full (make room there, or let "snap prune --now" free what no snapshot needs)',
    EDQUOT: 'the quota is used up',
    EROFS: 'the disk is read-only',
    EACCES: 'permission is denied',
  };
  const why = (code === undefined ? undefined : hints[code]) ?? errorMessage(error);
  return `Cannot ${action} ${path} in the repository: ${why}`;
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
    const file = await this.begin(kind, name);
    await file.append(parts);
    await file.finish();
  }

  async begin(kind: FileKind, name: string): Promise<FileWriter> {
    const relative = relativePath(kind, name);
    const path = join(this.#root, relative);
    const temporary = join(this.#root, TEMPORARY_FOLDER, randomBytes(12).toString('hex'));
    try {
      await this.#ensureFolder(dirname(path));
      await this.#ensureFolder(dirname(temporary));
      return await LocalFileWriter.begin(temporary, {
        operations: this.#operations,
        publish: () => this.#publish(temporary, path, relative),
        settle: () => this.#settle(path),
        failure: (error) => failure('write', relative, error),
      });
    } catch (error) {
      throw failure('write', relative, error);
    }
  }

  /** Gives the file its name, never replacing one that is there. */
  async #publish(temporary: string, path: string, relative: string): Promise<void> {
    try {
      await this.#operations.link(temporary, path);
      return;
    } catch (error) {
      const code = errnoCode(error);
      // A share that answers late may say so of the very link that was asked for.
      if (code === 'EEXIST' && (await isSameFile(temporary, path))) return;
      if (code === 'EEXIST')
        throw new EngineError('OBJECT_EXISTS', `${relative} exists already; it was not touched`, error);
      if (code === undefined || !NO_LINKS.has(code)) throw error;
    }
    if ((await sizeOf(path)) !== undefined) {
      throw new EngineError('OBJECT_EXISTS', `${relative} exists already; it was not touched`);
    }
    await this.#operations.rename(temporary, path);
  }

  /** Makes the name durable, or takes it away: a failed write leaves nothing under the name. */
  async #settle(path: string): Promise<void> {
    try {
      await this.#operations.fsyncDirectory(dirname(path));
    } catch (error) {
      await this.#operations.unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** Also a folder that is there already is synced once: whoever made it may not have come to that. */
  async #ensureFolder(folder: string): Promise<void> {
    if (folder === this.#root || this.#foldersMade.has(folder)) return;
    const above = dirname(folder);
    if (above === this.#root) await this.#requireRepository(folder);
    await this.#ensureFolder(above);
    try {
      await this.#operations.makeFolder(folder);
    } catch (error) {
      if (errnoCode(error) !== 'EEXIST') throw error;
    }
    await this.#operations.fsyncDirectory(above);
    this.#foldersMade.add(folder);
  }

  /**
   * A copy made without empty folders lacks some, and they are made again; but nothing is written where a disk is no
   * longer mounted.
   */
  async #requireRepository(folder: string): Promise<void> {
    for (const path of [folder, ...CONFIG_NAMES.map((name) => join(this.#root, name))]) if (await exists(path)) return;
    throw new Error('no repository lies there any more (is its disk mounted?)');
  }

  async read(kind: FileKind, name: string, range?: ReadRange): Promise<Buffer> {
    const relative = relativePath(kind, name);
    try {
      return await readLocalFile(join(this.#root, relative), relative, range);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT')
        throw new EngineError('OBJECT_MISSING', `${relative} is missing in the repository`, error);
      throw await this.#readFailure(relative, error);
    }
  }

  /** One file that cannot be read is damage of that file, unless nothing else can be read either. */
  async #readFailure(relative: string, error: unknown): Promise<EngineError> {
    if (!OF_ONE_FILE.has(errnoCode(error) ?? '') || !(await this.#answers())) return failure('read', relative, error);
    return new EngineError('OBJECT_UNREADABLE', failureMessage('read', relative, error), error);
  }

  /** True where one of the files that every repository has can be read. */
  async #answers(): Promise<boolean> {
    for (const name of CONFIG_NAMES) {
      try {
        const handle = await open(join(this.#root, name), 'r');
        try {
          if ((await handle.read(Buffer.alloc(1), 0, 1, 0)).bytesRead === 1) return true;
        } finally {
          await handle.close();
        }
      } catch {
        // The other one may answer.
      }
    }
    return false;
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
    for await (const { folder, names } of this.#folders(kind)) {
      for (let at = 0; at < names.length; at += LOOKS_AT_ONCE) {
        const looks = names.slice(at, at + LOOKS_AT_ONCE).map((name) => this.#look(folder, name));
        for (const found of await Promise.all(looks)) if (found !== undefined) yield found;
      }
    }
  }

  async *names(kind: FileKind): AsyncGenerator<readonly string[]> {
    for await (const { names } of this.#folders(kind)) yield names;
  }

  /** The folders that hold files of a kind, each with the names of those. */
  async *#folders(kind: FileKind): AsyncGenerator<{ readonly folder: string; readonly names: readonly string[] }> {
    const top = KIND_FOLDERS[kind];
    const entries = await this.#readFolder(top);
    if (kind !== 'pack') {
      yield { folder: top, names: namesOf(kind, entries) };
      return;
    }
    for (const { name: beginning } of entries.filter((entry) => entry.isDirectory())) {
      if (!/^[0-9a-f]{2}$/.test(beginning)) continue;
      const folder = `${top}/${beginning}`;
      const names = namesOf(kind, await this.#readFolder(folder));
      yield { folder, names: names.filter((name) => name.startsWith(beginning)) };
    }
  }

  async #look(folder: string, name: string): Promise<StoredFile | undefined> {
    try {
      const found = await lstat(join(this.#root, folder, name));
      return found.isFile() ? { name, bytes: found.size, modifiedMs: found.mtimeMs } : undefined;
    } catch (error) {
      // Removed between listing and look: as if it had been removed before.
      if (errnoCode(error) === 'ENOENT') return undefined;
      throw failure('look at', `${folder}/${name}`, error);
    }
  }

  async #readFolder(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(join(this.#root, folder), { withFileTypes: true });
    } catch (error) {
      // A copy made without empty folders lacks some. But where snapshots or packs cannot be found, saying that there
      // are none would let a prune remove everything, so that is an error like any other.
      const mayBeAbsent = folder !== KIND_FOLDERS.pack && folder !== KIND_FOLDERS.snapshot;
      if (errnoCode(error) === 'ENOENT' && mayBeAbsent && (await exists(this.#root))) return [];
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

  async reserve(bytes: number): Promise<void> {
    const path = join(this.#root, RESERVE_NAME);
    try {
      if (bytes === 0) {
        await this.#operations.unlink(path);
        await this.#operations.fsyncDirectory(this.#root);
        return;
      }
      if ((await sizeOf(path)) !== undefined) return;
      const room = Math.floor(((await this.freeBytes()) ?? 0) * RESERVE_SHARE_MAX);
      const temporary = join(this.#root, TEMPORARY_FOLDER, randomBytes(12).toString('hex'));
      try {
        // Random, because some disks keep zeros in no space at all.
        const handle = await this.#operations.openNew(temporary);
        try {
          await handle.writeFile(randomBytes(Math.min(bytes, room)));
          await this.#operations.fsync(handle);
        } finally {
          await handle.close();
        }
        await this.#operations.rename(temporary, path);
      } finally {
        await this.#operations.unlink(temporary).catch(() => undefined);
      }
    } catch {
      // Without it a full disk is harder to free; that is no reason to fail now.
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

function namesOf(kind: FileKind, entries: readonly Dirent[]): string[] {
  return entries.filter((entry) => entry.isFile() && isFileName(kind, entry.name)).map(({ name }) => name);
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

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = [await lstat(one, { bigint: true }), await lstat(other, { bigint: true })];
  return a.ino === b.ino && a.dev === b.dev && a.isFile();
}

/** Makes the folders of a new repository (0700) and opens it. A folder that holds anything else is refused by the caller. */
export async function createLocalBackend(
  path: string,
  operations: FileOperations = systemFileOperations,
): Promise<LocalBackend> {
  const root = resolve(path);
  try {
    const made: string[] = [];
    for (let folder = root; !(await exists(folder)); folder = dirname(folder)) made.push(folder);
    makeDirectories(root, 0o700);
    for (const folder of new Set([...Object.values(KIND_FOLDERS), TEMPORARY_FOLDER])) {
      if (folder !== '.') makeDirectories(join(root, folder), 0o700);
    }
    await operations.fsyncDirectory(root);
    for (const folder of made) await operations.fsyncDirectory(dirname(folder));
  } catch (error) {
    throw new EngineError('STORAGE_FAILED', `Cannot make a repository at ${root}: ${errorMessage(error)}`, error);
  }
  return new LocalBackend(root, operations);
}
