/** Random numbers from a seed that a failing test prints, and a number of rounds that a flag raises. */

import type { TestContext } from 'node:test';

/** Mulberry32: small, and the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0, below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.below(2 ** 32);
      for (let byte = 0; byte < 4 && at + byte < length; byte++) bytes[at + byte] = word >>> (8 * byte);
    }
    return bytes;
  }
}

/** Seeded by SNAP_TEST_SEED, else by the clock; the seed is in the test's output. */
export function randomFor(t: TestContext): Random {
  const seed = Number(process.env['SNAP_TEST_SEED'] ?? Date.now() % 2 ** 31);
  t.diagnostic(`seed ${seed} (SNAP_TEST_SEED)`);
  return new Random(seed);
}

/** Rounds of a test that gets better the longer it runs: SNAP_TEST_ROUNDS times as many. */
export function rounds(count: number): number {
  return Math.ceil(count * Number(process.env['SNAP_TEST_ROUNDS'] ?? 1));
}
