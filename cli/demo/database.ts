/** The database of the made-up server: what is in its libraries, and how far somebody listened. */

import { createHash } from 'node:crypto';
import { utimesSync } from 'node:fs';
import Database from 'better-sqlite3';
import { AUDIOBOOKSHELF_TABLES } from './audiobookshelf-tables.ts';
import type { Title } from './titles.ts';

const SECONDS_A_PART = 3 * 3600;

type Row = { readonly [column: string]: string | number | null };

/** A book as its files lie on the disk. */
export interface Item {
  readonly title: Title;
  readonly library: string;
  readonly path: string;
  readonly relPath: string;
  readonly coverPath: string;
  readonly files: readonly string[];
}

/** The same for the same words, as a server would have made it. */
export function idOf(kind: string, name: string): string {
  const hex = createHash('sha256').update(`${kind} ${name}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export class LibraryDatabase {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** With one person and the libraries of these names, in these folders. */
  static make(path: string, libraries: ReadonlyMap<string, string>, at: Date): LibraryDatabase {
    const database = new LibraryDatabase(path);
    database.#change(at, (connection) => {
      for (const statement of AUDIOBOOKSHELF_TABLES) connection.exec(statement);
      const settings = { id: 'server-settings', language: 'en-us', version: '2.36.0' };
      insert(connection, 'settings', { key: 'server-settings', value: JSON.stringify(settings), ...stamps(at) });
      const user = { id: idOf('user', 'reader'), username: 'reader', type: 'root', isActive: 1 };
      insert(connection, 'users', { ...user, ...stamps(at) });
      for (const [name, folder] of libraries) {
        const id = idOf('library', name);
        insert(connection, 'libraries', { id, name, mediaType: 'book', ...stamps(at) });
        insert(connection, 'libraryFolders', {
          id: idOf('folder', name),
          path: folder,
          libraryId: id,
          ...stamps(at),
        });
      }
    });
    return database;
  }

  add(item: Item, at: Date): void {
    const { title, library, path, relPath, coverPath, files } = item;
    const id = idOf('item', title.title);
    const mediaId = idOf('book', title.title);
    const listed = files.map((filename, index) => ({
      index: index + 1,
      metadata: { filename, path: `${path}/${filename}`, relPath: filename },
    }));
    const isEbook = title.parts === 0;
    this.#change(at, (connection) => {
      insert(connection, 'books', {
        id: mediaId,
        title: title.title,
        publishedYear: String(title.year),
        description: title.opening,
        coverPath,
        duration: title.parts * SECONDS_A_PART,
        audioFiles: JSON.stringify(isEbook ? [] : listed),
        ebookFile: isEbook ? JSON.stringify(listed[0]) : null,
        tags: '[]',
        genres: '["Classics"]',
        ...stamps(at),
      });
      insert(connection, 'libraryItems', {
        id,
        path,
        relPath,
        mediaId,
        mediaType: 'book',
        isFile: 0,
        isMissing: 0,
        libraryFiles: JSON.stringify(listed),
        title: title.title,
        authorNamesFirstLast: title.author,
        libraryId: idOf('library', library),
        libraryFolderId: idOf('folder', library),
        ...stamps(at),
      });
      if (isEbook) return;
      insert(connection, 'mediaProgresses', {
        id: idOf('progress', title.title),
        mediaItemId: mediaId,
        mediaItemType: 'book',
        duration: title.parts * SECONDS_A_PART,
        currentTime: 0,
        isFinished: 0,
        userId: idOf('user', 'reader'),
        ...stamps(at),
      });
    });
  }

  /** An evening's listening: some minutes on, in one or two of the books. */
  listen(evening: number, at: Date): void {
    this.#change(at, (connection) => {
      const ids = connection.prepare('SELECT id FROM mediaProgresses ORDER BY id').pluck().all();
      const listened = ids.filter((_, index) => (index + evening) % Math.max(1, ids.length - 1) === 0);
      const move = connection.prepare(
        'UPDATE mediaProgresses SET currentTime = min(duration, currentTime + ?), updatedAt = ? WHERE id = ?',
      );
      for (const id of listened) move.run(1200 + evening * 60, stamps(at).updatedAt, id);
    });
  }

  describe(title: Title, description: string, at: Date): void {
    this.#change(at, (connection) => {
      const update = connection.prepare('UPDATE books SET description = ?, updatedAt = ? WHERE id = ?');
      update.run(description, stamps(at).updatedAt, idOf('book', title.title));
    });
  }

  /** What lay below a folder lies below another one now. */
  move(from: string, to: string, at: Date): void {
    this.#change(at, (connection) => {
      const below = `${from}/`;
      const moved = (column: string): string => `${column} = replace(${column}, $from, $to)`;
      const values = { from: below, to: `${to}/`, at: stamps(at).updatedAt };
      connection
        .prepare(
          `UPDATE books SET ${moved('audioFiles')}, updatedAt = $at
           WHERE id IN (SELECT mediaId FROM libraryItems WHERE instr(path, $from) = 1)`,
        )
        .run(values);
      connection
        .prepare(
          `UPDATE libraryItems SET ${moved('path')}, ${moved('libraryFiles')}, updatedAt = $at
           WHERE instr(path, $from) = 1`,
        )
        .run(values);
    });
  }

  remove(title: Title, at: Date): void {
    this.#change(at, (connection) => {
      const mediaId = idOf('book', title.title);
      connection.prepare('DELETE FROM mediaProgresses WHERE mediaItemId = ?').run(mediaId);
      connection.prepare('DELETE FROM libraryItems WHERE mediaId = ?').run(mediaId);
      connection.prepare('DELETE FROM books WHERE id = ?').run(mediaId);
    });
  }

  /** In a transaction of its own, and seemingly at that time. */
  #change(at: Date, change: (connection: Database.Database) => void): void {
    const connection = new Database(this.path);
    try {
      connection.transaction(() => change(connection))();
    } finally {
      connection.close();
    }
    utimesSync(this.path, at, at);
  }
}

/** As the server writes times. */
function stamps(at: Date): { readonly createdAt: string; readonly updatedAt: string } {
  const text = at.toISOString().replace('T', ' ').replace('Z', ' +00:00');
  return { createdAt: text, updatedAt: text };
}

function insert(connection: Database.Database, table: string, row: Row): void {
  const columns = Object.keys(row);
  const marks = columns.map(() => '?').join(', ');
  connection.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`).run(...Object.values(row));
}
