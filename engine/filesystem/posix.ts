/** The file system of Linux through the C library: handles, names as bytes, stat blocks without objects. */

import { statfsSync } from 'node:fs';
import { ATTRIBUTE_BYTES_MAX } from '../base/limits.ts';
import { S_IFLNK, S_IFMT, STAT_BYTES, type Time } from '../base/stat.ts';
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FICLONE,
  LibC,
  LOCK_EX,
  LOCK_NB,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  POSIX_FADV_DONTNEED,
  SEEK_DATA,
  SEEK_HOLE,
  STATX_BASIC_STATS,
} from './libc.ts';
import { atOnce, LIST_SLICE_ENTRIES, sortInSlices } from './slices.ts';
import { STAT_WORDS, STATX_BYTES, takeStatx } from './statx.ts';
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

const DIRENT_BUFFER_BYTES = 128 * 1024;
const NAME_SCRATCH_BYTES = 8192;
const NO_ATTRIBUTES: readonly ExtendedAttribute[] = [];
const EMPTY_NAME = Buffer.from([0]);
const OWN_NAME = Buffer.of(0x2e);
const UTIME_OMIT = 0x3ffffffe;
const HOLES_UNSUPPORTED = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS']);
const ATTRIBUTES_UNSUPPORTED = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EPERM']);

export class PosixFileSystem implements FileSystem {
  readonly limits: readonly string[] = [];
  readonly #libc = new LibC();
  readonly #calls = this.#libc.calls;
  readonly #statx = new Uint32Array(STATX_BYTES / 4);
  /** One entry's stat block, before it goes where it is wanted. */
  readonly #block = new Uint32Array(STAT_WORDS);
  readonly #blockBytes = new Uint8Array(this.#block.buffer);
  readonly #dirents = Buffer.allocUnsafeSlow(DIRENT_BUFFER_BYTES);
  #name = Buffer.alloc(NAME_SCRATCH_BYTES);
  #otherName = Buffer.alloc(NAME_SCRATCH_BYTES);
  /** Two struct timespec; the words that are not written stay zero. */
  readonly #times = Buffer.alloc(32);
  readonly #attribute = Buffer.allocUnsafeSlow(ATTRIBUTE_BYTES_MAX);
  /** Cleared for good once the kernel refuses it for a file that is not ours. */
  #noAtime = O_NOATIME;

  /** A name with its closing zero, in a scratch buffer that the next call overwrites. */
  #z(name: Buffer): Buffer {
    if (name.length + 1 > this.#name.length) this.#name = Buffer.alloc(name.length * 2);
    name.copy(this.#name, 0);
    this.#name[name.length] = 0;
    return this.#name;
  }

  #z2(name: Buffer): Buffer {
    if (name.length + 1 > this.#otherName.length) this.#otherName = Buffer.alloc(name.length * 2);
    name.copy(this.#otherName, 0);
    this.#otherName[name.length] = 0;
    return this.#otherName;
  }

  #must(result: number, call: string): number {
    return result < 0 ? this.#libc.fail(call) : result;
  }

  // ---- reading

  #openDirectory(at: number, path: Buffer, access: DirectoryAccess): number {
    const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    let fd = this.#calls.openat(at, this.#z(path), flags | this.#noAtime, 0);
    if (fd < 0 && this.#noAtime !== 0 && this.#libc.errno() === 'EPERM') {
      this.#noAtime = 0;
      fd = this.#calls.openat(at, this.#z(path), flags, 0);
    }
    if (fd < 0 && access === 'search' && this.#libc.errno() === 'EACCES') {
      fd = this.#calls.openat(at, this.#z(path), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    }
    return this.#must(fd, 'open');
  }

  openDirectory(path: Buffer, access: DirectoryAccess = 'list'): DirectoryHandle {
    return { fd: this.#openDirectory(AT_FDCWD, path, access), path };
  }

  openDirectoryAt(directory: DirectoryHandle, name: Buffer, access: DirectoryAccess = 'list'): DirectoryHandle {
    const slash = directory.path.length === 1 ? Buffer.alloc(0) : Buffer.from('/');
    const fd = this.#openDirectory(directory.fd, name, access);
    return { fd, path: Buffer.concat([directory.path, slash, name]) };
  }

  adoptDirectory(fd: number, path: Buffer): DirectoryHandle {
    return { fd, path };
  }

  *#readNames(directory: DirectoryHandle): Generator<undefined, Buffer[]> {
    const names: Buffer[] = [];
    let paused = 0;
    const dirents = this.#dirents;
    // A handle may be listed twice.
    this.#calls.lseek(directory.fd, 0, 0);
    for (;;) {
      const length = this.#calls.getdents64(directory.fd, dirents, DIRENT_BUFFER_BYTES);
      if (length < 0) this.#libc.fail('list');
      if (length === 0) return names;
      // One copy for all names of this buffer; each name is a view into it.
      const copy = Buffer.allocUnsafeSlow(length);
      dirents.copy(copy, 0, 0, length);
      for (let at = 0; at < length; ) {
        const recordLength = copy.readUInt16LE(at + 16);
        const start = at + 19;
        let end = start;
        while (copy[end] !== 0) end++;
        const isDots = copy[start] === 0x2e && (end === start + 1 || (end === start + 2 && copy[start + 1] === 0x2e));
        if (!isDots) names.push(copy.subarray(start, end));
        at += recordLength;
      }
      if (names.length - paused < LIST_SLICE_ENTRIES) continue;
      paused = names.length;
      yield;
    }
  }

  list(directory: DirectoryHandle): Listing {
    return atOnce(this.listInSlices(directory));
  }

  *listInSlices(directory: DirectoryHandle): Generator<undefined, Listing> {
    let names = yield* sortInSlices(yield* this.#readNames(directory));
    const stats = Buffer.allocUnsafeSlow(names.length * STAT_BYTES);
    const extras = new Uint32Array(names.length * LISTING_EXTRA_WORDS);
    const failed: { name: Buffer; code: string }[] = [];
    const words = { blocks: new Uint32Array(stats.buffer, stats.byteOffset, names.length * STAT_WORDS), extras };
    let count = 0;
    for (const name of names) {
      const flags = AT_SYMLINK_NOFOLLOW;
      // The kernel has put a zero behind each name in its buffer.
      if (this.#calls.statx(directory.fd, name, flags, STATX_BASIC_STATS, this.#statx) < 0) {
        failed.push({ name, code: this.#libc.errno() });
        continue;
      }
      takeStatx(this.#statx, words, count);
      names[count++] = name;
      if (count % LIST_SLICE_ENTRIES === 0) yield;
    }
    if (count < names.length) names = names.slice(0, count);
    return { names, stats, extras, failed };
  }

  statAt(directory: DirectoryHandle, name: Buffer, target: StatTarget): void {
    const result = this.#calls.statx(directory.fd, this.#z(name), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, this.#statx);
    this.#must(result, 'stat');
    this.#give(target);
  }

  #give({ block, extras }: StatTarget): void {
    takeStatx(this.#statx, { blocks: this.#block, extras }, 0);
    block.set(this.#blockBytes);
  }

  #statHandle(fd: number, target: StatTarget): void {
    this.#must(this.#calls.statx(fd, EMPTY_NAME, AT_EMPTY_PATH, STATX_BASIC_STATS, this.#statx), 'stat');
    this.#give(target);
  }

  statDirectory(directory: DirectoryHandle, target: StatTarget): void {
    this.#statHandle(directory.fd, target);
  }

  statFile(file: FileHandle, target: StatTarget): void {
    this.#statHandle(file.fd, target);
  }

  openFileAt(directory: DirectoryHandle, name: Buffer): FileHandle {
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    let fd = this.#calls.openat(directory.fd, this.#z(name), flags | this.#noAtime, 0);
    if (fd < 0 && this.#noAtime !== 0 && this.#libc.errno() === 'EPERM') {
      this.#noAtime = 0;
      fd = this.#calls.openat(directory.fd, this.#z(name), flags, 0);
    }
    return { fd: this.#must(fd, 'open') };
  }

  read(file: FileHandle, into: Uint8Array, range: { offset: number; length: number; position: number }): number {
    const target = range.offset === 0 ? into : into.subarray(range.offset);
    for (;;) {
      const count =
        range.position < 0
          ? this.#calls.read(file.fd, target, range.length)
          : this.#calls.pread(file.fd, target, range.length, range.position);
      if (count >= 0) return Number(count);
      if (this.#libc.errno() !== 'EINTR') this.#libc.fail('read');
    }
  }

  nextData(file: FileHandle, from: number): number {
    const offset = Number(this.#calls.lseek(file.fd, from, SEEK_DATA));
    if (offset >= 0) return offset;
    return this.#libc.errno() === 'ENXIO' ? -1 : from;
  }

  nextHole(file: FileHandle, from: number, size: number): number {
    const offset = Number(this.#calls.lseek(file.fd, from, SEEK_HOLE));
    return offset >= 0 ? offset : size;
  }

  readLinkAt(directory: DirectoryHandle, name: Buffer): Buffer {
    const target = this.#attribute;
    const length = this.#calls.readlinkat(directory.fd, this.#z(name), target, target.length);
    this.#must(Number(length), 'readlink');
    return Buffer.from(target.subarray(0, Number(length)));
  }

  fileAttributes(file: FileHandle): readonly ExtendedAttribute[] {
    // The kernel sets aside as much memory as it is offered, which costs more than the answer that there are none.
    let length = Number(this.#calls.flistxattr(file.fd, null, 0));
    if (length === 0) return NO_ATTRIBUTES;
    if (length > 0) length = Number(this.#calls.flistxattr(file.fd, this.#attribute, ATTRIBUTE_BYTES_MAX));
    return this.#attributes(length, (name, into) => this.#calls.fgetxattr(file.fd, name, into, into.length));
  }

  directoryAttributes(directory: DirectoryHandle): readonly ExtendedAttribute[] {
    try {
      return this.fileAttributes(directory);
    } catch (error) {
      // A handle for search alone has no attributes of its own, but leads to them.
      if (!(error instanceof FileSystemError) || error.code !== 'EBADF') throw error;
      return this.attributesAt(directory, OWN_NAME);
    }
  }

  attributesAt(directory: DirectoryHandle, name: Buffer): readonly ExtendedAttribute[] {
    const path = procPath(directory, name);
    let length = Number(this.#calls.llistxattr(path, null, 0));
    if (length === 0) return NO_ATTRIBUTES;
    if (length > 0) length = Number(this.#calls.llistxattr(path, this.#attribute, ATTRIBUTE_BYTES_MAX));
    return this.#attributes(length, (attribute, into) => this.#calls.lgetxattr(path, attribute, into, into.length));
  }

  #attributes(length: number, get: (name: Buffer, into: Buffer) => number): readonly ExtendedAttribute[] {
    if (length === 0) return NO_ATTRIBUTES;
    if (length < 0) {
      if (ATTRIBUTES_UNSUPPORTED.has(this.#libc.errno())) return NO_ATTRIBUTES;
      this.#libc.fail('listxattr');
    }
    const list = Buffer.from(this.#attribute.subarray(0, length));
    const attributes: ExtendedAttribute[] = [];
    for (let start = 0; start < length; ) {
      const end = list.indexOf(0, start);
      const valueLength = Number(get(list.subarray(start, end + 1), this.#attribute));
      if (valueLength >= 0) {
        const value = Buffer.from(this.#attribute.subarray(0, valueLength));
        attributes.push({ name: list.subarray(start, end), value });
      } else if (this.#libc.errno() !== 'ENODATA') this.#libc.fail('getxattr');
      start = end + 1;
    }
    return attributes.sort((a, b) => a.name.compare(b.name));
  }

  forget(file: FileHandle): void {
    this.#calls.posix_fadvise(file.fd, 0, 0, POSIX_FADV_DONTNEED);
  }

  close(handle: DirectoryHandle | FileHandle): void {
    this.#calls.close(handle.fd);
  }

  // ---- writing

  createFileAt(directory: DirectoryHandle, name: Buffer, mode = NEW_FILE_MODE): FileHandle {
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return { fd: this.#must(this.#calls.openat(directory.fd, this.#z(name), flags, mode), 'create') };
  }

  openWritableAt(directory: DirectoryHandle, name: Buffer): FileHandle {
    const flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return { fd: this.#must(this.#calls.openat(directory.fd, this.#z(name), flags, 0), 'open') };
  }

  write(file: FileHandle, from: Uint8Array, range: { offset: number; length: number; position: number }): void {
    let done = 0;
    while (done < range.length) {
      const start = range.offset + done;
      const isAll = start === 0 && range.length === from.length;
      const part = isAll ? from : from.subarray(start, range.offset + range.length);
      const count = Number(this.#calls.pwrite(file.fd, part, part.length, range.position + done));
      if (count > 0) done += count;
      else if (count === 0) throw new FileSystemError('EIO', 'write');
      else if (this.#libc.errno() !== 'EINTR') this.#libc.fail('write');
    }
  }

  lockFile(file: FileHandle): boolean {
    if (this.#calls.flock(file.fd, LOCK_EX | LOCK_NB) === 0) return true;
    // Some network file systems know no locks.
    return !['EAGAIN', 'EWOULDBLOCK'].includes(this.#libc.errno());
  }

  truncate(file: FileHandle, size: number): void {
    this.#must(this.#calls.ftruncate(file.fd, size), 'truncate');
  }

  cloneFile(from: FileHandle, to: FileHandle): boolean {
    return this.#calls.ioctl(to.fd, FICLONE, from.fd) === 0;
  }

  punchHole(file: FileHandle, range: { position: number; length: number }): void {
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    if (this.#calls.fallocate(file.fd, mode, range.position, range.length) === 0) return;
    if (!HOLES_UNSUPPORTED.has(this.#libc.errno())) this.#libc.fail('fallocate');
    writeZeros(this, file, range);
  }

  makeDirectoryAt(directory: DirectoryHandle, name: Buffer): void {
    this.#must(this.#calls.mkdirat(directory.fd, this.#z(name), 0o700), 'mkdir');
  }

  symlinkAt(directory: DirectoryHandle, name: Buffer, target: Buffer): void {
    this.#must(this.#calls.symlinkat(this.#z2(target), directory.fd, this.#z(name)), 'symlink');
  }

  makeNodeAt(directory: DirectoryHandle, name: Buffer, node: { mode: number; major: number; minor: number }): void {
    const { mode, major, minor } = node;
    const high = (BigInt(major & ~0xfff) << 32n) | (BigInt(minor & ~0xff) << 12n);
    const device = high | BigInt((major & 0xfff) << 8) | BigInt(minor & 0xff);
    this.#must(this.#calls.mknodat(directory.fd, this.#z(name), (mode & S_IFMT) | 0o600, device), 'mknod');
  }

  linkAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void {
    this.#must(this.#calls.linkat(from.fd, this.#z(fromName), to.fd, this.#z2(toName), 0), 'link');
  }

  renameAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void {
    this.#must(this.#calls.renameat(from.fd, this.#z(fromName), to.fd, this.#z2(toName)), 'rename');
  }

  unlinkAt(directory: DirectoryHandle, name: Buffer): void {
    this.#must(this.#calls.unlinkat(directory.fd, this.#z(name), 0), 'unlink');
  }

  removeDirectoryAt(directory: DirectoryHandle, name: Buffer): void {
    this.#must(this.#calls.unlinkat(directory.fd, this.#z(name), AT_REMOVEDIR), 'rmdir');
  }

  // ---- metadata

  /** The access time is left as it is (UTIME_OMIT). */
  #timespecs(mtime: Time): Buffer {
    const times = this.#times;
    const high = Math.floor(mtime.seconds / 0x1_0000_0000);
    times.writeUInt32LE(UTIME_OMIT, 8);
    times.writeUInt32LE(mtime.seconds - high * 0x1_0000_0000, 16);
    times.writeInt32LE(high, 20);
    times.writeUInt32LE(mtime.nanoseconds, 24);
    return times;
  }

  setFileOwner(file: FileHandle, uid: number, gid: number): void {
    this.#must(this.#calls.fchown(file.fd, uid, gid), 'chown');
  }

  setFileMode(file: FileHandle, mode: number): void {
    this.#must(this.#calls.fchmod(file.fd, mode & 0o7777), 'chmod');
  }

  setFileTimes(file: FileHandle, mtime: Time): void {
    this.#must(this.#calls.futimens(file.fd, this.#timespecs(mtime)), 'utimens');
  }

  setFileAttribute(file: FileHandle, attribute: ExtendedAttribute): void {
    const { name, value } = attribute;
    this.#must(this.#calls.fsetxattr(file.fd, this.#z(name), value, value.length, 0), 'setxattr');
  }

  removeFileAttribute(file: FileHandle, attributeName: Buffer): void {
    this.#mustBeGone(this.#calls.fremovexattr(file.fd, this.#z(attributeName)));
  }

  #mustBeGone(result: number): void {
    if (result < 0 && this.#libc.errno() !== 'ENODATA') this.#libc.fail('removexattr');
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

  setDirectoryAttribute(directory: DirectoryHandle, attribute: ExtendedAttribute): void {
    this.setFileAttribute(directory, attribute);
  }

  removeDirectoryAttribute(directory: DirectoryHandle, attributeName: Buffer): void {
    this.removeFileAttribute(directory, attributeName);
  }

  setOwnerAt(directory: DirectoryHandle, name: Buffer, uid: number, gid: number): void {
    const result = this.#calls.fchownat(directory.fd, this.#z(name), uid, gid, AT_SYMLINK_NOFOLLOW);
    this.#must(result, 'chown');
  }

  setModeAt(directory: DirectoryHandle, name: Buffer, mode: number): void {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    this.statAt(directory, name, target);
    // A symbolic link has no mode of its own, and fchmodat would follow it.
    if ((target.block.readUInt16LE(0) & S_IFMT) === S_IFLNK) return;
    this.#must(this.#calls.fchmodat(directory.fd, this.#z(name), mode & 0o7777, 0), 'chmod');
  }

  setTimesAt(directory: DirectoryHandle, name: Buffer, mtime: Time): void {
    const times = this.#timespecs(mtime);
    this.#must(this.#calls.utimensat(directory.fd, this.#z(name), times, AT_SYMLINK_NOFOLLOW), 'utimens');
  }

  setAttributeAt(directory: DirectoryHandle, name: Buffer, attribute: ExtendedAttribute): void {
    const { value } = attribute;
    const path = procPath(directory, name);
    this.#must(this.#calls.lsetxattr(path, this.#z2(attribute.name), value, value.length, 0), 'setxattr');
  }

  removeAttributeAt(directory: DirectoryHandle, name: Buffer, attributeName: Buffer): void {
    this.#mustBeGone(this.#calls.lremovexattr(procPath(directory, name), this.#z2(attributeName)));
  }

  // ---- whole file system

  syncFileSystem(directory: DirectoryHandle): void {
    this.#must(this.#calls.syncfs(directory.fd), 'syncfs');
  }

  freeBytes(directory: DirectoryHandle): number {
    const { bavail, bsize } = statfsSync(`/proc/self/fd/${directory.fd}`);
    return bavail * bsize;
  }
}

/** A path of an entry that works for calls without an "at" form, whatever the depth; with its closing zero. */
function procPath(directory: DirectoryHandle, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${directory.fd}/`), name, EMPTY_NAME]);
}
