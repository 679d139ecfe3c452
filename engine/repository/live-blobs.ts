/**
 * Which blobs are reachable: one bit for each entry of the chunk index, so that 10^7 blobs take little more than a
 * megabyte. A blob that lies in several places has a bit at each of them (trap 26).
 *
 * Entries in memory are found at once. Those in LevelDB lie in pages by id, and ids of one directory are strewn over all
 * of them; so data blobs wait until there are many, and then each page is read once for all of them.
 */

import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import { MARK_IDS_WAITING_MAX } from '../base/limits.ts';
import type { IndexView } from './chunk-index.ts';
import { type BlobLocation, ENTRY_PACK } from './chunk-table.ts';
import { sortEntries } from './run-filter.ts';

const ID_WORDS = BLOB_ID_BYTES / 4;

/** `fresh`: it was not marked before. `missing`: no pack that lives has it. */
export type MarkResult = 'fresh' | 'seen' | 'missing';

/** An entry: of a table in memory by its slot, or of a run by its rank. Runs are parts from RUNS_FROM on. */
interface EntryPlace {
  readonly part: number;
  readonly entry: number;
}

/** Parts from here on are runs. */
export const RUNS_FROM = 1 << 16;

export interface LiveBlobsOptions {
  /** True for packs whose entries count. */
  readonly isUsable: (pack: number) => boolean;
  /** Called where the part in LevelDB is not what was written. */
  readonly onDamage: () => never;
  /** Ids that wait at most; tests set few. */
  readonly waitingMax?: number | undefined;
}

export class LiveBlobs {
  readonly #view: IndexView;
  readonly #options: LiveBlobsOptions;
  readonly #tableBits: Uint8Array[] = [];
  readonly #runBits: readonly Uint8Array[];
  #waiting: Uint32Array;
  #waitingWords = 0;
  #firstMissing: BlobId | undefined;
  /** Set while it matters which packs hold blobs that were not marked before. */
  #onFresh: ((pack: number) => void) | undefined;

  constructor(view: IndexView, options: LiveBlobsOptions) {
    this.#view = view;
    this.#options = options;
    this.#runBits = view.runs.map((run) => new Uint8Array(Math.ceil(run.count / 8)));
    const room = view.runs.length === 0 ? 0 : (options.waitingMax ?? MARK_IDS_WAITING_MAX);
    this.#waiting = new Uint32Array(room * ID_WORDS);
  }

  /** From now on `act` hears of every pack that has a blob which is marked for the first time. */
  watchFresh(act: (pack: number) => void): void {
    this.settle();
    this.#onFresh = act;
  }

  #bitsOf(part: number): Uint8Array {
    if (part >= RUNS_FROM) return this.#runBits[part - RUNS_FROM] ?? new Uint8Array(0);
    const known = this.#tableBits[part];
    if (known !== undefined) return known;
    const bits = new Uint8Array(Math.ceil((this.#view.tables[part]?.slots ?? 0) / 8));
    this.#tableBits[part] = bits;
    return bits;
  }

  isLive(part: number, entry: number): boolean {
    return ((this.#bitsOf(part)[entry >>> 3] ?? 0) & (1 << (entry & 7))) !== 0;
  }

  #set(part: number, entry: number): void {
    const bits = this.#bitsOf(part);
    bits[entry >>> 3] = (bits[entry >>> 3] ?? 0) | (1 << (entry & 7));
  }

  /** Takes the bit of one entry away: another one of the same blob keeps its own. */
  clear(part: number, entry: number): void {
    const bits = this.#bitsOf(part);
    bits[entry >>> 3] = (bits[entry >>> 3] ?? 0) & ~(1 << (entry & 7));
  }

  /** Shows all entries of a blob, of packs that count or not. */
  #visit(id: BlobId, show: (place: EntryPlace, location: BlobLocation) => void): void {
    const { tables, runs } = this.#view;
    for (const [part, table] of tables.entries()) {
      for (let at = table.find(id); at >= 0; at = table.find(id, at)) {
        show({ part, entry: table.slotOf(at) }, table.locationAt(at));
      }
    }
    for (const [number, run] of runs.entries()) {
      const showEntry = (page: Buffer, at: number, rank: number): boolean => {
        const word = (offset: number): number => page.readUInt32LE(at + offset * 4);
        show(
          { part: RUNS_FROM + number, entry: rank },
          {
            pack: word(ENTRY_PACK),
            frame: word(ENTRY_PACK + 1),
            offset: word(ENTRY_PACK + 2),
            length: word(ENTRY_PACK + 3),
          },
        );
        return false;
      };
      if (run.search(id, showEntry, 'scan') === 'damaged') this.#options.onDamage();
    }
  }

  /** Marks a blob at once. */
  mark(id: BlobId): MarkResult {
    let found = false;
    let seen = false;
    const packs: number[] = [];
    this.#visit(id, (place, { pack }) => {
      if (!this.#options.isUsable(pack)) return;
      found = true;
      if (this.isLive(place.part, place.entry)) seen = true;
      else packs.push(pack);
    });
    if (!found) return 'missing';
    if (seen) return 'seen';
    this.#visit(id, (place, { pack }) => {
      if (this.#options.isUsable(pack)) this.#set(place.part, place.entry);
    });
    for (const pack of packs) this.#onFresh?.(pack);
    return 'fresh';
  }

  /** Marks a blob now or later; settle() says which one was missing. */
  markLater(id: BlobId): void {
    if (this.#waiting.length === 0 || this.#onFresh !== undefined) {
      if (this.mark(id) === 'missing') this.#firstMissing ??= Buffer.from(id) as BlobId;
      return;
    }
    for (let word = 0; word < ID_WORDS; word++) this.#waiting[this.#waitingWords++] = id.readUInt32LE(word * 4);
    if (this.#waitingWords === this.#waiting.length) this.#look();
  }

  /** Marks all that waits. Returns a blob that no pack has, if there is one. */
  settle(): BlobId | undefined {
    this.#look();
    return this.#firstMissing;
  }

  #look(): void {
    if (this.#waitingWords === 0) return;
    const ids = sortEntries(this.#waiting.subarray(0, this.#waitingWords), ID_WORDS);
    this.#waitingWords = 0;
    const found = new Uint8Array(ids.length / ID_WORDS);
    this.#markYoung(ids, found);
    for (const [number, run] of this.#view.runs.entries()) {
      const whole = run.searchSorted(ids, (idAt, page, at, rank) => {
        if (!this.#options.isUsable(page[at + ENTRY_PACK] ?? 0)) return;
        found[idAt / ID_WORDS] = 1;
        this.#set(RUNS_FROM + number, rank);
      });
      if (!whole) this.#options.onDamage();
    }
    const missing = found.indexOf(0);
    if (missing < 0) return;
    const words = ids.slice(missing * ID_WORDS, (missing + 1) * ID_WORDS);
    this.#firstMissing ??= Buffer.from(words.buffer) as BlobId;
  }

  #markYoung(ids: Uint32Array, found: Uint8Array): void {
    const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
    const { tables } = this.#view;
    for (let id = 0; id < found.length; id++) {
      const blobId = bytes.subarray(id * BLOB_ID_BYTES, (id + 1) * BLOB_ID_BYTES) as BlobId;
      for (const [part, table] of tables.entries()) {
        for (let at = table.find(blobId); at >= 0; at = table.find(blobId, at)) {
          if (!this.#options.isUsable(table.packAt(at))) continue;
          found[id] = 1;
          this.#set(part, table.slotOf(at));
        }
      }
    }
  }

  /** Where the copy of a blob lies that is kept: the one whose bit is set. */
  kept(id: BlobId): BlobLocation | undefined {
    let kept: BlobLocation | undefined;
    this.#visit(id, (place, location) => {
      if (this.isLive(place.part, place.entry)) kept ??= location;
    });
    return kept;
  }
}
