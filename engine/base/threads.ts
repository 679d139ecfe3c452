/** Ending threads. A thread that is ended while it loads native code takes the whole process with it. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { THREAD_LOAD_MS_MAX } from './limits.ts';

/** One Int32 in shared memory: not zero once the thread has loaded what it needs. Part of its workerData. */
export type LoadedMark = SharedArrayBuffer;

export function newLoadedMark(): LoadedMark {
  return new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
}

/** Called by the thread, once native code is loaded. */
export function markLoaded(mark: LoadedMark): void {
  Atomics.store(new Int32Array(mark), 0, 1);
}

const LOOK_MS = 2;

/** Ends a thread as soon as that is safe. */
export async function endThread(worker: Worker, mark: LoadedMark): Promise<void> {
  const loaded = new Int32Array(mark);
  let isOver = false;
  worker.once('exit', () => {
    isOver = true;
  });
  // Of a thread that has ended already no event comes any more.
  for (let waitedMs = 0; waitedMs < THREAD_LOAD_MS_MAX; waitedMs += LOOK_MS) {
    if (isOver || worker.threadId === -1 || Atomics.load(loaded, 0) !== 0) break;
    await sleep(LOOK_MS);
  }
  await worker.terminate();
}
