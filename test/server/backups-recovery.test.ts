/** A fresh machine with nothing but the repository, or one downloaded file, and the password: the library comes up again. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { CHEAP_PASSWORD, CliFixture, type Json } from '../support/cli.ts';
import { type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { ServerProcess, type Visitor } from '../support/server-process.ts';

interface Saved {
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

/** A machine that made one backup, and burned. */
async function burned(t: TestContext): Promise<Saved> {
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

/** Serves another machine's folder, which holds nothing but what it is given. */
async function freshServer(t: TestContext, fresh: CliFixture): Promise<Visitor> {
  mkdirSync(fresh.source, { recursive: true });
  const server = await ServerProcess.start(t, fresh);
  return server.setUp();
}

function requireEqual({ old, books, rows }: Saved, place: string): void {
  assert.deepEqual(filesOf(join(place, 'books')), books);
  const database = join(place, 'config', 'absdatabase.sqlite');
  assert.deepEqual(rowsOf(database, { now: place, before: old.source }), rows);
}

test('from the repository alone: the backup is listed, and comes up in another place with its paths', async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  cpSync(saved.old.repository, fresh.repository, { recursive: true });
  const admin = await freshServer(t, fresh);
  const { items } = await admin.get('/backups');
  assert.deepEqual(
    items.map(({ backup_id }: Json) => backup_id),
    [saved.backup.backup_id],
  );
  const mappings = [{ from: saved.old.source, to: join(fresh.source, 'new') }];
  const body = { confirm: true, mappings, profile: 'audiobookshelf' };
  const { job } = await admin.post(`/backups/${items[0].id}/restore`, body);
  const { job: over } = await admin.untilOver(job.id);
  assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
  requireEqual(saved, join(fresh.source, 'new'));
});

test('from one downloaded file: a new repository takes it, and the library comes up in another place', async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  await fresh.ok(['init', ...CHEAP_PASSWORD]);
  const file = join(fresh.folder, 'backup.zip');
  writeFileSync(file, saved.zip);
  const admin = await freshServer(t, fresh);
  const uploaded = await admin.fetch('/backups/upload', {
    method: 'POST',
    body: readFileSync(file),
    headers: { 'content-type': 'application/zip' },
  });
  const { job, upload } = (await uploaded.json()) as Json;
  const { job: judged } = await admin.untilOver(job.id);
  assert.equal(judged.status, 'COMPLETED', JSON.stringify(judged));
  const mappings = [{ from: saved.old.source, to: join(fresh.source, 'new') }];
  const body = { confirm: true, mappings, profile: 'audiobookshelf' };
  const { job: restoring } = await admin.post(`/uploads/${upload.id}/restore`, body);
  const { job: over } = await admin.untilOver(restoring.id);
  assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
  requireEqual(saved, join(fresh.source, 'new'));
});
