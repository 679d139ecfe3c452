/**
 * Empties packs: copies what is needed of them to new packs, sealed anew (frame-mover.ts). Of a blob that is kept elsewhere
 * the other copy is read before this one may go; where it is damaged, this one is copied after all. Nothing is removed here.
 */

import { ByteReader } from '../base/bytes.ts';
import { throwIfAborted } from '../base/errors.ts';
import { BLOB_ID_BYTES, type BlobId, type IndexSegmentId, type PackId } from '../base/ids.ts';
import { INDEX_SEGMENT_BLOBS_MAX, REPACK_READ_BYTES_MAX } from '../base/limits.ts';
import { type BlobKind, blobIdOf, type PackTable, readPackHeader } from '../format/pack-header.ts';
import { isDamage } from './batch-reader.ts';
import type { StoredPack } from './blob-writer.ts';
import type { FrameBlobs } from './frame-mover.ts';
import type { FrameAddress } from './frame-reader.ts';
import type { LiveBlobs } from './live-blobs.ts';
import { MovePool } from './move-pool.ts';
import { loadPackHeader, type ReadPackHeader } from './pack-headers.ts';
import type { Repository } from './repository.ts';

/** A pack that is to be emptied, by its number in the index. */
export interface MovedPack {
  readonly packId: PackId;
  readonly number: number;
  readonly bytes: number;
}

export class PackMover {
  readonly #repository: Repository;
  readonly #live: LiveBlobs;
  readonly #signal: AbortSignal | undefined;
  readonly #pool: MovePool;
  #waiting: (StoredPack & { readonly blobs: number })[] = [];
  #waitingBlobs = 0;
  /** Packs that were written, and their bytes. */
  packsWritten = 0;
  bytesWritten = 0;
  /** Segments that name them. */
  readonly segments = new Set<IndexSegmentId>();

  /** `bytes` of all packs that will be emptied. */
  constructor(
    repository: Repository,
    live: LiveBlobs,
    { bytes, signal }: { readonly bytes: number; readonly signal: AbortSignal | undefined },
  ) {
    this.#repository = repository;
    this.#live = live;
    this.#signal = signal;
    this.#pool = new MovePool(repository, { bytes, onStored: (pack) => this.#stored(pack) });
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
    let frames: FrameAddress[] = [];
    let blobs: FrameBlobs[] = [];
    let bytes = 0;
    for (let frame = 0; frame < table.frameCount; frame++) {
      const needed = await this.#needed(table, frame, pack.number);
      if (needed.length === 0) continue;
      const address = frameAddress(pack.packId, table, frame);
      const length = Math.max(address.sealedLength, address.plainLength);
      if (bytes + length > REPACK_READ_BYTES_MAX) {
        await this.#copy(table.kind, frames, blobs);
        frames = [];
        blobs = [];
        bytes = 0;
      }
      frames.push(address);
      blobs.push(blobsOf(table, frame, needed));
      bytes += length;
    }
    await this.#copy(table.kind, frames, blobs);
    if (this.#waitingBlobs >= INDEX_SEGMENT_BLOBS_MAX) await this.#nameWaiting();
  }

  async #copy(kind: BlobKind, frames: readonly FrameAddress[], blobs: readonly FrameBlobs[]): Promise<void> {
    if (frames.length === 0) return;
    await this.#pool.move({ kind, frames, blobs }, async (damaged) => {
      for (let at = 0; at < damaged.length; at += BLOB_ID_BYTES) {
        const id = Buffer.from(damaged.subarray(at, at + BLOB_ID_BYTES)) as BlobId;
        // What is damaged here may be whole elsewhere.
        await this.#pool.here.add(kind, id, await this.#repository.blobs.read(kind, id));
      }
    });
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

  async #nameWaiting(): Promise<void> {
    const packs = this.#waiting;
    this.#waiting = [];
    this.#waitingBlobs = 0;
    const { ids } = await this.#repository.index.save(packs);
    for (const id of ids) this.segments.add(id);
  }

  /** Makes durable and names what was copied. Only then may anything be removed. */
  async finish(): Promise<void> {
    await this.#pool.flush();
    await this.#nameWaiting();
  }

  /** The end, also after a failure: nothing is being read or written any more. */
  async close(): Promise<void> {
    await this.#pool.close();
  }
}

/** Of a frame; `needed` are numbers in the pack. */
function blobsOf(table: PackTable, frame: number, needed: readonly number[]): FrameBlobs {
  const first = table.frameFirstBlob[frame] ?? 0;
  const end = table.frameFirstBlob[frame + 1] ?? 0;
  return {
    // Copies: a view would take the whole pack's ids along to another thread.
    ids: Uint8Array.from(table.blobIds.subarray(first * BLOB_ID_BYTES, end * BLOB_ID_BYTES)),
    lengths: Uint32Array.from(table.blobLength.subarray(first, end)),
    needed: Uint32Array.from(needed, (blob) => blob - first),
  };
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
