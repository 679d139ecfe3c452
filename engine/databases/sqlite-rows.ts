/**
 * Reads rows of a private image of a SQLite database in a child process, a batch at a time and no faster than they are
 * taken, so that neither a long query nor a large table burdens this process.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';
import { DATABASE_ROWS_WAIT_MS_MAX } from '../base/limits.ts';
import type { ServerPlace } from '../base/server-paths.ts';

export type RowValue = string | number | bigint | Uint8Array | null;
export type Row = readonly RowValue[];

export interface RowsRequest {
  /** Private to the caller: a `-wal` and `-shm` may come to lie beside it. */
  readonly image: string;
  /** One statement that only reads. With `places` it may ask for `tree_key(path)`: see placedKey() in base/server-paths.ts. */
  readonly sql: string;
  readonly parameters?: readonly (string | number)[];
  readonly places?: readonly ServerPlace[];
  /** Default: DATABASE_ROWS_WAIT_MS_MAX. */
  readonly waitMsMax?: number;
}

export type RowsReply =
  | { readonly kind: 'rows'; readonly rows: readonly Row[] }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly message: string };

/** To the child: what to read, then a word for each further batch. */
export type RowsOrder = RowsRequest | 'more';

/**
 * Batches of rows. DATABASE_FAILED where they cannot be read: a table that is not there, damage, a statement that does not
 * end; INTERRUPTED after the signal.
 */
export async function* readRows(request: RowsRequest, signal?: AbortSignal): AsyncGenerator<readonly Row[]> {
  const child = fork(fileURLToPath(new URL('./sqlite-rows-child.js', import.meta.url)), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  // What goes wrong with it is seen when it ends.
  child.on('error', () => undefined);
  const onAbort = (): void => {
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (let order: RowsOrder = request; ; order = 'more') {
      const reply = await ask(child, order, request.waitMsMax ?? DATABASE_ROWS_WAIT_MS_MAX);
      if (signal?.aborted === true) throw new EngineError('INTERRUPTED', 'Interrupted before the end');
      if (reply.kind === 'end') return;
      if (reply.kind === 'failed') throw new EngineError('DATABASE_FAILED', reply.message);
      yield reply.rows;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
  }
}

function ask(child: ChildProcess, order: RowsOrder, waitMsMax: number): Promise<RowsReply> {
  return new Promise((resolve) => {
    const failed = (message: string): void => resolve({ kind: 'failed', message });
    const onEnd = (code: number | null, name: string | null): void => {
      clearTimeout(timer);
      failed(`The process that reads a database ended (${name ?? code})`);
    };
    const timer = setTimeout(() => failed(`No rows came within ${waitMsMax / 1000} seconds`), waitMsMax);
    child.once('exit', onEnd);
    child.once('message', (reply: RowsReply) => {
      clearTimeout(timer);
      child.off('exit', onEnd);
      resolve(reply);
    });
    child.send(order, () => undefined);
  });
}
