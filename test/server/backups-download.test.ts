/** Backups as one file: whole, in ranges, and read by other programs. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { Listener } from '../support/audiobookshelf.ts';
import { CliFixture, type Json } from '../support/cli.ts';
import { BOOKS, type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { ServerProcess, type Visitor } from '../support/server-process.ts';

interface Given {
  readonly fixture: CliFixture;
  readonly server: ServerProcess;
  readonly admin: Visitor;
  readonly library: LibraryServer;
  readonly backup: Json;
}

/** A true server with one whole backup of a library that somebody listens to. */
async function given(t: TestContext): Promise<Given> {
  const fixture = new CliFixture(t);
  const library = makeLibraryServer(fixture.source);
  await fixture.init();
  const server = await ServerProcess.start(t, fixture);
  const admin = await server.setUp();
  const { items } = await admin.get('/jobs');
  await admin.untilOver(items[0].id);
  const listener = await Listener.start(t, library.database);
  const { job, backup: row } = await admin.post('/backups', { includes_books: true, includes_covers: true });
  const { job: over } = await admin.untilOver(job.id);
  assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
  assert.deepEqual((await listener.stop()).failures, []);
  return { fixture, server, admin, library, backup: await admin.get(`/backups/${row.id}`) };
}

async function download(admin: Visitor, id: number, headers: Record<string, string> = {}) {
  const response = await admin.fetch(`/backups/${id}/download`, { headers });
  return { response, bytes: Buffer.from(await response.arrayBuffer()) };
}

function files(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)));
  return all.filter((path) => statSync(path).isFile()).map((path) => relative(folder, path));
}

test('a backup downloads as one zip with manifest, database, covers and books, as they were saved', async (t) => {
  const { fixture, admin, library, backup } = await given(t);
  const { response, bytes } = await download(admin, backup.id);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-length'), String(bytes.length));
  assert.match(response.headers.get('content-disposition') ?? '', new RegExp(`backup-${backup.backup_id}\\.zip`));
  const zip = join(fixture.folder, 'backup.zip');
  writeFileSync(zip, bytes);
  const out = join(fixture.folder, 'out');
  execFileSync('python3', ['-m', 'zipfile', '-t', zip]);
  execFileSync('python3', ['-m', 'zipfile', '-e', zip, out]);
  const manifest = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Json;
  assert.deepEqual(
    [manifest.backup_id, manifest.snapshot_id, manifest.books, manifest.includes_books, manifest.includes_covers],
    [backup.backup_id, backup.snapshot_id, BOOKS, true, true],
  );
  assert.deepEqual(readdirSync(out).sort(), ['books', 'covers', 'database', 'manifest.json']);
  assert.equal(manifest.files, files(out).length - 1);
  const books = join(out, 'books', library.books);
  assert.deepEqual(files(books).sort(), files(library.books).sort());
  for (const name of files(books))
    assert.deepEqual(readFileSync(join(books, name)), readFileSync(join(library.books, name)));
  const database = new Database(join(out, 'database', library.database), { readonly: true });
  assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
  assert.equal(database.prepare('SELECT count(*) FROM books').pluck().get(), BOOKS);
  database.close();
});

test('a download that was cut off goes on at any byte, also after the server was started anew', async (t) => {
  const { fixture, server, admin, backup } = await given(t);
  const whole = await download(admin, backup.id);
  const etag = whole.response.headers.get('etag') ?? '';
  const { length } = whole.bytes;
  for (const at of [0, 1, 1000, Math.floor(length / 2), length - 30, length - 1]) {
    const { response, bytes } = await download(admin, backup.id, { range: `bytes=${at}-`, 'if-range': etag });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get('content-range'), `bytes ${at}-${length - 1}/${length}`);
    assert.ok(bytes.equals(whole.bytes.subarray(at)), `from ${at}`);
  }
  const middle = await download(admin, backup.id, { range: 'bytes=100-199' });
  assert.ok(middle.bytes.equals(whole.bytes.subarray(100, 200)));
  const last = await download(admin, backup.id, { range: 'bytes=-100' });
  assert.ok(last.bytes.equals(whole.bytes.subarray(length - 100)));
  const beyond = await admin.fetch(`/backups/${backup.id}/download`, { headers: { range: `bytes=${length}-` } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers.get('content-range'), `bytes */${length}`);
  const other = await download(admin, backup.id, { range: 'bytes=5-', 'if-range': '"another"' });
  assert.deepEqual([other.response.status, other.bytes.length], [200, length]);
  const known = await admin.fetch(`/backups/${backup.id}/download`, { headers: { 'if-none-match': etag } });
  assert.equal(known.status, 304);
  const head = await admin.fetch(`/backups/${backup.id}/download`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), String(length));
  await server.end('SIGTERM');
  const second = await ServerProcess.start(t, fixture);
  const again = await second.signIn();
  const rest = await download(again, backup.id, { range: 'bytes=4000-', 'if-range': etag });
  assert.equal(rest.response.status, 206);
  assert.ok(rest.bytes.equals(whole.bytes.subarray(4000)));
});

test('a client that goes away stops its download, and nothing is left open', async (t) => {
  const { server, admin, backup } = await given(t);
  for (let client = 0; client < 10; client++) {
    const gone = new AbortController();
    const response = await admin.fetch(`/backups/${backup.id}/download`, { signal: gone.signal });
    const reader = response.body?.getReader();
    await reader?.read();
    gone.abort();
    await reader?.read().catch(() => undefined);
  }
  const { status } = spawnSync('kill', ['-0', String(server.pid)]);
  assert.equal(status, 0);
  const { response } = await download(admin, backup.id);
  assert.equal(response.status, 200);
  assert.deepEqual(
    server.lines.filter((line) => line.includes('"level":"error"')),
    [],
  );
});

test('a backup without a snapshot cannot be downloaded, and one needs to be signed in', async (t) => {
  const { server, admin, backup } = await given(t);
  assert.equal((await admin.fetch('/backups/999/download')).status, 404);
  assert.equal((await fetch(`${server.url}/api/v1/backups/${backup.id}/download`)).status, 401);
});
