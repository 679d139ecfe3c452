/** Compares two images of a SQLite database in a child process, which is gone afterwards. */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';
import type { ComparedRow, ComparedTable } from './sqlite-compare-tables.ts';

export type { Cell, Cells, ComparedRow, ComparedTable } from './sqlite-compare-tables.ts';

export interface CompareRequest {
  readonly before: string;
  readonly after: string;
  /** Rows of each table that are told one by one. */
  readonly rowsMax: number;
}

export interface CompareReply {
  readonly found: readonly (ComparedTable | ComparedRow)[];
  /** Why no more was found. */
  readonly message: string | undefined;
}

/** Tables that differ, each before its rows. The images are private to the caller. INTERRUPTED after the signal. */
export function compareSqliteImages(request: CompareRequest, signal?: AbortSignal): Promise<CompareReply> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./sqlite-compare-child.js', import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    const onAbort = (): void => {
      child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    let reply: CompareReply | undefined;
    child.on('message', (message: CompareReply) => {
      reply = message;
      child.kill('SIGKILL');
    });
    child.on('error', () => undefined);
    child.on('exit', (code, name) => {
      signal?.removeEventListener('abort', onAbort);
      if (reply !== undefined) resolve(reply);
      else if (signal?.aborted === true) reject(new EngineError('INTERRUPTED', 'Interrupted before the end'));
      else resolve({ found: [], message: `the process that compares databases ended (${name ?? code})` });
    });
    child.send(request, () => undefined);
  });
}
