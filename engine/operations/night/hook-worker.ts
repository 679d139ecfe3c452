/** Entry of the thread that starts commands; hook-thread.ts says why there is one. */

import { parentPort } from 'node:worker_threads';
import { threadId } from '../../filesystem/machine.ts';
import type { Hook, HookReport } from './options.ts';
import { type HookSurroundings, runHook } from './run-hook.ts';

export type HookRequest =
  | { readonly id: number; readonly hook: Hook; readonly surroundings: Omit<HookSurroundings, 'signal'> }
  | { readonly id: number; readonly abort: true };

export type HookAnswer = { readonly thread: number | undefined } | { readonly id: number; readonly report: HookReport };

const running = new Map<number, AbortController>();

parentPort?.on('message', async (request: HookRequest) => {
  if ('abort' in request) {
    running.get(request.id)?.abort();
    return;
  }
  const controller = new AbortController();
  running.set(request.id, controller);
  const report = await runHook(request.hook, { ...request.surroundings, signal: controller.signal });
  running.delete(request.id);
  parentPort?.postMessage({ id: request.id, report } satisfies HookAnswer);
});
parentPort?.postMessage({ thread: threadId() } satisfies HookAnswer);
