/** The frames that were opened last. Each is opened once, however many want it at the same time. */

import { FRAME_CACHE_BYTES_MAX } from '../base/limits.ts';
import { FrameMemory } from './frame-memory.ts';
import type { FrameAddress, FrameReader, OpenedFrame } from './frame-reader.ts';

/** What is made of a frame's plaintext, at once. Where `isReused`, other frames will lie there: what stays is a copy. */
export type UseFrame<Result> = (plain: Buffer, isReused: boolean) => Result;

interface CachedFrame {
  readonly opening: Promise<OpenedFrame>;
  /** Undefined until it is opened. */
  opened: OpenedFrame | undefined;
  /** Who waits for it. While somebody does, its memory is no other frame's. */
  waiting: number;
  isEvicted: boolean;
}

export class FrameCache {
  readonly #reader: FrameReader;
  readonly #memory = new FrameMemory();
  /** By pack and number, least recently used first. */
  readonly #opened = new Map<string, CachedFrame>();
  #bytes = 0;
  readonly #opening = new Map<string, CachedFrame>();

  constructor(reader: FrameReader) {
    this.#reader = reader;
  }

  /** Undefined where the frame is not in the cache. */
  useCached<Result>(address: FrameAddress, use: UseFrame<Result>): Result | undefined {
    const opened = this.#find(keyOf(address));
    return opened === undefined ? undefined : use(opened.plain, opened.memory !== undefined);
  }

  /** Throws what reading and opening it fail with. */
  async use<Result>(address: FrameAddress, use: UseFrame<Result>): Promise<Result> {
    const key = keyOf(address);
    const opened = this.#find(key);
    if (opened !== undefined) return use(opened.plain, opened.memory !== undefined);
    const frame = this.#opening.get(key) ?? this.#open(key, address);
    frame.waiting++;
    try {
      const { plain, memory } = await frame.opening;
      return use(plain, memory !== undefined);
    } finally {
      frame.waiting--;
      this.#release(frame);
    }
  }

  #find(key: string): OpenedFrame | undefined {
    const frame = this.#opened.get(key);
    if (frame === undefined) return undefined;
    this.#opened.delete(key);
    this.#opened.set(key, frame);
    return frame.opened;
  }

  #open(key: string, address: FrameAddress): CachedFrame {
    const opening = this.#reader.readInto(address, this.#memory);
    const frame: CachedFrame = { opening, opened: undefined, waiting: 0, isEvicted: false };
    this.#opening.set(key, frame);
    opening.then(
      (opened) => {
        frame.opened = opened;
        this.#opening.delete(key);
        this.#add(key, frame, opened);
      },
      // Those who wait are told.
      () => this.#opening.delete(key),
    );
    return frame;
  }

  #add(key: string, frame: CachedFrame, opened: OpenedFrame): void {
    this.#opened.set(key, frame);
    this.#bytes += heldBytes(opened);
    for (const [oldest, other] of this.#opened) {
      if (this.#bytes <= FRAME_CACHE_BYTES_MAX || oldest === key) break;
      this.#opened.delete(oldest);
      if (other.opened !== undefined) this.#bytes -= heldBytes(other.opened);
      other.isEvicted = true;
      this.#release(other);
    }
  }

  #release(frame: CachedFrame): void {
    const memory = frame.opened?.memory;
    if (memory !== undefined && frame.isEvicted && frame.waiting === 0) this.#memory.give(memory);
  }
}

function heldBytes({ plain, memory }: OpenedFrame): number {
  return (memory ?? plain).length;
}

function keyOf(address: FrameAddress): string {
  return `${address.packId}/${address.frame}`;
}
