/**
 * The part of the chunk index that lives in memory shared by all threads: an open-addressed table of exact ids.
 *
 * Ids are keyed hashes, so their first bits are the slot. An entry is claimed by one compare-and-swap, so two workers
 * that meet the same new chunk agree who stores it; the other one refers to it. Entries are never removed.
 */

import type { BlobId } from '../base/ids.ts';

const HEADER_WORDS = 16;
const ENTRY_WORDS = 8;
const STATE = 4;
const STATE_EMPTY = 0;
const STATE_BUSY = 1;
const STATE_PENDING = 2;
const STATE_LOCATED = 3;

const COUNT = 0;

/** Where a blob lies: pack by number (ChunkIndex.packs), frame by number, and the piece of the frame's plaintext. */
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

  /** True once new entries should go to another table. */
  get full(): boolean {
    return this.count >= this.#capacity * 0.7;
  }

  #matches(at: number, id: BlobId): boolean {
    const words = this.#words;
    return (
      words[at] === id.readInt32LE(0) &&
      words[at + 1] === id.readInt32LE(4) &&
      words[at + 2] === id.readInt32LE(8) &&
      words[at + 3] === id.readInt32LE(12)
    );
  }

  /** The state word, once no other thread is in the middle of writing the entry. */
  #settledState(at: number): number {
    let state = Atomics.load(this.#words, at + STATE);
    while (state === STATE_BUSY) state = Atomics.load(this.#words, at + STATE);
    return state;
  }

  /** The entry of an id, or -1. */
  find(id: BlobId): number {
    let slot = id.readUInt32LE(0) & this.#mask;
    for (let probes = 0; probes <= this.#mask; probes++) {
      const at = HEADER_WORDS + slot * ENTRY_WORDS;
      if (this.#settledState(at) === STATE_EMPTY) return -1;
      if (this.#matches(at, id)) return at;
      slot = (slot + 1) & this.#mask;
    }
    return -1;
  }

  /**
   * Claims an id for the caller, who then stores the blob: true. False where it is there already, or claimed by someone
   * else. A table without room says true: the blob may then be stored twice, which every reader bears.
   */
  claim(id: BlobId): boolean {
    const words = this.#words;
    let slot = id.readUInt32LE(0) & this.#mask;
    for (let probes = 0; probes < this.#capacity * 0.95; probes++) {
      const at = HEADER_WORDS + slot * ENTRY_WORDS;
      if (Atomics.compareExchange(words, at + STATE, STATE_EMPTY, STATE_BUSY) === STATE_EMPTY) {
        words[at] = id.readInt32LE(0);
        words[at + 1] = id.readInt32LE(4);
        words[at + 2] = id.readInt32LE(8);
        words[at + 3] = id.readInt32LE(12);
        Atomics.store(words, at + STATE, STATE_PENDING);
        Atomics.add(words, COUNT, 1);
        return true;
      }
      this.#settledState(at);
      if (this.#matches(at, id)) return false;
      slot = (slot + 1) & this.#mask;
    }
    return true;
  }

  /** Records where a blob lies; the first location stays. */
  locate(id: BlobId, location: BlobLocation): void {
    this.claim(id);
    const at = this.find(id);
    if (at < 0 || this.#settledState(at) >= STATE_LOCATED) return;
    this.#words[at + 5] = location.frame;
    this.#words[at + 6] = location.offset;
    this.#words[at + 7] = location.length;
    Atomics.store(this.#words, at + STATE, location.pack + STATE_LOCATED);
  }

  /** The location behind an entry, or undefined while its pack is not stored yet. */
  locationAt(at: number): BlobLocation | undefined {
    const state = this.#settledState(at);
    if (state < STATE_LOCATED) return undefined;
    const words = this.#words;
    return {
      pack: state - STATE_LOCATED,
      frame: words[at + 5] ?? 0,
      offset: words[at + 6] ?? 0,
      length: words[at + 7] ?? 0,
    };
  }
}
