/**
 * Empties packs: copies what is needed of them to new packs, sealed anew. Of a blob that is kept elsewhere the other copy
 * is read before this one may go; where it is damaged, this one is copied after all. Nothing is removed here.
 *
 * A batch of frames is read while the one before it is opened, hashed and sealed, and the packs before that are written.
 * A frame that is needed whole is sealed as it was compressed, unless it is small: small ones are put together.
 */

import { ByteReader } from '../base/bytes.ts';
import { throwIfAborted } from '../base/errors.ts';
import { BLOB_ID_BYTES, type IndexSegmentId, type PackId } from '../base/ids.ts';
import {
  COMPRESSION_LEVEL_DEFAULT,
  FRAME_ALONE_BYTES_MIN,
  INDEX_SEGMENT_BLOBS_MAX,
  REPACK_READ_BYTES_MAX,
} from '../base/limits.ts';
import { Compressor } from '../codec/compression.ts';
import { CODEC_ZSTD } from '../format/envelope.ts';
import { type BlobKind, blobIdOf, type PackTable, readPackHeader } from '../format/pack-header.ts';
import { BatchReader, isDamage, type LoadedBatch, type OpenedBatch } from './batch-reader.ts';
import { BlobWriter, type StoredPack } from './blob-writer.ts';
import type { FrameAddress } from './frame-reader.ts';
import type { LiveBlobs } from './live-blobs.ts';
import { loadPackHeader, type ReadPackHeader } from './pack-headers.ts';
import type { Repository } from './repository.ts';

/** A pack that is to be emptied, by its number in the index. */
export interface MovedPack {
  readonly packId: PackId;
  readonly number: number;
}

/** Frames of one pack that are read together, and the numbers of the blobs that are needed of each. */
interface Batch {
  readonly table: PackTable;
  readonly frames: FrameAddress[];
  readonly blobs: (readonly number[])[];
}

export class PackMover {
  readonly #repository: Repository;
  readonly #live: LiveBlobs;
  readonly #signal: AbortSignal | undefined;
  readonly #reader: BatchReader;
  readonly #writers: { readonly [kind in BlobKind]: BlobWriter };
  #waiting: (StoredPack & { readonly blobs: number })[] = [];
  #waitingBlobs = 0;
  /** What is being read. */
  #begun: (Batch & { readonly loaded: Promise<LoadedBatch> }) | undefined;
  /** Packs that were written, and their bytes. */
  packsWritten = 0;
  bytesWritten = 0;
  /** Segments that name them. */
  readonly segments = new Set<IndexSegmentId>();

  constructor(repository: Repository, live: LiveBlobs, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#live = live;
    this.#signal = signal;
    this.#reader = new BatchReader(repository);
    const compressor = new Compressor(COMPRESSION_LEVEL_DEFAULT);
    const onStored = (pack: StoredPack): void => this.#stored(pack);
    this.#writers = {
      data: new BlobWriter(repository, { kind: 'data', compressor, onStored }),
      tree: new BlobWriter(repository, { kind: 'tree', compressor, onStored }),
    };
  }

  #stored(pack: StoredPack): void {
    const { blobCount } = readPackHeader(new ByteReader(pack.headerRecord, `the header of pack ${pack.packId}`));
    this.#waiting.push({ ...pack, blobs: blobCount });
    this.#waitingBlobs += blobCount;
    this.packsWritten++;
    this.bytesWritten += pack.packLength;
  }

  /**
   * Copies what is needed of packs; `onPack` hears of each that has been gone through. OBJECT_CORRUPT, OBJECT_MISSING where
   * a needed blob can be read nowhere.
   */
  async move(packs: readonly MovedPack[], onPack: (at: number) => void): Promise<void> {
    let next = this.#loadHeader(packs[0]);
    for (const [at, pack] of packs.entries()) {
      throwIfAborted(this.#signal);
      const header = await next;
      next = this.#loadHeader(packs[at + 1]);
      if (header !== undefined) await this.#empty(pack, header.table);
      onPack(at);
    }
  }

  /** It is awaited later; until then a failure must not count as unhandled. */
  #loadHeader(pack: MovedPack | undefined): Promise<ReadPackHeader | undefined> {
    const header = pack === undefined ? Promise.resolve(undefined) : loadPackHeader(this.#repository, pack.packId);
    header.catch(() => undefined);
    return header;
  }

  async #empty(pack: MovedPack, table: PackTable): Promise<void> {
    let batch: Batch = { table, frames: [], blobs: [] };
    let bytes = 0;
    for (let frame = 0; frame < table.frameCount; frame++) {
      const needed = await this.#needed(table, frame, pack.number);
      if (needed.length === 0) continue;
      const address = frameAddress(pack.packId, table, frame);
      const length = Math.max(address.sealedLength, address.plainLength);
      if (bytes + length > REPACK_READ_BYTES_MAX) {
        await this.#begin(batch);
        batch = { table, frames: [], blobs: [] };
        bytes = 0;
      }
      batch.frames.push(address);
      batch.blobs.push(needed);
      bytes += length;
    }
    await this.#begin(batch);
    if (this.#waitingBlobs >= INDEX_SEGMENT_BLOBS_MAX) await this.#nameWaiting();
  }

  /** Begins to read a batch, and copies the one before it meanwhile. */
  async #begin(batch: Batch): Promise<void> {
    if (batch.frames.length === 0) return;
    const before = this.#begun;
    const loaded = this.#reader.load(batch.frames);
    loaded.catch(() => undefined);
    this.#begun = { ...batch, loaded };
    if (before !== undefined) await this.#copy(before, await before.loaded);
  }

  /** Numbers of the blobs of a frame that have to be copied. */
  async #needed(table: PackTable, frame: number, pack: number): Promise<number[]> {
    const needed: number[] = [];
    const end = table.frameFirstBlob[frame + 1] ?? 0;
    for (let blob = table.frameFirstBlob[frame] ?? 0; blob < end; blob++) {
      const id = blobIdOf(table, blob);
      const kept = this.#live.kept(id);
      if (kept === undefined) continue;
      if (kept.pack === pack && kept.frame === frame && kept.offset === table.blobOffset[blob]) {
        needed.push(blob);
        continue;
      }
      if (kept.pack === pack) continue;
      try {
        await this.#repository.blobs.readAt(table.kind, id, kept);
      } catch (error) {
        if (!isDamage(error)) throw error;
        needed.push(blob);
      }
    }
    return needed;
  }

  async #copy({ table, frames, blobs }: Batch, loaded: LoadedBatch): Promise<void> {
    const writer = this.#writers[table.kind];
    const opened = this.#reader.open(loaded);
    for (const [at, needed] of blobs.entries()) {
      const frame = frames[at]?.frame ?? 0;
      if (!this.#copyWhole(table, frame, { at, needed, loaded, opened })) {
        for (const blob of needed) await this.#copyBlob(table, blob, opened[at]);
      }
      await writer.settle();
    }
    this.#reader.release(loaded);
  }

  /** Copies a frame of which all is needed without compressing it again. False where it is small, or not whole. */
  #copyWhole(
    table: PackTable,
    frame: number,
    read: {
      readonly at: number;
      readonly needed: readonly number[];
      readonly loaded: LoadedBatch;
      readonly opened: OpenedBatch;
    },
  ): boolean {
    const { at, needed, loaded, opened } = read;
    const first = table.frameFirstBlob[frame] ?? 0;
    const end = table.frameFirstBlob[frame + 1] ?? 0;
    const plain = opened[at];
    const sealed = loaded.sealed[at];
    if (needed.length < end - first || !(plain instanceof Buffer) || !(sealed instanceof Buffer)) return false;
    if (plain.length < FRAME_ALONE_BYTES_MIN) return false;
    for (const blob of needed) if (!this.#isWhole(table, blob, plain)) return false;
    this.#writers[table.kind].addFrame({
      plain,
      // The frame was opened in its place.
      compressed:
        table.frameCodec[frame] === CODEC_ZSTD ? sealed.subarray(0, table.frameCodedLength[frame]) : undefined,
      ids: table.blobIds.subarray(first * BLOB_ID_BYTES, end * BLOB_ID_BYTES),
      lengths: table.blobLength.subarray(first, end),
    });
    return true;
  }

  #isWhole(table: PackTable, blob: number, plain: Buffer): boolean {
    try {
      this.#repository.blobs.frames.verify(table.kind, blobIdOf(table, blob), blobBytes(table, blob, plain));
      return true;
    } catch (error) {
      if (!isDamage(error)) throw error;
      return false;
    }
  }

  async #copyBlob(table: PackTable, blob: number, plain: OpenedBatch[number] | undefined): Promise<void> {
    const { kind } = table;
    const id = blobIdOf(table, blob);
    const isWhole = plain instanceof Buffer && this.#isWhole(table, blob, plain);
    // What is damaged here may be whole elsewhere.
    const bytes = isWhole ? blobBytes(table, blob, plain) : await this.#repository.blobs.read(kind, id);
    this.#writers[kind].add(id, bytes);
  }

  async #nameWaiting(): Promise<void> {
    const packs = this.#waiting;
    this.#waiting = [];
    this.#waitingBlobs = 0;
    const { ids } = await this.#repository.index.save(packs);
    for (const id of ids) this.segments.add(id);
  }

  /** Makes durable and names what was copied. Only then may anything be removed. */
  async finish(): Promise<void> {
    const last = this.#begun;
    this.#begun = undefined;
    if (last !== undefined) await this.#copy(last, await last.loaded);
    await this.#writers.data.flush();
    await this.#writers.tree.flush();
    await this.#nameWaiting();
  }

  /** After a failure: nothing is being read or written any more. */
  async idle(): Promise<void> {
    await this.#begun?.loaded.catch(() => undefined);
    await Promise.all([this.#writers.data.idle(), this.#writers.tree.idle()]);
  }
}

function blobBytes(table: PackTable, blob: number, plain: Buffer): Buffer {
  const offset = table.blobOffset[blob] ?? 0;
  return plain.subarray(offset, offset + (table.blobLength[blob] ?? 0));
}

function frameAddress(packId: PackId, table: PackTable, frame: number): FrameAddress {
  return {
    packId,
    kind: table.kind,
    frame,
    offset: table.frameOffset[frame] ?? 0,
    sealedLength: table.frameSealedLength[frame] ?? 0,
    codedLength: table.frameCodedLength[frame] ?? 0,
    plainLength: table.framePlainLength[frame] ?? 0,
    codec: table.frameCodec[frame] ?? 0,
  };
}
