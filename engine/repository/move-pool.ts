/** Copies batches of frames here and, where there is much to copy and the store can be reached from there, in a thread. */

import { Worker } from 'node:worker_threads';
import { EngineError } from '../base/errors.ts';
import { REPACK_THREAD_BYTES_MIN } from '../base/limits.ts';
import { endThread, newLoadedMark } from '../base/threads.ts';
import type { StoredPack } from './blob-writer.ts';
import { FrameMover, type MoveBatch } from './frame-mover.ts';
import type { MoveReply, MoveRequest, MoveWorkerData } from './move-worker.ts';
import type { RepositoryAddress } from './open-store.ts';
import type { Repository } from './repository.ts';

/** One that is copied, one that is read meanwhile. */
const BATCHES_PER_SEAT = 2;

/** A worker makes short-lived objects only; the default lets 48 MiB of them lie about. */
const WORKER_YOUNG_MIB = 6;

/** Where batches are copied. */
interface Seat {
  readonly move: (batch: MoveBatch) => Promise<Uint8Array>;
  readonly flush: () => Promise<void>;
  /** The end; never throws. */
  readonly close: () => Promise<void>;
  underWay: number;
}

export interface MovePoolOptions {
  /** Of the packs that are to be emptied. */
  readonly bytes: number;
  readonly onStored: (pack: StoredPack) => void;
}

export class MovePool {
  /** Of this thread: for what is read elsewhere, too. */
  readonly here: FrameMover;
  readonly #seats: Seat[];
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(repository: Repository, { bytes, onStored }: MovePoolOptions) {
    const { address } = repository;
    this.here = new FrameMover(repository, onStored);
    this.#seats = [
      ...(address === undefined || bytes < REPACK_THREAD_BYTES_MIN ? [] : [threadSeat(address, onStored)]),
      {
        move: (batch) => this.here.move(batch),
        flush: () => this.here.flush(),
        close: () => this.here.idle(),
        underWay: 0,
      },
    ];
  }

  /**
   * Takes a batch as soon as there is room for it. `onDamaged` gets the ids, back to back, of blobs that could not be
   * copied; it is awaited like the rest. Throws what failed before.
   */
  async move(batch: MoveBatch, onDamaged: (ids: Uint8Array) => Promise<void>): Promise<void> {
    let seat = this.#free();
    for (; seat === undefined; seat = this.#free()) await Promise.race(this.#underWay);
    const { move } = seat;
    const taken = seat;
    taken.underWay++;
    const done = move(batch)
      .then(onDamaged)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        taken.underWay--;
        this.#underWay.delete(done);
      });
    this.#underWay.add(done);
    this.#throwFailure();
  }

  #free(): Seat | undefined {
    this.#throwFailure();
    const [best] = [...this.#seats].sort((a, b) => a.underWay - b.underWay);
    return best !== undefined && best.underWay < BATCHES_PER_SEAT ? best : undefined;
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Makes durable what was copied. */
  async flush(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#throwFailure();
    await Promise.all(this.#seats.map(({ flush }) => flush()));
  }

  /** The end, also after a failure: nothing is being read or written any more, and no thread is left. */
  async close(): Promise<void> {
    await Promise.all(this.#seats.map(({ close }) => close()));
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }
}

interface Waiting {
  readonly resolve: (damaged: Uint8Array) => void;
  readonly reject: (error: EngineError) => void;
}

function threadSeat(address: RepositoryAddress, onStored: (pack: StoredPack) => void): Seat {
  const workerData: MoveWorkerData = { address, loaded: newLoadedMark() };
  const worker = new Worker(new URL('./move-worker.js', import.meta.url), {
    workerData,
    resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_MIB },
  });
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let ended: EngineError | undefined;
  const end = (cause: unknown): void => {
    ended ??= new EngineError('INTERNAL', 'A thread that writes packs anew broke down', cause);
    for (const one of waiting.values()) one.reject(ended);
    waiting.clear();
  };
  worker.on('error', end);
  worker.on('exit', end);
  worker.on('message', (reply: MoveReply) => {
    if (reply.type === 'pack') return onStored({ ...reply.pack, headerRecord: Buffer.from(reply.pack.headerRecord) });
    const one = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (reply.type === 'done') one?.resolve(reply.damaged);
    else one?.reject(new EngineError(reply.error.code, reply.error.message));
  });
  const ask = (request: (id: number) => MoveRequest): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(ended);
      const id = next++;
      waiting.set(id, { resolve, reject });
      worker.postMessage(request(id));
    });
  return {
    move: (batch) => ask((id) => ({ id, type: 'move', batch })),
    flush: async () => void (await ask((id) => ({ id, type: 'flush' }))),
    close: async () => {
      await ask((id) => ({ id, type: 'idle' })).catch(() => undefined);
      await endThread(worker, workerData.loaded);
    },
    underWay: 0,
  };
}
