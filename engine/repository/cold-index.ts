/**
 * The cold part of the chunk index: what was moved out of memory into LevelDB, as sorted runs (cold-run.ts), with the packs
 * and index segments that the entries came from. One thread owns it; others read the runs through KnownBlobs.
 */

import type { IndexSegmentId } from '../base/ids.ts';
import { FILE_ID_BYTES } from '../base/ids.ts';
import { COLD_FRAMES_CACHED_MAX, COLD_PUBLISH_ATTEMPTS_MAX } from '../base/limits.ts';
import { ENTRY_PACK, ENTRY_WORDS } from './chunk-table.ts';
import { ColdDatabase } from './cold-database.ts';
import type { ColdHome } from './cold-home.ts';
import { ColdRun, ColdRunWriter, mergeRuns, type RunFacts, writeSorted } from './cold-run.ts';
import { PACK_WORDS, type PackList } from './pack-list.ts';

/** Every so many pages one is read when a database is opened, so that each of its files is open (2 MiB of 32). */
const TOUCH_PAGES = 1024;

/** The packs that a segment names, by number. */
export type SegmentPacks = Map<IndexSegmentId, Uint32Array>;

/** What is to be moved: all that came after what is cold already. */
export interface ColdAddition {
  /** Entries in the words of a ChunkTable, sorted. */
  readonly entries: Uint32Array;
  readonly packs: PackList;
  /** The packs below this number; later ones may come while these are written. */
  readonly packEnd: number;
  readonly framesOf: (pack: number) => Int32Array | undefined;
  readonly segments: SegmentPacks;
}

export class ColdIndex {
  readonly #home: ColdHome;
  #generation = 0;
  #database: ColdDatabase | undefined;
  #runs: ColdRun[] = [];
  #packCount = 0;
  #changed = false;
  /** Frames of packs that were asked for, the least recently used first. */
  readonly #frames = new Map<number, Int32Array>();

  constructor(home: ColdHome) {
    this.#home = home;
  }

  get runs(): readonly ColdRun[] {
    return this.#runs;
  }

  get database(): ColdDatabase | undefined {
    return this.#database;
  }

  get packCount(): number {
    return this.#packCount;
  }

  get blobCount(): number {
    return this.#runs.reduce((sum, run) => sum + run.count, 0);
  }

  /** Opens the newest generation into empty lists. One that is damaged is removed: it is built anew from the segments. */
  async load(packs: PackList, segments: SegmentPacks): Promise<void> {
    if ((await this.#home.generations()).length === 0) return;
    const cloned = await this.#home.cloneNewest();
    if (cloned === undefined) return;
    this.#generation = cloned.generation;
    const database = await ColdDatabase.open(cloned.location).catch(() => undefined);
    const loaded = database === undefined ? undefined : readRuns(database);
    if (database === undefined || loaded === undefined) {
      await database?.close();
      await this.discard();
      return;
    }
    this.#database = database;
    this.#runs = loaded.runs;
    for (const words of loaded.packs) packs.append(words);
    for (const [id, numbers] of loaded.segments) segments.set(id, numbers);
    this.#packCount = packs.count;
  }

  /** Removes the generation that this one came from: it is not what was written. */
  async discard(): Promise<void> {
    await this.#home.remove(this.#generation);
  }

  /** The frames of a cold pack, five words each; undefined where the database is damaged. */
  frames(pack: number): Int32Array | undefined {
    const cached = this.#frames.get(pack);
    if (cached !== undefined) {
      this.#frames.delete(pack);
      this.#frames.set(pack, cached);
      return cached;
    }
    const frames = this.#readFrames(pack, 'read');
    if (frames === undefined) return undefined;
    if (this.#frames.size >= COLD_FRAMES_CACHED_MAX) {
      for (const oldest of this.#frames.keys()) {
        this.#frames.delete(oldest);
        break;
      }
    }
    this.#frames.set(pack, frames);
    return frames;
  }

  #readFrames(pack: number, how: 'read' | 'scan'): Int32Array | undefined {
    // Frames lie beside the run that brought their pack; a merge brings all into the first.
    for (const run of this.#runs) {
      const bytes = this.#database?.[how](run.run, 'frames', pack);
      if (bytes !== undefined) return new Int32Array(new Uint8Array(bytes).buffer);
    }
    return undefined;
  }

  /** Adds a run. It is this process's own until publish(). */
  async append(addition: ColdAddition): Promise<void> {
    this.#database ??= await ColdDatabase.open(this.#home.newWorkPath());
    const database = this.#database;
    const run = this.#runs.length;
    const { entries } = addition;
    const writer = new ColdRunWriter(database, {
      run,
      entryWords: ENTRY_WORDS,
      countMax: entries.length / ENTRY_WORDS,
    });
    const filter = await writeSorted(writer, entries, ENTRY_WORDS);
    const packFirst = this.#packCount;
    const facts = await writePacks(database, run, { ...addition, packFirst });
    this.#runs.push(await writer.finish(filter, facts));
    this.#packCount = addition.packEnd;
    this.#changed = true;
  }

  /**
   * Writes all runs as one, in a new database: without the packs that are `dead`, whose numbers are never given again, and
   * with the segments that are given.
   */
  async merge(options: {
    readonly packs: PackList;
    readonly segments: SegmentPacks;
    readonly isDead: (pack: number) => boolean;
  }): Promise<void> {
    const { packs, isDead } = options;
    const old = this.#database;
    if (old === undefined) return;
    const database = await ColdDatabase.open(this.#home.newWorkPath());
    const countMax = this.blobCount;
    const writer = new ColdRunWriter(database, { run: 0, entryWords: ENTRY_WORDS, countMax });
    const whole = await mergeRuns(writer, this.#runs, (words, at) => !isDead(words[at + ENTRY_PACK] ?? 0));
    if (!whole) {
      await database.close();
      await this.discard();
      throw new Error('The cold chunk index is damaged');
    }
    const filter = await writer.finishEntries();
    const dead: number[] = [];
    for (let pack = 0; pack < this.#packCount; pack++) if (!packs.isErased(pack) && isDead(pack)) dead.push(pack);
    packs.erase(dead);
    const framesOf = (pack: number): Int32Array | undefined => this.#readFrames(pack, 'scan');
    const { segments } = options;
    const facts = await writePacks(database, 0, { packs, framesOf, segments, packFirst: 0, packEnd: this.#packCount });
    const run = await writer.finish(filter, facts);
    this.#database = database;
    this.#runs = [run];
    this.#frames.clear();
    this.#changed = true;
    await old.close();
  }

  /**
   * Gives what was added to all processes. The own database stays open and as it is; the clone of it is opened and looked
   * at before it counts, because LevelDB may have moved a table while it was made.
   */
  async publish(): Promise<void> {
    const database = this.#database;
    if (database === undefined || !this.#changed) return;
    this.#changed = false;
    for (let attempt = 0; attempt < COLD_PUBLISH_ATTEMPTS_MAX; attempt++) {
      const clone = await this.#home.clone(database.location).catch(() => undefined);
      const opened = clone === undefined ? undefined : await ColdDatabase.open(clone).catch(() => undefined);
      const whole = opened !== undefined && this.#runs.every((run) => run.isWholeIn(opened, TOUCH_PAGES));
      await opened?.close();
      if (clone === undefined || !whole) continue;
      if (await this.#home.publish(clone, this.#generation + 1)) this.#generation++;
      return;
    }
  }

  async close(): Promise<void> {
    this.#runs = [];
    await this.#database?.close().catch(() => undefined);
    this.#database = undefined;
  }
}

interface LoadedRuns {
  readonly runs: ColdRun[];
  readonly packs: Uint32Array[];
  readonly segments: SegmentPacks;
}

function readRuns(database: ColdDatabase): LoadedRuns | undefined {
  const loaded: LoadedRuns = { runs: [], packs: [], segments: new Map() };
  let packCount = 0;
  for (let run = 0; ; run++) {
    const found = ColdRun.load(database, run);
    if (found === 'damaged') return undefined;
    if (found === 'none') return run === 0 ? undefined : loaded;
    const { facts } = found;
    const packs = new Uint32Array(facts.packCount * PACK_WORDS);
    const segments = Buffer.alloc(facts.segmentsBytes);
    const whole =
      facts.packFirst === packCount &&
      found.run.entryWords === ENTRY_WORDS &&
      database.readPieces(run, 'packs', new Uint8Array(packs.buffer)) &&
      database.readPieces(run, 'segments', segments) &&
      found.run.touch(TOUCH_PAGES);
    if (!whole) return undefined;
    packCount += facts.packCount;
    loaded.runs.push(found.run);
    loaded.packs.push(packs);
    decodeSegments(segments, loaded.segments);
  }
}

async function writePacks(
  database: ColdDatabase,
  run: number,
  from: Omit<ColdAddition, 'entries'> & { readonly packFirst: number },
): Promise<RunFacts> {
  const { packs, packFirst, packEnd } = from;
  const packCount = packEnd - packFirst;
  for (let pack = packFirst; pack < packEnd; pack++) {
    const frames = packs.isErased(pack) ? undefined : from.framesOf(pack);
    if (frames === undefined) continue;
    const bytes = new Uint8Array(frames.buffer, frames.byteOffset, frames.byteLength);
    if (database.put({ run, kind: 'frames', number: pack }, bytes)) await database.drain();
  }
  await database.putPieces(run, 'packs', new Uint8Array(packs.words(packFirst, packCount).buffer));
  const segments = encodeSegments(from.segments);
  await database.putPieces(run, 'segments', segments);
  return { packFirst, packCount, segmentsBytes: segments.length };
}

/** Each segment: its id, the number of its packs (u32), their numbers (u32 each). */
function encodeSegments(segments: SegmentPacks): Buffer {
  const parts: Buffer[] = [];
  for (const [id, packs] of segments) {
    const part = Buffer.alloc(FILE_ID_BYTES + 4 + packs.length * 4);
    part.write(id, 'hex');
    part.writeUInt32LE(packs.length, FILE_ID_BYTES);
    packs.forEach((pack, at) => void part.writeUInt32LE(pack, FILE_ID_BYTES + 4 + at * 4));
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function decodeSegments(bytes: Buffer, segments: SegmentPacks): void {
  for (let at = 0; at < bytes.length; ) {
    const id = bytes.toString('hex', at, at + FILE_ID_BYTES) as IndexSegmentId;
    const packs = new Uint32Array(bytes.readUInt32LE(at + FILE_ID_BYTES));
    at += FILE_ID_BYTES + 4;
    for (let pack = 0; pack < packs.length; pack++, at += 4) packs[pack] = bytes.readUInt32LE(at);
    segments.set(id, packs);
  }
}
