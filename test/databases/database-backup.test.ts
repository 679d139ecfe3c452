/** Databases in the source of a backup: what is stored, what is left out, when one counts as unchanged. */

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
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import type { BackupResult } from '../../engine/operations/backup/options.ts';
import { runAsNobody } from '../support/as-nobody.ts';
import { Library } from '../support/library.ts';
import { makeShelf, readShelf, SqliteWriter } from '../support/sqlite-writer.ts';

/** Longer than a tick, and than files need to count as idle. */
const SETTLE_MS = 600;

async function libraryOf(t: TestContext, ...names: readonly string[]): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (const name of names) makeShelf(join(library.source, name));
  return library;
}

function checks(result: BackupResult): { [name: string]: string } {
  return Object.fromEntries(result.databases.map(({ path, check }) => [basename(path.toString()), check]));
}

function commit(path: string, number: number): void {
  const database = new Database(path);
  database.prepare('INSERT INTO sequence VALUES (?)').run(number);
  database.close();
}

test('an untouched database is neither read nor captured again; a commit into its -wal alone is seen', async (t) => {
  const library = await libraryOf(t, 'quiet.db');
  const path = join(library.source, 'shelf.db');
  makeShelf(path, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, path);
  await writer.order('commit');
  await sleep(SETTLE_MS);
  const first = await library.backup();
  await sleep(SETTLE_MS);
  const second = await library.backup();
  assert.deepEqual(second.databases, first.databases, 'records are kept as they are');
  assert.deepEqual([second.counts.filesUnmodified, second.counts.filesNew, second.counts.filesChanged], [2, 0, 0]);
  // The folders above the source may have changed.
  assert.ok(second.counts.dataAdded < 1000);
  await sleep(SETTLE_MS);
  const main = lstatSync(path, { bigint: true });
  await writer.order('commit');
  assert.equal(lstatSync(path, { bigint: true }).ctimeNs, main.ctimeNs, 'the main file was not touched');
  const third = await library.backup();
  assert.equal(third.counts.filesChanged, 1);
  const { target } = await library.restore();
  assert.equal(readShelf(join(target, 'shelf.db')).commits, 2);
  await sleep(SETTLE_MS);
  // The log is checkpointed and goes: what is in the database is the same, but its files are not.
  await writer.stop();
  const fourth = await library.backup();
  assert.equal(fourth.counts.filesChanged, 1);
  await sleep(SETTLE_MS);
  assert.equal((await library.backup()).counts.filesChanged, 0);
});

test('side files of a captured database are left out; names that only look like them are files', async (t) => {
  const library = await libraryOf(t, 'wal.db', 'rollback.db');
  const at = (name: string): string => join(library.source, name);
  makeShelf(at('open.db'), { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, at('open.db'));
  await writer.order('commit');
  writeFileSync(at('rollback.db-mj1A2B3C4D5'), 'journal of several');
  for (const name of ['text', 'text-wal', 'text-journal', 'lonely-wal', 'other-shm', 'x-mjABC'])
    writeFileSync(at(name), name);
  const result = await library.backup();
  assert.deepEqual(checks(result), { 'open.db': 'ok', 'rollback.db': 'ok', 'wal.db': 'ok' });
  assert.equal(result.problemCount, 0);
  assert.equal(result.counts.totalFilesProcessed, 9);
  const { target } = await library.restore();
  const expected = [
    'lonely-wal',
    'open.db',
    'other-shm',
    'rollback.db',
    'text',
    'text-journal',
    'text-wal',
    'wal.db',
    'x-mjABC',
  ];
  assert.deepEqual(readdirSync(target).sort(), expected);
});

test('a restore with databases: false brings all but the databases, and leaves what lies in their places', async (t) => {
  const library = await libraryOf(t, 'shelf.db', 'other.db');
  writeFileSync(join(library.source, 'book'), 'text');
  await sleep(SETTLE_MS);
  await library.backup();
  const { target, databases } = await library.restore('latest', { databases: false });
  assert.deepEqual(readdirSync(target), ['book']);
  assert.deepEqual(databases, []);
  const mine = join(target, 'shelf.db');
  writeFileSync(mine, 'newer than the snapshot');
  const again = { target: Buffer.from(target), overwrite: 'always' } as const;
  await library.restore('latest', { ...again, databases: false });
  assert.equal(readFileSync(mine, 'utf8'), 'newer than the snapshot');
  await library.restore('latest', again);
  assert.equal(readShelf(mine).commits, 0);
});

test('databases: false stores the files as they lie there, and each run decides anew', async (t) => {
  const library = await libraryOf(t);
  const path = join(library.source, 'shelf.db');
  makeShelf(path, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, path);
  await writer.order('commit');
  await sleep(SETTLE_MS);
  const asFiles = async (): Promise<void> => {
    const result = await library.backup({ databases: false });
    assert.deepEqual(result.databases, []);
    const { target } = await library.restore();
    assert.deepEqual(readdirSync(target).sort(), ['shelf.db', 'shelf.db-shm', 'shelf.db-wal']);
    for (const name of ['shelf.db', 'shelf.db-wal']) {
      assert.ok(readFileSync(join(target, name)).equals(readFileSync(join(library.source, name))), name);
    }
  };
  const asDatabase = async (): Promise<void> => {
    const result = await library.backup();
    assert.deepEqual(checks(result), { 'shelf.db': 'ok' });
    const { target } = await library.restore();
    assert.deepEqual(readdirSync(target), ['shelf.db']);
    assert.equal(readShelf(join(target, 'shelf.db')).commits, 1);
  };
  await asFiles();
  await sleep(50);
  await asDatabase();
  await sleep(50);
  await asFiles();
  await sleep(50);
  await asDatabase();
});

test('a locked and a damaged database are problems of their own: the rest is saved, and the next run tries again', async (t) => {
  const library = await libraryOf(t, 'good.db', 'locked.db', 'damaged.db');
  const at = (name: string): string => join(library.source, name);
  truncateSync(at('damaged.db'), 5 * 4096);
  writeFileSync(at('damaged.db-wal'), 'its log');
  writeFileSync(at('book.txt'), 'a book');
  const writer = await SqliteWriter.start(t, at('locked.db'));
  await writer.order('lock');
  await sleep(SETTLE_MS);
  for (const night of [1, 2]) {
    const result = await library.backup({ databaseBusyMsMax: 200 });
    assert.notEqual(result.snapshot, undefined);
    assert.deepEqual(
      result.problems.map(({ path, code, during }) => [basename(path), code, during]).sort(),
      [
        ['damaged.db', 'DATABASE_FAILED', 'export'],
        ['locked.db', 'DATABASE_FAILED', 'export'],
      ],
      `night ${night}`,
    );
    assert.deepEqual(checks(result), { 'good.db': 'ok', 'damaged.db': 'unverified', 'locked.db': 'unverified' });
    const { target } = await library.restore();
    assert.deepEqual(readdirSync(target).sort(), ['book.txt', 'damaged.db', 'damaged.db-wal', 'good.db', 'locked.db']);
    for (const name of ['book.txt', 'damaged.db', 'damaged.db-wal', 'locked.db']) {
      assert.ok(readFileSync(join(target, name)).equals(readFileSync(at(name))), name);
    }
    readShelf(join(target, 'good.db'));
    await sleep(50);
  }
  await writer.order('unlock');
  await writer.stop();
  copyFileSync(at('good.db'), at('damaged.db'));
  rmSync(at('damaged.db-wal'));
  const mended = await library.backup({ databaseBusyMsMax: 200 });
  assert.equal(mended.problemCount, 0);
  assert.deepEqual(checks(mended), { 'good.db': 'ok', 'damaged.db': 'ok', 'locked.db': 'ok' });
});

test('a night that changes 1 % of the rows adds a few percent', async (t) => {
  const library = await libraryOf(t);
  const path = join(library.source, 'shelf.db');
  makeShelf(path, { rows: 20_000, noteBytes: 400 });
  // Text that compresses little, as names and ids do.
  const fill = new Database(path);
  fill.exec('UPDATE left_side SET note = hex(randomblob(200))');
  fill.exec('UPDATE right_side SET note = hex(randomblob(200))');
  fill.exec('VACUUM');
  fill.close();
  const first = await library.backup();
  const { size } = lstatSync(path);
  const night = new Database(path);
  night.exec('UPDATE left_side SET note = hex(randomblob(200)) WHERE id BETWEEN 5000 AND 5400');
  night.exec('INSERT INTO sequence SELECT 1 + max(number) FROM sequence');
  night.close();
  const second = await library.backup();
  const share = second.counts.dataAdded / size;
  t.diagnostic(
    `${(100 * share).toFixed(2)} % of ${size} bytes were new, ${second.counts.dataAddedPacked} bytes in packs after ${first.counts.dataAddedPacked}`,
  );
  assert.ok(share > 0.005 && share < 0.04, `${share}`);
  assert.ok(second.counts.dataAddedPacked < 0.05 * first.counts.dataAddedPacked);
});

test('200 small databases take seconds, and nothing the second time', async (t) => {
  const library = await libraryOf(t, 'one.db');
  for (let number = 1; number < 200; number++) {
    copyFileSync(join(library.source, 'one.db'), join(library.source, `${number}.db`));
  }
  await sleep(SETTLE_MS);
  const started = performance.now();
  const first = await library.backup();
  const firstMs = performance.now() - started;
  assert.equal(first.databases.length, 200);
  const again = performance.now();
  const second = await library.backup();
  const secondMs = performance.now() - again;
  assert.equal(second.counts.filesUnmodified, 200);
  assert.equal(second.databases.length, 200);
  t.diagnostic(`${firstMs.toFixed(0)} ms, then ${secondMs.toFixed(0)} ms`);
  assert.ok(firstMs < 15_000 && secondMs < 3000);
  const scratch = join(library.repository.cacheDirectory, 'scratch');
  assert.deepEqual(existsSync(scratch) ? readdirSync(scratch) : [], [], 'no image is left behind');
});

test('hard links of a database are one file; a name with commits of its own is another', async (t) => {
  const library = await libraryOf(t, 'm.db');
  const at = (name: string): string => join(library.source, name);
  linkSync(at('m.db'), at('z.db'));
  makeShelf(at('n.db'), { journalMode: 'wal' });
  linkSync(at('n.db'), at('a.db'));
  const writer = await SqliteWriter.start(t, at('n.db'));
  await writer.order('commit');
  await sleep(SETTLE_MS);
  for (const night of [1, 2, 3]) {
    const result = await library.backup();
    assert.equal(result.problemCount, 0);
    const { target } = await library.restore();
    assert.deepEqual(readdirSync(target).sort(), ['a.db', 'm.db', 'n.db', 'z.db']);
    assert.equal(statSync(join(target, 'm.db')).ino, statSync(join(target, 'z.db')).ino);
    assert.equal(readShelf(join(target, 'm.db')).commits, night - 1);
    assert.equal(readShelf(join(target, 'n.db')).commits, night);
    assert.equal(readShelf(join(target, 'a.db')).commits, 0);
    commit(at('m.db'), night + 1);
    await writer.order('commit');
    await sleep(SETTLE_MS);
  }
});

test('a folder that is renamed keeps its databases, with what is known of them', async (t) => {
  const library = await libraryOf(t);
  mkdirSync(join(library.source, 'old'));
  makeShelf(join(library.source, 'old', 'shelf.db'));
  await sleep(50);
  const first = await library.backup();
  renameSync(join(library.source, 'old'), join(library.source, 'new'));
  const second = await library.backup();
  assert.equal(second.counts.dataAdded < 20_000, true, 'only trees');
  const [before] = first.databases;
  const [after] = second.databases;
  assert.ok(after?.path.toString().endsWith('/new/shelf.db'));
  assert.deepEqual(after?.details, before?.details);
  const third = await library.backup();
  assert.deepEqual(third.databases, second.databases);
  assert.equal(third.problemCount, 0);
});

test('a database that is gone, or has become something else, is no problem', async (t) => {
  const library = await libraryOf(t, 'gone.db', 'text.db', 'folder.db', 'kept.db');
  const at = (name: string): string => join(library.source, name);
  await library.backup();
  rmSync(at('gone.db'));
  writeFileSync(at('text.db'), 'now a text');
  rmSync(at('folder.db'));
  mkdirSync(at('folder.db'));
  writeFileSync(at('text.db-wal'), 'and its companion');
  commit(at('kept.db'), 2);
  const result = await library.backup();
  assert.deepEqual(result.problems, []);
  assert.deepEqual(checks(result), { 'kept.db': 'ok' });
  const { target } = await library.restore();
  assert.deepEqual(readdirSync(target).sort(), ['folder.db', 'kept.db', 'text.db', 'text.db-wal']);
  assert.equal(readFileSync(join(target, 'text.db'), 'utf8'), 'now a text');
});

test('databases that come and go during the run', async (t) => {
  const library = await libraryOf(t, 'one.db', 'two.db');
  for (let number = 0; number < 30; number++)
    copyFileSync(join(library.source, 'one.db'), join(library.source, `n${number}.db`));
  await library.backup();
  let going = true;
  const changes = (async () => {
    for (let round = 0; going; round++) {
      const name = join(library.source, `n${round % 30}.db`);
      renameSync(name, `${name} moved`);
      await sleep(1);
      renameSync(`${name} moved`, name);
      commit(name, 2 + round);
    }
  })();
  const result = await library.backup();
  going = false;
  await changes;
  const odd = result.problems.filter(({ code }) => code !== 'CHANGED_WHILE_LISTED');
  assert.deepEqual(odd, []);
  const { target } = await library.restore();
  for (const name of readdirSync(target)) new Database(join(target, name), { readonly: true }).close();
});

test('mode, owner, times and attributes of the live file come back', async (t) => {
  const library = await libraryOf(t, 'shelf.db');
  const path = join(library.source, 'shelf.db');
  utimesSync(path, 1_000_000_000, 1_000_000_001);
  const before = lstatSync(path, { bigint: true });
  await library.backup();
  const { target } = await library.restore();
  const after = lstatSync(join(target, 'shelf.db'), { bigint: true });
  assert.deepEqual(
    [after.mode, after.uid, after.gid, after.mtimeNs],
    [before.mode, before.uid, before.gid, before.mtimeNs],
  );
});

test('someone who may only read captures a database that is written to', async (t) => {
  const library = await libraryOf(t);
  for (const journalMode of ['wal', 'delete'] as const) {
    const path = join(library.source, `${journalMode}.db`);
    makeShelf(path, { journalMode });
    const writer = await SqliteWriter.start(t, path, { pauseMs: 20 });
    await writer.order('work');
  }
  chmodSync(library.folder, 0o755);
  const run = runAsNobody(t, library.source);
  if (run === undefined) return t.skip('only root can become another user');
  assert.deepEqual(run.problems, []);
});

test('an interrupted backup ends within a second, tidies up, and the next one captures again', async (t) => {
  const library = await libraryOf(t, 'locked.db', 'other.db');
  const writer = await SqliteWriter.start(t, join(library.source, 'locked.db'));
  await writer.order('lock');
  const abort = new AbortController();
  const running = library.backup({ signal: abort.signal });
  const outcome = assert.rejects(running, (error) => isEngineError(error, 'INTERRUPTED'));
  await sleep(700);
  const started = performance.now();
  abort.abort();
  await outcome;
  const took = performance.now() - started;
  assert.ok(took < 1000, `${took} ms`);
  const scratch = join(library.repository.cacheDirectory, 'scratch');
  assert.deepEqual(existsSync(scratch) ? readdirSync(scratch) : [], []);
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
  assert.equal(children.length, 1, 'only the writer is left');
  await writer.stop();
  const result = await library.backup();
  assert.equal(result.problemCount, 0);
  assert.deepEqual(checks(result), { 'locked.db': 'ok', 'other.db': 'ok' });
});
