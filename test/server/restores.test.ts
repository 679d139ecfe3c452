/** Restores of any snapshot and any paths: as planned, in place or elsewhere, never more than was confirmed, and undone. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { Hook } from '../../engine/index.ts';
import { Listener, uuid } from '../support/audiobookshelf.ts';
import type { Json } from '../support/cli.ts';
import { BOOKS, makeLibraryServer } from '../support/library-server.ts';
import { over, ServerFixture, type SignedIn } from '../support/server.ts';
import { treeState } from '../support/tree-state.ts';

interface Given {
  readonly server: ServerFixture;
  readonly admin: SignedIn;
  readonly path: (below: string) => string;
  readonly write: (below: string, content?: string) => void;
}

/** A snapshot of two shelves with two books each, and of a note. */
async function given(t: TestContext, options: { readonly hooks?: readonly Hook[] } = {}): Promise<Given> {
  const server = await ServerFixture.start(t, options);
  const admin = await server.setUp();
  const path = (below: string): string => join(server.source, below);
  const write = (below: string, content = `the words of ${below}`): void => {
    mkdirSync(dirname(path(below)), { recursive: true });
    writeFileSync(path(below), content);
  };
  for (const below of ['one/a.m4b', 'one/b.m4b', 'two/c.m4b', 'two/d.m4b', 'note.txt']) write(below);
  // What is as young as the backup is not trusted.
  await sleep(30);
  await save(admin);
  return { server, admin, path, write };
}

async function save(admin: SignedIn): Promise<void> {
  assert.equal((await over(admin, '/schedule/run', {})).status, 'COMPLETED');
}

const LATEST = { snapshot: 'latest', label: ['library-backup'] };

function read(path: string): string {
  return readFileSync(path, 'utf8');
}

const namesOf = (entries: readonly Json[]): string[] => entries.map((entry) => entry.path);

/** A book is gone, one is changed, one came: what a person regrets. */
function spoil({ path, write }: Given): void {
  rmSync(path('one/a.m4b'));
  write('one/b.m4b', 'other words, and more of them');
  write('one/came later.m4b');
  write('one/new folder/x.m4b');
}

test('a folder goes back to its moment, with all that came later removed once it is confirmed; and all is undone', async (t) => {
  const place = await given(t);
  const { admin, path, server } = place;
  const whole = treeState(path('one'));
  spoil(place);
  rmSync(path('note.txt'));
  const spoilt = treeState(server.source);
  const body = { ...LATEST, in_place: true, delete: true, paths: [{ path: path('one') }] };

  const { result: plan, title } = await over(admin, '/restores/plan', body);
  assert.equal(
    title,
    `What a restore of ${path('one')} as of ${plan.snapshot_time.slice(0, 16).replace('T', ' ')} ${plan.snapshot_time.slice(-6)} would do`,
  );
  assert.deepEqual([plan.files_to_create, plan.files_to_replace + plan.files_to_compare], [1, 1]);
  assert.deepEqual([plan.files_to_delete, plan.directories_to_delete, plan.removals.count], [2, 1, 3]);
  assert.deepEqual(namesOf(plan.entries.create), [path('one/a.m4b')]);
  assert.deepEqual(
    namesOf(plan.entries.delete).sort(),
    ['one/came later.m4b', 'one/new folder', 'one/new folder/x.m4b'].map(path),
  );
  assert.deepEqual(plan.mostly_deleted, { path: server.source, files_present: 3, files_deleted: 2 });
  assert.deepEqual(treeState(server.source), spoilt, 'a plan changes nothing');

  const confirmation = { confirm: true, confirm_removals: 3, confirm_digest: plan.removals.digest };
  const job = await over(admin, '/restores', { ...body, ...confirmation });
  assert.deepEqual([job.status, job.outcome], ['COMPLETED', 'done'], JSON.stringify(job));
  const { files_restored, files_deleted, directories_deleted, targets } = job.result;
  assert.deepEqual([files_restored, files_deleted, directories_deleted, targets], [2, 2, 1, [path('one')]]);
  assert.deepEqual(treeState(path('one')), whole);
  assert.ok(!existsSync(path('note.txt')), 'what nobody asked for stays as it is');
  assert.match(job.result.safety_snapshot, /^[0-9a-f]{64}$/);

  const other = { confirm: true, safety_snapshot: '0'.repeat(64) };
  const refused = await admin.ask('/restores/rollback', { method: 'POST', body: other });
  assert.deepEqual([refused.status, refused.json.code], [409, 'CONFLICT']);
  const { safety_snapshot } = job.result;
  const undone = await over(admin, '/restores/rollback', { confirm: true, safety_snapshot });
  assert.deepEqual([undone.status, undone.outcome], ['COMPLETED', 'done'], JSON.stringify(undone));
  assert.deepEqual(treeState(server.source), spoilt);
});

test('a restore that would remove something else than was confirmed is refused, and nothing is changed', async (t) => {
  const place = await given(t);
  const { admin, path, write, server } = place;
  spoil(place);
  const body = { ...LATEST, in_place: true, delete: true, paths: [{ path: path('one') }] };
  const { result: plan } = await over(admin, '/restores/plan', body);
  const refused = async (confirmation: object, message: RegExp): Promise<void> => {
    const before = treeState(server.source);
    const job = await over(admin, '/restores', { ...body, confirm: true, ...confirmation });
    assert.deepEqual([job.status, job.error.code], ['FAILED', 'DELETION_REFUSED']);
    assert.match(job.error.message, message);
    assert.deepEqual(treeState(server.source), before);
  };
  await refused({}, /agreed that 0 entries/);
  await refused({ confirm_removals: 2 }, /now it would be 3/);
  // As many, but not the same: one went, another one came since somebody looked.
  rmSync(path('one/came later.m4b'));
  write('one/came just now.m4b');
  await refused({ confirm_removals: 3, confirm_digest: plan.removals.digest }, /not the same ones/);
  const unconfirmed = await admin.ask('/restores', { method: 'POST', body: { ...body, confirm_removals: 3 } });
  assert.equal(unconfirmed.status, 400, 'nobody confirmed it');
});

test('without removal, and of a file alone, only that is touched; several paths come at once', async (t) => {
  const place = await given(t);
  const { admin, path } = place;
  spoil(place);
  rmSync(path('two/c.m4b'));
  rmSync(path('two/d.m4b'));
  const paths = [{ path: path('one') }, { path_base64: Buffer.from(path('two/d.m4b')).toString('base64') }];
  const job = await over(admin, '/restores', { ...LATEST, in_place: true, paths, confirm: true });
  assert.deepEqual([job.status, job.result.files_restored, job.result.files_deleted], ['COMPLETED', 3, 0]);
  assert.match(job.title, /^Restore of 2 paths as of \d{4}-\d\d-\d\d \d\d:\d\d [+-]\d\d:\d\d$/);
  assert.equal(read(path('one/b.m4b')), 'the words of one/b.m4b');
  assert.ok(existsSync(path('one/came later.m4b')));
  assert.equal(read(path('two/d.m4b')), 'the words of two/d.m4b');
  assert.ok(!existsSync(path('two/c.m4b')), 'nobody asked for it');
});

test('a moment decides what comes back: an id, or the last one before a date', async (t) => {
  const { server, admin, path, write } = await given(t);
  const first = (await admin.ask('/snapshots')).json.items.find((one: Json) => one.label === 'library-backup');
  server.nowMs += 24 * 3_600_000;
  write('note.txt', 'the note of the second day');
  await save(admin);
  rmSync(path('note.txt'));
  const how = { in_place: true, paths: [{ path: path('note.txt') }], confirm: true };
  const second = await over(admin, '/restores', { ...LATEST, ...how });
  assert.equal(read(path('note.txt')), 'the note of the second day');
  assert.notEqual(second.result.snapshot_id, first.id);
  await over(admin, '/restores', { ...how, snapshot: first.short_id });
  assert.equal(read(path('note.txt')), 'the words of note.txt');
});

test('another folder gets it without a word on what is there: it has to be empty, or a rule says so', async (t) => {
  const { server, admin, path } = await given(t);
  const target = { path: join(server.folder, 'elsewhere') };
  const body = { ...LATEST, target, paths: [{ path: path('one') }] };
  const planned = await over(admin, '/restores/plan', body);
  assert.deepEqual([planned.result.files_to_create, planned.result.targets], [2, [target.path]]);
  const first = await over(admin, '/restores', { ...body, confirm: true });
  assert.deepEqual([first.status, first.result.safety_snapshot], ['COMPLETED', null]);
  assert.deepEqual(readdirSync(target.path).sort(), ['a.m4b', 'b.m4b']);
  writeFileSync(join(target.path, 'mine.txt'), 'mine');
  const second = await over(admin, '/restores', { ...body, confirm: true });
  assert.deepEqual([second.status, second.error.code], ['FAILED', 'TARGET_NOT_EMPTY']);
  const rule = { ...body, overwrite: 'if-changed', delete: true, confirm: true };
  assert.equal((await over(admin, '/restores', rule)).error.code, 'DELETION_REFUSED');
  assert.equal(read(join(target.path, 'mine.txt')), 'mine');
  const third = await over(admin, '/restores', { ...rule, confirm_removals: 1 });
  assert.deepEqual([third.status, third.result.files_deleted], ['COMPLETED', 1], JSON.stringify(third));
  assert.deepEqual(readdirSync(target.path).sort(), ['a.m4b', 'b.m4b']);
  const mapped = { from: server.source, to: join(server.folder, 'mapped') };
  const fourth = await over(admin, '/restores', { ...LATEST, mappings: [mapped], confirm: true });
  assert.equal(fourth.status, 'COMPLETED', JSON.stringify(fourth));
  assert.equal(read(join(mapped.to, 'two/d.m4b')), 'the words of two/d.m4b');
});

test('what is no path, or not in the snapshot, or contradicts itself is refused at once', async (t) => {
  const { admin, path } = await given(t);
  const inPlace = { ...LATEST, in_place: true };
  const target = { path: '/somewhere' };
  const cases: readonly (readonly [object, number, string])[] = [
    [{ ...inPlace, paths: [{ path: 'one' }] }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, paths: [{ path: `${path('one')}/../two` }] }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, paths: [{ path: `${path('one')}\0` }] }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, paths: [{}] }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, paths: [{ path: path('one'), path_base64: 'L2E=' }] }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, paths: [{ path: path('nowhere') }] }, 404, 'PATH_NOT_FOUND'],
    [{ ...inPlace, paths: Array.from({ length: 101 }, () => ({ path: path('one') })) }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, snapshot: '@1999-01-01' }, 404, 'SNAPSHOT_NOT_FOUND'],
    [{ ...inPlace, target }, 400, 'INVALID_ARGUMENT'],
    [{ ...inPlace, profile: 'nobody' }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, overwrite: 'perhaps' }, 400, 'REQUEST_INVALID'],
    [{ ...inPlace, force: true }, 400, 'REQUEST_INVALID'],
    [LATEST, 400, 'INVALID_ARGUMENT'],
    [{ ...LATEST, target: { path: 'somewhere' } }, 400, 'REQUEST_INVALID'],
    [{ ...LATEST, target: {} }, 400, 'REQUEST_INVALID'],
    [{ ...LATEST, target, delete: true }, 400, 'INVALID_ARGUMENT'],
  ];
  for (const [body, status, code] of cases) {
    for (const route of ['/restores/plan', '/restores']) {
      const sent = route === '/restores' ? { ...body, confirm: true } : body;
      const { json, status: answered } = await admin.ask(route, { method: 'POST', body: sent });
      assert.deepEqual([answered, json.code], [status, code], `${route} ${JSON.stringify(sent).slice(0, 200)}`);
    }
  }
  assert.deepEqual((await admin.ask('/restores')).json.items, []);
});

test('a token needs the scope to restore, also for a look at what one would do; restores are listed', async (t) => {
  const { server, admin, path } = await given(t);
  const headers = await server.token('read', 'backup');
  const body = { ...LATEST, in_place: true, paths: [{ path: path('one') }] };
  for (const [route, sent] of [
    ['/restores/plan', body],
    ['/restores', { ...body, confirm: true }],
    ['/restores/rollback', { confirm: true }],
  ] as const) {
    const { status, json } = await server.ask(server.api(route), { method: 'POST', body: sent, headers });
    assert.deepEqual([status, json.code], [403, 'SCOPE_MISSING'], route);
  }
  const plan = await over(admin, '/restores/plan', body);
  const jobs = [
    await over(admin, '/restores', { ...body, confirm: true }),
    await over(admin, '/restores', { ...body, confirm: true }),
  ];
  const list = async (query: { readonly [name: string]: string | string[] }): Promise<Json> =>
    (await server.ask(server.api('/restores'), { query, headers })).json;
  const ids = ({ items }: Json): number[] => items.map(({ id }: Json) => id);
  assert.deepEqual(ids(await list({})), [jobs[1].id, jobs[0].id, plan.id]);
  assert.deepEqual(ids(await list({ kind: 'restore-plan' })), [plan.id]);
  const page = await list({ kind: 'restore', limit: '1' });
  assert.deepEqual([ids(page), page.next_cursor], [[jobs[1].id], String(jobs[1].id)]);
  const last = await list({ kind: 'restore', limit: '1', cursor: page.next_cursor });
  assert.deepEqual([ids(last), last.next_cursor], [[jobs[0].id], null]);
});

test('a database in use is left alone until its server was stopped, then it goes on; the way back is there', async (t) => {
  const server = await ServerFixture.start(t);
  const { database } = makeLibraryServer(server.source);
  const admin = await server.setUp();
  await save(admin);
  const count = (): number => {
    const opened = new Database(database);
    try {
      return Number(opened.prepare('SELECT count(*) FROM books').pluck().get());
    } finally {
      opened.close();
    }
  };
  const opened = new Database(database);
  opened.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  opened.close();
  const listener = await Listener.start(t, database);
  const body = { ...LATEST, in_place: true, paths: [{ path: dirname(database) }] };
  const { result: plan } = await over(admin, '/restores/plan', body);
  assert.deepEqual(plan.databases_to_swap, [database]);
  const job = await over(admin, '/restores', { ...body, confirm: true });
  assert.deepEqual([job.status, job.error.code, job.can_go_on], ['FAILED', 'TARGET_IN_USE', true]);
  assert.deepEqual((await listener.stop()).failures, []);
  assert.equal(count(), BOOKS - 1);
  const again = await over(admin, `/jobs/${job.id}/resume`, {});
  assert.deepEqual([again.status, again.outcome], ['COMPLETED', 'done'], JSON.stringify(again));
  assert.equal(count(), BOOKS);
  assert.equal((await over(admin, '/restores/rollback', { confirm: true })).status, 'COMPLETED');
  assert.equal(count(), BOOKS - 1);
});

test('commands stand around a restore in place, and not around one into another folder', async (t) => {
  const server = await ServerFixture.start(t);
  const log = join(server.folder, 'commands');
  const hook = (when: 'before' | 'after'): Hook => ({
    when,
    point: 'restore',
    command: ['/bin/sh', '-c', `echo ${when} >> '${log}'`],
    timeoutMs: 20_000,
    onFailure: 'stop',
    on: 'always',
  });
  await server.restart({ hooks: [hook('before'), hook('after')] });
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const admin = await server.setUp();
  await save(admin);
  const target = { path: join(server.folder, 'elsewhere') };
  assert.equal((await over(admin, '/restores', { ...LATEST, target, confirm: true })).status, 'COMPLETED');
  assert.ok(!existsSync(log));
  assert.equal((await over(admin, '/restores', { ...LATEST, in_place: true, confirm: true })).status, 'COMPLETED');
  assert.equal(read(log), 'before\nafter\n');
});
