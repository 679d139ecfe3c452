/** zstd over streams: pieces in, pieces out, with bounded memory whatever the data expands to. */

import zstd from 'zstd-napi/binding.js';
import { EngineError, errorMessage } from '../base/errors.ts';
import { ZSTD_WINDOW_LOG_MAX } from '../base/limits.ts';

const { CCtx, CParameter, cStreamOutSize, DCtx, DParameter, dStreamOutSize, EndDirective } = zstd;

const NOTHING = Buffer.alloc(0);

export class ZstdCompressor {
  readonly #context = new CCtx();
  readonly #output = Buffer.allocUnsafeSlow(cStreamOutSize());

  constructor(level: number) {
    this.#context.setParameter(CParameter.compressionLevel, level);
    this.#context.setParameter(CParameter.checksumFlag, 1);
  }

  /** Compressed pieces that are ready; the caller owns them. */
  *compress(piece: Buffer): Generator<Buffer> {
    for (let at = 0; at < piece.length; ) {
      const input = piece.subarray(at);
      const [, produced, consumed] = this.#context.compressStream2(this.#output, input, EndDirective.continue);
      at += consumed;
      if (produced > 0) yield Buffer.from(this.#output.subarray(0, produced));
    }
  }

  *finish(): Generator<Buffer> {
    for (;;) {
      const [left, produced] = this.#context.compressStream2(this.#output, NOTHING, EndDirective.end);
      if (produced > 0) yield Buffer.from(this.#output.subarray(0, produced));
      if (left === 0) return;
    }
  }
}

export class ZstdDecompressor {
  readonly #context = new DCtx();
  #isInFrame = false;

  constructor() {
    this.#context.setParameter(DParameter.windowLogMax, ZSTD_WINDOW_LOG_MAX);
  }

  /** Plain pieces, made one at a time as they are asked for; the caller owns them. ARCHIVE_INVALID. */
  *decompress(piece: Buffer): Generator<Buffer> {
    for (let at = 0; at < piece.length; ) {
      const output = Buffer.allocUnsafeSlow(dStreamOutSize());
      const [left, produced, consumed] = this.#step(output, piece.subarray(at));
      at += consumed;
      this.#isInFrame = left !== 0;
      if (produced > 0) yield output.subarray(0, produced);
      // What is left inside comes out before more goes in.
      let full = produced === output.length;
      while (full && this.#isInFrame && at === piece.length) {
        const more = Buffer.allocUnsafeSlow(dStreamOutSize());
        const [rest, count] = this.#step(more, NOTHING);
        this.#isInFrame = rest !== 0;
        if (count > 0) yield more.subarray(0, count);
        full = count === more.length;
      }
    }
  }

  #step(output: Buffer, input: Buffer): readonly [number, number, number] {
    try {
      return this.#context.decompressStream(output, input);
    } catch (error) {
      throw new EngineError('ARCHIVE_INVALID', `The compressed data is damaged: ${errorMessage(error)}`, error);
    }
  }

  /** ARCHIVE_INVALID where the data ended inside a frame. */
  finish(): void {
    if (this.#isInFrame) throw new EngineError('ARCHIVE_INVALID', 'The compressed data ends too early: it was cut off');
  }
}
