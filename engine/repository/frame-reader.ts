/** Opens frames: reads a range of a pack, unseals, decompresses. Blobs are hashed again before anyone sees them. */

import pLimit from 'p-limit';
import { Turnstile } from '../base/concurrency.ts';
import { EngineError } from '../base/errors.ts';
import type { BlobId, PackId } from '../base/ids.ts';
import { BLOB_ID_BYTES } from '../base/ids.ts';
import { FRAME_ALONE_BYTES_MIN, FRAMES_LARGE_AT_ONCE_MAX, SEALERS_MAX } from '../base/limits.ts';
import { decompress } from '../codec/compression.ts';
import type { Sealer } from '../codec/seal.ts';
import { CODEC_ZSTD, PART_BODY } from '../format/envelope.ts';
import type { BlobKind } from '../format/pack-header.ts';
import { FrameMemory } from './frame-memory.ts';
import type { Store } from './sealed-files.ts';

/** One frame of a pack; structured-cloneable, so that restores send it to workers. Lengths and offsets in bytes. */
export interface FrameAddress {
  readonly packId: PackId;
  readonly kind: BlobKind;
  readonly frame: number;
  readonly offset: number;
  readonly sealedLength: number;
  readonly codedLength: number;
  readonly plainLength: number;
  readonly codec: number;
}

/** A frame's plaintext, and the memory that it lies in where that is to be given back. */
export interface OpenedFrame {
  readonly plain: Buffer;
  readonly memory: Buffer | undefined;
}

export class FrameReader {
  readonly #store: Store;
  readonly #sealers = new Map<PackId, Sealer>();
  readonly #largeOnes = pLimit(FRAMES_LARGE_AT_ONCE_MAX);
  readonly #turnstile = new Turnstile();

  constructor(store: Store) {
    this.#store = store;
  }

  #sealer(packId: PackId): Sealer {
    let sealer = this.#sealers.get(packId);
    if (sealer === undefined) {
      sealer = this.#store.keys.sealer('pack', Buffer.from(packId, 'hex'));
      if (this.#sealers.size >= SEALERS_MAX) this.#sealers.clear();
      this.#sealers.set(packId, sealer);
    }
    return sealer;
  }

  /**
   * The plaintext of a frame whose sealed bytes were read, in the place of those: they are gone whatever comes of it. One
   * that is compressed goes into `into` instead, or into memory of its own. OBJECT_CORRUPT names pack and frame.
   */
  open(address: FrameAddress, sealed: Buffer, into?: Buffer): Buffer {
    try {
      const number = { part: PART_BODY, counter: address.frame };
      const opened = this.#sealer(address.packId).openInto(number, sealed, sealed);
      const coded = opened.subarray(0, address.codedLength);
      const plain = address.codec === CODEC_ZSTD ? decompress(coded, address.plainLength, into) : coded;
      if (plain.length !== address.plainLength) throw new EngineError('OBJECT_CORRUPT', 'its length is another one');
      return plain;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new EngineError(
        'OBJECT_CORRUPT',
        `Frame ${address.frame} of pack ${address.packId} is damaged: ${why}`,
        error,
      );
    }
  }

  /**
   * Where frames come and go: by way of memory that is used again. Large ones, which take a while to be opened, come a few
   * at a time and never two in one turn of the event loop, so that many who read files leave room for those who look at trees.
   */
  readInto(address: FrameAddress, memory: FrameMemory): Promise<OpenedFrame> {
    if (address.plainLength < FRAME_ALONE_BYTES_MIN) return this.#readInto(address, memory, undefined);
    return this.#largeOnes(() => this.#readInto(address, memory, this.#turnstile));
  }

  async #readInto(address: FrameAddress, memory: FrameMemory, turnstile: Turnstile | undefined): Promise<OpenedFrame> {
    // One that is not compressed is opened where it was read, and that memory is the store's choice.
    if (address.codec !== CODEC_ZSTD || !FrameMemory.isReused(address.plainLength)) {
      const sealed = await this.#readSealed(address);
      await turnstile?.pass();
      return { plain: this.open(address, sealed), memory: undefined };
    }
    const into = memory.take(address.sealedLength);
    const sealed = await this.#readSealed(address, into);
    await turnstile?.pass();
    const room = memory.take(address.plainLength);
    const plain = this.open(address, sealed, room);
    memory.give(into);
    return { plain, memory: room };
  }

  async read(address: FrameAddress): Promise<Buffer> {
    return this.open(address, await this.#readSealed(address));
  }

  #readSealed({ packId, offset, sealedLength }: FrameAddress, into?: Buffer): Promise<Buffer> {
    return this.#store.backend.read('pack', packId, { offset, length: sealedLength, into });
  }

  /** Throws OBJECT_CORRUPT unless `bytes` hash to `blobId`. */
  verify(kind: BlobKind, blobId: BlobId, bytes: Buffer): void {
    if (!this.#store.keys.hashers[kind].digest(bytes, BLOB_ID_BYTES).equals(blobId)) {
      throw new EngineError('OBJECT_CORRUPT', `Blob ${blobId.toString('hex')} is damaged: its content has another id`);
    }
  }
}
