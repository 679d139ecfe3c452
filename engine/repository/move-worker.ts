/** Entry of a thread that copies frames: opens the repository's store and copies batches, one after the other. */

import { parentPort, workerData } from 'node:worker_threads';
import { EngineError, portableError } from '../base/errors.ts';
import { type LoadedMark, markLoaded } from '../base/threads.ts';
import type { StoredPack } from './blob-writer.ts';
import { FrameMover, type MoveBatch } from './frame-mover.ts';
import { openStore, type RepositoryAddress } from './open-store.ts';

export interface MoveWorkerData {
  readonly loaded: LoadedMark;
  readonly address: RepositoryAddress;
}

/** `idle` is the last request. */
export type MoveRequest = { readonly id: number } & (
  | { readonly type: 'move'; readonly batch: MoveBatch }
  | { readonly type: 'flush' | 'idle' }
);

export type MoveReply =
  | { readonly type: 'pack'; readonly pack: StoredPack }
  | { readonly type: 'done'; readonly id: number; readonly damaged: Uint8Array }
  | { readonly type: 'failed'; readonly id: number; readonly error: ReturnType<typeof portableError> };

const NONE = new Uint8Array(0);

async function main(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new EngineError('INTERNAL', 'The worker of a prune was started outside a worker thread');
  const { address, loaded } = workerData as MoveWorkerData;
  const post = (reply: MoveReply): void => port.postMessage(reply);
  const store = await openStore(address);
  markLoaded(loaded);
  const mover = new FrameMover(store, (pack) => post({ type: 'pack', pack }));
  const answer = async (request: MoveRequest): Promise<Uint8Array> => {
    if (request.type === 'move') return mover.move(request.batch);
    await (request.type === 'flush' ? mover.flush() : mover.idle());
    return NONE;
  };
  port.on('message', (request: MoveRequest) => {
    const { id } = request;
    answer(request).then(
      (damaged) => post({ type: 'done', id, damaged }),
      (error: unknown) => post({ type: 'failed', id, error: portableError(error) }),
    );
  });
}

await main();
