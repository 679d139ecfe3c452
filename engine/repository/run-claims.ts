/**
 * Who stores which new blob in a run. Claims live apart from the index and die with the run, so that a blob that was
 * claimed but never became durable is not taken for known by the next run.
 *
 * Claims are exact ids in shared memory. A first backup of 10^7 blobs would fill 230 MB with them, so full tables are
 * moved to a LevelDB of the run in the cache directory, in the form of the cold index: sorted runs with a filter in
 * memory. Claims that slip through while a table moves are stored twice, which every reader bears; none is ever taken
 * for stored that is not.
 */

import { rm } from 'node:fs/promises';
import type { BlobId } from '../base/ids.ts';
import { CLAIM_SLOTS_MAX } from '../base/limits.ts';
import { ColdDatabase } from './cold-database.ts';
import { ColdRun, ColdRunWriter, type SharedRun, writeSorted } from './cold-run.ts';
import { ID_WORDS, IdTable } from './id-table.ts';
import { KnownBlobs, type SharedKnownBlobs } from './known-blobs.ts';
import { sortEntries } from './run-filter.ts';

const SLOTS_FIRST = 1 << 15;

/** Claims as threads share them. */
export interface SharedClaims {
  readonly known: SharedKnownBlobs;
  readonly tables: readonly { readonly number: number; readonly memory: SharedArrayBuffer }[];
  readonly moved: { readonly location: string; readonly runs: readonly SharedRun[] } | undefined;
}

interface NumberedTable {
  readonly number: number;
  readonly table: IdTable;
}

interface Moved {
  readonly database: ColdDatabase;
  readonly runs: readonly ColdRun[];
}

/** The claims of a run, in whichever thread. */
export class RunClaims {
  readonly #known: KnownBlobs;
  /** Claims that are kept in memory at most; more are moved. */
  readonly #claimsMax: number;
  #tables: readonly NumberedTable[];
  #moved: Moved | undefined;
  #movedCount = 0;
  #nextNumber = 1;
  #moving: Promise<void> | undefined;
  #changed = false;
  #cannotMove = false;
  /** Tables that were moved, by the move's number: their memory is taken again once other threads have long let go. */
  #resting: { readonly table: IdTable; readonly move: number }[] = [];
  #moves = 0;

  private constructor(parts: {
    readonly known: KnownBlobs;
    readonly tables: readonly NumberedTable[];
    readonly moved: Moved | undefined;
    readonly claimsMax: number;
  }) {
    this.#known = parts.known;
    this.#tables = parts.tables;
    this.#moved = parts.moved;
    this.#claimsMax = parts.claimsMax;
  }

  /** A new run over an index (ChunkIndex.known). The thread that begins it alone calls grow() and close(). */
  static begin(known: KnownBlobs, options: { readonly claimsMax: number }): RunClaims {
    const slots = Math.min(SLOTS_FIRST, Math.max(16, 2 ** Math.floor(Math.log2(options.claimsMax))));
    return new RunClaims({
      known,
      tables: [{ number: 0, table: new IdTable(slots) }],
      moved: undefined,
      claimsMax: options.claimsMax,
    });
  }

  /** The claims of another thread. */
  static async join(shared: SharedClaims): Promise<RunClaims> {
    const claims = new RunClaims({
      known: await KnownBlobs.join(shared.known),
      tables: [],
      moved: undefined,
      claimsMax: 0,
    });
    await claims.update(shared);
    return claims;
  }

  shared(): SharedClaims {
    const moved = this.#moved;
    return {
      known: this.#known.shared(),
      tables: this.#tables.map(({ number, table }) => ({ number, memory: table.shared })),
      moved:
        moved === undefined
          ? undefined
          : { location: moved.database.location, runs: moved.runs.map((run) => run.shared()) },
    };
  }

  /** Takes the present tables of the thread that began the run. */
  async update(shared: SharedClaims): Promise<void> {
    if (shared.moved !== undefined) {
      const database = this.#moved?.database ?? (await ColdDatabase.open(shared.moved.location).catch(() => undefined));
      if (database !== undefined) {
        const old = this.#moved?.runs ?? [];
        this.#moved = { database, runs: shared.moved.runs.map((run, at) => old[at] ?? new ColdRun(database, run)) };
      }
    }
    this.#tables = shared.tables.map(
      ({ number, memory }) =>
        this.#tables.find((own) => own.number === number) ?? { number, table: new IdTable(memory) },
    );
  }

  /** True where the caller has to store the blob; false where it is known, or somebody in this run stores it. */
  claim(id: BlobId): boolean {
    const last = this.#tables.length - 1;
    for (let at = 0; at < last; at++) if (this.#tables[at]?.table.has(id) === true) return false;
    if (this.#known.has(id)) return false;
    for (const run of this.#moved?.runs ?? []) if (run.search(id, () => true) === 'found') return false;
    return this.#tables[last]?.table.add(id) ?? true;
  }

  /** True where it was durable and in the index before the run. */
  isKnown(id: BlobId): boolean {
    return this.#known.has(id);
  }

  /** Makes room for more claims; true where shared() has to be sent round again. */
  grow(): boolean {
    const last = this.#tables.at(-1);
    if (last?.table.full === true) {
      const slots = Math.min(SLOTS_FIRST * 4 ** this.#nextNumber, CLAIM_SLOTS_MAX, roomFor(this.#claimsMax));
      this.#tables = [...this.#tables, { number: this.#nextNumber++, table: this.#emptyTable(slots) }];
      this.#changed = true;
      this.#move();
    }
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /**
   * New memory is taken only where none is left of earlier tables: threads that hardly ever collect their garbage would
   * keep it all.
   */
  #emptyTable(slots: number): IdTable {
    const at = this.#resting.findIndex(({ table, move }) => table.slots === slots && move < this.#moves);
    const [rested] = at < 0 ? [] : this.#resting.splice(at, 1);
    if (rested === undefined) return new IdTable(slots);
    rested.table.clear();
    return rested.table;
  }

  /** Moves the full tables, where memory holds too many claims. */
  #move(): void {
    // Other threads may not have heard yet that the last full one is full: what they still add to it is not to be lost.
    const full = this.#tables.slice(0, -2);
    const count = full.reduce((sum, { table }) => sum + table.count, 0);
    if (this.#moving !== undefined || this.#cannotMove || count < this.#claimsMax) return;
    this.#moving = this.#moveTables(full)
      .catch(() => {
        // No room in the cache directory: claims stay in memory.
        this.#cannotMove = true;
      })
      .finally(() => {
        this.#moving = undefined;
      });
  }

  async #moveTables(tables: readonly NumberedTable[]): Promise<void> {
    const database = this.#moved?.database ?? (await ColdDatabase.open(this.#known.newWorkPath()));
    const runs = this.#moved?.runs ?? [];
    this.#moved = { database, runs };
    const parts = tables.map(({ table }) => table.copyIds());
    const ids = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let end = 0;
    for (const part of parts) {
      ids.set(part, end);
      end += part.length;
    }
    const shape = { run: runs.length, entryWords: ID_WORDS, countMax: ids.length / ID_WORDS };
    const writer = new ColdRunWriter(database, shape);
    const filter = await writeSorted(writer, sortEntries(ids, ID_WORDS), ID_WORDS);
    const run = await writer.finish(filter, { packFirst: 0, packCount: 0, segmentsBytes: 0 });
    this.#moved = { database, runs: [...runs, run] };
    this.#movedCount += run.count;
    const gone = new Set(tables.map(({ number }) => number));
    this.#tables = this.#tables.filter(({ number }) => !gone.has(number));
    this.#moves++;
    this.#resting.push(...tables.map(({ table }) => ({ table, move: this.#moves })));
    this.#changed = true;
  }

  /** Claims of the run. */
  get count(): number {
    return this.#tables.reduce((sum, { table }) => sum + table.count, this.#movedCount);
  }

  /** Claims that are still in memory. */
  get countInMemory(): number {
    return this.count - this.#movedCount;
  }

  /** Ends the run in the thread that began it. */
  async close(): Promise<void> {
    await this.#moving;
    const database = this.#moved?.database;
    if (database === undefined) return;
    await database.close().catch(() => undefined);
    await rm(database.location, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Slots of a table that is full at a quarter of `claimsMax`. */
function roomFor(claimsMax: number): number {
  return Math.max(16, 2 ** Math.ceil(Math.log2(claimsMax / 2)));
}
