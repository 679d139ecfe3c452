/**
 * What is kept in memory of a sorted run of ids (cold-run.ts): 16 bits an id, and where each prefix begins: 2.5 bytes an
 * id in all. It answers "certainly not here", or gives the ranks at which an id may stand; so a miss hardly ever costs a
 * read of LevelDB (one in 5,000), and a hit costs one read of the right page.
 */
import { FILTER_BUCKET_BITS_MAX } from '../base/limits.ts';

const HEADER_WORDS = 2;
const COUNT = 0;
const BITS = 1;
const IDS_PER_BUCKET = 8;
const FINGERPRINT = 0xffff;

/** The order of ids in runs: by their words as unsigned little-endian numbers. Negative, zero or positive. */
export function compareIdWords(a: Uint32Array, atA: number, b: Uint32Array, atB: number): number {
  for (let word = 0; word < 4; word++) {
    const difference = (a[atA + word] ?? 0) - (b[atB + word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function bucketBits(count: number): number {
  return Math.min(FILTER_BUCKET_BITS_MAX, Math.max(1, Math.floor(Math.log2(Math.max(1, count) / IDS_PER_BUCKET))));
}

export class RunFilter {
  readonly shared: SharedArrayBuffer;
  readonly count: number;
  readonly #shift: number;
  readonly #offsets: Uint32Array;
  readonly #fingerprints: Uint16Array;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    const header = new Uint32Array(shared, 0, HEADER_WORDS);
    const bits = header[BITS] ?? 1;
    this.count = header[COUNT] ?? 0;
    this.#shift = 32 - bits;
    this.#offsets = new Uint32Array(shared, HEADER_WORDS * 4, 2 ** bits + 1);
    this.#fingerprints = new Uint16Array(shared, (HEADER_WORDS + 2 ** bits + 1) * 4, this.count);
  }

  /** The first rank from `from` on at which an id of these first two words may stand; -1 where there is none. */
  candidate(first: number, second: number, from: number): number {
    const bucket = first >>> this.#shift;
    const fingerprint = second & FINGERPRINT;
    const end = this.#offsets[bucket + 1] ?? 0;
    for (let rank = Math.max(from, this.#offsets[bucket] ?? 0); rank < end; rank++) {
      if (this.#fingerprints[rank] === fingerprint) return rank;
    }
    return -1;
  }
}

/** Makes a filter from ids that come in order, in the very memory that it will lie in. */
export class RunFilterBuilder {
  readonly #bits: number;
  readonly #shared: SharedArrayBuffer;
  readonly #offsets: Uint32Array;
  readonly #fingerprints: Uint16Array;
  #bucket = 0;
  #count = 0;

  /** For at most `countMax` ids. */
  constructor(countMax: number) {
    this.#bits = bucketBits(countMax);
    const offsets = 2 ** this.#bits + 1;
    const offsetsEnd = (HEADER_WORDS + offsets) * 4;
    this.#shared = new SharedArrayBuffer(offsetsEnd + countMax * 2);
    this.#offsets = new Uint32Array(this.#shared, HEADER_WORDS * 4, offsets);
    this.#fingerprints = new Uint16Array(this.#shared, offsetsEnd, countMax);
  }

  add(first: number, second: number): void {
    const bucket = first >>> (32 - this.#bits);
    while (this.#bucket < bucket) this.#offsets[++this.#bucket] = this.#count;
    this.#fingerprints[this.#count++] = second & FINGERPRINT;
  }

  finish(): RunFilter {
    while (this.#bucket < 2 ** this.#bits) this.#offsets[++this.#bucket] = this.#count;
    const header = new Uint32Array(this.#shared, 0, HEADER_WORDS);
    header[COUNT] = this.#count;
    header[BITS] = this.#bits;
    if (this.#count === this.#fingerprints.length) return new RunFilter(this.#shared);
    // Fewer than there was room for: a run is stored with its filter, and that has no room.
    const shared = new SharedArrayBuffer(this.#fingerprints.byteOffset + this.#count * 2);
    new Uint8Array(shared).set(new Uint8Array(this.#shared, 0, shared.byteLength));
    return new RunFilter(shared);
  }
}

/**
 * Sorts entries of `entryWords` words each by their ids, in their place, since they may be many; returns them. Ids are
 * uniform: by their first bits each goes to its bucket of a few, and then those of a bucket are put in order.
 */
export function sortEntries(entries: Uint32Array, entryWords: number): Uint32Array {
  const bits = bucketBits(entries.length / entryWords);
  const shift = 32 - bits;
  const ends = new Uint32Array(2 ** bits);
  for (let at = 0; at < entries.length; at += entryWords) {
    const bucket = (entries[at] ?? 0) >>> shift;
    ends[bucket] = (ends[bucket] ?? 0) + entryWords;
  }
  for (let bucket = 1; bucket < ends.length; bucket++) ends[bucket] = (ends[bucket] ?? 0) + (ends[bucket - 1] ?? 0);
  // Where the next entry of each bucket goes, from its end down.
  const next = ends.slice();
  for (let bucket = 0; bucket < ends.length; bucket++) {
    const first = bucket === 0 ? 0 : (ends[bucket - 1] ?? 0);
    while ((next[bucket] ?? 0) > first) {
      const at = (next[bucket] ?? 0) - entryWords;
      const wanted = (entries[at] ?? 0) >>> shift;
      const to = (next[wanted] ?? 0) - entryWords;
      next[wanted] = to;
      if (to !== at) swapEntries(entries, at, to, entryWords);
    }
  }
  orderNeighbours(entries, entryWords);
  return entries;
}

function swapEntries(entries: Uint32Array, a: number, b: number, entryWords: number): void {
  for (let word = 0; word < entryWords; word++) {
    const held = entries[a + word] ?? 0;
    entries[a + word] = entries[b + word] ?? 0;
    entries[b + word] = held;
  }
}

/** Insertion: no entry has far to go. Word by word, because entries are too short for a call to pay. */
function orderNeighbours(entries: Uint32Array, entryWords: number): void {
  const held = new Uint32Array(entryWords);
  for (let at = entryWords; at < entries.length; at += entryWords) {
    if (compareIdWords(entries, at - entryWords, entries, at) <= 0) continue;
    for (let word = 0; word < entryWords; word++) held[word] = entries[at + word] ?? 0;
    let to = at;
    do {
      for (let word = 0; word < entryWords; word++) entries[to + word] = entries[to - entryWords + word] ?? 0;
      to -= entryWords;
    } while (to > 0 && compareIdWords(entries, to - entryWords, held, 0) > 0);
    for (let word = 0; word < entryWords; word++) entries[to + word] = held[word] ?? 0;
  }
}
