/** Random content from a seed: the same on every machine. */

export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from `start` to below `end`. */
  between(start: number, end: number): number {
    return start + Math.floor(this.next() * (end - start));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.between(0, items.length)];
    if (item === undefined) throw new RangeError('Nothing to pick from');
    return item;
  }

  /** Incompressible (xorshift128 by words). */
  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    let [a, b, c, d] = [
      this.between(1, 2 ** 32),
      this.between(1, 2 ** 32),
      this.between(1, 2 ** 32),
      this.between(1, 2 ** 32),
    ];
    for (let index = 0; index < words.length; index++) {
      const mixed = a ^ (a << 11);
      a = b;
      b = c;
      c = d;
      d = d ^ (d >>> 19) ^ mixed ^ (mixed >>> 8);
      words[index] = d;
    }
    return Buffer.from(words.buffer, 0, length);
  }
}

/** A vocabulary of random words of 2 to 9 letters. */
export function vocabulary(random: SeededRandom, count: number): string[] {
  return Array.from({ length: count }, () =>
    Array.from({ length: random.between(2, 10) }, () => String.fromCharCode(random.between(97, 123))).join(''),
  );
}

/** About `length` characters of words. */
export function text(random: SeededRandom, words: readonly string[], length: number): string {
  return Array.from({ length: Math.ceil(length / 6) }, () => random.pick(words)).join(' ');
}
