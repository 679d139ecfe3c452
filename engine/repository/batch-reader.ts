/** Reads the frames of a batch (read-plan.ts): neighbours in one go, each opened once, each blob hashed before it is given out. */

import { EngineError, isEngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { FRAME_BYTES_MAX, MIB, READ_BUFFERS_MAX, READ_GAP_BYTES_MAX, READ_RUN_BYTES_MAX } from '../base/limits.ts';
import { CODEC_ZSTD } from '../format/envelope.ts';
import { type FrameAddress, FrameReader } from './frame-reader.ts';
import type { Store } from './sealed-files.ts';

const BUFFER_STEP_BYTES = MIB;
const NO_BYTES = Buffer.alloc(0);

/** The sealed frames of a batch, in memory. A frame that could not be read is its error. */
export interface LoadedBatch {
  readonly frames: readonly FrameAddress[];
  readonly sealed: readonly (Buffer | EngineError)[];
  readonly memory: Buffer;
}

/** Frames that were opened; one that is damaged is its error. */
export type OpenedBatch = readonly (Buffer | EngineError)[];

/** Reads batches into memory that it uses again and again, since what is left to the collector is freed late. */
export class BatchReader {
  readonly #store: Store;
  readonly #frames: FrameReader;
  readonly #buffers: Buffer[] = [];
  /** Frames that were compressed, one behind the other. */
  #plain = NO_BYTES;

  constructor(store: Store) {
    this.#store = store;
    this.#frames = new FrameReader(store);
  }

  /**
   * Reads what was not read yet; its result goes to open() and then to release(). Throws what the store throws, but for
   * files that are missing, too short or unreadable: those are errors of their frames.
   */
  async load(frames: readonly FrameAddress[]): Promise<LoadedBatch> {
    const runs: (readonly FrameAddress[])[] = [];
    let bytes = 0;
    for (let first = 0; first < frames.length; ) {
      const run = frames.slice(first, this.#endOfRun(frames, first));
      bytes += lengthOf(run);
      runs.push(run);
      first += run.length;
    }
    const memory = this.#take(bytes);
    const sealed: (Buffer | EngineError)[] = [];
    let at = 0;
    for (const run of runs) {
      sealed.push(...(await this.#loadRun(run, memory.subarray(at, at + lengthOf(run)))));
      at += lengthOf(run);
    }
    return { frames, sealed, memory };
  }

  #take(bytes: number): Buffer {
    if (bytes === 0) return NO_BYTES;
    const at = this.#buffers.findIndex((buffer) => buffer.length >= bytes);
    const [kept] = at < 0 ? [] : this.#buffers.splice(at, 1);
    return kept ?? Buffer.allocUnsafeSlow(Math.ceil(bytes / BUFFER_STEP_BYTES) * BUFFER_STEP_BYTES);
  }

  /** What open() gave of it is gone then. */
  release(batch: LoadedBatch): void {
    if (batch.memory.length > 0) this.#buffers.push(batch.memory);
    if (this.#buffers.length <= READ_BUFFERS_MAX) return;
    this.#buffers.sort((a, b) => b.length - a.length);
    this.#buffers.length = READ_BUFFERS_MAX;
  }

  #endOfRun(frames: readonly FrameAddress[], first: number): number {
    const start = frames[first];
    let last = first + 1;
    let end = (start?.offset ?? 0) + (start?.sealedLength ?? 0);
    for (; last < frames.length; last++) {
      const frame = frames[last];
      if (start === undefined || frame === undefined || frame.packId !== start.packId) break;
      if (frame.offset < end || frame.offset - end > READ_GAP_BYTES_MAX) break;
      if (frame.offset + frame.sealedLength - start.offset > READ_RUN_BYTES_MAX) break;
      end = frame.offset + frame.sealedLength;
    }
    return last;
  }

  async #loadRun(run: readonly FrameAddress[], into: Buffer): Promise<(Buffer | EngineError)[]> {
    const [first] = run;
    if (first === undefined) return [];
    const { offset } = first;
    try {
      const bytes = await this.#store.backend.read('pack', first.packId, { offset, length: lengthOf(run), into });
      return run.map((frame) =>
        bytes.subarray(frame.offset - first.offset, frame.offset - first.offset + frame.sealedLength),
      );
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (run.length === 1) return [error];
      // A pack that is cut off in the middle still gives the frames before that.
      const single: (Buffer | EngineError)[] = [];
      for (const frame of run) {
        const at = frame.offset - offset;
        single.push(...(await this.#loadRun([frame], into.subarray(at, at + frame.sealedLength))));
      }
      return single;
    }
  }

  /** The frames' plaintext, until the next call or the batch's release. */
  open(batch: LoadedBatch): OpenedBatch {
    const bytes = batch.frames.reduce((sum, frame) => sum + plainBytesOf(frame), 0);
    if (bytes > this.#plain.length) {
      this.#plain = Buffer.allocUnsafeSlow(Math.ceil(bytes / BUFFER_STEP_BYTES) * BUFFER_STEP_BYTES);
    }
    let at = 0;
    return batch.frames.map((frame, number) => {
      const sealed = batch.sealed[number];
      if (!(sealed instanceof Buffer)) return sealed ?? new EngineError('INTERNAL', 'A frame was not read');
      const into = this.#plain.subarray(at, at + plainBytesOf(frame));
      at += into.length;
      try {
        return this.#frames.open(frame, sealed, into);
      } catch (error) {
        if (isDamage(error)) return error;
        throw error;
      }
    });
  }

  /** A data blob of an opened batch, verified: a view. OBJECT_CORRUPT, OBJECT_MISSING or OBJECT_UNREADABLE. */
  blob(
    opened: OpenedBatch,
    at: { readonly frame: number; readonly offset: number; readonly length: number },
    blobId: BlobId,
  ): Buffer {
    const plain = opened[at.frame];
    if (!(plain instanceof Buffer)) throw plain ?? new EngineError('INTERNAL', 'A frame was not opened');
    const bytes = plain.subarray(at.offset, at.offset + at.length);
    this.#frames.verify('data', blobId, bytes);
    return bytes;
  }
}

/** True for errors that say that something stored does not come back as it was written; others are the store's own failures. */
export function isDamage(error: unknown): error is EngineError {
  return isEngineError(error, 'OBJECT_MISSING') || isDamagedThere(error);
}

/** The same, of something that lies there. */
export function isDamagedThere(error: unknown): error is EngineError {
  return isEngineError(error, 'OBJECT_CORRUPT') || isEngineError(error, 'OBJECT_UNREADABLE');
}

/** Of neighbours in one pack, with what lies between them. */
function lengthOf(run: readonly FrameAddress[]): number {
  const first = run[0];
  const last = run.at(-1);
  return first === undefined || last === undefined ? 0 : last.offset + last.sealedLength - first.offset;
}

/** What a frame needs besides its sealed bytes, in whose place it is opened. */
function plainBytesOf(frame: FrameAddress): number {
  return frame.codec === CODEC_ZSTD ? Math.min(frame.plainLength, FRAME_BYTES_MAX) : 0;
}
