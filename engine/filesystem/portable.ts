/**
 * The file system through node:fs alone, for systems where the C library cannot be called directly.
 *
 * What Node lacks stays away: extended attributes, holes, making fifos and devices, times to the nanosecond (`limits`
 * says so). On Linux a name is still reached through the handle of its directory, by /proc; elsewhere by path, so that
 * there a target folder has to be one that nobody else may write to.
 */

import { execFileSync } from 'node:child_process';
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { errnoCode } from '../base/errors.ts';
import { STAT_BYTES, type Time, writeStat } from '../base/stat.ts';
import { atOnce, LIST_SLICE_ENTRIES, sortInSlices } from './slices.ts';
import {
  type DirectoryAccess,
  type DirectoryHandle,
  type ExtendedAttribute,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
  NEW_FILE_MODE,
  type StatTarget,
} from './types.ts';
import { writeZeros } from './zeros.ts';

const NO_ATTRIBUTES: readonly ExtendedAttribute[] = [];
const SLASH = Buffer.from('/');
const LINUX_O_PATH = 0o10000000;
const SECOND_NS = 1_000_000_000n;

/** Runs a system call and throws what it throws as a FileSystemError. */
function call<T>(name: string, act: () => T): T {
  for (;;) {
    try {
      return act();
    } catch (error) {
      const code = errnoCode(error);
      if (code === undefined) throw error;
      if (code !== 'EINTR') throw new FileSystemError(code, name);
    }
  }
}

function unsupported(name: string): never {
  throw new FileSystemError('ENOTSUP', name);
}

/** Linux and the BSDs pack device numbers differently. */
function deviceNumbers(device: bigint): readonly [major: number, minor: number] {
  if (process.platform === 'darwin') return [Number((device >> 24n) & 0xffn), Number(device & 0xffffffn)];
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return [Number(major), Number(minor)];
}

function timeOf(nanoseconds: bigint): Time {
  const rest = ((nanoseconds % SECOND_NS) + SECOND_NS) % SECOND_NS;
  return { seconds: Number((nanoseconds - rest) / SECOND_NS), nanoseconds: Number(rest) };
}

/** As a string: Node takes a negative number for "now". */
function secondsOf(time: Time): string {
  return String(time.seconds + time.nanoseconds / 1e9);
}

function take(stat: BigIntStats, target: StatTarget, index: number): void {
  writeStat(target.block, index * STAT_BYTES, {
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    links: Number(stat.nlink),
    inode: BigInt.asUintN(64, stat.ino),
    size: stat.isFile() || stat.isSymbolicLink() ? Number(stat.size) : 0,
    mtime: timeOf(stat.mtimeNs),
    ctime: timeOf(stat.ctimeNs),
  });
  const blocks = Number(stat.blocks);
  const words = [...deviceNumbers(stat.dev), ...deviceNumbers(stat.rdev), blocks >>> 0, Math.floor(blocks / 2 ** 32)];
  target.extras.set(words, index * LISTING_EXTRA_WORDS);
}

export class PortableFileSystem implements FileSystem {
  readonly limits = [
    'extended attributes and access control lists are neither read nor set',
    'holes are read as zeros',
    'fifos, sockets and devices cannot be made',
    'times are set to about a microsecond',
  ];
  readonly #throughProc = process.platform === 'linux' && existsSync('/proc/self/fd');

  #path(directory: DirectoryHandle): Buffer {
    return this.#throughProc ? Buffer.from(`/proc/self/fd/${directory.fd}`) : directory.path;
  }

  #at(directory: DirectoryHandle, name: Buffer): Buffer {
    return Buffer.concat([this.#path(directory), SLASH, name]);
  }

  // ---- reading

  #open(path: Buffer, flags: number, mode?: number): number {
    return openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, mode);
  }

  openDirectory(path: Buffer, access: DirectoryAccess = 'list'): DirectoryHandle {
    try {
      return { fd: call('open', () => this.#open(path, constants.O_RDONLY | constants.O_DIRECTORY)), path };
    } catch (error) {
      const isDenied = error instanceof FileSystemError && error.code === 'EACCES';
      if (!isDenied || access !== 'search' || process.platform !== 'linux') throw error;
      return { fd: call('open', () => this.#open(path, LINUX_O_PATH | constants.O_DIRECTORY)), path };
    }
  }

  openDirectoryAt(directory: DirectoryHandle, name: Buffer, access: DirectoryAccess = 'list'): DirectoryHandle {
    const above = directory.path.length === 1 ? [] : [directory.path];
    const { fd } = this.openDirectory(this.#at(directory, name), access);
    return { fd, path: Buffer.concat([...above, SLASH, name]) };
  }

  adoptDirectory(fd: number, path: Buffer): DirectoryHandle {
    return { fd, path };
  }

  list(directory: DirectoryHandle): Listing {
    return atOnce(this.listInSlices(directory));
  }

  *listInSlices(directory: DirectoryHandle): Generator<undefined, Listing> {
    const all = yield* sortInSlices(call('list', () => readdirSync(this.#path(directory), { encoding: 'buffer' })));
    const stats = Buffer.alloc(all.length * STAT_BYTES);
    const extras = new Uint32Array(all.length * LISTING_EXTRA_WORDS);
    const names: Buffer[] = [];
    const failed: { name: Buffer; code: string }[] = [];
    for (const name of all) {
      try {
        take(lstatSync(this.#at(directory, name), { bigint: true }), { block: stats, extras }, names.length);
        names.push(name);
      } catch (error) {
        const code = errnoCode(error);
        if (code === undefined) throw error;
        failed.push({ name, code });
      }
      if (names.length % LIST_SLICE_ENTRIES === 0) yield;
    }
    return { names, stats, extras, failed };
  }

  statAt(directory: DirectoryHandle, name: Buffer, target: StatTarget): void {
    const stat = call('stat', () => lstatSync(this.#at(directory, name), { bigint: true }));
    take(stat, target, 0);
  }

  statDirectory(directory: DirectoryHandle, target: StatTarget): void {
    this.statFile(directory, target);
  }

  statFile(file: FileHandle, target: StatTarget): void {
    const stat = call('stat', () => fstatSync(file.fd, { bigint: true }));
    take(stat, target, 0);
  }

  openFileAt(directory: DirectoryHandle, name: Buffer): FileHandle {
    return { fd: call('open', () => this.#open(this.#at(directory, name), constants.O_RDONLY)) };
  }

  read(file: FileHandle, into: Uint8Array, range: { offset: number; length: number; position: number }): number {
    const position = range.position < 0 ? null : range.position;
    return call('read', () => readSync(file.fd, into, range.offset, range.length, position));
  }

  nextData(_file: FileHandle, from: number): number {
    return from;
  }

  nextHole(_file: FileHandle, _from: number, size: number): number {
    return size;
  }

  readLinkAt(directory: DirectoryHandle, name: Buffer): Buffer {
    return call('readlink', () => readlinkSync(this.#at(directory, name), { encoding: 'buffer' }));
  }

  fileAttributes(): readonly ExtendedAttribute[] {
    return NO_ATTRIBUTES;
  }

  directoryAttributes(): readonly ExtendedAttribute[] {
    return NO_ATTRIBUTES;
  }

  attributesAt(): readonly ExtendedAttribute[] {
    return NO_ATTRIBUTES;
  }

  forget(): void {}

  close(handle: DirectoryHandle | FileHandle): void {
    try {
      closeSync(handle.fd);
    } catch {
      // Nothing can be done about it: the handle is gone either way.
    }
  }

  // ---- writing

  createFileAt(directory: DirectoryHandle, name: Buffer, mode = NEW_FILE_MODE): FileHandle {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    return { fd: call('create', () => this.#open(this.#at(directory, name), flags, mode)) };
  }

  openWritableAt(directory: DirectoryHandle, name: Buffer): FileHandle {
    return { fd: call('open', () => this.#open(this.#at(directory, name), constants.O_RDWR)) };
  }

  write(file: FileHandle, from: Uint8Array, range: { offset: number; length: number; position: number }): void {
    for (let done = 0; done < range.length; ) {
      const { offset, length, position } = range;
      const count = call('write', () => writeSync(file.fd, from, offset + done, length - done, position + done));
      if (count === 0) throw new FileSystemError('EIO', 'write');
      done += count;
    }
  }

  lockFile(): boolean {
    return true;
  }

  truncate(file: FileHandle, size: number): void {
    call('truncate', () => ftruncateSync(file.fd, size));
  }

  /** Node clones by path only, and never into a file that is open. */
  cloneFile(): boolean {
    return false;
  }

  punchHole(file: FileHandle, range: { position: number; length: number }): void {
    writeZeros(this, file, range);
  }

  makeDirectoryAt(directory: DirectoryHandle, name: Buffer): void {
    call('mkdir', () => mkdirSync(this.#at(directory, name), { mode: 0o700 }));
  }

  symlinkAt(directory: DirectoryHandle, name: Buffer, target: Buffer): void {
    call('symlink', () => symlinkSync(target, this.#at(directory, name)));
  }

  makeNodeAt(): void {
    unsupported('mknod');
  }

  linkAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void {
    call('link', () => linkSync(this.#at(from, fromName), this.#at(to, toName)));
  }

  renameAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void {
    call('rename', () => renameSync(this.#at(from, fromName), this.#at(to, toName)));
  }

  unlinkAt(directory: DirectoryHandle, name: Buffer): void {
    call('unlink', () => unlinkSync(this.#at(directory, name)));
  }

  removeDirectoryAt(directory: DirectoryHandle, name: Buffer): void {
    call('rmdir', () => rmdirSync(this.#at(directory, name)));
  }

  // ---- metadata

  setFileOwner(file: FileHandle, uid: number, gid: number): void {
    call('chown', () => fchownSync(file.fd, uid, gid));
  }

  setFileMode(file: FileHandle, mode: number): void {
    call('chmod', () => fchmodSync(file.fd, mode & 0o7777));
  }

  setFileTimes(file: FileHandle, mtime: Time): void {
    // Node sets both times or none.
    const { atimeNs } = call('utimens', () => fstatSync(file.fd, { bigint: true }));
    call('utimens', () => futimesSync(file.fd, secondsOf(timeOf(atimeNs)), secondsOf(mtime)));
  }

  setFileAttribute(): void {
    unsupported('setxattr');
  }

  removeFileAttribute(): void {
    unsupported('removexattr');
  }

  setDirectoryOwner(directory: DirectoryHandle, uid: number, gid: number): void {
    this.setFileOwner(directory, uid, gid);
  }

  setDirectoryMode(directory: DirectoryHandle, mode: number): void {
    this.setFileMode(directory, mode);
  }

  setDirectoryTimes(directory: DirectoryHandle, mtime: Time): void {
    this.setFileTimes(directory, mtime);
  }

  setDirectoryAttribute(): void {
    unsupported('setxattr');
  }

  removeDirectoryAttribute(): void {
    unsupported('removexattr');
  }

  setOwnerAt(directory: DirectoryHandle, name: Buffer, uid: number, gid: number): void {
    call('chown', () => lchownSync(this.#at(directory, name), uid, gid));
  }

  setModeAt(directory: DirectoryHandle, name: Buffer, mode: number): void {
    const path = this.#at(directory, name);
    // A symbolic link has no mode of its own, and chmod would follow it.
    if (call('stat', () => lstatSync(path)).isSymbolicLink()) return;
    call('chmod', () => chmodSync(path, mode & 0o7777));
  }

  setTimesAt(directory: DirectoryHandle, name: Buffer, mtime: Time): void {
    const path = this.#at(directory, name);
    const { atimeNs } = call('utimens', () => lstatSync(path, { bigint: true }));
    call('utimens', () => lutimesSync(path, secondsOf(timeOf(atimeNs)), secondsOf(mtime)));
  }

  setAttributeAt(): void {
    unsupported('setxattr');
  }

  removeAttributeAt(): void {
    unsupported('removexattr');
  }

  // ---- whole file system

  /** Node has no syncfs; the program `sync` does more than is needed, and what is needed. */
  syncFileSystem(directory: DirectoryHandle): void {
    call('syncfs', () => fsyncSync(directory.fd));
    try {
      execFileSync('sync', { stdio: 'ignore' });
    } catch (error) {
      throw new FileSystemError(errnoCode(error) ?? 'EIO', 'syncfs');
    }
  }

  freeBytes(directory: DirectoryHandle): number {
    const { bavail, bsize } = call('statfs', () => statfsSync(this.#path(directory)));
    return bavail * bsize;
  }
}
