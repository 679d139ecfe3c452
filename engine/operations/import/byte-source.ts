/** Reads a stream by so many bytes at a time. */

import { EngineError } from '../../base/errors.ts';

function cutOff(): never {
  throw new EngineError('ARCHIVE_INVALID', 'The archive ends too early: it was cut off');
}

export class ByteSource {
  readonly #stream: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.#stream = stream[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    for (;;) {
      const next = await this.#stream.next();
      if (next.done === true) return false;
      if (next.value.length === 0) continue;
      this.#piece = next.value;
      return true;
    }
  }

  /** Up to `count` bytes that stay to be read. */
  async peek(count: number): Promise<Buffer> {
    while (this.#piece.length < count) {
      const before = this.#piece;
      if (!(await this.#more())) break;
      this.#piece = Buffer.concat([before, this.#piece]);
    }
    return this.#piece.subarray(0, count);
  }

  /** Exactly `count` bytes, the caller's own; undefined at the end. ARCHIVE_INVALID where fewer are left. */
  async read(count: number): Promise<Buffer | undefined> {
    const bytes = Buffer.allocUnsafeSlow(count);
    let filled = 0;
    while (filled < count) {
      if (this.#piece.length === 0 && !(await this.#more())) return filled === 0 ? undefined : cutOff();
      const taken = this.#piece.copy(bytes, filled);
      this.#piece = this.#piece.subarray(taken);
      filled += taken;
    }
    return bytes;
  }

  async need(count: number): Promise<Buffer> {
    return count === 0 ? Buffer.alloc(0) : ((await this.read(count)) ?? cutOff());
  }

  /** The next `count` bytes as views, no longer than the stream's own pieces. `left` counts what was not taken. */
  async *pieces(left: { bytes: number }): AsyncGenerator<Buffer> {
    while (left.bytes > 0) {
      if (this.#piece.length === 0 && !(await this.#more())) cutOff();
      const taken = this.#piece.subarray(0, Math.min(this.#piece.length, left.bytes));
      this.#piece = this.#piece.subarray(taken.length);
      left.bytes -= taken.length;
      yield taken;
    }
  }

  async skip(left: { bytes: number }): Promise<void> {
    for await (const _ of this.pieces(left));
  }

  /** Reads to the end, so that whatever checks the stream as a whole does so. */
  async drain(): Promise<void> {
    while (await this.#more());
  }

  /** All that is left, as a stream. */
  async *rest(): AsyncGenerator<Buffer> {
    do {
      const piece = this.#piece;
      this.#piece = Buffer.alloc(0);
      if (piece.length > 0) yield piece;
    } while (await this.#more());
  }
}
