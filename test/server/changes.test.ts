/** What changed, searches, and the history of a path, through the API. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { SnapshotBuilder } from '../support/build-repository.ts';
import type { Json } from '../support/cli.ts';
import { withOtherBytes } from '../support/rotten-file.ts';
import { ServerFixture, type SignedIn } from '../support/server.ts';
import { takeSnapshot, writeFiles } from '../support/server-snapshots.ts';

const MANY = 45;

async function withTwoNights(t: Parameters<typeof ServerFixture.start>[0]) {
  const server = await ServerFixture.start(t);
  const many = Object.fromEntries(Array.from({ length: MANY }, (_, number) => [`many/${number}.txt`, `${number}`]));
  writeFiles(server, { 'a/book.m4b': 'first words', 'a/gone.epub': 'gone', 'a/moved.epub': 'it moves', ...many });
  const before = await takeSnapshot(server, { time: new Date('2026-02-01T02:00:00Z') });
  writeFiles(server, { 'a/book.m4b': 'second words, and more' });
  rmSync(join(server.source, 'a/gone.epub'));
  mkdirSync(join(server.source, 'b'));
  renameSync(join(server.source, 'a/moved.epub'), join(server.source, 'b/moved.epub'));
  for (let number = 0; number < MANY; number++) writeFiles(server, { [`many/${number}.txt`]: `changed ${number}` });
  const after = await takeSnapshot(server, { time: new Date('2026-02-02T02:00:00Z') });
  return { server, admin: await server.setUp(), before, after };
}

/** All pages of a list, and the last one. */
async function allPages(admin: SignedIn, path: string, query: { [name: string]: string }) {
  const items: Json[] = [];
  let last: Json;
  let pages = 0;
  for (let cursor: string | undefined; ; cursor = last.next_cursor) {
    const answer = await admin.ask(path, { query: { ...query, ...(cursor === undefined ? {} : { cursor }) } });
    assert.equal(answer.status, 200, answer.text);
    last = answer.json;
    items.push(...last.items);
    pages++;
    if (last.next_cursor === null) return { items, last, pages };
  }
}

test('a diff of two snapshots tells each change once, in pages, and its summary on the last one', async (t) => {
  const { admin, before, after, server } = await withTwoNights(t);
  const query = { before: before.id, after: after.id };
  const whole = await allPages(admin, '/diff', { ...query, limit: '1000' });
  const paged = await allPages(admin, '/diff', { ...query, limit: '7' });
  assert.deepEqual(paged.items, whole.items);
  assert.ok(paged.pages >= 7, String(paged.pages));
  assert.deepEqual(paged.last.summary, whole.last.summary);
  const byPath = new Map(whole.items.map((item) => [item.path, item]));
  assert.equal(byPath.get(join(server.source, 'a/book.m4b')).change, 'content');
  assert.equal(byPath.get(join(server.source, 'a/gone.epub')).change, 'removed');
  const moved = byPath.get(join(server.source, 'b/moved.epub'));
  assert.deepEqual([moved.change, moved.from.path], ['moved', join(server.source, 'a/moved.epub')]);
  assert.equal(whole.last.summary.counts.content, MANY + 1);
  const summary = await admin.ask('/diff', { query: { ...query, summary_only: 'true' } });
  assert.deepEqual([summary.json.items, summary.json.summary], [[], whole.last.summary]);
  const folder = await allPages(admin, '/diff', { ...query, path: join(server.source, 'a') });
  assert.ok(folder.items.every(({ path }) => path.startsWith(join(server.source, 'a'))));
});

test('a diff whose list is gone goes on all the same, also when latest means another snapshot by now', async (t) => {
  const { admin, server } = await withTwoNights(t);
  const query = { before: 'latest~1', after: 'latest', limit: '20' };
  const whole = await allPages(admin, '/diff', { ...query, limit: '1000' });
  const first = (await admin.ask('/diff', { query })).json;
  await takeSnapshot(server, { time: new Date('2026-02-03T02:00:00Z') });
  await server.restart();
  const again = await server.signIn();
  const rest = await allPages(again, '/diff', { ...query, cursor: first.next_cursor });
  assert.deepEqual([...first.items, ...rest.items.slice(0, 20)], whole.items.slice(0, 40));
});

test('a diff with the disk tells what changed since, and stays within the sources', async (t) => {
  const { admin, server, after } = await withTwoNights(t);
  writeFiles(server, { 'a/new.epub': 'new' });
  const { items, last } = await allPages(admin, '/diff', { before: 'latest', live: 'true' });
  assert.deepEqual(
    [items.find(({ change }) => change === 'added').path, last.after],
    [join(server.source, 'a/new.epub'), null],
  );
  assert.equal(last.before.id, after.id);
  writeFileSync(join(server.folder, 'secret'), 'nobody is to know how long this is');
  symlinkSync(server.folder, join(server.source, 'link'));
  for (const path of [join(server.folder, 'secret'), '/etc/passwd', join(server.source, 'link/secret'), '/etc']) {
    const answer = await admin.ask('/diff', { query: { before: 'latest', live: 'true', path } });
    assert.deepEqual([answer.status, answer.json.code], [400, 'REQUEST_INVALID'], path);
  }
  const climbing = { before: 'latest', live: 'true', path: `${server.source}/../secret` };
  assert.equal((await admin.ask('/diff', { query: climbing })).status, 400);
});

test('a diff tells of databases table by table, and row by row', async (t) => {
  const server = await ServerFixture.start(t);
  const database = new Database(join(server.source, 'library.sqlite'));
  t.after(() => database.close());
  database.exec(
    "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, cover BLOB); INSERT INTO book VALUES (1, 'one', x'00ff');",
  );
  await takeSnapshot(server, { time: new Date('2026-02-01T02:00:00Z') });
  database.exec("UPDATE book SET cover = x'01'; INSERT INTO book VALUES (9223372036854775807, 'two', NULL)");
  await takeSnapshot(server, { time: new Date('2026-02-02T02:00:00Z') });
  const admin = await server.setUp();
  const { items } = await allPages(admin, '/diff', { before: 'latest~1', after: 'latest', rows: 'true' });
  const table = items.find(({ event }) => event === 'table');
  assert.deepEqual([table.table, table.rows_added, table.rows_changed], ['book', 1, 1]);
  const rows = items.filter(({ event }) => event === 'row');
  assert.deepEqual(rows.map(({ change }) => change).sort(), ['added', 'changed']);
  const changed = rows.find(({ change }) => change === 'changed');
  assert.deepEqual([changed.before.cover, changed.after.cover], [{ base64: 'AP8=' }, { base64: 'AQ==' }]);
  const added = rows.find(({ change }) => change === 'added');
  assert.deepEqual(added.after.id, { integer: '9223372036854775807' });
});

test('questions that make no sense are refused with what to do', async (t) => {
  const { admin } = await withTwoNights(t);
  const refused = async (path: string, query: { [name: string]: string | string[] }, status: number, code: string) => {
    const answer = await admin.ask(path, { query });
    assert.deepEqual([answer.status, answer.json.code], [status, code], answer.text);
  };
  await refused('/diff', { before: 'latest' }, 400, 'REQUEST_INVALID');
  await refused('/diff', { before: 'latest', after: 'latest', live: 'true' }, 400, 'REQUEST_INVALID');
  await refused('/diff', { before: 'latest', after: 'latest~99' }, 404, 'SNAPSHOT_NOT_FOUND');
  await refused('/diff', { before: 'latest', after: 'latest', path: 'relative' }, 400, 'REQUEST_INVALID');
  await refused('/diff', { before: 'latest', after: 'latest', path: '/nowhere' }, 404, 'PATH_NOT_FOUND');
  await refused('/diff', { before: 'latest', after: 'latest~1', limit: '100000' }, 400, 'REQUEST_INVALID');
  await refused('/find', {}, 400, 'INVALID_ARGUMENT');
  await refused('/find', { pattern: 'x', cursor: 'e30' }, 400, 'REQUEST_INVALID');
  await refused('/find', { pattern: 'x', not_before: 'soon' }, 400, 'REQUEST_INVALID');
  await refused('/history', {}, 400, 'REQUEST_INVALID');
  await refused('/history', { path: '/a', path_base64: 'L2E=' }, 400, 'REQUEST_INVALID');
  await refused('/history', { path: '/a\0b' }, 400, 'REQUEST_INVALID');
  await refused('/history', { path: '/nowhere' }, 404, 'PATH_NOT_FOUND');
});

test('a search tells each state of a path with the snapshots that have it', async (t) => {
  const { admin, server, before, after } = await withTwoNights(t);
  const { items } = await allPages(admin, '/find', { pattern: 'book.*' });
  assert.deepEqual(
    items.map(({ entry }) => entry.path),
    Array(2).fill(join(server.source, 'a/book.m4b')),
  );
  assert.deepEqual(items.map(({ ranges }) => ranges[0].first.id).sort(), [before.id, after.id].sort());
  const paged = await allPages(admin, '/find', { pattern: '*.txt', limit: '4' });
  assert.equal(new Set(paged.items.map(({ entry, ranges }) => `${entry.path} ${ranges[0].first.id}`)).size, MANY * 2);
  const one = await allPages(admin, '/find', {
    pattern: '*.TXT',
    ignore_case: 'true',
    snapshot: 'latest',
    size_min: '9',
  });
  assert.equal(one.items.length, MANY);
  const none = await allPages(admin, '/find', { pattern: '*.txt', not_after: '2001-01-01T00:00:00Z' });
  assert.deepEqual(none.items, []);
});

test('the history of a path tells its versions, the newest first, also of a name that is not UTF-8', async (t) => {
  const { admin, server, before, after } = await withTwoNights(t);
  const { items } = await allPages(admin, '/history', { path: join(server.source, 'a/book.m4b') });
  assert.deepEqual(
    items.map(({ change, last }) => [change, last.id]),
    [
      ['content', after.id],
      ['added', before.id],
    ],
  );
  const gone = await allPages(admin, '/history', { path: join(server.source, 'a/gone.epub'), limit: '1' });
  assert.deepEqual(
    gone.items.map(({ change, entry }) => [change, entry === null]),
    [
      ['deleted', true],
      ['added', false],
    ],
  );
  const odd = Buffer.concat([Buffer.from(`${server.source}/odd `), Buffer.from([0xff])]);
  writeFileSync(odd, 'odd');
  await takeSnapshot(server);
  const path_base64 = odd.toString('base64');
  const found = await allPages(admin, '/history', { path_base64 });
  assert.equal(found.items[0].entry.path_base64, path_base64);
});

test('a search for silent damage reads all files, finds what rotted and nothing else, and needs its scope', async (t) => {
  const { server, admin, after } = await withTwoNights(t);
  const search = async (body: object): Promise<Json> => {
    const { json, status, text } = await admin.ask('/diff/damage-search', { method: 'POST', body });
    assert.equal(status, 202, text);
    return (await admin.untilOver(json.job.id)).job;
  };
  const sound = await search({ snapshot: after.id });
  const { damaged_count, files_read, files_changed } = sound.result;
  assert.deepEqual([sound.outcome, damaged_count, files_changed, files_read], ['done', 0, 0, MANY + 2]);

  const rotten = join(server.source, 'a/book.m4b');
  const repository = await server.server.context.repository();
  const saved = await new SnapshotBuilder(repository).save(
    [withOtherBytes(rotten, readFileSync(rotten, 'utf8').replace('second', 'SECOND'))],
    { paths: [Buffer.from(rotten)] },
  );
  const found = await search({ snapshot: saved.id });
  assert.deepEqual([found.outcome, found.result.damaged_count, found.result.bytes_read], ['damage', 1, 22]);
  assert.deepEqual(found.result.damaged, [{ path: rotten, bytes: 22 }]);

  const elsewhere = await admin.ask('/diff/damage-search', {
    method: 'POST',
    body: { snapshot: after.id, path: '/etc' },
  });
  assert.deepEqual([elsewhere.status, elsewhere.json.code], [400, 'REQUEST_INVALID']);
  const headers = await server.token('read');
  const refused = await server.ask(server.api('/diff/damage-search'), {
    method: 'POST',
    headers,
    body: { snapshot: after.id },
  });
  assert.deepEqual([refused.status, refused.json.code], [403, 'SCOPE_MISSING']);
});
