/** Reads many data blobs in the order in which they lie: neighbours in one go, the next batch while one is used. */

import { EngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { READ_BATCH_BLOBS_MAX, READ_BATCH_BYTES } from '../base/limits.ts';
import { BatchReader, isDamage, type LoadedBatch } from './batch-reader.ts';
import { type PlannedBatch, ReadPlan } from './read-plan.ts';
import type { Repository } from './repository.ts';

export interface BlobWish {
  readonly blobId: BlobId;
  readonly length: number;
}

/** Fewer bytes than this are read one by one. */
const CACHED_BYTES_MAX = READ_BATCH_BYTES / 4;

/** One wish's blob: a view that is valid until the next one is asked for, verified; or what is wrong with it. */
export interface BlobAnswer {
  /** Number of the wish. */
  readonly wish: number;
  readonly bytes: Buffer | EngineError;
}

/** Answers every wish once, in an order of its own. Throws what the store throws; damage is an answer. */
export async function* readBlobs(repository: Repository, wishes: readonly BlobWish[]): AsyncGenerator<BlobAnswer> {
  const bytes = wishes.reduce((sum, { length }) => sum + length, 0);
  if (bytes > CACHED_BYTES_MAX) yield* readBatches(repository, wishes);
  // Little ones follow each other in frames that the reader's cache holds from one call to the next.
  else for (const [wish, wanted] of wishes.entries()) yield { wish, bytes: await readOne(repository, wanted) };
}

async function* readBatches(repository: Repository, wishes: readonly BlobWish[]): AsyncGenerator<BlobAnswer> {
  const plan = new ReadPlan(repository.index);
  const planned: number[] = [];
  const elsewhere: number[] = [];
  for (const [wish, { blobId, length }] of wishes.entries()) {
    if (plan.add(blobId, length) === undefined) elsewhere.push(wish);
    else planned.push(wish);
  }
  const reader = new BatchReader(repository);
  const limits = { bytes: READ_BATCH_BYTES, wishes: READ_BATCH_BLOBS_MAX, accepts: () => true };
  const begin = (): { batch: PlannedBatch; loaded: Promise<LoadedBatch> } | undefined => {
    const batch = plan.next(limits);
    if (batch === undefined) return undefined;
    const loaded = reader.load(batch.frames);
    // It is awaited later; until then a failure must not count as unhandled.
    loaded.catch(() => undefined);
    return { batch, loaded };
  };
  for (let current = begin(); current !== undefined; ) {
    const next = begin();
    const opened = reader.open(await current.loaded);
    for (const [at, number] of current.batch.wishes.entries()) {
      const wish = planned[number] ?? 0;
      const blobId = wishes[wish]?.blobId;
      if (blobId === undefined) continue;
      const place = {
        frame: current.batch.frameOfWish[at] ?? 0,
        offset: plan.offset(number),
        length: plan.length(number),
      };
      try {
        const bytes = reader.blob(opened, place, blobId);
        yield { wish, bytes };
      } catch (error) {
        if (!isDamage(error)) throw error;
        elsewhere.push(wish);
      }
    }
    current = next;
  }
  for (const wish of elsewhere) {
    const wanted = wishes[wish];
    if (wanted !== undefined) yield { wish, bytes: await readOne(repository, wanted) };
  }
}

/** From wherever it can be had: a blob may be stored twice, or lie in a pack that no segment names (trap 26). */
async function readOne(repository: Repository, wish: BlobWish): Promise<Buffer | EngineError> {
  try {
    const bytes = await repository.blobs.read('data', wish.blobId);
    if (bytes.length === wish.length) return bytes;
    const id = wish.blobId.toString('hex');
    return new EngineError('OBJECT_CORRUPT', `Blob ${id} has ${bytes.length} bytes, ${wish.length} are needed`);
  } catch (error) {
    if (isDamage(error)) return error;
    throw error;
  }
}
