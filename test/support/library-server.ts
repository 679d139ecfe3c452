/** A library server on the disk as an admin has it: config, metadata and books, with a database that names them. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { makeServer, type ServerFolders, uuid } from './audiobookshelf.ts';

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
