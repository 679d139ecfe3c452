/**
 * The packs that an index names, by number: 24 bytes each and a table to find them by id, because a repository of
 * 10 TB has 400,000 of them. Numbers are given once and keep their meaning as long as the list lives.
 */

import { EngineError } from '../base/errors.ts';
import { PACK_ID_BYTES, type PackId } from '../base/ids.ts';
import { PACKS_MAX } from '../base/limits.ts';
import type { BlobKind } from '../format/pack-header.ts';

/** Id (4 words), length, number of blobs * 2 + (1 for a tree pack). */
export const PACK_WORDS = 6;
const LENGTH = 4;
const BLOBS = 5;
const SLOTS_FIRST = 1 << 10;

export interface PackFacts {
  readonly packId: PackId;
  readonly packLength: number;
  readonly kind: BlobKind;
  readonly blobCount: number;
}

export class PackList {
  #words = new Uint32Array(SLOTS_FIRST * PACK_WORDS);
  #slots = new Int32Array(SLOTS_FIRST);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(pack: PackFacts): number {
    const number = this.#count;
    if (number >= PACKS_MAX)
      throw new EngineError('LIMIT_EXCEEDED', `The index cannot hold more than ${PACKS_MAX} packs`);
    this.#reserve(number + 1);
    const id = Buffer.from(pack.packId, 'hex');
    const at = number * PACK_WORDS;
    for (let word = 0; word < 4; word++) this.#words[at + word] = id.readUInt32LE(word * 4);
    this.#words[at + LENGTH] = pack.packLength;
    this.#words[at + BLOBS] = pack.blobCount * 2 + (pack.kind === 'tree' ? 1 : 0);
    this.#count++;
    this.#enter(number);
    return number;
  }

  #reserve(count: number): void {
    if (count * PACK_WORDS > this.#words.length) {
      const larger = new Uint32Array(Math.max(this.#words.length * 2, count * PACK_WORDS));
      larger.set(this.#words.subarray(0, this.#count * PACK_WORDS));
      this.#words = larger;
    }
    if (count * 2 <= this.#slots.length) return;
    let slots = this.#slots.length;
    while (slots < count * 2) slots *= 2;
    this.#slots = new Int32Array(slots);
    for (let number = 0; number < this.#count; number++) if (!this.isErased(number)) this.#enter(number);
  }

  #enter(number: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#words[number * PACK_WORDS] ?? 0) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = number + 1;
  }

  numberOf(packId: PackId): number | undefined {
    const id = Buffer.from(packId, 'hex');
    const mask = this.#slots.length - 1;
    let slot = id.readUInt32LE(0) & mask;
    for (;;) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0) return undefined;
      const at = number * PACK_WORDS;
      let word = 0;
      while (word < 4 && this.#words[at + word] === id.readUInt32LE(word * 4)) word++;
      if (word === 4) return number;
      slot = (slot + 1) & mask;
    }
  }

  get(number: number): PackFacts | undefined {
    if (number < 0 || number >= this.#count || this.isErased(number)) return undefined;
    const at = number * PACK_WORDS;
    const id = Buffer.allocUnsafe(PACK_ID_BYTES);
    for (let word = 0; word < 4; word++) id.writeUInt32LE(this.#words[at + word] ?? 0, word * 4);
    const blobs = this.#words[at + BLOBS] ?? 0;
    return {
      packId: id.toString('hex') as PackId,
      packLength: this.#words[at + LENGTH] ?? 0,
      kind: blobs % 2 === 1 ? 'tree' : 'data',
      blobCount: Math.floor(blobs / 2),
    };
  }

  /** Blobs of a pack; none where the number was erased. */
  blobCountOf(number: number): number {
    return Math.floor((this.#words[number * PACK_WORDS + BLOBS] ?? 0) / 2);
  }

  /** Forgets what lies behind some numbers; they are not given again. */
  erase(numbers: Iterable<number>): void {
    for (const number of numbers) this.#words.fill(0, number * PACK_WORDS, (number + 1) * PACK_WORDS);
    this.#slots.fill(0);
    for (let other = 0; other < this.#count; other++) if (!this.isErased(other)) this.#enter(other);
  }

  isErased(number: number): boolean {
    return this.#words[number * PACK_WORDS + LENGTH] === 0;
  }

  /** The words of some packs, for storing them. */
  words(first: number, count: number): Uint32Array {
    return this.#words.slice(first * PACK_WORDS, (first + count) * PACK_WORDS);
  }

  /** Appends packs by their words. */
  append(words: Uint32Array): void {
    const count = words.length / PACK_WORDS;
    this.#reserve(this.#count + count);
    this.#words.set(words, this.#count * PACK_WORDS);
    for (let added = 0; added < count; added++) {
      this.#count++;
      if (!this.isErased(this.#count - 1)) this.#enter(this.#count - 1);
    }
  }
}
