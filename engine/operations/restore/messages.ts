/**
 * Tasks for the workers of a restore. Many small files travel in few arrays, because a message of a thousand objects
 * costs more than writing the files.
 */

import { ByteWriter } from '../../base/bytes.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { DirectoryHandle } from '../../filesystem/types.ts';
import { singleBlobOffset } from '../../format/row.ts';
import type { PlannedBatch } from '../../repository/read-plan.ts';

/**
 * `write`: make files, or parts of large ones. `compare`: read files and hold them against ids. `reuse`: build parts of
 * large ones from the files that lie in their places.
 */
export type TaskType = 'write' | 'compare' | 'reuse';

export interface FileTask {
  readonly type: TaskType;
  /** What the slices are cut from; empty but for `write`. */
  readonly frames: PlannedBatch['frames'];
  /** DIRECTORY_WORDS for each directory. */
  readonly directories: Int32Array;
  /** FILE_WORDS for each file. */
  readonly files: Int32Array;
  /** SLICE_WORDS for each slice, those of a file next to each other. */
  readonly slices: Int32Array;
  /** EXTENT_WORDS for each slice. */
  readonly extents: Float64Array;
  /** Rows, paths, ids, keys. */
  readonly bytes: Uint8Array;
}

/** Descriptor, start and length of the path, start of the key. */
export const DIRECTORY_WORDS = 4;
/** Start and length of the row, number of the directory, descriptor of an open file or -1, flags, first slice, number of slices. */
export const FILE_WORDS = 7;
/** Frame, offset in it, start of the id or -1 for a hole. */
export const SLICE_WORDS = 3;
/** Position in the file, length. */
export const EXTENT_WORDS = 2;

/** Something lies under the name: written beside it, then renamed over it. */
export const FILE_REPLACES = 1;
/** When the content is right, the metadata are mended. */
export const FILE_MENDED = 2;
/** The new file begins as a clone of the old one, if that can be had. */
export const FILE_CLONE = 4;
/** It did. */
export const FILE_CLONED = 8;
/** What it replaces had more names: its change time may have moved when another of them went. */
export const FILE_HAD_MORE_NAMES = 16;

export const STATUS_DONE = 0;
/** Some of it could not be read from the repository; slices are named in `damaged`, for a whole file all. */
export const STATUS_DAMAGED = 1;
/** See `issues`. */
export const STATUS_FAILED = 2;
/** Not begun, since the run was called off. */
export const STATUS_LEFT = 3;
/** Compared, and not the snapshot's. */
export const STATUS_DIFFERENT = 4;
/** As STATUS_DONE, of a file that is a clone of the old one. */
export const STATUS_CLONED = 5;
/** The clone cannot be read: it is of no use. */
export const STATUS_UNREADABLE = 6;

export interface FileIssue {
  readonly file: number;
  readonly during: string;
  readonly code: string;
  readonly message: string;
  readonly sameKind: number;
}

export interface FileTaskResult {
  readonly statuses: Uint8Array;
  /** DIGEST_BYTES for each file that is done and whole. */
  readonly digests: Uint8Array;
  /** Numbers of slices of open files that were not written. */
  readonly damaged: readonly number[];
  readonly issues: readonly FileIssue[];
}

export type WorkerRequest =
  | { readonly id: number; readonly task: FileTask }
  | { readonly id: number; readonly sync: { readonly fd: number; readonly path: Uint8Array } };

export type WorkerReply =
  | { readonly id: number; readonly result: FileTaskResult | undefined }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };

export interface FileTaskEntry {
  readonly row: Buffer;
  readonly directory: number;
  /** Descriptor of a file that the sender keeps open, or -1. */
  readonly fd: number;
  readonly flags: number;
}

export interface SliceEntry {
  readonly frame: number;
  readonly offset: number;
  readonly position: number;
  readonly length: number;
  readonly blobId: Buffer | undefined;
}

/** Packs a task. Slices belong to the file that was added last. */
export class FileTaskBuilder {
  readonly #bytes = new ByteWriter(64 * 1024);
  readonly #directories: number[] = [];
  readonly #files: number[] = [];
  readonly #slices: number[] = [];
  readonly #extents: number[] = [];
  readonly #directoryNumbers = new Map<DirectoryHandle, number>();

  get fileCount(): number {
    return this.#files.length / FILE_WORDS;
  }

  get directoryCount(): number {
    return this.#directoryNumbers.size;
  }

  /** Number of a directory in the task. */
  directory(handle: DirectoryHandle, key: Buffer): number {
    const known = this.#directoryNumbers.get(handle);
    if (known !== undefined) return known;
    const number = this.#directoryNumbers.size;
    this.#directoryNumbers.set(handle, number);
    const path = this.#bytes.length;
    this.#bytes.raw(handle.path);
    this.#directories.push(handle.fd, path, handle.path.length, this.#bytes.length);
    this.#bytes.raw(key);
    return number;
  }

  file(entry: FileTaskEntry): void {
    const start = this.#bytes.length;
    this.#bytes.raw(entry.row);
    const slices = this.#slices.length / SLICE_WORDS;
    this.#files.push(start, entry.row.length, entry.directory, entry.fd, entry.flags, slices, 0);
  }

  /** A file of one blob, whose id stands in its row, which lies in `leaf`. */
  plainFile(
    leaf: Buffer,
    at: {
      readonly start: number;
      readonly end: number;
      readonly directory: number;
      readonly frame: number;
      readonly offset: number;
    },
    size: number,
  ): void {
    const length = at.end - at.start;
    const start = this.#bytes.reserve(length);
    leaf.copy(this.#bytes.backing, start, at.start, at.end);
    this.#files.push(start, length, at.directory, -1, 0, this.#slices.length / SLICE_WORDS, 1);
    this.#slices.push(at.frame, at.offset, start + singleBlobOffset(leaf, at.start));
    this.#extents.push(0, size);
  }

  /** Returns its number. */
  slice(entry: SliceEntry): number {
    const id = entry.blobId === undefined ? -1 : this.#bytes.length;
    if (entry.blobId !== undefined) this.#bytes.raw(entry.blobId);
    this.#slices.push(entry.frame, entry.offset, id);
    this.#extents.push(entry.position, entry.length);
    const last = this.#files.length - 1;
    this.#files[last] = (this.#files[last] ?? 0) + 1;
    return this.#slices.length / SLICE_WORDS - 1;
  }

  finish(type: TaskType, frames: PlannedBatch['frames']): FileTask {
    return {
      type,
      frames,
      directories: new Int32Array(this.#directories),
      files: new Int32Array(this.#files),
      slices: new Int32Array(this.#slices),
      extents: new Float64Array(this.#extents),
      bytes: this.#bytes.finish(),
    };
  }
}

/** Buffers that may be handed over with a task. */
export function transfers(task: FileTask): ArrayBuffer[] {
  const arrays = [task.directories, task.files, task.slices, task.extents, task.bytes];
  return arrays.map((array) => array.buffer as ArrayBuffer);
}
