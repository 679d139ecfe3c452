/**
 * Looks into a database that is said to be Audiobookshelf's, in a child process that is gone afterwards: it may be anything,
 * and what SQLite does with it is then of no consequence here.
 */

import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';
import type { Inspection } from './sqlite-inspect.ts';

export interface ServerDatabase {
  readonly inspection: Inspection;
  readonly journalMode: 'wal' | 'rollback';
  /** What the server says of itself; undefined where it does not. */
  readonly serverVersion: string | undefined;
  readonly libraryItems: number;
  /** Authors of whom the server has an image. */
  readonly authorImages: number;
}

export interface ServerDatabaseRequest {
  /** Of a private file that nobody else opens. */
  readonly path: string;
  /** Refuse a database without the tables that every server has. */
  readonly isStructureNeeded: boolean;
}

/** `why`: it is damaged, no database, or not this server's. */
export type ServerDatabaseReply = { readonly database: ServerDatabase } | { readonly why: string };

/** INTERRUPTED after the signal. */
export function inspectServerDatabase(
  request: ServerDatabaseRequest,
  signal?: AbortSignal,
): Promise<ServerDatabaseReply> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./audiobookshelf-child.js', import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    const onAbort = (): void => {
      child.kill('SIGKILL');
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    let reply: ServerDatabaseReply | undefined;
    child.on('message', (message: ServerDatabaseReply) => {
      reply = message;
      child.kill('SIGKILL');
    });
    child.on('error', () => undefined);
    child.on('exit', (code, name) => {
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted === true) reject(new EngineError('INTERRUPTED', 'Interrupted before the end'));
      else resolve(reply ?? { why: `the process that looked into it ended (${name ?? code})` });
    });
    child.send(request, () => undefined);
    if (signal?.aborted === true) onAbort();
  });
}
