/** Walks the rows of a directory and what its target holds side by side: both are sorted by the bytes of their names. */

import { compareRowToName } from '../../format/row.ts';

export class ListingCursor {
  readonly #names: readonly Buffer[];
  readonly #onExtra: ((number: number) => void) | undefined;
  #next = 0;

  /** `onExtra` hears the numbers of the names that no row has. */
  constructor(names: readonly Buffer[], onExtra: ((number: number) => void) | undefined) {
    this.#names = names;
    this.#onExtra = onExtra;
  }

  /** Number of the row's name, or -1. Rows come in order. */
  find(bytes: Buffer, at: number): number {
    for (;;) {
      const name = this.#names[this.#next];
      if (name === undefined) return -1;
      const order = compareRowToName(bytes, at, name);
      if (order < 0) return -1;
      const number = this.#next++;
      if (order === 0) return number;
      this.#onExtra?.(number);
    }
  }

  /** No row is left. */
  finish(): void {
    for (; this.#next < this.#names.length; this.#next++) this.#onExtra?.(this.#next);
  }
}
