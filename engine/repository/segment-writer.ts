/**
 * Names the packs of a run in index segments: behind the packs, before the snapshot. Packs that are durable wait here
 * until there are enough for a segment, or until the run wants everything named.
 */

import { ByteReader } from '../base/bytes.ts';
import { EngineError } from '../base/errors.ts';
import type { PackId } from '../base/ids.ts';
import { INDEX_SEGMENT_BLOBS_MAX } from '../base/limits.ts';
import { readPackHeader } from '../format/pack-header.ts';
import type { StoredPack } from './blob-writer.ts';
import { loadPackHeader } from './pack-headers.ts';
import type { Repository } from './repository.ts';

export class SegmentWriter {
  readonly #repository: Repository;
  #waiting: (StoredPack & { readonly blobs: number })[] = [];
  #waitingBlobs = 0;
  #writing: Promise<void> = Promise.resolve();
  #failure: unknown;
  #bytesWritten = 0;
  #salvagedNamed = 0;

  constructor(repository: Repository) {
    this.#repository = repository;
  }

  /** Bytes of the packs and segments of this run. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Takes a pack that has just become durable. */
  add(pack: StoredPack): void {
    const table = readPackHeader(new ByteReader(pack.headerRecord, `the header of pack ${pack.packId}`));
    this.#bytesWritten += pack.packLength;
    // Trees of this run are read again when directories moved; of data blobs that is never needed.
    if (table.kind === 'tree') {
      this.#repository.index.addPack({ packId: pack.packId, packLength: pack.packLength, table });
    }
    this.#wait(pack, table.blobCount);
  }

  /** Takes packs that an earlier run made durable, but did not name; what is gone or damaged is left to others. */
  async recover(packIds: Iterable<PackId>): Promise<void> {
    for (const packId of packIds) if (!this.#repository.index.hasPack(packId)) await this.#recover(packId);
  }

  /** Names the packs whose segments were lost, since this run may refer to what they hold. */
  async nameSalvaged(): Promise<void> {
    const { salvaged } = this.#repository.index;
    const packIds = salvaged.slice(this.#salvagedNamed);
    this.#salvagedNamed = salvaged.length;
    for (const packId of packIds) await this.#recover(packId);
  }

  async #recover(packId: PackId): Promise<void> {
    try {
      const pack = await loadPackHeader(this.#repository, packId);
      this.#repository.index.addPack(pack);
      this.#wait({ ...pack, sequence: 0 }, pack.table.blobCount);
    } catch (error) {
      if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED') throw error;
    }
  }

  #wait(pack: StoredPack, blobs: number): void {
    this.#waiting.push({ ...pack, blobs });
    this.#waitingBlobs += blobs;
    if (this.#waitingBlobs >= INDEX_SEGMENT_BLOBS_MAX) this.#save();
  }

  #save(): void {
    const packs = this.#waiting;
    this.#waiting = [];
    this.#waitingBlobs = 0;
    if (packs.length === 0) return;
    this.#writing = this.#writing
      .then(async () => {
        // Not in one expression: packs that come in meanwhile would be forgotten.
        const { bytes } = await this.#repository.index.save(packs);
        this.#bytesWritten += bytes;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      });
  }

  /** Names all that waits, and throws what a write threw. */
  async flush(): Promise<void> {
    this.#save();
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }
}
