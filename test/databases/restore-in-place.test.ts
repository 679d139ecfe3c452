/** Databases that are replaced by a restore: by the rules of a live one, beside the files of the same snapshot. */

import assert from 'node:assert/strict';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { type PlannedAction, type RestoreOptions, type RestoreResult, restore } from '../../engine/index.ts';
import { SAFETY_LABEL } from '../../engine/repository/snapshots.ts';
import { Library } from '../support/library.ts';
import { makeShelf, readShelf, SqliteWriter } from '../support/sqlite-writer.ts';
import { touchState, treeState } from '../support/tree-state.ts';

class Server {
  readonly library: Library;
  readonly database: string;

  private constructor(library: Library) {
    this.library = library;
    this.database = join(library.source, 'server.db');
  }

  static async make(t: TestContext, journalMode: 'wal' | 'delete'): Promise<Server> {
    const server = new Server(await Library.make(t));
    mkdirSync(server.library.source);
    makeShelf(server.database, { journalMode });
    writeFileSync(join(server.library.source, 'book'), 'a book');
    await sleep(30);
    return server;
  }

  /** Commits of a server that then stops. */
  async work(t: TestContext, ms = 100): Promise<void> {
    const writer = await SqliteWriter.start(t, this.database);
    await writer.order('work');
    await sleep(ms);
    await writer.stop();
    await sleep(30);
  }

  async restore(options: Partial<RestoreOptions> = {}): Promise<RestoreResult> {
    return restore(await this.library.reopen(), { snapshot: 'latest', inPlace: true, ...options });
  }

  async plan(): Promise<string[]> {
    const kinds: string[] = [];
    const onPlanned = ({ kind, type }: PlannedAction): undefined => void (type === 'file' && kinds.push(kind));
    await this.restore({ dryRun: true, onPlanned });
    return kinds;
  }

  names(): string[] {
    return readdirSync(this.library.source).sort();
  }
}

for (const mode of ['wal', 'delete'] as const) {
  test(`in place, ${mode}: a database goes back to the snapshot's moment, whole and with nothing beside it`, async (t) => {
    const server = await Server.make(t, mode);
    await server.work(t);
    chmodSync(server.database, 0o640);
    await sleep(30);
    await server.library.backup();
    const { commits } = readShelf(server.database);
    const saved = lstatSync(server.database, { bigint: true });
    await server.work(t);
    const later = readShelf(server.database).commits;
    assert.ok(later > commits);
    writeFileSync(join(server.library.source, 'book'), 'scribbled on');
    assert.deepEqual((await server.plan()).sort(), ['replace', 'swap']);
    const result = await server.restore();
    assert.deepEqual(result.problems, []);
    assert.equal(result.filesRestored, 2);
    assert.deepEqual(server.names(), ['book', 'server.db']);
    const restored = lstatSync(server.database, { bigint: true });
    assert.deepEqual([restored.mode, restored.mtimeNs, restored.uid], [saved.mode, saved.mtimeNs, saved.uid]);
    assert.deepEqual(await server.plan(), [], 'nothing is left to do');
    assert.equal(readShelf(server.database).commits, commits);
    assert.equal(readFileSync(join(server.library.source, 'book'), 'utf8'), 'a book');
    // And back again to what was there before.
    const [safety] = await (await server.library.reopen()).snapshots.list({ labels: [SAFETY_LABEL] });
    assert.equal(safety?.id, result.safetySnapshot);
    await server.restore({ snapshot: safety?.id ?? '', delete: true });
    assert.equal(readShelf(server.database).commits, later);
  });

  test(`in place, ${mode}: a database that is as it was is left alone, also while its server runs`, async (t) => {
    const server = await Server.make(t, mode);
    await server.work(t);
    await server.library.backup();
    const writer = await SqliteWriter.start(t, server.database);
    await writer.order('hold-open');
    await sleep(30);
    await server.library.backup();
    const touched = touchState(server.library.source);
    assert.deepEqual(await server.plan(), []);
    const result = await server.restore();
    assert.deepEqual([result.filesRestored, result.problemCount, result.safetySnapshot], [0, 0, undefined]);
    assert.deepEqual(touchState(server.library.source), touched);
    await writer.stop();
  });

  test(`in place, ${mode}: refused while a program has the database open, and nothing was changed`, async (t) => {
    const server = await Server.make(t, mode);
    await server.library.backup();
    await server.work(t);
    const { commits } = readShelf(server.database);
    writeFileSync(join(server.library.source, 'book'), 'scribbled on');
    const writer = await SqliteWriter.start(t, server.database);
    await writer.order('hold-open');
    const before = treeState(server.library.source);
    await assert.rejects(server.restore(), (error) => {
      assert.ok(isEngineError(error, 'TARGET_IN_USE'));
      assert.match(error.message, /server\.db is in use by process \d+ \(node\).*--no-databases.*--force/);
      return true;
    });
    assert.deepEqual(treeState(server.library.source), before);
    const snapshots = await (await server.library.reopen()).snapshots.list();
    assert.equal(snapshots.length, 1, 'no safety snapshot either');
    // Into another place, or without the database, it does not matter.
    const without = await server.restore({ databases: false });
    assert.equal(without.problemCount, 0);
    assert.equal(readFileSync(join(server.library.source, 'book'), 'utf8'), 'a book');
    await writer.stop();
    assert.equal(readShelf(server.database).commits, commits);
    await server.restore();
    assert.equal(readShelf(server.database).commits, 0);
  });

  test(`in place, ${mode}: with force, a program that has it open sees the old rows or the new ones, never both`, async (t) => {
    const server = await Server.make(t, mode);
    await server.library.backup();
    await server.work(t);
    const writer = await SqliteWriter.start(t, server.database);
    await writer.order('hold-open');
    const result = await server.restore({ force: true });
    await writer.kill();
    const { commits } = readShelf(server.database);
    if (result.problemCount === 0) assert.equal(commits, 0);
    else assert.ok(commits > 0);
  });

  test(`in place, ${mode}: what a killed server left is in the safety snapshot, and in nothing else`, async (t) => {
    const server = await Server.make(t, mode);
    await server.library.backup();
    const writer = await SqliteWriter.start(t, server.database);
    await writer.order('work');
    await sleep(150);
    await writer.order('spill');
    await writer.kill();
    await sleep(30);
    const copy = join(server.library.folder, 'copy');
    mkdirSync(copy);
    for (const name of server.names()) copyFileSync(join(server.library.source, name), join(copy, name));
    const { commits } = readShelf(join(copy, 'server.db'));
    assert.ok(commits > 0);
    const result = await server.restore();
    assert.deepEqual(result.problems, []);
    assert.deepEqual(server.names(), ['book', 'server.db']);
    assert.equal(readShelf(server.database).commits, 0);
    await server.restore({ snapshot: result.safetySnapshot ?? '' });
    assert.equal(readShelf(server.database).commits, commits);
  });
}

test('in place: a broken database does not stand in the way of its own rescue', async (t) => {
  const server = await Server.make(t, 'wal');
  await server.work(t);
  await server.library.backup();
  const { commits } = readShelf(server.database);
  const page = Buffer.alloc(4096, 0xff);
  const bytes = readFileSync(server.database);
  for (let at = 4096; at < bytes.length; at += 8192) page.copy(bytes, at);
  writeFileSync(server.database, bytes);
  const result = await server.restore();
  assert.deepEqual(result.problems, []);
  assert.equal(readShelf(server.database).commits, commits);
  writeFileSync(server.database, 'no database at all');
  await server.restore({ safetySnapshot: false });
  assert.equal(readShelf(server.database).commits, commits);
});

test('in place: a database that is gone comes back, and a log that it left is kept aside', async (t) => {
  const server = await Server.make(t, 'wal');
  await server.library.backup();
  const writer = await SqliteWriter.start(t, server.database);
  await writer.order('work');
  await sleep(100);
  await writer.kill();
  renameSync(server.database, join(server.library.folder, 'lost'));
  const result = await server.restore();
  assert.deepEqual(result.problems, []);
  assert.equal(readShelf(server.database).commits, 0);
  assert.ok(existsSync(`${server.database}-wal.before-restore`));
});

test('into a target: a database there is swapped by the same rules', async (t) => {
  const server = await Server.make(t, 'wal');
  await server.work(t);
  await server.library.backup();
  const { commits } = readShelf(server.database);
  const target = join(server.library.folder, 'target');
  mkdirSync(target);
  makeShelf(join(target, 'server.db'), { journalMode: 'wal', rows: 20 });
  const writer = await SqliteWriter.start(t, join(target, 'server.db'));
  await writer.order('hold-open');
  const options = {
    inPlace: false,
    path: Buffer.from(server.library.source),
    target: Buffer.from(target),
    overwrite: 'always',
  } as const;
  await assert.rejects(server.restore(options), (error) => isEngineError(error, 'TARGET_IN_USE'));
  await writer.stop();
  const result = await server.restore(options);
  assert.deepEqual(result.problems, []);
  assert.equal(result.safetySnapshot, undefined);
  assert.equal(readShelf(join(target, 'server.db')).commits, commits);
  assert.deepEqual(readdirSync(target).sort(), ['book', 'server.db']);
});

test('in place: a database with two names keeps both', async (t) => {
  const server = await Server.make(t, 'delete');
  linkSync(server.database, join(server.library.source, 'same.db'));
  await sleep(30);
  await server.library.backup();
  await server.work(t);
  const result = await server.restore();
  assert.deepEqual(result.problems, []);
  assert.equal(readShelf(server.database).commits, 0);
  assert.equal(readShelf(join(server.library.source, 'same.db')).commits, 0);
  assert.equal(lstatSync(server.database).ino, lstatSync(join(server.library.source, 'same.db')).ino);
});

test('delete: a live database that came later goes with its logs; logs of one that stays, stay', async (t) => {
  const server = await Server.make(t, 'wal');
  await server.library.backup();
  const later = join(server.library.source, 'later.db');
  makeShelf(later, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, later);
  await writer.order('work');
  await sleep(50);
  await writer.kill();
  const open = new Database(server.database);
  t.after(() => open.close());
  open.exec('BEGIN');
  open.prepare('SELECT count(*) FROM left_side').get();
  await sleep(30);
  assert.ok(existsSync(`${server.database}-wal`));
  const result = await server.restore({ delete: true, databases: false });
  assert.deepEqual(result.problems, []);
  assert.deepEqual(server.names(), ['book', 'server.db', 'server.db-shm', 'server.db-wal']);
});
