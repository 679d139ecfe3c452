/**
 * Looks into a database that is said to be Audiobookshelf's, in a child process that is gone afterwards: it may be anything,
 * and what SQLite does with it is then of no consequence here.
 */

import { askChild } from './asked-child.ts';
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
export async function inspectServerDatabase(
  request: ServerDatabaseRequest,
  signal?: AbortSignal,
): Promise<ServerDatabaseReply> {
  const answer = await askChild<ServerDatabaseReply>('./audiobookshelf-child.js', request, signal);
  return 'reply' in answer ? answer.reply : { why: `the process that looked into it ended (${answer.ended})` };
}
