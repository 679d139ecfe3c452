/**
 * Rewrites the paths that a server keeps in its database, in an image of it that nobody else opens, in a child process as
 * captures are made (sqlite.ts says why). sqlite-paths-steps.ts has what happens in it.
 */

import { fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EngineError, throwIfAborted } from '../base/errors.ts';
import type { PathForm, PathRule } from './path-values.ts';
import { sqliteSideFiles } from './sqlite-names.ts';

export interface PathColumnRequest {
  readonly table: string;
  readonly column: string;
  readonly form: PathForm;
}

export interface PathsRequest {
  /** Private to the caller. Nothing lies beside it afterwards. */
  readonly image: Buffer;
  readonly columns: readonly PathColumnRequest[];
  readonly rules: readonly PathRule[];
  /** Private to this run: links to odd names are made in it. */
  readonly scratchDirectory: string;
}

export interface ColumnCount {
  readonly table: string;
  readonly column: string;
  /** Rows. */
  readonly values: number;
}

export interface PathsReport {
  /** Each column that was asked for and is there, with the rows that changed. */
  readonly rewritten: readonly ColumnCount[];
  /** Columns that were asked for, and that this database does not have. */
  readonly missing: readonly { readonly table: string; readonly column: string }[];
  /** By rule: paths that it changed. */
  readonly uses: readonly number[];
  /** Texts anywhere in the database that still are an old path, lie below one, or hold one as a string of JSON. */
  readonly leftovers: readonly ColumnCount[];
}

/** What the child has just done, in this order; nothing from `begun` to `checkpointed` where no path changes. */
export type PathsStep =
  | 'started'
  | 'counted'
  | 'begun'
  | 'changed'
  | 'committed'
  | 'checkpointed'
  | 'scanned'
  | 'closed';

export interface PathsOrder {
  readonly image: Uint8Array;
  readonly columns: readonly PathColumnRequest[];
  readonly rules: readonly PathRule[];
  readonly scratchDirectory: string;
  readonly traced: boolean;
}

export type PathsReply =
  | { readonly kind: 'step'; readonly step: PathsStep }
  | { readonly kind: 'done'; readonly report: PathsReport }
  | { readonly kind: 'failed'; readonly message: string };

/**
 * All changes are one transaction; the image keeps its journal mode, and is byte for byte what it was where nothing in it
 * fits. Killed on the way, it is worth nothing: it has to be made anew. DATABASE_FAILED names what stands in the way;
 * INTERRUPTED after the signal. `onStep`, for tests: the child waits after each step until it is done.
 */
export async function rewritePaths(
  request: PathsRequest,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onStep?: ((step: PathsStep, pid: number) => void | Promise<void>) | undefined;
  } = {},
): Promise<PathsReport> {
  const { signal, onStep } = options;
  throwIfAborted(signal);
  const child = fork(fileURLToPath(new URL('./sqlite-paths-child.js', import.meta.url)), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: [],
  });
  const onAbort = (): void => {
    child.kill('SIGKILL');
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const ended = new Promise<PathsReply>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'failed', message: error.message }));
    child.once('exit', (code, name) =>
      resolve({ kind: 'failed', message: `the process that does it ended (${name ?? code}); try again` }),
    );
  });
  const answered = new Promise<PathsReply>((resolve, reject) => {
    child.on('message', (reply: PathsReply) => {
      if (reply.kind !== 'step') return resolve(reply);
      const told = Promise.resolve(onStep?.(reply.step, child.pid ?? 0));
      told.then(() => child.connected && child.send('go on', () => undefined)).catch(reject);
    });
    const order: PathsOrder = { ...request, traced: onStep !== undefined };
    // What goes wrong with sending is seen when the process ends.
    child.send(order, () => undefined);
  });
  try {
    const reply = await Promise.race([answered, ended]);
    throwIfAborted(signal);
    if (reply.kind === 'done') return reply.report;
    const why = reply.kind === 'failed' ? reply.message : 'it did not answer';
    throw new EngineError('DATABASE_FAILED', `The paths in it cannot be rewritten: ${why}`);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
    await ended;
    // Of a child that was killed, which nobody else opens.
    for (const path of Object.values(sqliteSideFiles(request.image))) rmSync(path, { force: true });
  }
}
