/**
 * Copies what is needed of frames to new packs, sealed anew. A batch of frames is read while the one before it is opened,
 * hashed and sealed, and the packs before that are written. A frame that is needed whole is sealed as it was compressed,
 * unless it is small: small ones are put together.
 */

import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, FRAME_ALONE_BYTES_MIN } from '../base/limits.ts';
import { Compressor } from '../codec/compression.ts';
import { CODEC_ZSTD } from '../format/envelope.ts';
import type { BlobKind } from '../format/pack-header.ts';
import { BatchReader, isDamage, type LoadedBatch, type OpenedBatch } from './batch-reader.ts';
import { BlobWriter, type StoredPack } from './blob-writer.ts';
import { type FrameAddress, FrameReader } from './frame-reader.ts';
import type { Store } from './sealed-files.ts';

/** The blobs of one frame, all of them. */
export interface FrameBlobs {
  /** Back to back. */
  readonly ids: Uint8Array;
  readonly lengths: Uint32Array;
  /** Which of them are to be copied, ascending. */
  readonly needed: Uint32Array;
}

/** Frames of one pack, and what is needed of each. Structured-cloneable. */
export interface MoveBatch {
  readonly kind: BlobKind;
  readonly frames: readonly FrameAddress[];
  readonly blobs: readonly FrameBlobs[];
}

export class FrameMover {
  readonly #reader: BatchReader;
  readonly #frames: FrameReader;
  readonly #writers: { readonly [kind in BlobKind]: BlobWriter };
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: Store, onStored: (pack: StoredPack) => void) {
    this.#reader = new BatchReader(store);
    this.#frames = new FrameReader(store);
    const compressor = new Compressor(COMPRESSION_LEVEL_DEFAULT);
    this.#writers = {
      data: new BlobWriter(store, { kind: 'data', compressor, onStored }),
      tree: new BlobWriter(store, { kind: 'tree', compressor, onStored }),
    };
  }

  /**
   * Copies a batch behind those that were given before; it is read at once. Returns the ids, back to back, of blobs that
   * are damaged here and were not copied. STORAGE_FAILED; afterwards nothing more can be moved.
   */
  move(batch: MoveBatch): Promise<Buffer> {
    const loading = this.#reader.load(batch.frames);
    loading.catch(() => undefined);
    const moved = this.#last.then(async () => this.#copy(batch, await loading));
    this.#last = moved;
    moved.catch(() => undefined);
    return moved;
  }

  /** A blob that was read somewhere else. */
  async add(kind: BlobKind, id: BlobId, bytes: Buffer): Promise<void> {
    this.#writers[kind].add(id, bytes);
    await this.#writers[kind].settle();
  }

  async #copy({ kind, frames, blobs }: MoveBatch, loaded: LoadedBatch): Promise<Buffer> {
    const writer = this.#writers[kind];
    const opened = this.#reader.open(loaded);
    const damaged: Buffer[] = [];
    for (const [at, frame] of frames.entries()) {
      const held = blobs[at];
      if (held !== undefined && !this.#copyWhole(frame, held, { at, loaded, opened })) {
        damaged.push(...this.#copyBlobs(kind, held, opened[at]));
      }
      await writer.settle();
    }
    this.#reader.release(loaded);
    return Buffer.concat(damaged);
  }

  /** Copies a frame of which all is needed without compressing it again. False where it is small, or not whole. */
  #copyWhole(
    frame: FrameAddress,
    { ids, lengths, needed }: FrameBlobs,
    read: { readonly at: number; readonly loaded: LoadedBatch; readonly opened: OpenedBatch },
  ): boolean {
    const plain = read.opened[read.at];
    const sealed = read.loaded.sealed[read.at];
    if (needed.length < lengths.length || !(plain instanceof Buffer) || !(sealed instanceof Buffer)) return false;
    if (plain.length < FRAME_ALONE_BYTES_MIN) return false;
    for (const { id, bytes } of eachBlob({ ids, lengths, needed }, plain)) {
      if (!this.#isWhole(frame.kind, id, bytes)) return false;
    }
    this.#writers[frame.kind].addFrame({
      plain,
      // The frame was opened in its place.
      compressed: frame.codec === CODEC_ZSTD ? sealed.subarray(0, frame.codedLength) : undefined,
      ids: Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength),
      lengths,
    });
    return true;
  }

  /** Ids of those that could not be copied. */
  #copyBlobs(kind: BlobKind, held: FrameBlobs, plain: OpenedBatch[number] | undefined): Buffer[] {
    const damaged: Buffer[] = [];
    const isOpened = plain instanceof Buffer;
    for (const { id, bytes } of eachBlob(held, isOpened ? plain : Buffer.alloc(0))) {
      if (isOpened && this.#isWhole(kind, id, bytes)) this.#writers[kind].add(id, bytes);
      else damaged.push(id);
    }
    return damaged;
  }

  #isWhole(kind: BlobKind, id: BlobId, bytes: Buffer): boolean {
    try {
      this.#frames.verify(kind, id, bytes);
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return false;
    }
  }

  /** Makes durable what was copied. */
  async flush(): Promise<void> {
    await this.#last;
    await this.#writers.data.flush();
    await this.#writers.tree.flush();
  }

  /** The end, also after a failure: nothing is being read or written any more. */
  async idle(): Promise<void> {
    await this.#last.catch(() => undefined);
    await Promise.all([this.#writers.data.idle(), this.#writers.tree.idle()]);
  }
}

function* eachBlob(
  { ids, lengths, needed }: FrameBlobs,
  plain: Buffer,
): Generator<{ readonly id: BlobId; readonly bytes: Buffer }> {
  let offset = 0;
  let next = 0;
  for (const [blob, length] of lengths.entries()) {
    if (needed[next] === blob) {
      next++;
      const id = Buffer.from(ids.subarray(blob * BLOB_ID_BYTES, (blob + 1) * BLOB_ID_BYTES)) as BlobId;
      yield { id, bytes: plain.subarray(offset, offset + length) };
    }
    offset += length;
  }
}
