/**
 * A set of exact ids in memory that all threads share, 16 bytes a slot. Any thread adds: an id is claimed by one
 * compare-and-swap, so two workers that meet the same new chunk agree who stores it. Ids are never removed.
 *
 * A word of zero means "not written yet", so zeros in the first and the last word of an id are kept as ones: ids that
 * differ in nothing else would have to share 96 other bits of a keyed hash.
 */

import type { BlobId } from '../base/ids.ts';
import { ID_TABLE_TURNS_MAX } from '../base/limits.ts';

const HEADER_WORDS = 16;
export const ID_WORDS = 4;
const COUNT = 0;
const LOAD_MAX = 0.7;
/** Beyond this a table takes no more ids, because looking them up would become slow. */
const LOAD_LIMIT = 0.95;

export class IdTable {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;

  /** Of `slots` (a power of two), or over the memory of another thread's table. */
  constructor(source: number | SharedArrayBuffer) {
    this.shared = typeof source === 'number' ? new SharedArrayBuffer((HEADER_WORDS + source * ID_WORDS) * 4) : source;
    this.#words = new Int32Array(this.shared);
    this.#capacity = (this.#words.length - HEADER_WORDS) / ID_WORDS;
    this.#mask = this.#capacity - 1;
  }

  get slots(): number {
    return this.#capacity;
  }

  get count(): number {
    return Atomics.load(this.#words, COUNT);
  }

  /** True once new ids should go to another table. */
  get full(): boolean {
    return this.count >= this.#capacity * LOAD_MAX;
  }

  #matches(at: number, id: BlobId): boolean {
    const words = this.#words;
    // Another thread may be writing the rest of this very slot; it takes a few instructions, unless it never ends.
    let last = Atomics.load(words, at + 3);
    for (let turn = 0; last === 0 && turn < ID_TABLE_TURNS_MAX; turn++) last = Atomics.load(words, at + 3);
    return (
      last === (id.readInt32LE(12) || 1) && words[at + 1] === id.readInt32LE(4) && words[at + 2] === id.readInt32LE(8)
    );
  }

  /** A slot's first word never changes once it is set, so that only an empty one has to be looked at in step with others. */
  #first(at: number): number {
    return this.#words[at] || Atomics.load(this.#words, at);
  }

  has(id: BlobId): boolean {
    const first = id.readInt32LE(0) || 1;
    let slot = id.readUInt32LE(0) & this.#mask;
    for (let probes = 0; probes <= this.#mask; probes++) {
      const at = HEADER_WORDS + slot * ID_WORDS;
      const word = this.#first(at);
      if (word === 0) return false;
      if (word === first && this.#matches(at, id)) return true;
      slot = (slot + 1) & this.#mask;
    }
    return false;
  }

  /**
   * True for the one caller who added it, false where it is there already. A table without room says true: a claimed blob
   * may then be stored twice, which every reader bears.
   */
  add(id: BlobId): boolean {
    const words = this.#words;
    const first = id.readInt32LE(0) || 1;
    let slot = id.readUInt32LE(0) & this.#mask;
    for (let probes = 0; probes <= this.#mask; probes++) {
      const at = HEADER_WORDS + slot * ID_WORDS;
      let word = this.#first(at);
      if (word === 0) {
        if (this.count >= this.#capacity * LOAD_LIMIT) return true;
        word = Atomics.compareExchange(words, at, 0, first);
        if (word === 0) {
          words[at + 1] = id.readInt32LE(4);
          words[at + 2] = id.readInt32LE(8);
          Atomics.store(words, at + 3, id.readInt32LE(12) || 1);
          Atomics.add(words, COUNT, 1);
          return true;
        }
      }
      if (word === first && this.#matches(at, id)) return false;
      slot = (slot + 1) & this.#mask;
    }
    return true;
  }

  /**
   * Empties it, to be used anew. A thread that still adds to it may lose what it adds: a claim that is lost is made once
   * more.
   */
  clear(): void {
    this.#words.fill(0);
  }

  /** Its ids as words, for whoever moves them elsewhere. One that is just being written is left out. */
  copyIds(): Uint32Array {
    const words = this.#words;
    const target = new Uint32Array((this.count + 64) * ID_WORDS);
    let end = 0;
    for (let at = HEADER_WORDS; at < words.length && end < target.length; at += ID_WORDS) {
      if (Atomics.load(words, at + 3) === 0) continue;
      for (let word = 0; word < ID_WORDS; word++) target[end + word] = words[at + word] ?? 0;
      end += ID_WORDS;
    }
    return target.subarray(0, end);
  }
}
