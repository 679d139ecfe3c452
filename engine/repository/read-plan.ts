/**
 * Orders many wishes for blobs by where the blobs lie, so that a restore reads packs from front to back and opens each
 * frame once. The batches it gives are plain data: workers read them with BatchReader.
 */

import type { BlobId } from '../base/ids.ts';
import type { ChunkIndex } from './chunk-index.ts';
import type { FrameAddress } from './frame-reader.ts';

/** Above every number of a frame, so that pack and frame make one number. */
const FRAMES_PER_PACK = 1 << 16;
const NONE = -1;

export interface BatchLimits {
  /** Plaintext of the frames; one frame may pass it alone. */
  readonly bytes: number;
  readonly wishes: number;
  /** Asked for each wish; false ends the batch before it, and the frame is opened again in the next one. */
  readonly accepts: (wish: number) => boolean;
}

export interface PlannedBatch {
  readonly frames: readonly FrameAddress[];
  readonly wishes: readonly number[];
  /** For each of `wishes`, the number of its frame in `frames`. */
  readonly frameOfWish: readonly number[];
}

export class ReadPlan {
  readonly #index: ChunkIndex;
  /** The last wish of each frame; #before leads to the others. */
  readonly #wishOfFrame = new Map<number, number>();
  readonly #before: number[] = [];
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  #lastKey = NONE;
  #lastWish = NONE;
  #order: Float64Array | undefined;
  #position = 0;

  /** The index is not moved any more, since the plan holds on to what it said. */
  constructor(index: ChunkIndex) {
    index.pin();
    this.#index = index;
  }

  get count(): number {
    return this.#before.length;
  }

  /** Number of the new wish, counted from 0; undefined where no pack holds this blob with this length. */
  add(blobId: BlobId, length: number): number | undefined {
    const location = this.#index.find(blobId);
    if (location === undefined || location.length !== length) return undefined;
    const key = location.pack * FRAMES_PER_PACK + location.frame;
    const wish = this.#before.length;
    if (key === this.#lastKey) {
      this.#before.push(this.#lastWish);
    } else {
      if (this.#lastKey !== NONE) this.#wishOfFrame.set(this.#lastKey, this.#lastWish);
      this.#before.push(this.#wishOfFrame.get(key) ?? NONE);
      this.#lastKey = key;
    }
    this.#lastWish = wish;
    this.#offsets.push(location.offset);
    this.#lengths.push(location.length);
    return wish;
  }

  /** Offset of a wish's blob in the plaintext of its frame. */
  offset(wish: number): number {
    return this.#offsets[wish] ?? 0;
  }

  length(wish: number): number {
    return this.#lengths[wish] ?? 0;
  }

  #sorted(): Float64Array {
    if (this.#lastKey !== NONE) this.#wishOfFrame.set(this.#lastKey, this.#lastWish);
    return Float64Array.from(this.#wishOfFrame.keys()).sort();
  }

  /** The next batch, or undefined at the end. Nothing is added after the first call. */
  next(limits: BatchLimits): PlannedBatch | undefined {
    this.#order ??= this.#sorted();
    const frames: FrameAddress[] = [];
    const wishes: number[] = [];
    const frameOfWish: number[] = [];
    let bytes = 0;
    while (this.#position < this.#order.length) {
      const key = this.#order[this.#position] ?? 0;
      const address = this.#index.frame({
        pack: Math.floor(key / FRAMES_PER_PACK),
        frame: key % FRAMES_PER_PACK,
      });
      if (frames.length > 0 && bytes + address.plainLength > limits.bytes) break;
      let wish = this.#wishOfFrame.get(key) ?? NONE;
      const before = wishes.length;
      while (wish !== NONE && wishes.length < limits.wishes && (limits.accepts(wish) || wishes.length === 0)) {
        wishes.push(wish);
        frameOfWish.push(frames.length);
        wish = this.#before[wish] ?? NONE;
      }
      if (wishes.length > before) {
        frames.push(address);
        bytes += address.plainLength;
      }
      if (wish !== NONE) {
        this.#wishOfFrame.set(key, wish);
        break;
      }
      this.#position++;
    }
    return wishes.length === 0 ? undefined : { frames, wishes, frameOfWish };
  }
}
