/** An Audiobookshelf server and its library on one machine, and what a restore of it on another one comes to. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { addAudiobook, insert, makeAudiobookshelf, makeDatabase, makeFiles, STAMPS } from './servers.ts';

/** What servers.ts leaves out, as the server declares it. */
const TRIGGERS = `
CREATE TRIGGER update_library_items_title AFTER UPDATE OF title ON books FOR EACH ROW BEGIN UPDATE libraryItems SET title = NEW.title WHERE mediaId = NEW.id; END;
CREATE TRIGGER stamp_items AFTER UPDATE ON libraryItems FOR EACH ROW WHEN NEW.updatedAt = OLD.updatedAt BEGIN UPDATE libraryItems SET updatedAt = 'now' WHERE id = NEW.id; END;
`;

export const TITLES = ['Melville/Moby Dick', 'Brontë/Jane "Eyre"', 'Verne/100 % Mond', 'Austen/Emma'];

export interface Machine {
  readonly folder: string;
  readonly server: string;
  readonly library: string;
  readonly database: string;
}

export interface MachineOptions {
  readonly wal?: boolean;
  /** Where the server's container sees the library. */
  readonly sees?: string;
  readonly backups?: string;
}

/** Below `folder`: `srv/abs`, `srv/audiobooks`, and a neighbour whose name only begins alike. */
export function makeMachine(folder: string, options: MachineOptions = {}): Machine {
  const machine = machineIn(folder);
  const { server, library, database } = machine;
  mkdirSync(library, { recursive: true });
  const { sees = library, backups } = options;
  const metadata = join(server, 'metadata');
  const paths = { library: sees, metadata, ...(backups === undefined ? {} : { backups }) };
  makeAudiobookshelf(server, paths);
  makeDatabase(database, TRIGGERS, options);
  for (const [at, relPath] of TITLES.entries()) {
    const id = `book${at + 1}`;
    addAudiobook(database, { id, title: relPath, relPath, paths });
    makeFiles(library, [`${relPath}/book.m4b`, `${relPath}/metadata.json`]);
    makeFiles(server, [`metadata/items/${id}/cover.jpg`]);
  }
  makeFiles(folder, ['srv/audiobooks2/other.m4b', 'srv/unrelated/photo.jpg']);
  insert(database, 'feeds', {
    id: 'f',
    slug: 's',
    feedURL: '/feed/s',
    coverPath: `${paths.metadata}/items/book1/cover.jpg`,
    ...STAMPS,
  });
  insert(database, 'playbackSessions', {
    id: 'p',
    coverPath: `${library}2/other.m4b`,
    mediaMetadata: { note: `see ${library}` },
    ...STAMPS,
  });
  return machine;
}

export function machineIn(folder: string): Machine {
  const server = join(folder, 'srv', 'abs');
  return {
    folder,
    server,
    library: join(folder, 'srv', 'audiobooks'),
    database: join(server, 'config', 'absdatabase.sqlite'),
  };
}

/** Every path that the database keeps of books and covers, by what it says. */
export function pathsInRows(database: string): string[] {
  const connection = new Database(database, { fileMustExist: true, readonly: true });
  try {
    assert.equal(connection.pragma('quick_check', { simple: true }), 'ok');
    const texts = (sql: string): string[] => connection.prepare(sql).pluck().all().map(String);
    const files = [...texts('SELECT libraryFiles FROM libraryItems'), ...texts('SELECT audioFiles FROM books')];
    return [
      ...texts('SELECT path FROM libraryFolders'),
      ...texts('SELECT path FROM libraryItems'),
      ...texts('SELECT coverPath FROM books'),
      ...texts('SELECT coverPath FROM feeds'),
      ...texts("SELECT json_extract(value, '$.backupPath') FROM settings WHERE key = 'server-settings'"),
      ...files.flatMap((text) =>
        (JSON.parse(text) as { metadata: { path: string } }[]).map((one) => one.metadata.path),
      ),
    ];
  } finally {
    connection.close();
  }
}

/** Rows and files agree: each path lies on this machine. */
export function assertAgree(machine: Machine): void {
  const paths = pathsInRows(machine.database);
  assert.ok(paths.length >= 4 * TITLES.length);
  for (const path of paths) {
    assert.ok(path.startsWith(`${machine.folder}/`), path);
    // Its own backups are in no snapshot, and the server makes the folder itself.
    if (!path.endsWith('/backups')) assert.ok(existsSync(path), path);
  }
}
