/**
 * Who stores which new blob in a run. Claims live in tables of their own and die with the run, so that a blob that was
 * claimed but never became durable is not taken for known by the next run.
 */

import type { BlobId } from '../base/ids.ts';
import { YOUNG_BLOBS_MAX } from '../base/limits.ts';
import { ChunkTable } from './chunk-table.ts';

const SLOTS_FIRST = 1 << 15;
const SLOTS_MAX = 1 << 22;

/** Tables that answer "known", and tables that take claims, as threads share them. */
export interface SharedClaims {
  readonly known: readonly SharedArrayBuffer[];
  readonly claims: readonly SharedArrayBuffer[];
}

/** The tables of a run, in whichever thread. */
export class RunClaims {
  #known: readonly ChunkTable[];
  #claims: ChunkTable[];

  constructor(shared: SharedClaims) {
    this.#known = shared.known.map((memory) => new ChunkTable(memory));
    this.#claims = shared.claims.map((memory) => new ChunkTable(memory));
  }

  /** A new run over an index. */
  static begin(known: readonly SharedArrayBuffer[]): RunClaims {
    return new RunClaims({ known, claims: [new ChunkTable(SLOTS_FIRST).shared] });
  }

  shared(): SharedClaims {
    return { known: this.#known.map((table) => table.shared), claims: this.#claims.map((table) => table.shared) };
  }

  /** Takes the tables of another thread's RunClaims; own views of those already known are kept. */
  update(shared: SharedClaims): void {
    this.#known = shared.known.map((memory, index) => this.#known[index] ?? new ChunkTable(memory));
    this.#claims = shared.claims.map((memory, index) => this.#claims[index] ?? new ChunkTable(memory));
  }

  /** True where the caller has to store the blob; false where it is known, or somebody in this run stores it. */
  claim(id: BlobId): boolean {
    for (const table of this.#known) if (table.find(id) >= 0) return false;
    const last = this.#claims.length - 1;
    for (let index = 0; index < last; index++) {
      const table = this.#claims[index];
      if (table !== undefined && table.find(id) >= 0) return false;
    }
    return this.#claims[last]?.claim(id) ?? true;
  }

  /** True where it was durable and in the index before the run. */
  isKnown(id: BlobId): boolean {
    return this.#known.some((table) => table.find(id) >= 0);
  }

  /** Adds a table when the last is filling up; true where shared() has to be sent round again. */
  grow(): boolean {
    const last = this.#claims.at(-1);
    if (last !== undefined && !last.full) return false;
    const slots = Math.min(SLOTS_FIRST << (2 * this.#claims.length), SLOTS_MAX);
    this.#claims.push(new ChunkTable(slots));
    return true;
  }

  get count(): number {
    return this.#claims.reduce((sum, table) => sum + table.count, 0);
  }

  /** True once memory holds more claims than it should. */
  get crowded(): boolean {
    return this.count > YOUNG_BLOBS_MAX;
  }
}
