/**
 * What the chunk index knows, as every thread of the process sees it: the young tables, the cold runs, and which packs are
 * dead. Lookups wait for nothing: the tables are shared memory, and each thread has the same LevelDB open.
 */

import type { BlobId } from '../base/ids.ts';
import { type BlobLocation, ChunkTable, ENTRY_PACK } from './chunk-table.ts';
import { ColdDatabase } from './cold-database.ts';
import { ColdRun, type SearchResult, type SharedRun } from './cold-run.ts';

/** Byte offset of the pack's number in a cold entry; then frame, offset, length. */
const PACK_AT = ENTRY_PACK * 4;

/** Structured-cloneable. */
export interface SharedKnownBlobs {
  readonly tables: readonly SharedArrayBuffer[];
  /** One bit a pack: set where the pack is gone, or no index segment names it any more. */
  readonly dead: SharedArrayBuffer;
  readonly cold: { readonly location: string; readonly runs: readonly SharedRun[] } | undefined;
}

export class DeadPacks {
  readonly shared: SharedArrayBuffer;
  readonly #bytes: Uint8Array;

  constructor(source: number | SharedArrayBuffer) {
    this.shared = typeof source === 'number' ? new SharedArrayBuffer(Math.ceil(source / 8)) : source;
    this.#bytes = new Uint8Array(this.shared);
  }

  copy(): DeadPacks {
    const copy = new DeadPacks(this.#bytes.length * 8);
    copy.#bytes.set(this.#bytes);
    return copy;
  }

  has(pack: number): boolean {
    return ((this.#bytes[pack >>> 3] ?? 0) & (1 << (pack & 7))) !== 0;
  }

  set(pack: number, dead: boolean): void {
    const byte = this.#bytes[pack >>> 3] ?? 0;
    this.#bytes[pack >>> 3] = dead ? byte | (1 << (pack & 7)) : byte & ~(1 << (pack & 7));
  }
}

export class KnownBlobs {
  readonly #tables: readonly ChunkTable[];
  readonly #dead: DeadPacks;
  readonly #runs: readonly ColdRun[];
  readonly #database: ColdDatabase | undefined;
  /** Where a run may put what memory does not hold; decided by the index. */
  readonly newWorkPath: () => string;

  constructor(parts: {
    readonly tables: readonly ChunkTable[];
    readonly dead: DeadPacks;
    readonly runs: readonly ColdRun[];
    readonly database: ColdDatabase | undefined;
    readonly newWorkPath: () => string;
  }) {
    this.#tables = parts.tables;
    this.#dead = parts.dead;
    this.#runs = parts.runs;
    this.#database = parts.database;
    this.newWorkPath = parts.newWorkPath;
  }

  /** The same, in another thread. */
  static async join(shared: SharedKnownBlobs): Promise<KnownBlobs> {
    const { cold } = shared;
    // Where the cache was deleted meanwhile, what lies there is stored once more.
    const database = cold === undefined ? undefined : await ColdDatabase.open(cold.location).catch(() => undefined);
    return new KnownBlobs({
      tables: shared.tables.map((memory) => new ChunkTable(memory)),
      dead: new DeadPacks(shared.dead),
      runs: database === undefined ? [] : (cold?.runs ?? []).map((run) => new ColdRun(database, run)),
      database,
      newWorkPath: () => '',
    });
  }

  shared(): SharedKnownBlobs {
    const database = this.#database;
    return {
      tables: this.#tables.map((table) => table.shared),
      dead: this.#dead.shared,
      cold:
        database === undefined
          ? undefined
          : { location: database.location, runs: this.#runs.map((run) => run.shared()) },
    };
  }

  /** True where a blob lies in a living pack. A cold page that cannot be read is a miss. */
  has(id: BlobId): boolean {
    for (const table of this.#tables) {
      for (let at = table.find(id); at >= 0; at = table.find(id, at)) {
        if (!this.#dead.has(table.packAt(at))) return true;
      }
    }
    for (const run of this.#runs) {
      const result = run.search(id, (page, at) => !this.#dead.has(page.readUInt32LE(at + PACK_AT)));
      if (result === 'found') return true;
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#database?.close();
  }
}

/** Shows every location of a blob in cold runs to `accept` until one is accepted. */
export function searchLocations(
  runs: readonly ColdRun[],
  id: BlobId,
  accept: (location: BlobLocation) => boolean,
): SearchResult {
  let damaged = false;
  for (const run of runs) {
    const result = run.search(id, (page, at) =>
      accept({
        pack: page.readUInt32LE(at + PACK_AT),
        frame: page.readUInt32LE(at + PACK_AT + 4),
        offset: page.readUInt32LE(at + PACK_AT + 8),
        length: page.readUInt32LE(at + PACK_AT + 12),
      }),
    );
    if (result === 'found') return 'found';
    if (result === 'damaged') damaged = true;
  }
  return damaged ? 'damaged' : 'absent';
}
