/**
 * Memory for frames, used again. Hundreds of frames are read for a log or a diff; memory of their own for each is asked
 * from the system, cleared by it page by page, and left to the collector, which together costs as much as decompressing.
 */

import { FRAME_MEMORY_FREE_BYTES_MAX, FRAME_MEMORY_PIECE_BYTES_MAX } from '../base/limits.ts';

/** Few sizes, so that what one frame leaves fits the next. */
const SIZES_A_DOUBLING = 2;
const SIZE_BYTES_MIN = 32 * 1024;

export class FrameMemory {
  /** Pieces by their size, those that came last at the end. */
  readonly #free = new Map<number, Buffer[]>();
  #freeBytes = 0;

  /** True for what is worth being given back. */
  static isReused(bytes: number): boolean {
    return bytes <= FRAME_MEMORY_PIECE_BYTES_MAX;
  }

  /** At least so many bytes; what is in them is anything. */
  take(bytes: number): Buffer {
    const size = sizeFor(bytes);
    const found = this.#free.get(size)?.pop();
    if (found === undefined) return Buffer.allocUnsafeSlow(size);
    this.#freeBytes -= size;
    return found;
  }

  /** What take() gave, once nobody looks at it any more. */
  give(memory: Buffer): void {
    if (this.#freeBytes + memory.length > FRAME_MEMORY_FREE_BYTES_MAX) return;
    this.#freeBytes += memory.length;
    const same = this.#free.get(memory.length);
    if (same === undefined) this.#free.set(memory.length, [memory]);
    else same.push(memory);
  }
}

function sizeFor(bytes: number): number {
  const doubling = 2 ** Math.floor(Math.log2(Math.max(bytes, SIZE_BYTES_MIN)));
  const step = doubling / SIZES_A_DOUBLING;
  return Math.ceil(Math.max(bytes, SIZE_BYTES_MIN) / step) * step;
}
