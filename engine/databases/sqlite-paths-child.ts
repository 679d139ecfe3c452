/** The child process that rewrites paths in an image; sqlite-paths.ts says why it is one, and ends it. */

import { codeOf } from './sqlite-files.ts';
import type { PathsOrder, PathsReply, PathsStep } from './sqlite-paths.ts';
import { rewriteImage } from './sqlite-paths-steps.ts';

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error);
  if (/^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) return `it is damaged (${message})`;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code.startsWith('SQLITE_FULL'))
    return `there is no room left (${message}); make room and try again`;
  return message;
}

let goOn = (): void => undefined;
process.on('message', async (message: PathsOrder | 'go on') => {
  if (message === 'go on') return goOn();
  const step = async (name: PathsStep): Promise<void> => {
    if (!message.traced) return;
    const allowed = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    process.send?.({ kind: 'step', step: name } satisfies PathsReply);
    await allowed;
  };
  let reply: PathsReply;
  try {
    reply = { kind: 'done', report: await rewriteImage({ ...message, image: Buffer.from(message.image) }, step) };
  } catch (error) {
    reply = { kind: 'failed', message: explain(error) };
  }
  process.send?.(reply);
});
// Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
