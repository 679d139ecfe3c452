/**
 * The file system as the engine sees it: directories by handle, names as bytes, stat blocks instead of objects.
 *
 * Working from a directory handle instead of from long paths is what makes trees deeper than PATH_MAX possible, keeps a
 * planted symbolic link from leading a restore out of its target, and is the fastest way besides.
 * All calls are synchronous (they run in workers or are short) and throw FileSystemError.
 */

import type { Time } from '../base/stat.ts';

/** A failed system call: `code` is the errno name (`ENOENT`). Not an EngineError: it is a problem of one file. */
export class FileSystemError extends Error {
  readonly code: string;
  readonly call: string;
  constructor(code: string, call: string) {
    super(`${call}: ${code}`);
    this.name = 'FileSystemError';
    this.code = code;
    this.call = call;
  }
}

/** An open directory. Close it with FileSystem.close. `fd` may be used by other threads of the process while it is open. */
export interface DirectoryHandle {
  readonly fd: number;
  /** Absolute path, for messages and for file systems without handles. */
  readonly path: Buffer;
}

/** An open file. */
export interface FileHandle {
  readonly fd: number;
}

/** What a directory held: entries sorted by the bytes of their names, without `.` and `..`. */
export interface Listing {
  readonly names: readonly Buffer[];
  /** One stat block (base/stat.ts) of STAT_BYTES for each name, in the same order. */
  readonly stats: Buffer;
  /** For each entry LISTING_EXTRA_WORDS words: device major, minor; rdev major, minor; 512-byte blocks low, high. */
  readonly extras: Uint32Array;
  /** Entries that could be named but not looked at (they are not in `names`). */
  readonly failed: readonly { readonly name: Buffer; readonly code: string }[];
}
export const LISTING_EXTRA_WORDS = 6;

/** Nobody else may read a new file until it has its metadata. */
export const NEW_FILE_MODE = 0o600;

export interface ExtendedAttribute {
  readonly name: Buffer;
  readonly value: Buffer;
}

/** stat block plus extras of one entry. */
export interface StatTarget {
  readonly block: Buffer;
  readonly extras: Uint32Array;
}

/** What a directory is opened for: with `search`, one that may be passed through but not listed opens, too. */
export type DirectoryAccess = 'list' | 'search';

export interface FileSystem {
  /** What this implementation cannot do, in words for a person; empty where it can do everything. */
  readonly limits: readonly string[];

  // ---- reading
  /** Opens a directory by absolute path; the last component is not followed when it is a symbolic link (ELOOP/ENOTDIR). */
  openDirectory(path: Buffer, access?: DirectoryAccess): DirectoryHandle;
  openDirectoryAt(directory: DirectoryHandle, name: Buffer, access?: DirectoryAccess): DirectoryHandle;
  /** A handle for a directory that another thread has open. Not to be closed here. */
  adoptDirectory(fd: number, path: Buffer): DirectoryHandle;
  list(directory: DirectoryHandle): Listing;
  /** The same with a pause now and then: a directory of a million entries takes seconds, in which nobody hears a signal. */
  listInSlices(directory: DirectoryHandle): Generator<undefined, Listing>;
  /** Never follows. */
  statAt(directory: DirectoryHandle, name: Buffer, target: StatTarget): void;
  /** Follows nothing; of the directory itself. */
  statDirectory(directory: DirectoryHandle, target: StatTarget): void;
  /** Read-only, not following, not blocking (fifos), without touching the access time where that is allowed. */
  openFileAt(directory: DirectoryHandle, name: Buffer): FileHandle;
  statFile(file: FileHandle, target: StatTarget): void;
  /** Reads up to `length` bytes into `into` at `offset`; at `position`, or at the file's own with -1. 0 at the end. Retries EINTR; may be short. */
  read(file: FileHandle, into: Uint8Array, range: { offset: number; length: number; position: number }): number;
  /** The next offset at or after `from` that is data, or -1 when only a hole follows. Without support: `from`. */
  nextData(file: FileHandle, from: number): number;
  /** The next offset at or after `from` that is a hole (the end of the file is one). Without support: the size. */
  nextHole(file: FileHandle, from: number, size: number): number;
  readLinkAt(directory: DirectoryHandle, name: Buffer): Buffer;
  /** Extended attributes of an open file: one call when there are none. Sorted by name. POSIX ACLs are `system.posix_acl_*`. */
  fileAttributes(file: FileHandle): readonly ExtendedAttribute[];
  /** The same of a directory, of a symbolic link or a special file, not followed. */
  directoryAttributes(directory: DirectoryHandle): readonly ExtendedAttribute[];
  attributesAt(directory: DirectoryHandle, name: Buffer): readonly ExtendedAttribute[];
  /** Tells the kernel that a big file was read for once only, so that a backup does not empty the page cache. Never throws. */
  forget(file: FileHandle): void;
  close(handle: DirectoryHandle | FileHandle): void;

  // ---- writing
  /** O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW. Of the mode, 0600 by default, the process's umask or a default ACL takes bits away. */
  createFileAt(directory: DirectoryHandle, name: Buffer, mode?: number): FileHandle;
  /** Opens an existing regular file for reading and writing, not following. */
  openWritableAt(directory: DirectoryHandle, name: Buffer): FileHandle;
  /** Writes all of the range, at `position`. */
  write(file: FileHandle, from: Uint8Array, range: { offset: number; length: number; position: number }): void;
  truncate(file: FileHandle, size: number): void;
  /** Locks a file for as long as it is open; false where another process, or another opening of it, has it locked. Without support: true. */
  lockFile(file: FileHandle): boolean;
  /**
   * Gives `to` all of `from`'s bytes without copying them: both share them until one of them is written to. False where
   * that cannot be done, and then what `to` holds is not to be relied on. Never throws.
   */
  cloneFile(from: FileHandle, to: FileHandle): boolean;
  /** The range, which lies within the file, reads as zeros afterwards, and is a hole where the file system has holes. */
  punchHole(file: FileHandle, range: { position: number; length: number }): void;
  /** Mode 0700 until setMetadata. */
  makeDirectoryAt(directory: DirectoryHandle, name: Buffer): void;
  symlinkAt(directory: DirectoryHandle, name: Buffer, target: Buffer): void;
  /** A fifo, device or socket: `mode` has the type bits. */
  makeNodeAt(directory: DirectoryHandle, name: Buffer, node: { mode: number; major: number; minor: number }): void;
  linkAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void;
  /** Replaces what is there, as rename(2) does. */
  renameAt(from: DirectoryHandle, fromName: Buffer, to: DirectoryHandle, toName: Buffer): void;
  unlinkAt(directory: DirectoryHandle, name: Buffer): void;
  removeDirectoryAt(directory: DirectoryHandle, name: Buffer): void;

  // ---- metadata; each throws FileSystemError; nothing is followed
  setFileOwner(file: FileHandle, uid: number, gid: number): void;
  /** Twelve permission bits. After the owner: chown clears setuid. */
  setFileMode(file: FileHandle, mode: number): void;
  setFileTimes(file: FileHandle, mtime: Time): void;
  setFileAttribute(file: FileHandle, attribute: ExtendedAttribute): void;
  /** Removing what is not there is no error. */
  removeFileAttribute(file: FileHandle, attributeName: Buffer): void;
  /** The same for a directory that is open. */
  setDirectoryOwner(directory: DirectoryHandle, uid: number, gid: number): void;
  setDirectoryMode(directory: DirectoryHandle, mode: number): void;
  setDirectoryTimes(directory: DirectoryHandle, mtime: Time): void;
  setDirectoryAttribute(directory: DirectoryHandle, attribute: ExtendedAttribute): void;
  removeDirectoryAttribute(directory: DirectoryHandle, attributeName: Buffer): void;
  /** The same for anything by name: symbolic links, fifos, devices, sockets. setModeAt is a no-op for symbolic links. */
  setOwnerAt(directory: DirectoryHandle, name: Buffer, uid: number, gid: number): void;
  setModeAt(directory: DirectoryHandle, name: Buffer, mode: number): void;
  setTimesAt(directory: DirectoryHandle, name: Buffer, mtime: Time): void;
  setAttributeAt(directory: DirectoryHandle, name: Buffer, attribute: ExtendedAttribute): void;
  removeAttributeAt(directory: DirectoryHandle, name: Buffer, attributeName: Buffer): void;

  // ---- whole file system
  /** syncfs: everything written to the file system of this directory is on disk afterwards. */
  syncFileSystem(directory: DirectoryHandle): void;
  /** Bytes that an ordinary user may still write. */
  freeBytes(directory: DirectoryHandle): number;
}
