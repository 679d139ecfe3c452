/** Decompression of archives with a bound on what they may unfold to: a bomb stops the import (trap 33). */

import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createInflateRaw, inflateRawSync } from 'node:zlib';
import { EngineError, errorMessage } from '../../base/errors.ts';
import { IMPORT_EXPANSION_BYTES_FREE } from '../../base/limits.ts';
import { ZstdDecompressor } from '../../codec/zstd-stream.ts';

export class Expansion {
  readonly #max: number;
  #compressed = 0;
  #plain = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts what goes in. */
  async *taking(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      this.#compressed += piece.length;
      yield piece;
    }
  }

  /** Counts what came out. LIMIT_EXCEEDED. */
  give(bytes: number): void {
    this.#plain += bytes;
    if (this.#plain <= IMPORT_EXPANSION_BYTES_FREE || this.#plain <= this.#compressed * this.#max) return;
    throw new EngineError(
      'LIMIT_EXCEEDED',
      `The archive unfolds to more than ${this.#max} times its length and may be a bomb: nothing was imported. If it is what it should be, allow more with --max-expansion`,
    );
  }

  async *unzstd(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const decompressor = new ZstdDecompressor();
    for await (const piece of this.taking(pieces)) {
      for (const plain of decompressor.decompress(piece)) {
        this.give(plain.length);
        yield plain;
      }
    }
    decompressor.finish();
  }

  gunzip(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    return this.#through(pieces, createGunzip());
  }

  inflate(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    return this.#through(pieces, createInflateRaw());
  }

  /** A small piece at once: a stream for each of many little files costs more than their content. */
  inflateWhole(coded: Buffer, lengthMax: number): Buffer {
    this.#compressed += coded.length;
    try {
      const plain = inflateRawSync(coded, { maxOutputLength: Math.max(1, lengthMax) });
      this.give(plain.length);
      return plain;
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw new EngineError('ARCHIVE_INVALID', `The compressed data is damaged: ${errorMessage(error)}`, error);
    }
  }

  async *#through(pieces: AsyncIterable<Buffer>, inflater: Transform): AsyncGenerator<Buffer> {
    const input = Readable.from(this.taking(pieces), { objectMode: true, highWaterMark: 1 });
    // Each piece is asked for, so what is not taken is not unfolded.
    const output = pipeline(input, inflater, () => undefined);
    try {
      for await (const plain of output as AsyncIterable<Buffer>) {
        this.give(plain.length);
        yield plain;
      }
    } catch (error) {
      if (error instanceof EngineError) throw error;
      throw new EngineError('ARCHIVE_INVALID', `The compressed data is damaged: ${errorMessage(error)}`, error);
    }
  }
}
