/**
 * The young part of the chunk index: an open-addressed table of exact ids with their locations, in memory that all
 * threads share. One thread adds, all look up. Ids are keyed hashes, so their first bits are the slot.
 *
 * A blob that lies in several places has several entries (trap 26). Entries are never removed one by one.
 */

import type { BlobId } from '../base/ids.ts';

const HEADER_WORDS = 16;
/** Id (4 words), number of the pack plus one (0: the slot is empty), frame, offset, length. */
export const ENTRY_WORDS = 8;
/** Where an entry's pack stands; frame, offset and length follow. */
export const ENTRY_PACK = 4;
const PACK = ENTRY_PACK;
const FRAME = 5;
const OFFSET = 6;
export const ENTRY_LENGTH = 7;
const LENGTH = ENTRY_LENGTH;

const COUNT = 0;
const LOAD_MAX = 0.7;

/** What copySlots() gives of an entry: its id (4 words), then these. */
export const SLOT_WORDS = 8;
export const SLOT_PACK = 4;
export const SLOT_LENGTH = 5;
export const SLOT_TABLE = 6;
export const SLOT_NUMBER = 7;

/** Where a blob lies: pack by number (ChunkIndex.pack), frame by number, and the piece of the frame's plaintext. */
export interface BlobLocation {
  readonly pack: number;
  readonly frame: number;
  readonly offset: number;
  readonly length: number;
}

export class ChunkTable {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;

  /** Of `slots` (a power of two), or over the memory of another thread's table. */
  constructor(source: number | SharedArrayBuffer) {
    this.shared =
      typeof source === 'number' ? new SharedArrayBuffer((HEADER_WORDS + source * ENTRY_WORDS) * 4) : source;
    this.#words = new Int32Array(this.shared);
    this.#capacity = (this.#words.length - HEADER_WORDS) / ENTRY_WORDS;
    this.#mask = this.#capacity - 1;
  }

  get count(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /** How many more entries it should take. */
  get room(): number {
    return Math.max(0, Math.floor(this.#capacity * LOAD_MAX) - this.count);
  }

  /** Adds an entry, behind those of the same id, for the id at `start` of `ids`. The caller looks at `room` first. */
  add(ids: Buffer, start: number, location: BlobLocation): void {
    const words = this.#words;
    let slot = ids.readUInt32LE(start) & this.#mask;
    while (words[HEADER_WORDS + slot * ENTRY_WORDS + PACK] !== 0) slot = (slot + 1) & this.#mask;
    const at = HEADER_WORDS + slot * ENTRY_WORDS;
    words[at] = ids.readInt32LE(start);
    words[at + 1] = ids.readInt32LE(start + 4);
    words[at + 2] = ids.readInt32LE(start + 8);
    words[at + 3] = ids.readInt32LE(start + 12);
    words[at + FRAME] = location.frame;
    words[at + OFFSET] = location.offset;
    words[at + LENGTH] = location.length;
    // The pack is written last: whoever sees it sees the rest.
    Atomics.store(words, at + PACK, location.pack + 1);
    Atomics.add(words, COUNT, 1);
  }

  /** The first entry of an id, or the next one after `after`; -1 where there is none. */
  find(id: BlobId, after = -1): number {
    const words = this.#words;
    let slot = id.readUInt32LE(0) & this.#mask;
    if (after >= 0) slot = ((after - HEADER_WORDS) / ENTRY_WORDS + 1) & this.#mask;
    const word = id.readInt32LE(0);
    for (let probes = 0; probes <= this.#mask; probes++) {
      const at = HEADER_WORDS + slot * ENTRY_WORDS;
      if (Atomics.load(words, at + PACK) === 0) return -1;
      if (
        words[at] === word &&
        words[at + 1] === id.readInt32LE(4) &&
        words[at + 2] === id.readInt32LE(8) &&
        words[at + 3] === id.readInt32LE(12)
      ) {
        return at;
      }
      slot = (slot + 1) & this.#mask;
    }
    return -1;
  }

  get slots(): number {
    return this.#capacity;
  }

  /** The slot of an entry that find() gave. */
  slotOf(at: number): number {
    return (at - HEADER_WORDS) / ENTRY_WORDS;
  }

  packAt(at: number): number {
    return (this.#words[at + PACK] ?? 0) - 1;
  }

  locationAt(at: number): BlobLocation {
    const words = this.#words;
    return {
      pack: this.packAt(at),
      frame: words[at + FRAME] ?? 0,
      offset: words[at + OFFSET] ?? 0,
      length: words[at + LENGTH] ?? 0,
    };
  }

  /** Copies the entries to `target`, from its word `start` on; returns the word behind the last. */
  copyEntries(target: Uint32Array, start: number): number {
    const words = this.#words;
    let end = start;
    for (let at = HEADER_WORDS; at < words.length; at += ENTRY_WORDS) {
      const state = words[at + PACK] ?? 0;
      if (state === 0) continue;
      for (let word = 0; word < ENTRY_WORDS; word++) target[end + word] = words[at + word] ?? 0;
      target[end + PACK] = state - 1;
      end += ENTRY_WORDS;
    }
    return end;
  }

  /**
   * Copies what tells where entries stand to `target`: id (4 words), pack, length, `table`, slot. Returns the word behind
   * the last.
   */
  copySlots(target: Uint32Array, start: number, table: number): number {
    const words = this.#words;
    let end = start;
    for (let at = HEADER_WORDS, slot = 0; at < words.length; at += ENTRY_WORDS, slot++) {
      const state = words[at + PACK] ?? 0;
      if (state === 0) continue;
      for (let word = 0; word < 4; word++) target[end + word] = words[at + word] ?? 0;
      target[end + SLOT_PACK] = state - 1;
      target[end + SLOT_LENGTH] = words[at + LENGTH] ?? 0;
      target[end + SLOT_TABLE] = table;
      target[end + SLOT_NUMBER] = slot;
      end += SLOT_WORDS;
    }
    return end;
  }

  /** Empties it. Only where no other thread looks. */
  clear(): void {
    this.#words.fill(0);
  }
}
