/**
 * The chunk index: from blob id to locations. Derived from index segments alone, and rebuilt without being asked.
 *
 * Young blobs lie in shared memory (chunk-table.ts). Once they are many, they move to LevelDB (cold-index.ts), which keeps
 * 2.5 bytes a blob in memory; so a small repository never pays for LevelDB, and a large one is not read from its segments
 * at every start. A segment that cannot be read is made up for by the headers of the packs that no other one names.
 */

import { EngineError, errnoCode, isEngineError } from '../base/errors.ts';
import { type BlobId, type IndexSegmentId, type PackId, parsePackId } from '../base/ids.ts';
import {
  COLD_RUNS_MAX,
  INDEX_SEGMENT_BLOBS_MAX,
  INDEX_SEGMENT_PACKS_MAX,
  RUN_CLAIMS_MAX,
  YOUNG_BLOBS_MAX,
  YOUNG_PACKS_MAX,
} from '../base/limits.ts';
import {
  decodeIndexSegment,
  encodeIndexSegment,
  type IndexedPack,
  type IndexedPackTable,
} from '../format/pack-header.ts';
import { type BlobLocation, ENTRY_WORDS } from './chunk-table.ts';
import { ColdHome } from './cold-home.ts';
import { ColdIndex, type SegmentPacks } from './cold-index.ts';
import type { FrameAddress } from './frame-reader.ts';
import { DeadPacks, KnownBlobs, searchLocations } from './known-blobs.ts';
import { loadPackHeader } from './pack-headers.ts';
import { PACKS_MAX, type PackFacts, PackList } from './pack-list.ts';
import { sortEntries } from './run-filter.ts';
import { loadRecord, type Store, saveRecord } from './sealed-files.ts';
import { FRAME_WORDS, YoungIndex } from './young-index.ts';

export interface IndexDamage {
  readonly object: string;
  readonly error: EngineError;
}

/** When the index moves to LevelDB. Tests set small ones. */
export interface IndexLimits {
  /** Blobs in memory. */
  readonly youngBlobs: number;
  /** Runs in LevelDB; more are merged into one. */
  readonly coldRuns: number;
  /** New blobs of a backup in memory. */
  readonly runClaims: number;
}

export const INDEX_LIMITS_DEFAULT: IndexLimits = {
  youngBlobs: YOUNG_BLOBS_MAX,
  coldRuns: COLD_RUNS_MAX,
  runClaims: RUN_CLAIMS_MAX,
};

export interface ChunkIndexOptions {
  readonly cacheDirectory: string;
  readonly limits?: Partial<IndexLimits> | undefined;
}

export class ChunkIndex {
  readonly #store: Store;
  readonly limits: IndexLimits;
  readonly #home: ColdHome;
  readonly #cold: ColdIndex;
  #coldState: 'unopened' | 'usable' | 'failed' = 'unopened';
  readonly #young = new YoungIndex();
  readonly #packs = new PackList();
  readonly #dead = new DeadPacks(PACKS_MAX);
  readonly #coldSegments: SegmentPacks = new Map();
  readonly #youngSegments: SegmentPacks = new Map();
  readonly #damagedSegments = new Set<IndexSegmentId>();
  /** Packs that live although no segment need name them: this process's own, and those that were read themselves. */
  readonly #own = new Set<number>();
  /** Packs that segments name and the store has not. */
  readonly #absent = new Set<number>();
  readonly #damage: IndexDamage[] = [];
  /** Other threads look at the tables: nothing is moved any more. */
  #pinned = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(store: Store, options: ChunkIndexOptions) {
    this.#store = store;
    this.limits = { ...INDEX_LIMITS_DEFAULT, ...options.limits };
    this.#home = new ColdHome(options.cacheDirectory, store.keys.repositoryId);
    this.#cold = new ColdIndex(this.#home);
  }

  /** Segments (and pack headers read in their place) that could not be used. */
  get damage(): readonly IndexDamage[] {
    return this.#damage;
  }

  /** Where the part in LevelDB lies. May be deleted at any time. */
  get directory(): string {
    return this.#home.directory;
  }

  /** Entries: a blob that is stored twice counts twice. */
  get blobCount(): number {
    return this.youngBlobCount + this.#cold.blobCount;
  }

  get youngBlobCount(): number {
    return this.#young.blobCount;
  }

  /** A pack by its number in locations. */
  pack(number: number): PackFacts | undefined {
    return this.#packs.get(number);
  }

  /** Every pack that segments name (or that this process wrote), whether or not the store has it. */
  *packs(): Generator<PackFacts> {
    for (let number = 0; number < this.#packs.count; number++) {
      if (this.#dead.has(number) && !this.#absent.has(number)) continue;
      const pack = this.#packs.get(number);
      if (pack !== undefined) yield pack;
    }
  }

  /**
   * Takes in every segment that was not read yet: at first all, later those of other runs. With `onlyExisting`, packs
   * that are not in the store are left out (trap 1): a run that would refer to them stores their blobs again.
   */
  refresh(options: { readonly onlyExisting?: boolean } = {}): Promise<void> {
    const refreshed = this.#queue.then(() => this.#refresh(options));
    this.#queue = refreshed.catch(() => undefined);
    return refreshed;
  }

  async #refresh(options: { readonly onlyExisting?: boolean }): Promise<void> {
    await this.#openCold();
    const listed = new Set<IndexSegmentId>();
    let lost = false;
    for await (const file of this.#store.backend.list('index')) {
      const id = file.name as IndexSegmentId;
      listed.add(id);
      if (this.#coldSegments.has(id) || this.#youngSegments.has(id) || this.#damagedSegments.has(id)) continue;
      try {
        await this.#loadSegment(id);
      } catch (error) {
        // A segment that vanished was replaced by another one, which a later listing shows.
        if (isEngineError(error, 'OBJECT_MISSING')) continue;
        if (!isEngineError(error, 'OBJECT_CORRUPT')) throw error;
        lost = true;
        this.#damagedSegments.add(id);
        this.#damage.push({ object: `index/${id}`, error });
      }
      if (this.#isCrowded()) await this.#moveToCold();
    }
    this.#bury(listed);
    if (lost) await this.salvage();
    if (options.onlyExisting === true) await this.#buryMissing();
    if (this.#isCrowded()) await this.#moveToCold();
    await this.#tidyCold(listed);
  }

  async #loadSegment(id: IndexSegmentId): Promise<void> {
    const record = await loadRecord(this.#store, 'index', id);
    const packs = decodeIndexSegment(record, `index segment ${id}`);
    this.#youngSegments.set(
      id,
      Uint32Array.from(packs, (pack) => this.#enter(pack)),
    );
  }

  // ---- the cold part

  async #openCold(): Promise<void> {
    if (this.#coldState !== 'unopened') return;
    this.#coldState = 'failed';
    await this.#trying(async () => {
      await this.#home.sweep();
      await this.#cold.load(this.#packs, this.#coldSegments);
      this.#coldState = 'usable';
    });
  }

  /** A cache directory that cannot be written or read leaves everything in memory. */
  async #trying(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof EngineError && errnoCode(error.cause) === undefined) throw error;
      this.#coldState = 'failed';
    }
  }

  #isCrowded(): boolean {
    if (this.#pinned || this.#coldState !== 'usable') return false;
    return this.youngBlobCount > this.limits.youngBlobs || this.#young.packCount > YOUNG_PACKS_MAX;
  }

  async #moveToCold(): Promise<void> {
    await this.#trying(async () => {
      await this.#cold.append({
        entries: sortEntries(this.#young.copyEntries(), ENTRY_WORDS),
        packs: this.#packs,
        framesOf: (pack) => this.#young.frames(pack),
        segments: this.#youngSegments,
      });
      for (const [id, packs] of this.#youngSegments) this.#coldSegments.set(id, packs);
      this.#youngSegments.clear();
      this.#young.clear();
    });
  }

  /** Merges what became many runs or is mostly dead, and lets other processes have what was added. */
  async #tidyCold(listed: ReadonlySet<IndexSegmentId>): Promise<void> {
    if (this.#pinned || this.#coldState !== 'usable' || this.#cold.runs.length === 0) return;
    await this.#trying(async () => {
      const named = this.#named(listed);
      let dead = 0;
      for (let pack = 0; pack < this.#cold.packCount; pack++) {
        if (named[pack] === 0) dead += this.#packs.get(pack)?.blobCount ?? 0;
      }
      if (this.#cold.runs.length > this.limits.coldRuns || dead > this.#cold.blobCount / 2) {
        for (const id of this.#coldSegments.keys()) if (!listed.has(id)) this.#coldSegments.delete(id);
        // Packs that are still young have higher numbers: they must be cold before the numbers are written.
        if (this.#packs.count > this.#cold.packCount) await this.#moveToCold();
        if (this.#coldState !== 'usable') return;
        await this.#cold.merge({
          packs: this.#packs,
          segments: this.#coldSegments,
          isDead: (pack) => named[pack] === 0,
        });
      }
      await this.#cold.publish();
    });
  }

  // ---- which packs live

  /** One byte a pack: 1 where a listed segment names it, or it is this process's own. */
  #named(listed: ReadonlySet<IndexSegmentId>): Uint8Array {
    const named = new Uint8Array(this.#packs.count);
    for (const segments of [this.#coldSegments, this.#youngSegments]) {
      for (const [id, packs] of segments) if (listed.has(id)) for (const pack of packs) named[pack] = 1;
    }
    for (const pack of this.#own) named[pack] = 1;
    return named;
  }

  #bury(listed: ReadonlySet<IndexSegmentId>): void {
    const named = this.#named(listed);
    named.forEach((isNamed, pack) => {
      this.#dead.set(pack, isNamed === 0 || this.#absent.has(pack));
    });
  }

  async #buryMissing(): Promise<void> {
    const present = new Uint8Array(this.#packs.count);
    for await (const file of this.#store.backend.list('pack')) {
      const packId = parsePackId(file.name);
      const number = packId === undefined ? undefined : this.#packs.numberOf(packId);
      if (number !== undefined && this.#packs.get(number)?.packLength === file.bytes) present[number] = 1;
    }
    for (let number = 0; number < present.length; number++) {
      if (present[number] === 1) {
        if (this.#absent.delete(number)) this.#dead.set(number, false);
        continue;
      }
      const pack = this.#dead.has(number) ? undefined : this.#packs.get(number);
      if (pack === undefined) continue;
      // A pack that came after the listing is asked for by itself.
      const bytes = await this.#store.backend.size('pack', pack.packId);
      if (bytes === pack.packLength) continue;
      this.#absent.add(number);
      this.#dead.set(number, true);
      const why = bytes === undefined ? 'there is no such file' : `it has ${bytes} bytes instead of ${pack.packLength}`;
      const error = new EngineError('OBJECT_MISSING', `Pack ${pack.packId} is in the index, but ${why}`);
      this.#damage.push({ object: `packs/${pack.packId}`, error });
    }
  }

  /** Reads the headers of all packs that no segment named. */
  async salvage(): Promise<void> {
    for await (const file of this.#store.backend.list('pack')) {
      const packId = parsePackId(file.name);
      if (packId === undefined || this.hasPack(packId)) continue;
      const number = this.#packs.numberOf(packId);
      if (number !== undefined) {
        this.#revive(number);
        continue;
      }
      try {
        this.addPack(await loadPackHeader(this.#store, packId));
      } catch (error) {
        if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED') throw error;
        this.#damage.push({ object: `packs/${packId}`, error });
      }
    }
  }

  #revive(number: number): void {
    this.#own.add(number);
    this.#dead.set(number, this.#absent.has(number));
  }

  // ---- adding

  hasPack(packId: PackId): boolean {
    const number = this.#packs.numberOf(packId);
    return number !== undefined && !this.#dead.has(number);
  }

  /** Adds the blobs of a durable pack that segments need not name yet. A pack that is known already adds nothing. */
  addPack(pack: IndexedPackTable): void {
    this.#revive(this.#enter(pack));
  }

  #enter(pack: IndexedPackTable): number {
    const known = this.#packs.numberOf(pack.packId);
    if (known !== undefined) return known;
    const { table } = pack;
    const number = this.#packs.add({ ...pack, kind: table.kind, blobCount: table.blobCount });
    this.#young.add(number, table);
    return number;
  }

  // ---- looking up

  /** What is known now, for the threads of a run. From here on the index stays in memory as it is. */
  known(): KnownBlobs {
    this.#pinned = true;
    return new KnownBlobs({
      tables: [...this.#young.tables],
      dead: this.#dead,
      runs: this.#cold.runs,
      database: this.#cold.database,
      newWorkPath: () => this.#home.newWorkPath(),
    });
  }

  #visit(id: BlobId, accept: (location: BlobLocation) => boolean): void {
    const acceptLiving = (location: BlobLocation): boolean => !this.#dead.has(location.pack) && accept(location);
    for (const table of this.#young.tables) {
      for (let at = table.find(id); at >= 0; at = table.find(id, at)) if (acceptLiving(table.locationAt(at))) return;
    }
    if (searchLocations(this.#cold.runs, id, acceptLiving) === 'damaged') this.#failCold();
  }

  #failCold(): never {
    this.#queue = this.#queue.then(() => this.#cold.discard()).catch(() => undefined);
    throw new EngineError(
      'STORAGE_FAILED',
      `The chunk index in ${this.#home.directory} is damaged. It was removed, and the next command builds it anew: run this one again`,
    );
  }

  /** Where a blob lies, if any living pack has it. */
  find(id: BlobId): BlobLocation | undefined {
    let found: BlobLocation | undefined;
    this.#visit(id, (location) => {
      found = location;
      return true;
    });
    return found;
  }

  /** Every place where a blob lies. */
  findAll(id: BlobId): BlobLocation[] {
    const found: BlobLocation[] = [];
    this.#visit(id, (location) => {
      found.push(location);
      return false;
    });
    return found;
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
    const pack = this.#packs.get(location.pack);
    const frames = this.#young.frames(location.pack) ?? this.#cold.frames(location.pack);
    const at = location.frame * FRAME_WORDS;
    if (frames === undefined && location.pack < this.#cold.packCount) this.#failCold();
    if (pack === undefined || frames === undefined || at >= frames.length) {
      throw new EngineError(
        'INTERNAL',
        `The index names frame ${location.frame} of pack ${location.pack}, which is not there`,
      );
    }
    return {
      packId: pack.packId,
      kind: pack.kind,
      frame: location.frame,
      offset: frames[at] ?? 0,
      sealedLength: frames[at + 1] ?? 0,
      codedLength: frames[at + 2] ?? 0,
      plainLength: frames[at + 3] ?? 0,
      codec: frames[at + 4] ?? 0,
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

  /** Closes LevelDB and removes what this process had of it. */
  async close(): Promise<void> {
    await this.#queue;
    this.#coldState = 'failed';
    await this.#cold.close();
    await this.#home.close().catch(() => undefined);
  }
}
