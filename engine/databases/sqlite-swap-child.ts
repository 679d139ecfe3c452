/** The child process of one check or one swap; sqlite-swap.ts says why it is a process of its own, and ends it. */

import Database from 'better-sqlite3';
import { codeOf, databaseFiles, openRegular, readHeader } from './sqlite-files.ts';
import { Damaged, loadSchema, quickCheck } from './sqlite-inspect.ts';
import type { ImageCheck, SwapOrder, SwapReply, SwapStep } from './sqlite-swap.ts';
import { placeOf, removeIfThere } from './sqlite-swap-files.ts';
import { DatabaseSwap, Refused } from './sqlite-swap-steps.ts';

function checkImage(image: Buffer, scratchDirectory: string): ImageCheck {
  // It stays open: its close would drop the locks that SQLite takes below.
  const fd = openRegular(image);
  if (fd === undefined) throw new Error('there is no such file');
  if (readHeader(fd) === undefined) throw new Refused('it is no SQLite database, or was cut off at its beginning');
  const { files, dispose } = databaseFiles(image, scratchDirectory);
  try {
    const connection = new Database(files.open, { fileMustExist: true });
    try {
      // The index of a WAL stays in memory then.
      connection.pragma('locking_mode = EXCLUSIVE');
      if (typeof loadSchema(connection) === 'string') return 'schema-unparsable';
      return quickCheck(connection).length === 0 ? 'ok' : 'partly-checked';
    } finally {
      connection.close();
      for (const path of [files.wal, files.shm, files.journal]) removeIfThere(path);
    }
  } finally {
    dispose();
  }
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused) return message;
  const code = codeOf(error);
  if (error instanceof Damaged || /^SQLITE_(?:CORRUPT|NOTADB)/.test(code)) return `it is damaged (${message})`;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code.startsWith('SQLITE_FULL'))
    return `there is no room left (${message}); make room and try again`;
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return `its folder cannot be written by this user (${message}); change its permissions, or restore as its owner`;
  return `${message}; mend that and try again`;
}

/** What a swap opened must not be closed by the garbage collector either. */
const held = new Set<DatabaseSwap>();

async function serve(order: SwapOrder, step: (step: SwapStep) => Promise<void>): Promise<SwapReply> {
  const image = Buffer.from(order.image);
  try {
    await step('started');
    if (order.kind === 'check') return { kind: 'checked', check: checkImage(image, order.scratchDirectory) };
    const place = placeOf(image, Buffer.from(order.target));
    const swap = new DatabaseSwap(place, { ...order, step });
    held.add(swap);
    return { kind: 'swapped', outcome: await swap.run() };
  } catch (error) {
    return { kind: 'failed', message: explain(error) };
  }
}

let goOn = (): void => undefined;
process.on('message', async (message: SwapOrder | 'go on') => {
  if (message === 'go on') return goOn();
  const step = async (name: SwapStep): Promise<void> => {
    if (!message.traced) return;
    const allowed = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    process.send?.({ kind: 'step', step: name } satisfies SwapReply);
    await allowed;
  };
  process.send?.(await serve(message, step));
});
// Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
