/**
 * Empties packs: copies what is needed of them to new packs, sealed anew. Of a blob that is kept elsewhere the other copy
 * is read before this one may go; where it is damaged, this one is copied after all. Nothing is removed here.
 */

import { ByteReader } from '../base/bytes.ts';
import { throwIfAborted } from '../base/errors.ts';
import type { IndexSegmentId, PackId } from '../base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, INDEX_SEGMENT_BLOBS_MAX, REPACK_READ_BYTES_MAX } from '../base/limits.ts';
import { Compressor } from '../codec/compression.ts';
import { type BlobKind, blobIdOf, type PackTable, readPackHeader } from '../format/pack-header.ts';
import { BatchReader, isDamage } from './batch-reader.ts';
import { BlobWriter, type StoredPack } from './blob-writer.ts';
import type { FrameAddress } from './frame-reader.ts';
import type { LiveBlobs } from './live-blobs.ts';
import { loadPackHeader } from './pack-headers.ts';
import type { Repository } from './repository.ts';

export class PackMover {
  readonly #repository: Repository;
  readonly #live: LiveBlobs;
  readonly #signal: AbortSignal | undefined;
  readonly #reader: BatchReader;
  readonly #writers: { readonly [kind in BlobKind]: BlobWriter };
  #waiting: (StoredPack & { readonly blobs: number })[] = [];
  #waitingBlobs = 0;
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

  /** Copies what is needed of a pack. OBJECT_CORRUPT, OBJECT_MISSING where a needed blob can be read nowhere. */
  async move(pack: { readonly packId: PackId; readonly number: number }): Promise<void> {
    throwIfAborted(this.#signal);
    const { table } = await loadPackHeader(this.#repository, pack.packId);
    let frames: FrameAddress[] = [];
    let blobs: (readonly number[])[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      await this.#copy(table, frames, blobs);
      frames = [];
      blobs = [];
      bytes = 0;
    };
    for (let frame = 0; frame < table.frameCount; frame++) {
      const needed = await this.#needed(table, frame, pack.number);
      if (needed.length === 0) continue;
      const address = frameAddress(pack.packId, table, frame);
      const length = Math.max(address.sealedLength, address.plainLength);
      if (bytes + length > REPACK_READ_BYTES_MAX) await flush();
      frames.push(address);
      blobs.push(needed);
      bytes += length;
    }
    await flush();
    if (this.#waitingBlobs >= INDEX_SEGMENT_BLOBS_MAX) await this.#nameWaiting();
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

  async #copy(table: PackTable, frames: readonly FrameAddress[], blobs: readonly (readonly number[])[]): Promise<void> {
    if (frames.length === 0) return;
    const { kind } = table;
    const writer = this.#writers[kind];
    const loaded = await this.#reader.load(frames);
    const opened = this.#reader.open(loaded);
    for (const [at, needed] of blobs.entries()) {
      const plain = opened[at];
      for (const blob of needed) {
        const id = blobIdOf(table, blob);
        const offset = table.blobOffset[blob] ?? 0;
        let bytes =
          plain instanceof Buffer ? plain.subarray(offset, offset + (table.blobLength[blob] ?? 0)) : undefined;
        try {
          if (bytes !== undefined) this.#repository.blobs.frames.verify(kind, id, bytes);
        } catch (error) {
          if (!isDamage(error)) throw error;
          bytes = undefined;
        }
        // What is damaged here may be whole elsewhere.
        writer.add(id, bytes ?? (await this.#repository.blobs.read(kind, id)));
      }
      await writer.settle();
    }
    this.#reader.release(loaded);
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
    await this.#writers.data.flush();
    await this.#writers.tree.flush();
    await this.#nameWaiting();
  }

  /** After a failure: nothing is being written any more. */
  async idle(): Promise<void> {
    await Promise.all([this.#writers.data.idle(), this.#writers.tree.idle()]);
  }
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
