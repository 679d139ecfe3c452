/** Reads pieces of files of the target, and holds them against the ids of a snapshot. */

import { BLOB_ID_BYTES, type BlobId } from '../../base/ids.ts';
import { FRAME_BYTES_MAX } from '../../base/limits.ts';
import type { FileHandle, FileSystem } from '../../filesystem/types.ts';
import type { Store } from '../../repository/sealed-files.ts';
import type { TaskSlice } from './task-view.ts';

/** Of zeros that are looked at in one go. */
const ZERO_STEP_BYTES = 1 << 20;
const SCRATCH_BYTES = 1 << 16;

export class PieceReader {
  readonly #store: Store;
  readonly #fileSystem: FileSystem;
  #scratch: Buffer | undefined;

  constructor(store: Store, fileSystem: FileSystem) {
    this.#store = store;
    this.#fileSystem = fileSystem;
  }

  /** True where the file has this very piece in its place. */
  holds(handle: FileHandle, slice: TaskSlice): boolean {
    const { blobId, position, length } = slice;
    if (blobId === undefined) return this.#isZero(handle, position, length);
    return this.find(handle, { position, length, blobId }) !== undefined;
  }

  /** The bytes at a position if they are the blob: a view that the next call overwrites. They are hashed where nobody else can change them. */
  find(
    handle: FileHandle,
    at: { readonly position: number; readonly length: number; readonly blobId: BlobId },
  ): Buffer | undefined {
    const bytes = this.#read(handle, at.position, at.length);
    if (bytes === undefined) return undefined;
    return this.#store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES).equals(at.blobId) ? bytes : undefined;
  }

  #isZero(handle: FileHandle, position: number, length: number): boolean {
    const end = position + length;
    let at = position;
    while (at < end) {
      const data = this.#fileSystem.nextData(handle, at);
      if (data < 0 || data >= end) return true;
      at = data;
      const count = Math.min(end - at, ZERO_STEP_BYTES);
      const bytes = this.#read(handle, at, count);
      if (bytes === undefined || bytes.some((byte) => byte !== 0)) return false;
      at += count;
    }
    return true;
  }

  #read(handle: FileHandle, position: number, length: number): Buffer | undefined {
    if (length > FRAME_BYTES_MAX || position < 0) return undefined;
    if (this.#scratch === undefined || this.#scratch.length < length) {
      this.#scratch = Buffer.allocUnsafeSlow(Math.min(FRAME_BYTES_MAX, Math.max(length * 2, SCRATCH_BYTES)));
    }
    let done = 0;
    while (done < length) {
      const range = { offset: done, length: length - done, position: position + done };
      const count = this.#fileSystem.read(handle, this.#scratch, range);
      if (count === 0) return undefined;
      done += count;
    }
    return this.#scratch.subarray(0, length);
  }
}
