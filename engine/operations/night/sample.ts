/** Chooses a few files out of any number, each with the same chance, in one pass and little memory. */

export interface Candidate {
  readonly path: Buffer;
  readonly bytes: number;
}

export interface SampleLimits {
  readonly files: number;
  readonly bytes: number;
}

/** More than are taken, since the budget of bytes passes over some. */
const CANDIDATES_PER_FILE = 8;

export class Sample {
  readonly #limits: SampleLimits;
  readonly #random: () => number;
  readonly #chosen: Candidate[] = [];
  #seen = 0;

  /** `random` answers with numbers from 0 up to 1. */
  constructor(limits: SampleLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Files larger than all of the budget never come into question. */
  offer(candidate: Candidate): void {
    if (candidate.bytes > this.#limits.bytes) return;
    this.#seen++;
    const room = this.#limits.files * CANDIDATES_PER_FILE;
    if (this.#chosen.length < room) {
      this.#chosen.push(candidate);
      return;
    }
    const place = Math.floor(this.#random() * this.#seen);
    if (place < room) this.#chosen[place] = candidate;
  }

  /** In random order until the number or the budget is used up. */
  take(): Candidate[] {
    const order = this.#chosen.map((candidate) => ({ candidate, rank: this.#random() }));
    order.sort((a, b) => a.rank - b.rank);
    const taken: Candidate[] = [];
    let left = this.#limits.bytes;
    for (const { candidate } of order) {
      if (taken.length >= this.#limits.files) break;
      if (candidate.bytes > left) continue;
      left -= candidate.bytes;
      taken.push(candidate);
    }
    return taken;
  }
}
