/**
 * Cuts a dump of a database where rows end, so that a row that changed costs the one piece that it lies in. Which row
 * ends a piece is drawn from a keyed hash of the row: the more likely, the longer it is, so that long rows stand alone and
 * short ones by the handful. The rest of this repository's files are cut by the chunker, and so is a row that is too long.
 */

import { CHUNK_ROWS_BYTES_MAX, CHUNK_ROWS_BYTES_NORMAL } from '../base/limits.ts';
import type { Chunker } from './chunker.ts';
import { chunkerParameters } from './chunker-parameters.ts';
import { ROWS_CLASS } from './file-class.ts';

const NEWLINE = 0x0a;
const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5;
const HASHES = 2 ** 32;

export class RowCutter {
  readonly #chunker: Chunker;
  /** A word for each byte, from the repository's secret: lengths say nothing about rows that somebody guesses. */
  readonly #words: Uint32Array;

  constructor(gearTable: Buffer, chunker: Chunker) {
    this.#chunker = chunker;
    this.#words = Uint32Array.from({ length: 256 }, (_, byte) => gearTable.readUInt32LE(byte * 8));
  }

  /** As Chunker.cut: what begins at `start`, given the bytes up to `end`, which are all or more than any chunk has. */
  cut(start: number, end: number): number {
    const { memory } = this.#chunker;
    const limit = Math.min(end, start + CHUNK_ROWS_BYTES_MAX);
    let row = start;
    for (;;) {
      let at = row;
      let hash = FNV_BASIS;
      for (; at < limit; at++) {
        const byte = memory[at] ?? 0;
        if (byte === NEWLINE) break;
        hash = Math.imul(hash ^ (this.#words[byte] ?? 0), FNV_PRIME);
      }
      if (at === limit) break;
      at++;
      if (mixed(hash) * CHUNK_ROWS_BYTES_NORMAL < HASHES * (at - row)) return at - start;
      row = at;
    }
    if (row > start) return row - start;
    const found = memory.indexOf(NEWLINE, limit);
    return this.#chunker.cut(chunkerParameters(ROWS_CLASS), start, found < 0 || found >= end ? end : found + 1);
  }
}

/** Spreads a hash over all 32 bits. */
function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
