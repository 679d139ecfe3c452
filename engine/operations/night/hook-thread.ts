/**
 * A thread that starts commands. A program inherits its priority from the thread that starts it, and no user but root
 * gets it back: a server that is started again after a night that steps back would be slow until it is started anew. So
 * this thread is made before the others step back, and never does.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { HookAnswer, HookRequest } from './hook-worker.ts';
import type { Hook, HookReport } from './options.ts';
import type { HookSurroundings } from './run-hook.ts';

export class HookThread {
  readonly #worker: Worker;
  /** As the kernel numbers it; undefined where that cannot be told. */
  readonly threadId: number | undefined;
  #lastId = 0;

  private constructor(worker: Worker, threadId: number | undefined) {
    this.#worker = worker;
    this.threadId = threadId;
  }

  static async start(): Promise<HookThread> {
    const worker = new Worker(new URL('./hook-worker.js', import.meta.url));
    const [answer] = (await once(worker, 'message')) as [HookAnswer];
    worker.unref();
    return new HookThread(worker, 'thread' in answer ? answer.thread : undefined);
  }

  /** Never throws, as runHook. */
  async run(hook: Hook, { signal, ...surroundings }: HookSurroundings): Promise<HookReport> {
    const id = ++this.#lastId;
    const abort = (): void => this.#post({ id, abort: true });
    const answered = new Promise<HookReport>((resolve) => {
      const take = (answer: HookAnswer): void => {
        if ('thread' in answer || answer.id !== id) return;
        this.#worker.off('message', take);
        resolve(answer.report);
      };
      this.#worker.on('message', take);
      this.#worker.once('exit', () => {
        const message = 'cannot be run: the thread that starts commands is gone';
        resolve({ hook, status: 'failed', exitCode: undefined, message, durationSeconds: 0 });
      });
    });
    this.#worker.ref();
    this.#post({ id, hook, surroundings });
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await answered;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#worker.unref();
    }
  }

  #post(request: HookRequest): void {
    this.#worker.postMessage(request);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
