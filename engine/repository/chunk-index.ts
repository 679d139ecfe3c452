/**
 * The chunk index: from blob id to locations. Derived from index segments alone, and rebuilt without being asked.
 *
 * Young blobs lie in shared memory (chunk-table.ts). Once they are many, they move to LevelDB (cold-index.ts), which keeps
 * 2.5 bytes a blob in memory; so a small repository never pays for LevelDB, and a large one is not read from its segments
 * at every start. A segment that cannot be read is made up for by the headers of the packs that no other one names.
 */

import { EngineError, errnoCode, isEngineError } from '../base/errors.ts';
import { type BlobId, type IndexSegmentId, type PackId, parsePackId } from '../base/ids.ts';
import { CATCH_UPS_REMEMBERED_MAX, INDEX_RELISTINGS_MAX, YOUNG_PACKS_MAX } from '../base/limits.ts';
import type { IndexedPackHeader, IndexedPackTable } from '../format/pack-header.ts';
import { listNames } from '../storage/backend.ts';
import { isDamagedThere } from './batch-reader.ts';
import { type BlobLocation, type ChunkTable, ENTRY_WORDS } from './chunk-table.ts';
import { ColdHome } from './cold-home.ts';
import { ColdIndex, type SegmentPacks } from './cold-index.ts';
import type { ColdRun } from './cold-run.ts';
import type { FrameAddress } from './frame-reader.ts';
import {
  type ChunkIndexOptions,
  INDEX_LIMITS_DEFAULT,
  type IndexLimits,
  type RefreshOptions,
} from './index-options.ts';
import { type DeadPacks, KnownBlobs, searchLocations } from './known-blobs.ts';
import { loadPackHeader } from './pack-headers.ts';
import type { PackFacts, PackList } from './pack-list.ts';
import { type IndexDamage, type MissingPack, PackRoster } from './pack-roster.ts';
import { sortEntries } from './run-filter.ts';
import type { Store } from './sealed-files.ts';
import { type CountedPack, loadSegment, type SavedSegments, saveSegments } from './segment-files.ts';
import { FRAME_WORDS, YoungIndex } from './young-index.ts';

/** Blobs that are damaged would else have the index listed for each of them. */
const CATCH_UP_MS_MIN = 1000;

export type { IndexLimits, RefreshOptions } from './index-options.ts';

/** What the index knows, for whoever goes through all of it (live-blobs.ts, entry-merge.ts). */
export interface IndexView {
  /** Grows while packs are added. */
  readonly tables: readonly ChunkTable[];
  readonly runs: readonly ColdRun[];
  readonly packs: PackList;
  readonly dead: DeadPacks;
}

export class ChunkIndex {
  readonly #store: Store;
  readonly limits: IndexLimits;
  readonly #home: ColdHome;
  readonly #cold: ColdIndex;
  #coldState: 'unopened' | 'usable' | 'failed' = 'unopened';
  readonly #young = new YoungIndex();
  readonly #packs = new PackRoster();
  readonly #coldSegments: SegmentPacks = new Map();
  readonly #youngSegments: SegmentPacks = new Map();
  readonly #damagedSegments = new Set<IndexSegmentId>();
  readonly #damage: IndexDamage[] = [];
  /** Other threads look at the tables: nothing is moved any more. */
  #pinned = false;
  readonly #salvaged: PackId[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #listed: Set<IndexSegmentId> = new Set();
  readonly #saved = new Set<IndexSegmentId>();
  /** When the index was last brought up to date because a pack did not have what it should. */
  readonly #catchUps = new Map<string, { readonly begunMs: number; readonly done: Promise<void> }>();

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

  /** Packs that no segment named when their own headers were read. */
  get salvaged(): readonly PackId[] {
    return this.#salvaged;
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
    return this.#packs.list.get(number);
  }

  blobCountOf(number: number): number {
    return this.#packs.list.blobCountOf(number);
  }

  numberOf(packId: PackId): number | undefined {
    return this.#packs.list.numberOf(packId);
  }

  /** Every pack that segments name, or that this process wrote, whether or not the store has it. */
  packs(): Iterable<PackFacts> {
    return this.#packs.named();
  }

  /** Takes in every segment that was not read yet: at first all, later those of other runs. */
  refresh(options: RefreshOptions = {}): Promise<void> {
    const refreshed = this.#queue.then(() => this.#refresh(options));
    this.#queue = refreshed.catch(() => undefined);
    return refreshed;
  }

  /**
   * Takes in what changed while this process reads: a prune beside it gives blobs new places. Does nothing where that was
   * done a moment ago for the same reason: the pack in which a blob was looked for in vain.
   */
  async catchUp(pack: PackId | undefined): Promise<void> {
    const reason = pack ?? '';
    const nowMs = performance.now();
    const known = this.#catchUps.get(reason);
    if (known !== undefined && nowMs - known.begunMs < CATCH_UP_MS_MIN) return known.done;
    if (this.#catchUps.size >= CATCH_UPS_REMEMBERED_MAX) this.#catchUps.clear();
    const done = this.refresh();
    this.#catchUps.set(reason, { begunMs: nowMs, done });
    return done;
  }

  /** From here on nothing is moved, so that locations that were given out stay what they are; what is added shows. */
  pin(): void {
    this.#pinned = true;
  }

  async #refresh(options: RefreshOptions): Promise<void> {
    await this.#openCold();
    const missing: MissingPack[] = [];
    for (let attempt = 0; ; attempt++) {
      const taken = await this.#takeIn(options, attempt);
      if (taken === undefined) continue;
      this.#listed = taken.listed;
      this.#packs.bury(this.#marks(taken.listed));
      if (taken.lost) await this.salvage();
      if (options.onlyExisting !== true) break;
      const found = await this.#packs.buryMissing(this.#store.backend);
      missing.push(...found);
      // A prune beside this one replaces the segments first: then they name the packs no more.
      if (found.length === 0 || attempt >= INDEX_RELISTINGS_MAX || (await this.#isListedStill())) break;
    }
    const listed = this.#listed;
    const marks = this.#marks(listed);
    this.#damage.push(...missing.filter(({ number }) => marks[number] === 1));
    if (this.#isCrowded() || this.#restsOnCold(listed)) await this.#moveToCold();
    await this.#tidyCold(listed);
  }

  /** True where the very segments of the last listing lie there. */
  async #isListedStill(): Promise<boolean> {
    let count = 0;
    for await (const name of listNames(this.#store.backend, 'index')) {
      if (!this.#listed.has(name as IndexSegmentId)) return false;
      count++;
    }
    return count === this.#listed.size;
  }

  /**
   * Reads what is listed and not known yet. Undefined where a segment vanished meanwhile: it was replaced by another one,
   * which the next listing shows.
   */
  async #takeIn(
    options: RefreshOptions,
    attempt: number,
  ): Promise<{ readonly listed: Set<IndexSegmentId>; readonly lost: boolean } | undefined> {
    const listed = new Set<IndexSegmentId>();
    let lost = false;
    for await (const name of listNames(this.#store.backend, 'index')) {
      const id = name as IndexSegmentId;
      listed.add(id);
      const isKnown = this.#coldSegments.has(id) || this.#youngSegments.has(id);
      if ((isKnown && options.readsAll !== true) || this.#damagedSegments.has(id)) continue;
      try {
        const packs = await loadSegment(this.#store, id);
        if (isKnown) continue;
        const numbers = packs.map((pack) => this.#enter(pack));
        this.#youngSegments.set(id, Uint32Array.from(numbers));
      } catch (error) {
        // A listing that shows again and again what is not there is as good as it gets.
        if (isEngineError(error, 'OBJECT_MISSING') && attempt < INDEX_RELISTINGS_MAX) return undefined;
        if (isEngineError(error, 'OBJECT_MISSING')) continue;
        if (!isDamagedThere(error)) throw error;
        lost ||= !isKnown;
        this.#damagedSegments.add(id);
        this.#damage.push({ object: `index/${id}`, error });
      }
      if (this.#isCrowded()) await this.#moveToCold();
    }
    return { listed, lost };
  }

  // ---- the cold part

  async #openCold(): Promise<void> {
    if (this.#coldState !== 'unopened') return;
    this.#coldState = 'failed';
    await this.#trying(async () => {
      await this.#home.sweep();
      await this.#cold.load(this.#packs.list, this.#coldSegments);
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

  /**
   * True where much of what new segments name lies in LevelDB already. A prune replaces segments by others that name the
   * same packs; until those are taken down there too, every start would read them all.
   */
  #restsOnCold(listed: ReadonlySet<IndexSegmentId>): boolean {
    if (this.#pinned || this.#coldState !== 'usable') return false;
    const { list } = this.#packs;
    let blobs = 0;
    for (const [id, packs] of this.#youngSegments) {
      if (!listed.has(id)) continue;
      for (const pack of packs) if (pack < this.#cold.packCount) blobs += list.blobCountOf(pack);
    }
    return blobs > this.limits.youngBlobs;
  }

  async #moveToCold(): Promise<void> {
    await this.#trying(async () => {
      const { list } = this.#packs;
      const packEnd = list.count;
      await this.#cold.append({
        entries: sortEntries(this.#young.copyEntries(), ENTRY_WORDS),
        packs: list,
        packEnd,
        framesOf: (pack) => this.#young.frames(pack),
        segments: this.#youngSegments,
      });
      for (const [id, packs] of this.#youngSegments) this.#coldSegments.set(id, packs);
      this.#youngSegments.clear();
      // What this process added meanwhile stays.
      this.#young.removeBelow(packEnd);
    });
  }

  /** Merges what became many runs or is mostly dead, and lets other processes have what was added. */
  async #tidyCold(listed: ReadonlySet<IndexSegmentId>): Promise<void> {
    if (this.#pinned || this.#coldState !== 'usable' || this.#cold.runs.length === 0) return;
    await this.#trying(async () => {
      const { list } = this.#packs;
      const marks = this.#marks(listed);
      let dead = 0;
      for (let pack = 0; pack < this.#cold.packCount; pack++) {
        if (marks[pack] === 0) dead += list.get(pack)?.blobCount ?? 0;
      }
      if (this.#cold.runs.length > this.limits.coldRuns || dead > this.#cold.blobCount / 2) {
        for (const id of this.#coldSegments.keys()) if (!listed.has(id)) this.#coldSegments.delete(id);
        await this.#cold.merge({ packs: list, segments: this.#coldSegments, isDead: (pack) => marks[pack] === 0 });
      }
      await this.#cold.publish();
    });
  }

  #marks(listed: ReadonlySet<IndexSegmentId>): Uint8Array {
    return this.#packs.marks([this.#coldSegments, this.#youngSegments], listed);
  }

  /** Reads the headers of all packs that no segment named. */
  async salvage(): Promise<void> {
    for await (const name of listNames(this.#store.backend, 'pack')) {
      const packId = parsePackId(name);
      if (packId === undefined || this.hasPack(packId)) continue;
      const number = this.#packs.list.numberOf(packId);
      if (number !== undefined) {
        this.#packs.own(number);
        this.#salvaged.push(packId);
        continue;
      }
      try {
        this.addPack(await loadPackHeader(this.#store, packId));
        this.#salvaged.push(packId);
      } catch (error) {
        if (!(error instanceof EngineError) || error.code === 'STORAGE_FAILED') throw error;
        this.#damage.push({ object: `packs/${packId}`, error });
      }
    }
  }

  // ---- adding

  /** True for a pack that lives. */
  hasPack(packId: PackId): boolean {
    return this.#packs.isAlive(packId);
  }

  /** Adds the blobs of a durable pack that segments need not name yet. A pack that is known already adds nothing. */
  addPack(pack: IndexedPackTable): void {
    this.#packs.own(this.#enter(pack));
  }

  #enter(pack: IndexedPackTable): number {
    const known = this.#packs.list.numberOf(pack.packId);
    if (known !== undefined) return known;
    const { table } = pack;
    const number = this.#packs.list.add({ ...pack, kind: table.kind, blobCount: table.blobCount });
    this.#young.add(number, table);
    return number;
  }

  // ---- for prune

  /** All that is known, entry by entry. From here on the index stays in memory as it is; what is added later shows. */
  view(): IndexView {
    this.#pinned = true;
    return { tables: this.#young.tables, runs: this.#cold.runs, packs: this.#packs.list, dead: this.#packs.dead };
  }

  /** The packs that a segment names by number, for every segment that lay there at the last refresh. */
  *segments(): Generator<readonly [IndexSegmentId, Uint32Array]> {
    for (const segments of [this.#coldSegments, this.#youngSegments]) {
      for (const entry of segments) if (this.#listed.has(entry[0])) yield entry;
    }
  }

  /** The packs that a segment names, with their headers. OBJECT_MISSING, OBJECT_CORRUPT. */
  loadSegment(id: IndexSegmentId): Promise<IndexedPackHeader[]> {
    return loadSegment(this.#store, id);
  }

  async removeSegment(id: IndexSegmentId): Promise<void> {
    await this.#store.backend.remove('index', id);
    this.#listed.delete(id);
  }

  /** Removes the part in LevelDB that lies there for others, because what it says is not what was written. */
  failCold(): never {
    return this.#failCold();
  }

  // ---- looking up

  /**
   * What is known now, for the threads of a run, without what lies only in packs that are `avoided`. From here on the index
   * stays in memory as it is.
   */
  known(avoided: Iterable<PackId> = []): KnownBlobs {
    this.#pinned = true;
    return new KnownBlobs({
      tables: [...this.#young.tables],
      dead: this.#packs.deadAnd(avoided),
      runs: this.#cold.runs,
      database: this.#cold.database,
      newWorkPath: () => this.#home.newWorkPath(),
    });
  }

  #visit(id: BlobId, accept: (location: BlobLocation) => boolean): void {
    const acceptLiving = (location: BlobLocation): boolean => !this.#packs.dead.has(location.pack) && accept(location);
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
    const pack = this.#packs.list.get(location.pack);
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

  /** Writes segments that name `packs`; they are durable when this returns. Returns the bytes that were added, and their ids. */
  async save(packs: readonly CountedPack[]): Promise<SavedSegments> {
    const saved = await saveSegments(this.#store, packs);
    for (const id of saved.ids) this.#saved.add(id);
    return saved;
  }

  /** Segments that this process wrote. */
  get saved(): ReadonlySet<IndexSegmentId> {
    return this.#saved;
  }

  /** Closes LevelDB and removes what this process had of it. */
  async close(): Promise<void> {
    await this.#queue;
    this.#coldState = 'failed';
    await this.#cold.close();
    await this.#home.close().catch(() => undefined);
  }
}
