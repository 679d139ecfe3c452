/**
 * The chunk index: from blob id to location. Derived from index segments alone, and rebuilt without being asked.
 *
 * What a run adds and what is not yet in LevelDB lives in shared tables (chunk-table.ts), so that workers look ids up
 * without a message. A segment that cannot be read is made up for by the headers of the packs that no other one names.
 */

import { EngineError, isEngineError } from '../base/errors.ts';
import { type BlobId, type IndexSegmentId, type PackId, parsePackId } from '../base/ids.ts';
import { INDEX_SEGMENT_BLOBS_MAX, INDEX_SEGMENT_PACKS_MAX } from '../base/limits.ts';
import {
  blobIdOf,
  decodeIndexSegment,
  encodeIndexSegment,
  type IndexedPack,
  type IndexedPackTable,
  type PackTable,
} from '../format/pack-header.ts';
import { type BlobLocation, ChunkTable } from './chunk-table.ts';
import type { FrameAddress } from './frame-reader.ts';
import { loadPackHeader } from './pack-headers.ts';
import { loadRecord, type Store, saveRecord } from './sealed-files.ts';

const TABLE_SLOTS_FIRST = 1 << 14;
const PACKS_MAX = 1 << 20;

/** What is kept of a pack: its frames, without its blobs. */
export interface PackEntry {
  readonly packId: PackId;
  readonly packLength: number;
  readonly kind: PackTable['kind'];
  readonly frames: Pick<
    PackTable,
    'frameCount' | 'frameOffset' | 'frameSealedLength' | 'frameCodedLength' | 'framePlainLength' | 'frameCodec'
  >;
}

export interface IndexDamage {
  readonly object: string;
  readonly error: EngineError;
}

export class ChunkIndex {
  readonly #store: Store;
  readonly #tables: ChunkTable[] = [new ChunkTable(TABLE_SLOTS_FIRST)];
  readonly #packs: PackEntry[] = [];
  readonly #packNumbers = new Map<PackId, number>();
  readonly #segments = new Set<IndexSegmentId>();
  readonly #damage: IndexDamage[] = [];

  constructor(store: Store) {
    this.#store = store;
  }

  /** Segments (and pack headers read in their place) that could not be used. */
  get damage(): readonly IndexDamage[] {
    return this.#damage;
  }

  get packs(): readonly PackEntry[] {
    return this.#packs;
  }

  get blobCount(): number {
    return this.#tables.reduce((sum, table) => sum + table.count, 0);
  }

  /**
   * Takes in every segment that was not read yet: at first all, later those of other runs. With `onlyExisting`, packs
   * that are not in the store are left out (trap 1): a run that would refer to them stores their blobs again.
   */
  async refresh(options: { readonly onlyExisting?: boolean } = {}): Promise<void> {
    let lost = false;
    const existing = options.onlyExisting === true ? await this.#listPacks() : undefined;
    for await (const file of this.#store.backend.list('index')) {
      const id = file.name as IndexSegmentId;
      if (this.#segments.has(id)) continue;
      this.#segments.add(id);
      try {
        const record = await loadRecord(this.#store, 'index', id);
        for (const pack of decodeIndexSegment(record, `index segment ${id}`)) {
          if (existing === undefined || (await this.#exists(existing, pack))) this.addPack(pack);
        }
      } catch (error) {
        // A segment that vanished was replaced by another one, which a later listing shows.
        if (isEngineError(error, 'OBJECT_MISSING')) continue;
        if (!isEngineError(error, 'OBJECT_CORRUPT')) throw error;
        lost = true;
        this.#damage.push({ object: `index/${id}`, error });
      }
    }
    if (lost) await this.salvage();
  }

  async #listPacks(): Promise<Map<string, number>> {
    const packs = new Map<string, number>();
    for await (const file of this.#store.backend.list('pack')) packs.set(file.name, file.bytes);
    return packs;
  }

  async #exists(existing: ReadonlyMap<string, number>, pack: IndexedPackTable): Promise<boolean> {
    // A pack that came after the listing is asked for by itself.
    const bytes = existing.get(pack.packId) ?? (await this.#store.backend.size('pack', pack.packId));
    if (bytes === pack.packLength) return true;
    const why = bytes === undefined ? 'there is no such file' : `it has ${bytes} bytes instead of ${pack.packLength}`;
    const error = new EngineError('OBJECT_MISSING', `Pack ${pack.packId} is in the index, but ${why}`);
    this.#damage.push({ object: `packs/${pack.packId}`, error });
    return false;
  }

  /** Reads the headers of all packs that no segment named. */
  async salvage(): Promise<void> {
    for await (const file of this.#store.backend.list('pack')) {
      const packId = parsePackId(file.name);
      if (packId === undefined || this.#packNumbers.has(packId)) continue;
      try {
        this.addPack(await loadPackHeader(this.#store, packId));
      } catch (error) {
        if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED') throw error;
        this.#damage.push({ object: `packs/${packId}`, error });
      }
    }
  }

  hasPack(packId: PackId): boolean {
    return this.#packNumbers.has(packId);
  }

  /** Adds the blobs of a durable pack. A pack that is known already adds nothing. */
  addPack(pack: IndexedPackTable): void {
    if (this.#packNumbers.has(pack.packId)) return;
    const number = this.#packs.length;
    if (number >= PACKS_MAX)
      throw new EngineError('LIMIT_EXCEEDED', `The index cannot hold more than ${PACKS_MAX} packs`);
    const { kind, frameCount, frameOffset, frameSealedLength, frameCodedLength, framePlainLength, frameCodec } =
      pack.table;
    this.#packs.push({
      packId: pack.packId,
      packLength: pack.packLength,
      kind,
      frames: { frameCount, frameOffset, frameSealedLength, frameCodedLength, framePlainLength, frameCodec },
    });
    this.#packNumbers.set(pack.packId, number);
    for (let frame = 0; frame < frameCount; frame++) {
      const end = pack.table.frameFirstBlob[frame + 1] ?? 0;
      for (let blob = pack.table.frameFirstBlob[frame] ?? 0; blob < end; blob++) {
        const offset = pack.table.blobOffset[blob] ?? 0;
        const length = pack.table.blobLength[blob] ?? 0;
        this.#locate(blobIdOf(pack.table, blob), { pack: number, frame, offset, length });
      }
    }
  }

  #locate(id: BlobId, location: BlobLocation): void {
    for (const table of this.#tables) {
      const at = table.find(id);
      if (at < 0) continue;
      table.locate(id, location);
      return;
    }
    this.#openTable().locate(id, location);
  }

  /** The table that takes new entries; a larger one is begun when the last is full. */
  #openTable(): ChunkTable {
    const last = this.#tables.at(-1);
    if (last !== undefined && !last.full) return last;
    const slots = Math.min(TABLE_SLOTS_FIRST << (2 * this.#tables.length), 1 << 22);
    const table = new ChunkTable(slots);
    this.#tables.push(table);
    return table;
  }

  /** The tables as another thread of the process sees them. */
  shared(): SharedArrayBuffer[] {
    return this.#tables.map((table) => table.shared);
  }

  find(id: BlobId): BlobLocation | undefined {
    for (const table of this.#tables) {
      const at = table.find(id);
      if (at >= 0) return table.locationAt(at);
    }
    return undefined;
  }

  /** Location of a blob, or OBJECT_MISSING. */
  get(id: BlobId): BlobLocation {
    const location = this.find(id);
    if (location === undefined) {
      throw new EngineError('OBJECT_MISSING', `Blob ${id.toString('hex')} is in no pack that the index names`);
    }
    return location;
  }

  /** The frame of a location. */
  frame(location: { readonly pack: number; readonly frame: number }): FrameAddress {
    const pack = this.#packs[location.pack];
    if (pack === undefined || location.frame >= pack.frames.frameCount) {
      throw new EngineError(
        'INTERNAL',
        `The index names frame ${location.frame} of pack ${location.pack}, which is not there`,
      );
    }
    const { frames } = pack;
    return {
      packId: pack.packId,
      kind: pack.kind,
      frame: location.frame,
      offset: frames.frameOffset[location.frame] ?? 0,
      sealedLength: frames.frameSealedLength[location.frame] ?? 0,
      codedLength: frames.frameCodedLength[location.frame] ?? 0,
      plainLength: frames.framePlainLength[location.frame] ?? 0,
      codec: frames.frameCodec[location.frame] ?? 0,
    };
  }

  /** Writes segments that name `packs`; they are durable when this returns. Returns the bytes that were added. */
  async save(packs: readonly (IndexedPack & { readonly blobs: number })[]): Promise<number> {
    let bytes = 0;
    let group: IndexedPack[] = [];
    let blobs = 0;
    const flush = async (): Promise<void> => {
      if (group.length === 0) return;
      const saved = await saveRecord(this.#store, 'index', encodeIndexSegment(group));
      bytes += saved.bytes;
      group = [];
      blobs = 0;
    };
    for (const pack of packs) {
      if (blobs + pack.blobs > INDEX_SEGMENT_BLOBS_MAX || group.length >= INDEX_SEGMENT_PACKS_MAX) await flush();
      group.push(pack);
      blobs += pack.blobs;
    }
    await flush();
    return bytes;
  }
}
