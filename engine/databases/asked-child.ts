/** A child process that answers one question about a private image and is gone: what SQLite does with a stranger's database is of no consequence here. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';

/** `ended`: how the process ended without an answer. */
export type ChildAnswer<Reply> = { readonly reply: Reply } | { readonly ended: string };

/** `program` is a file of this folder. INTERRUPTED after the signal, which kills it. */
export function askChild<Reply>(program: string, request: object, signal?: AbortSignal): Promise<ChildAnswer<Reply>> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL(program, import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    const onAbort = (): void => {
      child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    let answer: { readonly reply: Reply } | undefined;
    child.on('message', (reply: Reply) => {
      answer = { reply };
      child.kill('SIGKILL');
    });
    child.on('error', () => undefined);
    child.on('exit', (code, name) => {
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted === true) reject(new EngineError('INTERRUPTED', 'Interrupted before the end'));
      else resolve(answer ?? { ended: String(name ?? code) });
    });
    // What goes wrong with sending is seen when the process ends.
    child.send(request, () => undefined);
    if (signal?.aborted === true) onAbort();
  });
}

/** The other side: one question, one answer. Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle. */
export function answerOnce<Request, Reply>(answer: (request: Request) => Reply): void {
  process.on('message', (request: Request) => process.send?.(answer(request)));
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
}
