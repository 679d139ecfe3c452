/** Reads the frames of a batch (read-plan.ts): neighbours in one go, each opened once, each blob hashed before it is given out. */

import { EngineError, isEngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { KIB, MIB } from '../base/limits.ts';
import { type FrameAddress, FrameReader } from './frame-reader.ts';
import type { Store } from './sealed-files.ts';

/** Frames this close are read together with what lies between them. */
const GAP_BYTES_MAX = 64 * KIB;
const READ_BYTES_MAX = 8 * MIB;

/** The sealed frames of a batch, in memory. A frame that could not be read is its error. */
export interface LoadedBatch {
  readonly frames: readonly FrameAddress[];
  readonly sealed: readonly (Buffer | EngineError)[];
}

/** Frames that were opened; one that is damaged is its error. */
export type OpenedBatch = readonly (Buffer | EngineError)[];

export class BatchReader {
  readonly #store: Store;
  readonly #frames: FrameReader;

  constructor(store: Store) {
    this.#store = store;
    this.#frames = new FrameReader(store);
  }

  /** Throws what the store throws, but for files that are missing or too short: those are errors of their frames. */
  async load(frames: readonly FrameAddress[]): Promise<LoadedBatch> {
    const sealed: (Buffer | EngineError)[] = [];
    let first = 0;
    while (first < frames.length) {
      const last = this.#endOfRun(frames, first);
      sealed.push(...(await this.#loadRun(frames.slice(first, last))));
      first = last;
    }
    return { frames, sealed };
  }

  #endOfRun(frames: readonly FrameAddress[], first: number): number {
    const start = frames[first];
    let last = first + 1;
    let end = (start?.offset ?? 0) + (start?.sealedLength ?? 0);
    for (; last < frames.length; last++) {
      const frame = frames[last];
      if (start === undefined || frame === undefined || frame.packId !== start.packId) break;
      if (frame.offset < end || frame.offset - end > GAP_BYTES_MAX) break;
      if (frame.offset + frame.sealedLength - start.offset > READ_BYTES_MAX) break;
      end = frame.offset + frame.sealedLength;
    }
    return last;
  }

  async #loadRun(run: readonly FrameAddress[]): Promise<(Buffer | EngineError)[]> {
    const first = run[0];
    const last = run.at(-1);
    if (first === undefined || last === undefined) return [];
    const length = last.offset + last.sealedLength - first.offset;
    try {
      const bytes = await this.#store.backend.read('pack', first.packId, { offset: first.offset, length });
      return run.map((frame) =>
        bytes.subarray(frame.offset - first.offset, frame.offset - first.offset + frame.sealedLength),
      );
    } catch (error) {
      if (!isDamage(error)) throw error;
      if (run.length === 1) return [error];
      // A pack that is cut off in the middle still gives the frames before that.
      const single: (Buffer | EngineError)[] = [];
      for (const frame of run) single.push(...(await this.#loadRun([frame])));
      return single;
    }
  }

  open(batch: LoadedBatch): OpenedBatch {
    return batch.frames.map((frame, number) => {
      const sealed = batch.sealed[number];
      if (!(sealed instanceof Buffer)) return sealed ?? new EngineError('INTERNAL', 'A frame was not read');
      try {
        return this.#frames.open(frame, sealed);
      } catch (error) {
        if (isDamage(error)) return error;
        throw error;
      }
    });
  }

  /** A data blob of an opened batch, verified: a view. OBJECT_CORRUPT or OBJECT_MISSING. */
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

/** True for errors that say that something stored is not what was written; others are the store's own failures. */
export function isDamage(error: unknown): error is EngineError {
  return isEngineError(error, 'OBJECT_CORRUPT') || isEngineError(error, 'OBJECT_MISSING');
}
