/** A machine that made a backup of its library, and burned; and whether another one has the very same. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { CliFixture, type Json } from './cli.ts';
import { type LibraryServer, makeLibraryServer } from './library-server.ts';
import { ServerProcess } from './server-process.ts';

export interface Burned {
  readonly old: CliFixture;
  readonly library: LibraryServer;
  readonly backup: Json;
  /** The backup as one file. */
  readonly zip: Buffer;
  readonly books: ReadonlyMap<string, Buffer>;
  readonly rows: Json;
}

function filesOf(folder: string): Map<string, Buffer> {
  const all = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  const files = all.filter((path) => statSync(path).isFile());
  return new Map(files.map((path) => [relative(folder, path), readFileSync(path)]));
}

/** All rows of all tables, with paths that lay below `from` as if they lay at the old place. */
function rowsOf(path: string, { now, before }: { readonly now: string; readonly before: string }): Json {
  const database = new Database(path, { readonly: true });
  assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").pluck().all();
  const rows = tables.map((table) => [table, database.prepare(`SELECT * FROM "${table}" ORDER BY 1`).all()]);
  database.close();
  return JSON.parse(JSON.stringify(rows).replaceAll(now, before));
}

/** All that is left is its repository, and the backup as a file. */
export async function burned(t: TestContext): Promise<Burned> {
  const old = new CliFixture(t);
  const library = makeLibraryServer(old.source);
  await old.init();
  const server = await ServerProcess.start(t, old);
  const admin = await server.setUp();
  const { items } = await admin.get('/jobs');
  await admin.untilOver(items[0].id);
  const { job, backup } = await admin.post('/backups', { includes_books: true, includes_covers: true });
  assert.equal((await admin.untilOver(job.id)).job.status, 'COMPLETED');
  const zip = Buffer.from(await (await admin.fetch(`/backups/${backup.id}/download`)).arrayBuffer());
  const books = filesOf(library.books);
  const rows = rowsOf(library.database, { now: old.source, before: old.source });
  await server.end('SIGTERM');
  for (const folder of [old.source, old.cache, join(old.folder, 'state')]) {
    rmSync(folder, { recursive: true, force: true });
  }
  return { old, library, backup, zip, books, rows };
}

/** Files and rows below `place` are those that burned, but for where they lie. */
export function requireEqual({ old, books, rows }: Burned, place: string): void {
  assert.deepEqual(filesOf(join(place, 'books')), books);
  const database = join(place, 'config', 'absdatabase.sqlite');
  assert.deepEqual(rowsOf(database, { now: place, before: old.source }), rows);
}
