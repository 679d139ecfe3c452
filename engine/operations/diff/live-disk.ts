/** Looks at the disk for a diff: lists, opens and reads by path, and reports what cannot be read. */

import { Breather } from '../../base/concurrency.ts';
import type { Problem } from '../../base/errors.ts';
import { BLOB_ID_BYTES } from '../../base/ids.ts';
import { CHUNK_LARGE_BYTES_MAX } from '../../base/limits.ts';
import { baseName, parentPath } from '../../base/paths.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import {
  type DirectoryAccess,
  type DirectoryHandle,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type StatTarget,
} from '../../filesystem/types.ts';
import type { Attribute, Node } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Verdict } from './comparison.ts';

/** The kernel refuses longer paths in one call. */
const PATH_STEP_BYTES = 4000;
const SELF = Buffer.from('/.');

export class LiveDisk {
  readonly fileSystem: FileSystem = createFileSystem();
  readonly #repository: Repository;
  readonly #breather: Breather;
  readonly #onProblem: (problem: Problem) => void;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(
    repository: Repository,
    options: { readonly signal: AbortSignal | undefined; readonly onProblem: (problem: Problem) => void },
  ) {
    this.#repository = repository;
    this.#breather = new Breather(options.signal);
    this.#onProblem = options.onProblem;
  }

  /** Lets signals in. To be called now and then. */
  breathe(): Promise<void> {
    return this.#breather.breathe();
  }

  report(path: Buffer, error: FileSystemError): void {
    const text = path.toString('utf8');
    const message = `Cannot ${error.call} ${text}: ${error.code}; whether it changed is not known`;
    const problem = { path: text, during: error.call, code: error.code, message };
    const isText = Buffer.from(text, 'utf8').equals(path);
    this.#onProblem(isText ? problem : { ...problem, pathBase64: path.toString('base64') });
  }

  /** With `follow`, a symbolic link at the end is followed. Paths of any length. */
  open(path: Buffer, how: { readonly follow: boolean; readonly access?: DirectoryAccess }): DirectoryHandle {
    const whole = how.follow ? Buffer.concat([path, SELF]) : path;
    if (whole.length <= PATH_STEP_BYTES) return this.fileSystem.openDirectory(whole, how.access);
    let end = whole.lastIndexOf(0x2f, PATH_STEP_BYTES);
    let handle = this.fileSystem.openDirectory(whole.subarray(0, end), 'search');
    while (end < whole.length) {
      const start = end + 1;
      const isLast = whole.length - start <= PATH_STEP_BYTES;
      end = isLast ? whole.length : whole.lastIndexOf(0x2f, start + PATH_STEP_BYTES);
      const above = handle;
      try {
        handle = this.fileSystem.openDirectoryAt(above, whole.subarray(start, end), isLast ? how.access : 'search');
      } finally {
        this.fileSystem.close(above);
      }
    }
    return handle;
  }

  /** Runs `act` with the directory in which a path lies. */
  inParent<T>(path: Buffer, act: (directory: DirectoryHandle, name: Buffer) => T): T {
    const directory = this.open(parentPath(path), { follow: true, access: 'search' });
    try {
      return act(directory, baseName(path));
    } finally {
      this.fileSystem.close(directory);
    }
  }

  /** Undefined where nothing is there. */
  statPath(path: Buffer): StatTarget | undefined {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    try {
      if (path.length === 1) {
        const directory = this.open(path, { follow: false, access: 'search' });
        this.fileSystem.statDirectory(directory, target);
        this.fileSystem.close(directory);
      } else this.inParent(path, (directory, name) => this.fileSystem.statAt(directory, name, target));
      return target;
    } catch (error) {
      if (error instanceof FileSystemError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  attributes(path: Buffer): readonly Attribute[] | undefined {
    try {
      return this.inParent(path, (directory, name) => this.fileSystem.attributesAt(directory, name));
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.report(path, error);
      return undefined;
    }
  }

  /** Holds a file against the pieces that the snapshot has of it. Undefined where it cannot be read. */
  async comparePieces(path: Buffer, before: Node, sizeAfter: number): Promise<Verdict | undefined> {
    let file: FileHandle | undefined;
    try {
      file = this.inParent(path, (directory, name) => this.fileSystem.openFileAt(directory, name));
      return await this.#compareOpen(file, before, sizeAfter);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.report(path, error);
      return undefined;
    } finally {
      if (file !== undefined) this.fileSystem.close(file);
    }
  }

  async #compareOpen(file: FileHandle, before: Node, sizeAfter: number): Promise<Verdict> {
    const { keys, blobs } = this.#repository;
    let position = 0;
    let bytesAdded = Math.max(0, sizeAfter - before.size);
    let bytesRemoved = Math.max(0, before.size - sizeAfter);
    let same = before.size === sizeAfter;
    for await (const { length, blobId } of blobs.content(before.content, before.size)) {
      const start = position;
      position += length;
      if (start >= sizeAfter) continue;
      const isSame = await this.#holds(file, { start, length }, (bytes) =>
        blobId === undefined ? isZero(bytes) : keys.hashers.data.digest(bytes, BLOB_ID_BYTES).equals(blobId),
      );
      if (isSame) continue;
      same = false;
      const inBoth = Math.max(0, Math.min(position, sizeAfter) - start);
      bytesAdded += inBoth;
      bytesRemoved += inBoth;
    }
    return { same, bytesAdded, bytesRemoved };
  }

  /** True where every part of the range is as `isRight` says. A blob is one part; a hole may be many. */
  async #holds(
    file: FileHandle,
    range: { readonly start: number; readonly length: number },
    isRight: (bytes: Buffer) => boolean,
  ): Promise<boolean> {
    for (let done = 0; done < range.length; ) {
      await this.breathe();
      const length = Math.min(range.length - done, CHUNK_LARGE_BYTES_MAX);
      const bytes = this.#read(file, range.start + done, length);
      if (bytes.length < length || !isRight(bytes)) return false;
      done += length;
    }
    return true;
  }

  /** A view that the next call overwrites; short at the end of the file. */
  #read(file: FileHandle, position: number, length: number): Buffer {
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafeSlow(length);
    let filled = 0;
    while (filled < length) {
      const range = { offset: filled, length: length - filled, position: position + filled };
      const count = this.fileSystem.read(file, this.#buffer, range);
      if (count === 0) break;
      filled += count;
    }
    return this.#buffer.subarray(0, filled);
  }

  /** All of a file, if it has at most `bytesMax`; undefined for a larger one. Throws FileSystemError. */
  readAll(path: Buffer, bytesMax: number): Buffer | undefined {
    return this.inParent(path, (directory, name) => {
      const file = this.fileSystem.openFileAt(directory, name);
      try {
        const bytes = Buffer.from(this.#read(file, 0, bytesMax + 1));
        return bytes.length > bytesMax ? undefined : bytes;
      } finally {
        this.fileSystem.close(file);
      }
    });
  }
}

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) return false;
  return true;
}
