/** A library server on the disk as an admin has it: config, metadata and books, with a database that names them. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { makeServer, type ServerFolders, uuid } from './audiobookshelf.ts';
import type { Json } from './cli.ts';
import type { SignedIn } from './server.ts';

export interface LibraryServer extends ServerFolders {
  readonly books: string;
}

export const BOOKS = 6;

/** Below `folder`: `config`, `metadata` and `books`. */
export function makeLibraryServer(folder: string): LibraryServer {
  const server = makeServer(folder, { books: BOOKS });
  const books = join(folder, 'books');
  const database = new Database(server.database);
  database.prepare('UPDATE libraryFolders SET path = ?').run(books);
  const move = database.prepare('UPDATE libraryItems SET path = ? WHERE id = ?');
  for (let book = 1; book <= BOOKS; book++) {
    const place = join(books, `Author ${book % 2}`, `Book ${book}`);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'part 1.m4b'), Buffer.alloc(30_000 + book, book));
    writeFileSync(join(place, 'cover.jpg'), `cover of ${book}`);
    move.run(place, uuid(6, book));
  }
  // Beyond what is held as one piece.
  writeFileSync(join(books, 'Author 1', 'Book 1', 'part 2.m4b'), Buffer.alloc(2_500_000, 'long '));
  database.close();
  return { ...server, books };
}

/** Lets the server look whose library it is. */
export async function detect(admin: SignedIn): Promise<void> {
  const { json } = await admin.ask('/settings/library/detect', { method: 'POST', body: {} });
  const { job } = await admin.untilOver(json.job.id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
}

/** A backup that is completed. */
export async function backUp(
  admin: SignedIn,
  body: object = { includes_books: true, includes_covers: true },
): Promise<Json> {
  const { json, status, text } = await admin.ask('/backups', { method: 'POST', body });
  assert.equal(status, 202, text);
  const { job } = await admin.untilOver(json.job.id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  return (await admin.ask(`/backups/${json.backup.id}`)).json;
}
