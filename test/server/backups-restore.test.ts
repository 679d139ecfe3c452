/** Restores of backups: the database at its moment, files as they were, and the way back. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import type { Hook } from '../../engine/index.ts';
import { Listener, uuid } from '../support/audiobookshelf.ts';
import { BOOKS, backUp, detect, type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { over, ServerFixture, type SignedIn } from '../support/server.ts';

interface Given {
  readonly server: ServerFixture;
  readonly admin: SignedIn;
  readonly library: LibraryServer;
}

async function given(t: TestContext, options: { readonly hooks?: readonly Hook[] } = {}): Promise<Given> {
  const server = await ServerFixture.start(t, options);
  const library = makeLibraryServer(server.source);
  const admin = await server.setUp();
  await detect(admin);
  return { server, admin, library };
}

function titles(path: string): string[] {
  const database = new Database(path, { readonly: true });
  try {
    return database.prepare('SELECT title FROM books ORDER BY title').pluck().all() as string[];
  } finally {
    database.close();
  }
}

/** What an admin regrets: a cover, a book and a row are gone, and something else came. */
function spoil({ database, metadata, books }: LibraryServer): { readonly cover: string; readonly book: string } {
  const opened = new Database(database);
  opened.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  opened.close();
  const cover = join(metadata, 'items', uuid(6, 1), 'cover.jpg');
  const book = join(books, 'Author 1', 'Book 1', 'part 2.m4b');
  rmSync(cover);
  rmSync(book);
  mkdirSync(join(books, 'Author 9'));
  writeFileSync(join(books, 'Author 9', 'new.m4b'), 'came later');
  return { cover, book };
}

test('what was deleted is back, the database is at its moment, what came later stays; and all of it is undone', async (t) => {
  const { admin, library } = await given(t);
  const { books, database } = library;
  const backup = await backUp(admin);
  const [wasCover, wasTitles] = [join(library.metadata, 'items', uuid(6, 1), 'cover.jpg'), titles(database)];
  const bytes = readFileSync(wasCover);
  const { cover, book } = spoil(library);
  const plan = await over(admin, `/backups/${backup.id}/plan`, {});
  assert.deepEqual(
    [plan.result.files_to_create, plan.result.files_to_delete, plan.result.databases_to_swap],
    [2, 0, [database]],
  );
  assert.ok(!existsSync(cover), 'a plan changes nothing');
  const refused = await admin.ask(`/backups/${backup.id}/restore`, { method: 'POST', body: {} });
  assert.equal(refused.status, 400, 'nobody confirmed it');
  const job = await over(admin, `/backups/${backup.id}/restore`, { confirm: true });
  assert.deepEqual([job.status, job.outcome], ['COMPLETED', 'done'], JSON.stringify(job));
  assert.deepEqual(readFileSync(cover), bytes);
  assert.equal(readFileSync(book).length, 2_500_000);
  assert.deepEqual(titles(database), wasTitles);
  assert.equal(wasTitles.length, BOOKS);
  assert.equal(readFileSync(join(books, 'Author 9', 'new.m4b'), 'utf8'), 'came later');
  assert.match(job.result.safety_snapshot, /^[0-9a-f]{64}$/);

  const undone = await over(admin, '/restores/rollback', { confirm: true });
  assert.deepEqual([undone.status, undone.outcome], ['COMPLETED', 'done'], JSON.stringify(undone));
  assert.ok(!existsSync(cover));
  assert.equal(titles(database).length, BOOKS - 1);
  assert.ok(existsSync(join(books, 'Author 9', 'new.m4b')));
});

test('a database that a server has open is not replaced; the restore goes on once it was stopped', async (t) => {
  const { admin, library } = await given(t);
  const backup = await backUp(admin);
  const { cover } = spoil(library);
  const listener = await Listener.start(t, library.database);
  const job = await over(admin, `/backups/${backup.id}/restore`, { confirm: true });
  assert.deepEqual([job.status, job.error.code, job.can_go_on], ['FAILED', 'TARGET_IN_USE', true]);
  assert.match(job.error.message, /Stop/);
  assert.ok(!existsSync(cover), 'nothing was changed');
  assert.deepEqual((await listener.stop()).failures, []);
  const again = await over(admin, `/jobs/${job.id}/resume`, {});
  assert.deepEqual([again.status, again.outcome], ['COMPLETED', 'done'], JSON.stringify(again));
  assert.ok(existsSync(cover));
  assert.equal(titles(library.database).length, BOOKS);
});

test('commands that stop and start the server stand around a restore', async (t) => {
  const hook = (when: 'before' | 'after', command: string): Hook => ({
    when,
    point: 'restore',
    command: ['/bin/sh', '-c', command],
    timeoutMs: 20_000,
    onFailure: 'stop',
    on: 'always',
  });
  const { server, admin, library } = await given(t);
  const pids = join(server.folder, 'pid');
  await server.restart({
    hooks: [
      hook('before', `kill "$(cat '${pids}')"; while kill -0 "$(cat '${pids}')" 2>/dev/null; do sleep 0.05; done`),
      hook('after', `echo started > '${join(server.folder, 'started')}'`),
    ],
  });
  const backup = await backUp(admin);
  spoil(library);
  const listener = await Listener.start(t, library.database);
  writeFileSync(pids, String(listener.pid));
  const job = await over(admin, `/backups/${backup.id}/restore`, { confirm: true });
  assert.deepEqual([job.status, job.outcome], ['COMPLETED', 'done'], JSON.stringify(job));
  assert.equal(titles(library.database).length, BOOKS);
  assert.equal(readFileSync(join(server.folder, 'started'), 'utf8'), 'started\n');
});

test('a restore needs its scope, and a backup that holds something', async (t) => {
  const { server, admin } = await given(t);
  const headers = await server.token('read', 'backup');
  const backup = await backUp(admin);
  const url = server.api(`/backups/${backup.id}/restore`);
  const refused = await server.ask(url, { method: 'POST', body: { confirm: true }, headers });
  assert.deepEqual([refused.status, refused.json.code], [403, 'SCOPE_MISSING']);
  const none = await admin.ask('/backups/999/restore', { method: 'POST', body: { confirm: true } });
  assert.equal(none.status, 404);
  const nothing = await admin.ask('/restores/rollback', { method: 'POST', body: { confirm: true } });
  assert.deepEqual([nothing.status, nothing.json.code], [404, 'SNAPSHOT_NOT_FOUND']);
});
