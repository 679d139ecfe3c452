/** A database that is put in the place of another one: what becomes of the old one, and who may be there meanwhile. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SqliteSwapper, SwapOutcome } from '../../engine/databases/sqlite-swap.ts';
import { readShelf, SqliteWriter } from '../support/sqlite-writer.ts';
import {
  assertNothingBeside,
  BROKEN_STATES,
  failure,
  makeImage,
  type SwapFolder,
  SwapPlaces,
  WHOLE_STATES,
  whichIsThere,
} from '../support/swap-place.ts';

function swap(swapper: SqliteSwapper, { image, target }: SwapFolder, force = false): Promise<SwapOutcome> {
  return swapper.swap({ image: Buffer.from(image), target: Buffer.from(target), force });
}

function names(moved: readonly Buffer[]): string[] {
  return moved.map((path) => path.toString('latin1').replace(/^.*\//, '')).sort();
}

/** A program that only has the file open, as an indexer or a copy has. */
async function opener(t: TestContext, path: string): Promise<ChildProcess> {
  const program = `require('fs').openSync(process.argv[1]); console.log('open'); setInterval(() => {}, 1e6)`;
  const child = spawn(process.execPath, ['-e', program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

test('trap 25: no commit in a stale -wal or -journal is played into the database that took the place', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const state of WHOLE_STATES) {
    const place = await places.make(state);
    const image = lstatSync(place.image);
    assert.deepEqual(await swap(swapper, place), { method: 'locked', moved: [], holders: [] }, state);
    assertNothingBeside(place);
    assert.equal(lstatSync(place.target).ino, image.ino);
    assert.equal(whichIsThere(place.target), 'new', state);
  }
});

test('a database that is broken, and the logs beside it, do not stand in the way', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const state of BROKEN_STATES) {
    const place = await places.make(state);
    const wal = readFileSync(`${place.target}-wal`);
    const { method, moved } = await swap(swapper, place);
    assert.equal(method, 'renamed', state);
    assert.deepEqual(names(moved), ['shelf.db-shm.before-restore', 'shelf.db-wal.before-restore']);
    assert.ok(readFileSync(`${place.target}-wal.before-restore`).equals(wal), 'what may be of use is kept as it was');
    assertNothingBeside(place);
    assert.equal(whichIsThere(place.target), 'new');
  }
});

test('what is broken is replaced beneath a program only by force, and the program is told of', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const state of ['random bytes', 'first page damaged'] as const) {
    const place = await places.make(state);
    const { pid } = await opener(t, place.target);
    assert.match(await failure(swap(swapper, place)), /has it open; stop it/);
    const { method, holders } = await swap(swapper, place, true);
    assert.equal(method, 'renamed');
    assert.deepEqual(
      holders.map((holder) => holder.pid),
      [pid],
    );
    assert.equal(whichIsThere(place.target), 'new');
  }
});

test('side files without a database are put aside, and never over what has that name', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const [state, method] of [
    ['missing', 'created'],
    ['empty', 'renamed'],
  ] as const) {
    const place = await places.make(state);
    writeFileSync(`${place.target}-wal.before-restore`, 'of an earlier restore');
    writeFileSync(`${place.target}-journal`, 'stray');
    const outcome = await swap(swapper, place);
    assert.equal(outcome.method, method);
    assert.deepEqual(names(outcome.moved), [
      'shelf.db-journal.before-restore',
      'shelf.db-shm.before-restore',
      'shelf.db-wal.before-restore-2',
    ]);
    assert.equal(readFileSync(`${place.target}-wal.before-restore`, 'utf8'), 'of an earlier restore');
    assertNothingBeside(place);
    assert.equal(whichIsThere(place.target), 'new');
  }
});

test('an empty file without anything beside it is taken over under its lock', async (t) => {
  const places = new SwapPlaces(t);
  const place = await places.make('missing');
  rmSync(`${place.target}-wal`);
  rmSync(`${place.target}-shm`);
  writeFileSync(place.target, '');
  assert.equal((await swap(places.swapper(), place)).method, 'locked');
  assertNothingBeside(place);
  assert.equal(whichIsThere(place.target), 'new');
});

test('a program that has the database open is named, and nothing is touched', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const state of ['wal', 'delete'] as const) {
    const place = await places.make(state);
    const writer = await SqliteWriter.start(t, place.target);
    await writer.order('hold-open');
    const before = readdirSync(place.folder);
    assert.match(
      await failure(swap(swapper, place)),
      /place of .*shelf\.db: process \d+ \(node\) has it open; stop it/,
    );
    assert.deepEqual(readdirSync(place.folder), before);
    await writer.stop();
    assert.equal(whichIsThere(place.target), 'old');
    await swap(swapper, place);
    assert.equal(whichIsThere(place.target), 'new');
  }
});

test('a lock that is held for longer than the timeout is refused in time, forced or not', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const state of ['wal', 'delete'] as const) {
    for (const force of [false, true]) {
      const place = await places.make(state);
      // Of this process, whose child does not count it among the holders: a lock that shows in no other way.
      const database = new Database(place.target);
      database.exec('BEGIN EXCLUSIVE');
      const started = performance.now();
      assert.match(
        await failure(swap(swapper, place, force)),
        /kept it locked for longer than 0\.4 s; stop that program/,
      );
      assert.ok(performance.now() - started < 5000);
      database.exec('COMMIT');
      database.close();
      assert.ok(existsSync(place.image));
      assert.equal(whichIsThere(place.target), 'old');
    }
  }
});

test('a database whose reader goes on in rollback mode is refused, and works on', async (t) => {
  const places = new SwapPlaces(t);
  const place = await places.make('delete');
  const database = new Database(place.target);
  database.exec('BEGIN');
  database.prepare('SELECT count(*) FROM sequence').get();
  await failure(swap(places.swapper(), place));
  database.exec('COMMIT');
  database.exec('UPDATE left_side SET note = note');
  database.close();
  assert.equal(whichIsThere(place.target), 'old');
});

test('forced beneath programs that have it open, the new content is written in a transaction that they see', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper({ busyTimeoutMs: 5000 });
  for (const state of ['wal', 'delete', 'truncate', 'persist'] as const) {
    const place = await places.make(state);
    const { ino } = statSync(place.target);
    const writer = await SqliteWriter.start(t, place.target);
    await writer.order('work');
    const { method, moved, holders } = await swap(swapper, place, true);
    assert.equal(method, 'written', state);
    assert.deepEqual(moved, []);
    assert.deepEqual(
      holders.map(({ path, command }) => [path.toString(), command]),
      [[place.target, 'node']],
    );
    assert.equal(statSync(place.target).ino, ino);
    assert.ok(!existsSync(place.image));
    await writer.order('commit');
    const { failures } = await writer.stop();
    assert.deepEqual(failures, []);
    const { userVersion, commits } = readShelf(place.target);
    assert.equal(userVersion, 77);
    assert.ok(commits > 0, 'what it committed afterwards is in the new one');
    assertNothingBeside(place);
  }
});

test('nothing is put beneath a transaction that is under way, not even forced', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const [state, order] of [
    ['delete', 'spill'],
    ['delete', 'lock'],
    ['wal', 'spill'],
  ] as const) {
    const place = await places.make(state);
    const writer = await SqliteWriter.start(t, place.target);
    await writer.order(order);
    assert.match(await failure(swap(swapper, place, true)), /process \d+ \(node\) kept it locked .* stop that first/);
    assert.ok(existsSync(place.image));
    await writer.kill();
    assert.equal(whichIsThere(place.target), 'old');
  }
});

test('a WAL database in use cannot take pages of another size, and says so', async (t) => {
  const places = new SwapPlaces(t);
  const place = await places.make('wal');
  rmSync(place.image);
  makeImage(place.image, { pageBytes: 1024 });
  const writer = await SqliteWriter.start(t, place.target);
  await writer.order('hold-open');
  assert.match(await failure(swap(places.swapper(), place, true)), /page size differs; stop that first/);
  await writer.stop();
  assert.deepEqual(readdirSync(place.folder), ['.image', 'shelf.db']);
  assert.equal(whichIsThere(place.target), 'old');
});

test('a newcomer gets no lock while the old database goes, makes nothing beside it, and opens the new one', async (t) => {
  const places = new SwapPlaces(t);
  for (const state of ['wal with commits of a killed writer', 'persist'] as const) {
    const place = await places.make(state);
    let tries = 0;
    const swapper = places.swapper({
      onStep: (step) => {
        if (step !== 'checkpointed' && step !== 'side-files-removed' && step !== 'side-files-durable') return;
        tries++;
        const before = readdirSync(place.folder);
        const newcomer = new Database(place.target, { timeout: 50 });
        assert.throws(() => newcomer.exec('INSERT INTO sequence SELECT 1 + max(number) FROM sequence'), /locked/);
        assert.deepEqual(readdirSync(place.folder), before);
        newcomer.close();
      },
    });
    await swap(swapper, place);
    assert.equal(tries, 3);
    assert.equal(whichIsThere(place.target), 'new');
  }
});

test('a program that opened the old file at the last moment, and keeps it, is told of', async (t) => {
  const places = new SwapPlaces(t);
  const place = await places.make('wal');
  let late: ChildProcess | undefined;
  const swapper = places.swapper({
    onStep: async (step) => {
      if (step === 'side-files-durable') late = await opener(t, place.target);
    },
  });
  const { method, holders } = await swap(swapper, place);
  assert.equal(method, 'locked');
  assert.deepEqual(
    holders.map(({ pid }) => pid),
    [late?.pid],
  );
  assert.equal(whichIsThere(place.target), 'new');
});

test('where a program makes a database, or another one takes its place, meanwhile, nothing of it is lost', async (t) => {
  const places = new SwapPlaces(t);
  const created = await places.make('missing');
  const asides: string[] = [];
  await swap(
    places.swapper({
      onStep: (step) => {
        asides.push(step);
        if (step !== 'side-files-aside' || existsSync(created.target)) return;
        makeImage(created.target, { userVersion: 26 });
      },
    }),
    created,
  );
  assert.ok(asides.includes('checkpointed'), 'it was taken for an old database then');
  assert.equal(whichIsThere(created.target), 'new');
  const replaced = await places.make('delete');
  const other = await places.make('wal with commits of a killed writer');
  let isMoved = false;
  await swap(
    places.swapper({
      onStep: (step) => {
        if (step !== 'locked' || isMoved) return;
        isMoved = true;
        for (const suffix of ['', '-wal', '-shm']) renameSync(other.target + suffix, replaced.target + suffix);
      },
    }),
    replaced,
  );
  assert.equal(whichIsThere(replaced.target), 'new');
});

test('names that are no text, end in blanks, are long, or look like those of side files', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  for (const name of [
    '61fffe2e',
    '626c616e6b20',
    '206c6561642d77616c',
    '782d77616c',
    '6c696e650a27223f23',
    '78'.repeat(230),
  ]) {
    for (const state of ['wal with commits of a killed writer', 'hot journal', 'random bytes'] as const) {
      const place = await places.make(state);
      const bytes = Buffer.concat([Buffer.from(`${place.folder}/`), Buffer.from(name, 'hex')]);
      for (const suffix of ['', '-wal', '-shm', '-journal']) {
        if (existsSync(place.target + suffix))
          renameSync(place.target + suffix, Buffer.concat([bytes, Buffer.from(suffix)]));
      }
      const image = Buffer.concat([bytes, Buffer.from('~')]);
      renameSync(place.image, image);
      assert.equal(await swapper.check(image), 'ok');
      const { method } = await swapper.swap({ image, target: bytes, force: false });
      assert.equal(method, state === 'random bytes' ? 'renamed' : 'locked');
      const left = readdirSync(place.folder, { encoding: 'buffer' });
      assert.equal(left.filter((entry) => !entry.includes('.before-restore')).length, 1);
      renameSync(bytes, place.target);
      assert.equal(whichIsThere(place.target), 'new');
    }
  }
});

test('a link is replaced and its database left alone; other names of the old file stay; a folder is refused', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  const place = await places.make('wal with commits of a killed writer', 'real.db');
  const link = join(place.folder, 'link.db');
  symlinkSync('real.db', link);
  assert.equal((await swap(swapper, { ...place, target: link })).method, 'renamed');
  assert.equal(whichIsThere(link), 'new');
  assert.equal(whichIsThere(place.target), 'old');
  places.addImage(place);
  const second = join(place.folder, 'second.db');
  linkSync(place.target, second);
  await swap(swapper, place);
  assert.equal(whichIsThere(place.target), 'new');
  assert.equal(whichIsThere(second), 'old');
  places.addImage(place);
  mkdirSync(join(place.folder, 'folder.db'));
  assert.match(
    await failure(swap(swapper, { ...place, target: join(place.folder, 'folder.db') })),
    /a folder lies there/,
  );
  assert.ok(existsSync(place.image));
});

test('a folder that may not be written fails cleanly', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root can become another user');
  const places = new SwapPlaces(t);
  chmodSync(join((await places.make('delete')).folder, '..'), 0o777);
  const swapper = places.swapper();
  for (const state of [
    'wal with commits of a killed writer',
    'delete',
    'hot journal',
    'random bytes',
    'missing',
  ] as const) {
    const place = await places.make(state);
    for (const name of readdirSync(place.folder)) chownSync(join(place.folder, name), 65_534, 65_534);
    chmodSync(place.folder, 0o555);
    const before = readdirSync(place.folder);
    process.seteuid?.(65_534);
    try {
      assert.match(await failure(swap(swapper, place)), /may not|cannot be written|cannot be opened/);
    } finally {
      process.seteuid?.(0);
    }
    assert.deepEqual(readdirSync(place.folder), before, state);
    if (state !== 'random bytes' && state !== 'missing') assert.equal(whichIsThere(place.target), 'old');
  }
});

test('the check of an image says damage from a newer schema, and leaves nothing beside it', async (t) => {
  const places = new SwapPlaces(t);
  const swapper = places.swapper();
  const { folder } = await places.make('missing');
  const check = (path: string): Promise<string> => swapper.check(Buffer.from(path));
  for (const journalMode of ['wal', 'delete'] as const) {
    const path = makeImage(join(folder, `${journalMode}.db`), { journalMode });
    const bytes = readFileSync(path);
    const before = readdirSync(folder);
    assert.equal(await check(path), 'ok');
    assert.deepEqual(readdirSync(folder), before);
    assert.ok(readFileSync(path).equals(bytes));
  }
  const strange = await places.make('wal with commits, schema that cannot be parsed');
  assert.equal(await check(strange.target), 'schema-unparsable');
  const path = join(folder, 'delete.db');
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 8192), Buffer.alloc(4096, 7), bytes.subarray(12_288)]));
  assert.match(await failure(check(path)), /Cannot use the image .*delete\.db: it is damaged/);
  truncateSync(path, 8192);
  assert.match(await failure(check(path)), /it is damaged/);
  truncateSync(path, 0);
  assert.match(await failure(check(path)), /it is no SQLite database/);
  assert.match(await failure(check(join(folder, 'nothing.db'))), /there is no such file/);
});

test('an image that is missing, or not beside its target, is refused; a signal interrupts', async (t) => {
  const places = new SwapPlaces(t);
  const place = await places.make('delete');
  const elsewhere = { ...place, image: join(place.scratch, 'image') };
  await assert.rejects(swap(places.swapper(), elsewhere), (error) => isEngineError(error, 'INVALID_ARGUMENT'));
  const missing = { ...place, image: join(place.folder, 'nothing') };
  assert.match(await failure(swap(places.swapper(), missing)), /nothing is not there; restore again/);
  const controller = new AbortController();
  const swapper = places.swapper({
    signal: controller.signal,
    onStep: (step) => (step === 'locked' ? controller.abort() : undefined),
  });
  await assert.rejects(swap(swapper, place), (error) => isEngineError(error, 'INTERRUPTED'));
  assert.equal(whichIsThere(place.target), 'old');
  await assert.rejects(swap(swapper, place), (error) => isEngineError(error, 'INTERRUPTED'));
});
