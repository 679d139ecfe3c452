/** Backups of the library: what it is, and how they are made, listed, deleted and found again. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { forget, openRepository } from '../../engine/index.ts';
import { detectAtStart } from '../../server/backups/detection.ts';
import { CliFixture } from '../support/cli.ts';
import { backUp, detect, makeLibraryServer } from '../support/library-server.ts';
import { ServerFixture } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SLOW_RATE, writeSlowLibrary } from '../support/slow-library.ts';

test('the library is detected: its database, its covers, its books, and nothing of the sources is lost', async (t) => {
  const server = await ServerFixture.start(t);
  const { config, metadata, books } = makeLibraryServer(server.source);
  const admin = await server.setUp();
  const before = (await admin.ask('/settings/library')).json;
  assert.deepEqual([before.origin, before.library.book_paths], ['initial', [server.source]]);
  await detect(admin);
  const { json } = await admin.ask('/settings/library');
  assert.equal(json.origin, 'detected');
  assert.deepEqual(json.library, {
    database_paths: [config],
    cover_paths: [metadata],
    book_paths: [books],
    other_paths: [],
    profile: 'audiobookshelf',
  });
  writeFileSync(join(server.source, 'notes.txt'), 'of somebody');
  const backup = await backUp(admin, {});
  const { json: snapshot } = await admin.ask('/snapshot', { query: { snapshot: backup.snapshot_id } });
  const paths = snapshot.paths.map(({ path }: { path: string }) => path);
  assert.deepEqual(paths.sort(), [config, join(server.source, 'notes.txt')].sort());
});

test('the library can be set, and what is set holds', async (t) => {
  const server = await ServerFixture.start(t);
  const { config, books } = makeLibraryServer(server.source);
  const admin = await server.setUp();
  const library = {
    database_paths: [config],
    cover_paths: [],
    book_paths: [books],
    other_paths: [],
    profile: null as string | null,
  };
  assert.equal((await admin.ask('/settings/library', { method: 'PUT', body: library })).status, 200);
  await detect(admin);
  const { json } = await admin.ask('/settings/library');
  assert.deepEqual([json.origin, json.library], ['set', library]);
  for (const wrong of [
    { ...library, book_paths: ['books'] },
    { ...library, book_paths: ['/books/../etc'] },
    { ...library, profile: 'nobody' },
  ]) {
    const answer = await admin.ask('/settings/library', { method: 'PUT', body: wrong });
    assert.deepEqual([answer.status, answer.json.code], [400, 'REQUEST_INVALID'], JSON.stringify(wrong));
  }
  const read = await server.token('read');
  const refused = await server.ask(server.api('/settings/library'), { method: 'PUT', body: library, headers: read });
  assert.equal(refused.status, 403);
});

test('a server that begins to listen looks whose library it is, once', async (t) => {
  const server = await ServerFixture.start(t);
  makeLibraryServer(server.source);
  const admin = await server.setUp();
  detectAtStart(server.server.context);
  const { json } = await admin.ask('/jobs');
  await admin.untilOver(json.items[0].id);
  assert.equal((await admin.ask('/settings/library')).json.origin, 'detected');
  detectAtStart(server.server.context);
  assert.equal((await admin.ask('/jobs')).json.items.length, 1);
});

test('a backup with books and covers is a row that says what it is, and a snapshot', async (t) => {
  const server = await ServerFixture.start(t);
  const { config, metadata, books } = makeLibraryServer(server.source);
  const admin = await server.setUp();
  await detect(admin);
  const started = await admin.ask('/backups', {
    method: 'POST',
    body: { includes_books: true, includes_covers: true },
  });
  assert.equal(started.status, 202);
  assert.equal(started.json.backup.status, 'IN_PROGRESS');
  await admin.untilOver(started.json.job.id);
  const { json: backup } = await admin.ask(`/backups/${started.json.backup.id}`);
  const { backup_id, status, includes_books, includes_covers, created_by, trigger, reason } = backup;
  assert.deepEqual(
    { status, includes_books, includes_covers, created_by, trigger, reason },
    {
      status: 'COMPLETED',
      includes_books: true,
      includes_covers: true,
      created_by: 'admin',
      trigger: 'manual',
      reason: null,
    },
  );
  assert.match(backup_id, /^2026-03-01T12-00-00-[0-9a-f]{6}$/);
  assert.equal(backup.file_path, `${server.options.location}#${backup.snapshot_id}`);
  assert.ok(backup.size_bytes > 2_500_000);
  const { json: snapshot } = await admin.ask('/snapshot', { query: { snapshot: backup.snapshot_id } });
  assert.equal(snapshot.label, 'library-backup');
  assert.deepEqual(snapshot.paths.map(({ path }: { path: string }) => path).sort(), [books, config, metadata].sort());
  assert.equal(snapshot.databases.length, 1);
  const { json: list } = await admin.ask('/backups');
  assert.deepEqual(list.items, [backup]);
});

test('a backup that fails stays in the list with its reason until it is deleted', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  rmSync(server.source, { recursive: true });
  const { json } = await admin.ask('/backups', { method: 'POST', body: { includes_books: true } });
  await admin.untilOver(json.job.id);
  const { json: failed } = await admin.ask(`/backups/${json.backup.id}`);
  assert.equal(failed.status, 'FAILED');
  assert.match(failed.reason, /No source exists/);
  assert.equal((await admin.ask(`/backups/${failed.id}`, { method: 'DELETE' })).status, 204);
  assert.equal((await admin.ask(`/backups/${failed.id}`)).status, 404);
});

test('a backup that is deleted takes its snapshot with it, and one that is being made is not deleted', async (t) => {
  const server = await ServerFixture.start(t, { backup: { readBytesPerSecond: SLOW_RATE } });
  writeFileSync(join(server.source, 'book'), 'words');
  const admin = await server.setUp();
  const backup = await backUp(admin);
  writeSlowLibrary(server.source);
  const { json: slow } = await admin.ask('/backups', { method: 'POST', body: { includes_books: true } });
  const refused = await admin.ask(`/backups/${slow.backup.id}`, { method: 'DELETE' });
  assert.deepEqual([refused.status, refused.json.code], [409, 'CONFLICT']);
  await admin.ask(`/jobs/${slow.job.id}`, { method: 'DELETE' });
  await admin.untilOver(slow.job.id);
  const deleted = await admin.ask(`/backups/${backup.id}`, { method: 'DELETE' });
  assert.equal(deleted.status, 202);
  const { job } = await admin.untilOver(deleted.json.job.id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  assert.equal((await admin.ask(`/backups/${backup.id}`)).status, 404);
  assert.deepEqual((await admin.ask('/snapshots')).json.items, []);
});

test('without its state a server lists the same backups again; what another program forgot leaves the list', async (t) => {
  const server = await ServerFixture.start(t);
  makeLibraryServer(server.source);
  const admin = await server.setUp();
  await detect(admin);
  const [first, second] = [await backUp(admin), await backUp(admin, { includes_covers: true })];
  await server.restart({ stateDirectory: join(server.folder, 'another state') });
  const again = await server.setUp();
  const { items } = (await again.ask('/backups')).json;
  const facts = ({ id: _, created_at: __, job_id: ___, ...rest }: { [name: string]: unknown }) => rest;
  assert.deepEqual(items.map(facts), [second, first].map(facts));
  const { location, cacheDirectory, credential } = server.options;
  const repository = await openRepository({ location, cacheDirectory, credential });
  await forget(repository, { snapshots: [first.snapshot_id] });
  await repository.close();
  const { json } = await again.ask('/backups/rescan', { method: 'POST', body: {} });
  assert.deepEqual(json, { added: 0, removed: 1 });
  assert.equal((await again.ask('/backups')).json.items.length, 1);
});

test('the list comes in pages, by time', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeFileSync(join(server.source, 'book'), 'words');
  const made: number[] = [];
  for (let night = 0; night < 3; night++) {
    made.unshift((await backUp(admin)).id);
    server.nowMs += 1000;
  }
  const first = (await admin.ask('/backups', { query: { limit: '2' } })).json;
  const rest = (await admin.ask('/backups', { query: { limit: '2', cursor: first.next_cursor } })).json;
  const ids = [...first.items, ...rest.items].map(({ id }) => id);
  assert.deepEqual([ids, rest.next_cursor], [made, null]);
});

test('a backup that the death of the server cut off is FAILED at the next start, with its reason', async (t) => {
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  const config = join(fixture.folder, 'slow.yaml');
  writeFileSync(config, `limit_read: ${SLOW_RATE}\n`);
  await fixture.init();
  const flags = ['--config', config];
  const first = await ServerProcess.start(t, fixture, { flags });
  const before = await first.setUp();
  const { job, backup } = await before.post('/backups', { includes_books: true });
  await before.untilRunning(job.id);
  await first.end('SIGKILL');
  const second = await ServerProcess.start(t, fixture, { flags });
  const after = await second.signIn();
  const over = await after.get(`/backups/${backup.id}`);
  assert.deepEqual([over.status, over.reason], ['FAILED', 'The server ended while it ran']);
});

test("the server's own state is in the repository after a night", async (t) => {
  const server = await ServerFixture.start(t);
  writeFileSync(join(server.source, 'book'), 'words');
  const admin = await server.setUp();
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  const { job } = await admin.untilOver(json.job.id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  const { json: snapshot } = await admin.ask('/snapshot', { query: { snapshot: job.result.state_snapshot_id } });
  const [database] = snapshot.databases;
  assert.equal(database.path, join(server.options.stateDirectory, 'state.db'));
  assert.equal(database.check, 'ok');
  assert.ok(existsSync(database.path));
  assert.ok(readFileSync(database.path).length > 0);
});
