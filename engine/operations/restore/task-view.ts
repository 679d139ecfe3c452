/** A task as the worker reads it: the arrays of messages.ts, by name. */

import { BLOB_ID_BYTES, type BlobId, blobIdAt } from '../../base/ids.ts';
import type { DirectoryHandle, FileSystem } from '../../filesystem/types.ts';
import { DIRECTORY_WORDS, EXTENT_WORDS, FILE_WORDS, type FileTask, SLICE_WORDS } from './messages.ts';

export const DIRECTORY_KEY_BYTES = 16;

export interface TaskFile {
  readonly row: Buffer;
  readonly directory: DirectoryHandle;
  readonly directoryKey: Buffer;
  /** -1 unless the sender keeps the file open. */
  readonly fd: number;
  readonly flags: number;
  readonly firstSlice: number;
  readonly sliceCount: number;
}

export interface TaskSlice {
  readonly frame: number;
  readonly offset: number;
  readonly position: number;
  readonly length: number;
  /** Undefined for a hole. */
  readonly blobId: BlobId | undefined;
}

export class TaskView {
  readonly #task: FileTask;
  readonly #bytes: Buffer;
  readonly #directories: { readonly handle: DirectoryHandle; readonly key: Buffer }[] = [];
  readonly fileCount: number;

  constructor(task: FileTask, fileSystem: FileSystem) {
    this.#task = task;
    this.#bytes = Buffer.from(task.bytes.buffer, task.bytes.byteOffset, task.bytes.byteLength);
    this.fileCount = task.files.length / FILE_WORDS;
    for (let at = 0; at < task.directories.length; at += DIRECTORY_WORDS) {
      const [fd = -1, path = 0, pathLength = 0, key = 0] = task.directories.subarray(at, at + DIRECTORY_WORDS);
      this.#directories.push({
        handle: fileSystem.adoptDirectory(fd, this.#bytes.subarray(path, path + pathLength)),
        key: this.#bytes.subarray(key, key + DIRECTORY_KEY_BYTES),
      });
    }
  }

  file(number: number): TaskFile {
    const words = this.#task.files;
    const at = number * FILE_WORDS;
    const start = words[at] ?? 0;
    const directory = this.#directories[words[at + 2] ?? 0];
    if (directory === undefined)
      throw new RangeError(`A task names directory ${words[at + 2]}, which it does not hold`);
    return {
      row: this.#bytes.subarray(start, start + (words[at + 1] ?? 0)),
      directory: directory.handle,
      directoryKey: directory.key,
      fd: words[at + 3] ?? -1,
      flags: words[at + 4] ?? 0,
      firstSlice: words[at + 5] ?? 0,
      sliceCount: words[at + 6] ?? 0,
    };
  }

  slice(number: number): TaskSlice {
    const at = number * SLICE_WORDS;
    const id = this.#task.slices[at + 2] ?? -1;
    return {
      frame: this.#task.slices[at] ?? 0,
      offset: this.#task.slices[at + 1] ?? 0,
      position: this.#task.extents[number * EXTENT_WORDS] ?? 0,
      length: this.#task.extents[number * EXTENT_WORDS + 1] ?? 0,
      blobId: id < 0 || id + BLOB_ID_BYTES > this.#bytes.length ? undefined : blobIdAt(this.#bytes, id),
    };
  }
}
