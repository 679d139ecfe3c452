/** Databases that a profile names together, in backups: of one moment, also where only some of them changed. */

import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { MIB } from '../../engine/base/limits.ts';
import type { Monitor } from '../../engine/base/monitor.ts';
import { databaseGroups } from '../../engine/operations/backup/database-moments.ts';
import type { BackupOptions, BackupResult } from '../../engine/operations/backup/options.ts';
import { CliFixture, type Json, jsonLines, lastJson } from '../support/cli.ts';
import { Library } from '../support/library.ts';
import { makeCalibreLibrary, makeCalibreWeb } from '../support/servers.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { makeShelf, readShelf, type ShelfOptions, SqliteWriter } from '../support/sqlite-writer.ts';

/** Files that were written less long ago are not taken for unchanged by the next backup. */
const SETTLED_MS = 100;

interface Server {
  readonly app: string;
  readonly library: string;
}

/** Calibre-Web with its library; its databases have a shelf each, whose commits can be counted. */
function makeServer(folder: string, shelf: ShelfOptions = {}): Server {
  const books = join(folder, 'books');
  const app = makeCalibreWeb(join(folder, 'server'), { library: books });
  const library = makeCalibreLibrary(books);
  for (const path of [app, library]) makeShelf(path, shelf);
  writeFileSync(join(books, 'a book'), 'a book');
  return { app, library };
}

async function made(t: TestContext): Promise<{ readonly place: Library; readonly server: Server }> {
  const place = await Library.make(t);
  mkdirSync(place.source);
  return { place, server: makeServer(place.source) };
}

function commit(path: string): void {
  const database = new Database(path);
  database.exec('INSERT INTO sequence SELECT 1 + max(number) FROM sequence');
  database.close();
}

/** Calls `act` once, when the walk has begun. */
function inWalk(act: () => void): { readonly monitor: Monitor; readonly done: () => boolean } {
  let done = false;
  const progress = (): void => {
    if (!done) act();
    done = true;
  };
  return { monitor: { progress }, done: () => done };
}

function save(place: Library, options: Partial<BackupOptions> = {}): Promise<BackupResult> {
  return place.backup({ profiles: ['calibre-web'], ...options });
}

/** What the records say: name, check, whether of one moment, and with which. */
function said({ databases }: BackupResult): unknown[] {
  return databases.map(({ path, check, details }) => {
    const { moment, momentWith = [] } = details;
    const mates = (momentWith as string[]).map((mate) => basename(mate)).sort();
    return [basename(path.toString()), check, ...(moment === undefined ? [] : [moment, ...mates])];
  });
}

const ALL_OF_ONE = [
  ['notes.db', 'ok', 'one', 'app.db', 'metadata.db'],
  ['full-text-search.db', 'ok'],
  ['metadata.db', 'ok', 'one', 'app.db', 'notes.db'],
  ['app.db', 'ok', 'one', 'metadata.db', 'notes.db'],
  ['gdrive.db', 'ok'],
];

/** Commits of both in the newest snapshot. */
async function restored(place: Library): Promise<[app: number, library: number]> {
  const { target, problems } = await place.restore();
  assert.deepEqual(problems, []);
  const commits = ['server/config/app.db', 'books/metadata.db'].map((name) => readShelf(join(target, name)).commits);
  return [commits[0] ?? NaN, commits[1] ?? NaN];
}

test('groups: the same word in one profile, or a database in common; in the order of their first members', () => {
  const profile = (...names: readonly string[]): { databases: { path: Buffer; moment: string | undefined }[] } => ({
    databases: names.map((name) => {
      const [path = '', moment] = name.split(' ');
      return { path: Buffer.from(path), moment };
    }),
  });
  const groups = (...profiles: ReturnType<typeof profile>[]): string[] =>
    databaseGroups(profiles).map((group) => group.join('+'));
  assert.deepEqual(groups(), []);
  assert.deepEqual(groups(profile('a', 'b', 'a')), ['a', 'b']);
  assert.deepEqual(groups(profile('a x', 'b', 'c x', 'd y', 'e y')), ['a+c', 'b', 'd+e']);
  assert.deepEqual(groups(profile('a x', 'b x'), profile('c x', 'd x')), ['a+b', 'c+d'], 'a word is a profile’s own');
  assert.deepEqual(groups(profile('a x', 'm x'), profile('b x', 'm x')), ['a+m+b']);
  assert.deepEqual(groups(profile('a'), profile('b x', 'a x', 'c x'), profile('c z', 'd z')), ['a+b+c+d']);
});

test('app.db and metadata.db of Calibre-Web are of one moment beside a server that changes both in one transaction', async (t) => {
  const { place, server } = await made(t);
  const pair = { path: server.library, how: 'attached' } as const;
  const writer = await SqliteWriter.start(t, server.app, { pauseMs: 10, synchronous: 'NORMAL', pair });
  await writer.order('work');
  let before = -1;
  for (let night = 1; night <= 4; night++) {
    const result = await save(place, { force: night === 4 });
    assert.deepEqual(result.problems, []);
    assert.deepEqual(said(result), ALL_OF_ONE);
    const [app, library] = await restored(place);
    assert.equal(app, library);
    assert.ok(app > before, 'each night has more');
    before = app;
  }
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
  assert.ok(report.longestMs < 1000, `a commit took ${report.longestMs} ms`);
});

test('where only one of them changed, the others stay as they are stored, and are of its moment', async (t) => {
  const { place, server } = await made(t);
  await sleep(SETTLED_MS);
  await save(place);
  const quiet = await save(place);
  assert.equal(quiet.bytesRead, 0);
  assert.deepEqual(said(quiet), ALL_OF_ONE);
  commit(server.app);
  await sleep(SETTLED_MS);
  const before = new Map(quiet.databases.map(({ path, details }) => [path.toString(), details['live']]));
  const walk = inWalk(() => commit(server.library));
  const result = await save(place, { monitor: walk.monitor });
  assert.ok(walk.done());
  assert.deepEqual(result.problems, []);
  assert.deepEqual(said(result), ALL_OF_ONE);
  const changed = result.databases.filter(({ path, details }) => before.get(path.toString()) !== details['live']);
  assert.deepEqual(
    changed.map(({ path }) => basename(path.toString())),
    ['app.db'],
  );
  assert.deepEqual(await restored(place), [1, 0], 'what came into the other one during the walk is of a later moment');
  await sleep(SETTLED_MS);
  assert.deepEqual(said(await save(place)), ALL_OF_ONE);
  assert.deepEqual(await restored(place), [1, 1]);
});

test('where none of them changed before the walk, what comes into one during it is of a later moment', async (t) => {
  const { place, server } = await made(t);
  await sleep(SETTLED_MS);
  await save(place);
  const walk = inWalk(() => commit(server.app));
  const result = await save(place, { monitor: walk.monitor });
  assert.ok(walk.done());
  assert.deepEqual(said(result), ALL_OF_ONE);
  assert.deepEqual(await restored(place), [0, 0]);
  // Without the profile each is captured when the walk comes to it.
  await place.backup();
  assert.deepEqual(await restored(place), [1, 0]);
});

test('one that is unchanged, but not until the others are captured, is captured with them', async (t) => {
  const { place, server } = await made(t);
  const notes = join(place.source, 'books', '.calnotes', 'notes.db');
  makeShelf(notes);
  await sleep(SETTLED_MS);
  await save(place);
  commit(notes);
  await sleep(SETTLED_MS);
  const locker = await SqliteWriter.start(t, notes);
  await locker.order('lock');
  let isApplied = false;
  const note = (text: string): void => {
    isApplied ||= /profile calibre-web is applied/.test(text);
  };
  const running = save(place, { databaseBusyMsMax: 20_000, monitor: { note } });
  // From then on the images' folder is that of the databases, which have been looked at.
  const scratch = join(place.repository.cacheDirectory, 'scratch');
  while (!isApplied || !existsSync(scratch) || readdirSync(scratch).length === 0) await sleep(2);
  commit(server.library);
  await locker.order('unlock');
  const result = await running;
  await locker.stop();
  assert.deepEqual(result.problems, []);
  assert.deepEqual(said(result), ALL_OF_ONE);
  assert.deepEqual(await restored(place), [0, 1]);
  assert.deepEqual(readdirSync(scratch), [], 'no image is left behind');
});

test('a night without the profile says nothing of moments', async (t) => {
  const { place } = await made(t);
  await sleep(SETTLED_MS);
  await save(place);
  const plain = await place.backup();
  assert.deepEqual(
    plain.databases.map(({ details }) => details['moment']),
    [undefined, undefined, undefined, undefined, undefined],
  );
});

test('one that is locked for too long is a problem of its own: the others are of one moment', async (t) => {
  const { place, server } = await made(t);
  const locker = await SqliteWriter.start(t, server.library);
  await locker.order('lock');
  const result = await save(place, { databaseBusyMsMax: 300 });
  await locker.order('unlock');
  await locker.stop();
  assert.deepEqual(
    result.problems.map(({ path, during, code }) => [basename(path), during, code]),
    [['metadata.db', 'export', 'DATABASE_FAILED']],
  );
  assert.deepEqual(said(result), [
    ['notes.db', 'ok', 'one', 'app.db'],
    ['full-text-search.db', 'ok'],
    ['metadata.db', 'unverified'],
    ['app.db', 'ok', 'one', 'notes.db'],
    ['gdrive.db', 'ok'],
  ]);
});

test('where they cannot be of one moment each is captured by itself, which the record and a note say', async (t) => {
  const { place, server } = await made(t);
  // One file: locks on it under one name go when it is closed under the other.
  rmSync(join(place.source, 'books', '.calnotes', 'notes.db'));
  linkSync(server.library, join(place.source, 'books', '.calnotes', 'notes.db'));
  const notes: string[] = [];
  const result = await save(place, { monitor: { note: (text) => notes.push(text) } });
  assert.deepEqual(result.problems, []);
  assert.deepEqual(said(result), [
    ['notes.db', 'ok', 'each'],
    ['full-text-search.db', 'ok'],
    ['app.db', 'ok', 'each'],
    ['gdrive.db', 'ok'],
  ]);
  assert.match(notes.join('\n'), /^Not of one moment, but each of its own: .*app\.db.*two of them are one file$/m);
});

test('backup --profile calibre-web: what it restores agrees, its summary says so, and no commit of the server fails', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  await cli.init();
  const server = makeServer(cli.source);
  const pair = { path: server.library, how: 'attached' } as const;
  const writer = await SqliteWriter.start(t, server.app, { pauseMs: 10, synchronous: 'NORMAL', pair });
  await writer.order('work');
  for (let night = 1; night <= 3; night++) {
    const run = await cli.ok(['backup', cli.source, '--profile', 'calibre-web', '--json']);
    const { databases } = jsonLines(run.stdout).at(-1) as Json;
    const app = databases.find(({ path }: Json) => path === server.app);
    assert.equal(app.moment, 'one');
    assert.ok(app.moment_with.includes(server.library));
    assert.ok(!('moment' in databases.find(({ path }: Json) => /gdrive/.test(path))));
    const target = join(cli.folder, `restored ${night}`);
    await cli.ok(['restore', `latest:${cli.source}`, '--target', target]);
    const [first, second] = ['server/config/app.db', 'books/metadata.db'].map((name) => readShelf(join(target, name)));
    assert.equal(first?.commits, second?.commits);
    assert.ok((first?.commits ?? 0) > 0);
  }
  const [snapshot] = JSON.parse((await cli.ok(['snapshots', '--json'])).stdout) as Json[];
  assert.equal(snapshot.databases.find(({ path }: Json) => path === server.library).moment, 'one');
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
  assert.ok(report.longestMs < 1000, `a commit took ${report.longestMs} ms`);
  t.diagnostic(`the longest of ${report.commits} commits took ${Math.round(report.longestMs)} ms`);

  const locker = await SqliteWriter.start(t, server.library);
  await locker.order('lock');
  const strict = await cli.run(['backup', cli.source, '--profile', 'calibre-web', '--json']);
  await locker.order('unlock');
  assert.equal(strict.code, 3);
  const { problems, databases } = lastJson(strict.stdout);
  assert.deepEqual(
    problems.map(({ path }: Json) => path),
    [server.library],
  );
  const checks = databases.map(({ path, check }: Json) => [basename(path), check]);
  assert.deepEqual(
    checks.filter(([, check]: string[]) => check !== 'ok'),
    [['metadata.db', 'unverified']],
  );
});

test('without room for all their images they are captured one by one as the walk comes to them', async (t) => {
  const disk = mountSmallDisk(t, 24 * MIB);
  if (disk === undefined) return t.skip('only root mounts file systems');
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  await cli.init();
  const server = makeServer(cli.source, { rows: 8000, noteBytes: 1000 });
  const env = { SNAP_CACHE_DIR: disk.folder };
  const run = await cli.ok(['backup', cli.source, '--profile', 'calibre-web'], { env });
  const [{ databases }] = JSON.parse((await cli.ok(['snapshots', '--json'])).stdout) as Json[];
  assert.deepEqual(
    databases.map(({ path, check, moment }: Json) => [basename(path), check, moment]),
    [
      ['notes.db', 'ok', 'each'],
      ['full-text-search.db', 'ok', undefined],
      ['metadata.db', 'ok', 'each'],
      ['app.db', 'ok', 'each'],
      ['gdrive.db', 'ok', undefined],
    ],
  );
  assert.match(run.stderr, /Not of one moment.*no room for all their images/);
  const target = join(cli.folder, 'restored');
  await cli.ok(['restore', `latest:${cli.source}`, '--target', target]);
  assert.equal(readShelf(join(target, 'server/config/app.db')).commits, 0);
  assert.ok(existsSync(server.app));
});
