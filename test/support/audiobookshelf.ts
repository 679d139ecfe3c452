/**
 * The folders of an Audiobookshelf server: its database with the main tables as the server's own models make them, and the
 * metadata that a backup of it holds. And a process that listens to a book, as the server would note it.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { AUDIOBOOKSHELF_TABLES } from '../../cli/demo/audiobookshelf-tables.ts';

const AT = '2026-02-28 20:15:30.123 +00:00';

export function uuid(kind: number, number: number): string {
  return `${String(kind).padStart(8, '0')}-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

export interface ServerOptions {
  /** Undefined: the settings do not tell it. */
  readonly version?: string | undefined;
  readonly books?: number;
  readonly journalMode?: 'delete' | 'wal';
}

/** Makes the database of a server with some books, each with progress. */
export function makeServerDatabase(path: string, options: ServerOptions = {}): void {
  const { books = 40, journalMode = 'delete' } = options;
  const version = 'version' in options ? options.version : '2.36.0';
  const database = new Database(path);
  database.pragma('synchronous = OFF');
  database.pragma(`journal_mode = ${journalMode}`);
  const insert = (table: string, row: { readonly [column: string]: string | number }): void => {
    const all: { readonly [column: string]: string | number } = { ...row, createdAt: AT, updatedAt: AT };
    const columns = Object.keys(all);
    const marks = columns.map(() => '?').join(', ');
    database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`).run(...Object.values(all));
  };
  database.transaction(() => {
    for (const statement of AUDIOBOOKSHELF_TABLES) database.exec(statement);
    const settings = { id: 'server-settings', language: 'en-us', ...(version === undefined ? {} : { version }) };
    insert('settings', { key: 'server-settings', value: JSON.stringify(settings) });
    insert('settings', { key: 'email-settings', value: JSON.stringify({ id: 'email-settings' }) });
    insert('users', { id: uuid(1, 1), username: 'root', type: 'root', isActive: 1 });
    insert('libraries', { id: uuid(2, 1), name: 'Audiobooks', mediaType: 'book' });
    insert('libraryFolders', { id: uuid(3, 1), path: '/audiobooks', libraryId: uuid(2, 1) });
    insert('authors', { id: uuid(4, 1), name: 'An Author', imagePath: `/metadata/authors/${uuid(4, 1)}.jpg` });
    for (let book = 1; book <= books; book++) {
      const id = uuid(5, book);
      const item = uuid(6, book);
      const description = `Of ${book} `.repeat(60);
      insert('books', { id, title: `Book ${book}`, description, coverPath: `/metadata/items/${item}/cover.jpg` });
      insert('libraryItems', { id: item, mediaId: id, mediaType: 'book', path: `/audiobooks/${book}` });
      const progress = { mediaItemId: id, mediaItemType: 'book', currentTime: 0, userId: uuid(1, 1) };
      insert('mediaProgresses', { id: uuid(7, book), ...progress });
    }
  })();
  database.close();
}

export interface ServerFolders {
  readonly config: string;
  readonly metadata: string;
  readonly database: string;
}

/** A server's folders below `folder`, with what a backup leaves out, too. */
export function makeServer(folder: string, options: ServerOptions = {}): ServerFolders {
  const [config, metadata] = [join(folder, 'config'), join(folder, 'metadata')];
  const { books = 40 } = options;
  for (const path of [config, 'cache/covers', 'logs', 'backups', 'authors'].map((name) =>
    name === config ? config : join(metadata, name),
  ))
    mkdirSync(path, { recursive: true });
  const database = join(config, 'absdatabase.sqlite');
  makeServerDatabase(database, options);
  for (let book = 1; book <= books; book++) {
    const item = join(metadata, 'items', uuid(6, book));
    mkdirSync(item, { recursive: true });
    // A cover that nothing makes shorter, and one beyond what is held in memory.
    const cover = Buffer.alloc(book === 2 ? 3_000_000 : 20_000);
    for (let at = 0, state = book * 2_654_435_761; at < cover.length; at++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      cover[at] = state >>> 24;
    }
    writeFileSync(join(item, 'cover.jpg'), cover);
    writeFileSync(join(item, 'metadata.json'), JSON.stringify({ title: `Book ${book}`, tags: [] }, null, 2));
  }
  mkdirSync(join(metadata, 'items', 'empty'), { recursive: true });
  writeFileSync(join(metadata, 'items', uuid(6, 1), 'empty.nfo'), '');
  writeFileSync(join(metadata, 'authors', `${uuid(4, 1)}.jpg`), 'the image of an author');
  writeFileSync(join(metadata, 'cache/covers', 'thumb.webp'), 'made anew whenever it is missing');
  writeFileSync(join(metadata, 'logs', 'server.txt'), 'a log');
  writeFileSync(join(metadata, 'backups', '2026-02-01T0130.audiobookshelf'), 'an older backup');
  return { config, metadata, database };
}

/** A process that notes progress every few milliseconds, in all rows at once. */
export class Listener {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(t: { after(act: () => Promise<void>): void }, path: string): Promise<Listener> {
    const program = fileURLToPath(new URL('./audiobookshelf-listener.js', import.meta.url));
    const listener = new Listener(fork(program, [path]));
    t.after(async () => {
      if (listener.#child.exitCode !== null || listener.#child.signalCode !== null) return;
      const gone = once(listener.#child, 'exit');
      listener.#child.kill('SIGKILL');
      await gone;
    });
    await once(listener.#child, 'message');
    return listener;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** How often it noted something, and what failed. */
  async stop(): Promise<{ readonly commits: number; readonly failures: readonly string[] }> {
    const answered = once(this.#child, 'message');
    this.#child.send('stop');
    const [report] = (await answered) as [{ commits: number; failures: string[] }];
    return report;
  }
}
