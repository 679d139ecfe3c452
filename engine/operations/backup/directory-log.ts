/**
 * Remembers each directory that was listed, with the times it had, so that those that moved since are listed again
 * before the commit. Packed, because a library has up to a million of them: path, then mtime and inode. In later rounds
 * the stamps of the few that are listed again take the place of those from the first.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ByteReader, ByteWriter } from '../../base/bytes.ts';
import { errnoCode } from '../../base/errors.ts';
import { DIRECTORY_LOG_BYTES_MAX, MIB, SETTLE_ATTEMPTS_MAX } from '../../base/limits.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import { readInode, readMode, S_IFDIR, S_IFMT, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import { followed } from './sources.ts';

const STAMP_BYTES = 20;

export class DirectoryLog {
  readonly #folder: string | undefined;
  #writer = new ByteWriter(64 * 1024);
  /** A file without a name, for what is too much for memory; undefined until then, or where none can be made. */
  #file: number | undefined;
  readonly #blocks: { readonly position: number; readonly length: number }[] = [];
  #count = 0;
  #again: Map<string, Buffer> | undefined;
  /** Of directories that were listed again: which folders they held. */
  readonly #folders = new Map<string, string>();

  /** `folder` is where a file may lie. */
  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  /** From now on stamps belong to a later round. */
  beginRound(): void {
    this.#again ??= new Map();
  }

  /** `block` is the directory's stat block, taken before it was listed. */
  add(path: Buffer, block: Buffer): void {
    if (this.#again !== undefined) {
      this.#again.set(path.toString('latin1'), stampOf(block));
      return;
    }
    this.#count++;
    this.#writer.counted(path);
    this.#writer.raw(stampOf(block));
    if (this.#writer.length >= DIRECTORY_LOG_BYTES_MAX) this.#spill();
  }

  #spill(): void {
    if (this.#folder === undefined) return;
    try {
      if (this.#file === undefined) {
        const path = join(this.#folder, `directories-${randomBytes(8).toString('hex')}`);
        makeDirectories(this.#folder, 0o700);
        this.#file = openSync(path, 'wx+', 0o600);
        unlinkSync(path);
      }
      const bytes = this.#writer.finish();
      const last = this.#blocks.at(-1);
      const position = last === undefined ? 0 : last.position + last.length;
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.#file, bytes, done, bytes.length - done, position + done);
      this.#blocks.push({ position, length: bytes.length });
      this.#writer = new ByteWriter(64 * 1024);
    } catch (error) {
      // Without a file it stays in memory.
      if (errnoCode(error) === undefined) throw error;
    }
  }

  /** All that was logged, in blocks of whole records. */
  *#logged(): Generator<Buffer> {
    for (const { position, length } of this.#file === undefined ? [] : this.#blocks) {
      const block = Buffer.allocUnsafe(length);
      let done = 0;
      while (done < length) {
        const count = readSync(this.#file ?? -1, block, done, length - done, position + done);
        if (count === 0) throw new RangeError('The log of directories was cut off');
        done += count;
      }
      yield block;
    }
    yield this.#writer.backing.subarray(0, this.#writer.length);
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** Remembers which folders a directory held when it was listed again; in the first round that would be too much. */
  addListing(path: Buffer, listing: Listing): void {
    if (this.#again !== undefined) this.#folders.set(path.toString('latin1'), foldersOf(listing));
  }

  /**
   * After the last round: directories that hold other folders than when they were listed, so that a folder may have been
   * on its way while both ends were listed. Files that come and go (a log that is written) are no loss. The answer holds
   * for one moment only if nothing moved while it was found.
   */
  unsettled(fileSystem: FileSystem): Buffer[] {
    for (let attempt = 0; attempt < SETTLE_ATTEMPTS_MAX; attempt++) {
      const moved = this.changed(fileSystem);
      const before = stampsOf(fileSystem, moved);
      const different = moved.filter((path) => {
        const folders = this.#folders.get(path.toString('latin1'));
        return folders !== undefined && listFolders(fileSystem, path) !== folders;
      });
      if (stampsOf(fileSystem, this.changed(fileSystem)) === before) return different;
    }
    return this.changed(fileSystem).filter((path) => this.#folders.has(path.toString('latin1')));
  }

  get count(): number {
    return this.#count;
  }

  /** Paths whose stamp is another one now, or that are gone. */
  changed(fileSystem: FileSystem): Buffer[] {
    const block = Buffer.alloc(64);
    const paths: Buffer[] = [];
    const look = (path: Buffer, stamp: Buffer): void => {
      const state = statDirectory(fileSystem, path, block);
      // What lies too deep for a path, or may not be opened, cannot be looked at again.
      if (state === 'unreachable') return;
      if (state === 'gone' || !stampOf(block).equals(stamp)) paths.push(Buffer.from(path));
    };
    for (const logged of this.#logged()) {
      const reader = new ByteReader(logged, 'the directory log');
      while (reader.remaining > 0) {
        const path = reader.counted(MIB);
        const stamp = reader.raw(STAMP_BYTES);
        if (this.#again?.has(path.toString('latin1')) !== true) look(path, stamp);
      }
    }
    for (const [path, stamp] of this.#again ?? []) look(Buffer.from(path, 'latin1'), stamp);
    return paths;
  }
}

function stampOf(block: Buffer): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES);
  block.copy(stamp, 0, STAT_OFFSET.inode, STAT_OFFSET.inode + 8);
  block.copy(stamp, 8, STAT_OFFSET.mtimeSeconds, STAT_OFFSET.mtimeSeconds + 8);
  block.copy(stamp, 16, STAT_OFFSET.mtimeNanoseconds, STAT_OFFSET.mtimeNanoseconds + 4);
  return stamp;
}

/** Names and inodes of the folders in a listing. */
function foldersOf(listing: Listing): string {
  const folders: string[] = [];
  for (const [index, name] of listing.names.entries()) {
    const at = index * STAT_BYTES;
    if ((readMode(listing.stats, at) & S_IFMT) !== S_IFDIR) continue;
    folders.push(`${name.toString('latin1')}/${readInode(listing.stats, at)}`);
  }
  return folders.join('/');
}

/** What folders a directory holds; undefined where it is gone. */
function listFolders(fileSystem: FileSystem, path: Buffer): string | undefined {
  try {
    const directory = fileSystem.openDirectory(followed(path));
    try {
      return foldersOf(fileSystem.list(directory));
    } finally {
      fileSystem.close(directory);
    }
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    return undefined;
  }
}

/** The stamps of directories as they are now, to be compared with each other. */
function stampsOf(fileSystem: FileSystem, paths: readonly Buffer[]): string {
  const block = Buffer.alloc(64);
  const stamps = paths.map((path) => {
    const state = statDirectory(fileSystem, path, block);
    return `${path.toString('latin1')} ${state === 'there' ? stampOf(block).toString('hex') : state}`;
  });
  return stamps.join('/');
}

/** Of a source that was named by a symbolic link, what the link leads to. */
function statDirectory(fileSystem: FileSystem, path: Buffer, block: Buffer): 'there' | 'gone' | 'unreachable' {
  const target = { block, extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  try {
    const directory = fileSystem.openDirectory(followed(path));
    try {
      fileSystem.statDirectory(directory, target);
    } finally {
      fileSystem.close(directory);
    }
    return 'there';
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    return error.code === 'ENOENT' || error.code === 'ENOTDIR' ? 'gone' : 'unreachable';
  }
}
