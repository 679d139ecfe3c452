/** Several databases as of one moment: beside writers that change all of them, after killed ones, within the hold budget. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { GIB, MIB } from '../../engine/base/limits.ts';
import type { MomentCapture, SqliteCapture } from '../../engine/databases/sqlite.ts';
import { testFolder } from '../support/build-repository.ts';
import { capturePlace } from '../support/capture-place.ts';
import { childPeakMib } from '../support/child-peak.ts';
import { mountCloningDisk } from '../support/cloning-disk.ts';
import { randomFor, rounds } from '../support/random.ts';
import { makeShelf, readShelf, type ShelfOptions, SqliteWriter } from '../support/sqlite-writer.ts';

interface Place {
  readonly source: string;
  readonly scratch: string;
  capture(...names: readonly string[]): Promise<MomentCapture>;
  /** All of them, of one moment; what they hold. */
  commits(...names: readonly string[]): Promise<readonly number[]>;
}

function place(...parameters: Parameters<typeof capturePlace>): Place {
  const { source, scratch, capturer } = capturePlace(...parameters);
  const capture: Place['capture'] = (...names) =>
    capturer.captureTogether(names.map((name) => Buffer.from(join(source, name))));
  return {
    source,
    scratch,
    capture,
    async commits(...names) {
      const moment = await capture(...names);
      assert.equal(moment.apart, undefined);
      return captured(moment).map(({ imagePath }) => readAndRemove(imagePath));
    },
  };
}

function captured({ members }: MomentCapture): SqliteCapture[] {
  return members.map((member) => {
    if (member.kind === 'failed') throw member.error;
    assert.ok(member.kind === 'captured', `it is ${member.kind}`);
    return member.capture;
  });
}

function readAndRemove(image: string): number {
  const { commits } = readShelf(image);
  rmSync(image);
  return commits;
}

function why(moment: MomentCapture, index: number): string {
  const member = moment.members[index];
  assert.ok(member?.kind === 'failed', `it is ${member?.kind}`);
  assert.ok(isEngineError(member.error, 'DATABASE_FAILED'));
  return member.error.message;
}

function makePair(source: string, first: ShelfOptions = {}, second: ShelfOptions = first): [string, string] {
  const paths: [string, string] = [join(source, 'one.db'), join(source, 'two.db')];
  for (const [index, path] of paths.entries()) {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
    makeShelf(path, index === 0 ? first : second);
  }
  return paths;
}

/** Everything that another program could see of a folder. */
function appearance(folder: string): readonly unknown[] {
  const entry = (path: string): readonly unknown[] => {
    const { ino, size, mtimeNs, ctimeNs, mode } = lstatSync(path, { bigint: true });
    const bytes = statSync(path).isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
    return [path, mode, ino, size, mtimeNs, ctimeNs, bytes];
  };
  return [entry(folder), ...readdirSync(folder).map((name) => entry(join(folder, name)))];
}

/** From then on a database counts as idle. */
const IDLE_MS = 600;
/** States of a pair that a test looks at, each with at least one capture. */
const STATES_MIN = rounds(40);

for (const journalMode of ['delete', 'truncate', 'persist'] as const) {
  for (const synchronous of ['OFF', 'FULL'] as const) {
    test(`a transaction over two databases is in both images or in none (${journalMode}, synchronous ${synchronous})`, async (t) => {
      const { source, commits } = place(t);
      const [one, two] = makePair(source, { journalMode });
      const pair = { path: two, how: 'attached' } as const;
      const writer = await SqliteWriter.start(t, one, { pauseMs: 10, synchronous, pair });
      await writer.order('work');
      const seen = new Set<number>();
      for (let round = 0; seen.size < STATES_MIN; round++) {
        // In either order: whoever waits for the other must not be the one for whom that waits.
        const names = round % 2 === 0 ? (['one.db', 'two.db'] as const) : (['two.db', 'one.db'] as const);
        const [first, second] = await commits(...names);
        assert.equal(first, second, 'the images agree');
        seen.add(first ?? -1);
      }
      const report = await writer.stop();
      assert.deepEqual(report.failures, []);
      assert.ok(report.longestMs < 1000, `a commit took ${report.longestMs} ms`);
      t.diagnostic(`${report.commits} commits, the longest ${Math.round(report.longestMs)} ms`);
    });
  }
}

for (const [first, second] of [
  ['wal', 'wal'],
  ['delete', 'wal'],
  ['wal', 'delete'],
  ['delete', 'delete'],
] as const) {
  test(`of a writer that changes one database, then the other, the images show one instant (${first}, ${second})`, async (t) => {
    const { source, commits } = place(t);
    const [one, two] = makePair(source, { journalMode: first }, { journalMode: second });
    const writer = await SqliteWriter.start(t, one, { pauseMs: 10, pair: { path: two, how: 'in-turn' } });
    await writer.order('work');
    const seen = new Set<number>();
    for (let round = 0; seen.size < STATES_MIN; round++) {
      const isTurned = round % 2 === 1;
      const found = await commits(...(isTurned ? ['two.db', 'one.db'] : ['one.db', 'two.db']));
      const [a = NaN, b = NaN] = isTurned ? found.toReversed() : found;
      assert.ok(a - b === 0 || a - b === 1, `${a} and ${b}`);
      seen.add(a);
    }
    const report = await writer.stop();
    assert.deepEqual(report.failures, []);
    t.diagnostic(`${report.commits} commits, the longest ${Math.round(report.longestMs)} ms`);
  });
}

test('one instant of ten databases in all journal modes, with a writer at each pair of them', async (t) => {
  const { source, commits } = place(t);
  const names: string[] = [];
  const writers: SqliteWriter[] = [];
  for (const [index, journalMode] of (['wal', 'delete', 'truncate', 'wal', 'persist'] as const).entries()) {
    const pair = [`${index} first.db`, `${index} second.db`] as const;
    for (const name of pair) makeShelf(join(source, name), { journalMode });
    const [one, two] = pair.map((name) => join(source, name)) as [string, string];
    const how = index === 2 || index === 4 ? 'attached' : 'in-turn';
    writers.push(await SqliteWriter.start(t, one, { pauseMs: 20, synchronous: 'NORMAL', pair: { path: two, how } }));
    names.push(...pair);
  }
  for (const writer of writers) await writer.order('work');
  for (let round = 0; round < 10; round++) {
    const found = await commits(...names);
    for (let index = 0; index < found.length; index += 2) {
      const [a = NaN, b = NaN] = found.slice(index);
      const isAttached = index === 4 || index === 8;
      assert.ok(a === b || (!isAttached && a === b + 1), `${names[index]}: ${a} and ${b}`);
    }
  }
  for (const writer of writers) assert.deepEqual((await writer.stop()).failures, []);
});

/** Kills a writer that is in the middle of a commit over two databases until a super-journal stays behind. */
async function killInCommit(t: TestContext, [one, two]: [string, string]): Promise<string | undefined> {
  const random = randomFor(t);
  const pair = { path: two, how: 'attached' } as const;
  for (let attempt = 0; attempt < 60; attempt++) {
    const writer = await SqliteWriter.start(t, one, { pauseMs: 0, synchronous: 'FULL', pair });
    await writer.order('work');
    await sleep(20 + random.below(20));
    await writer.kill();
    const folder = join(one, '..');
    const superJournal = readdirSync(folder).find((name) => /-mj[0-9A-F]+$/.test(name));
    const isHot = (path: string): boolean => existsSync(`${path}-journal`) && statSync(`${path}-journal`).size > 512;
    if (superJournal !== undefined && isHot(one) && isHot(two)) return superJournal;
    // SQLite tidies up.
    for (const path of [one, two]) recovered(path);
  }
  return undefined;
}

/** Commits that SQLite itself finds, once it has recovered the database where it lies. */
function recovered(path: string): number {
  return readShelf(path).commits;
}

test('a writer killed half-way through a commit over two databases: both are rolled back, in the images only, also where their folder has another name', async (t) => {
  const { source, commits, capture } = place(t);
  const [folder, elsewhere] = [join(source, 'here'), join(source, 'there')];
  mkdirSync(folder);
  for (const journalMode of ['delete', 'persist'] as const) {
    const pair = makePair(folder, { journalMode });
    const superJournal = await killInCommit(t, pair);
    if (superJournal === undefined) return t.skip('no writer was killed at the right time');
    for (const isIdle of [false, true]) {
      if (isIdle) await sleep(IDLE_MS);
      const before = appearance(folder);
      const namesBefore = readdirSync(folder).sort();
      const found = await commits('here/one.db', 'here/two.db');
      // SQLite gives a journal that it opens to the owner of its database.
      if (isIdle) assert.deepEqual(appearance(folder), before, 'what lies there is for the server to recover');
      assert.deepEqual(readdirSync(folder).sort(), namesBefore);
      assert.equal(found[0], found[1]);
      // As on a host whose server sees the folder under the name that it has in a container.
      renameSync(folder, elsewhere);
      assert.deepEqual(await commits('there/one.db', 'there/two.db'), found);
      assert.deepEqual(await commits('there/two.db', 'there/nothing.db', 'there/one.db').catch(() => found), found);
      const alone = await capture('there/two.db');
      assert.equal(readAndRemove(captured(alone)[0]?.imagePath ?? ''), found[1]);
      renameSync(elsewhere, folder);
      if (isIdle) assert.deepEqual(pair.map(recovered), found, 'SQLite comes to the same');
    }
  }
});

test('kills at any time: the images are what SQLite itself recovers', async (t) => {
  const { source, commits } = place(t);
  const random = randomFor(t);
  let superJournals = 0;
  for (let round = 0; round < 25; round++) {
    const journalMode = (['delete', 'truncate', 'persist'] as const)[round % 3] ?? 'delete';
    const pair = makePair(source, { journalMode });
    const how = { path: pair[1], how: 'attached' } as const;
    const writer = await SqliteWriter.start(t, pair[0], { pauseMs: 0, synchronous: 'FULL', pair: how });
    await writer.order('work');
    await sleep(random.below(40));
    await writer.kill();
    const superJournal = readdirSync(source).filter((name) => /-mj[0-9A-F]+$/.test(name));
    superJournals += superJournal.length;
    const found = await commits('one.db', 'two.db');
    assert.equal(found[0], found[1]);
    assert.deepEqual(pair.map(recovered), found);
    for (const name of superJournal) rmSync(join(source, name), { force: true });
  }
  t.diagnostic(`${superJournals} kills left a super-journal`);
});

test('a super-journal that is gone is a commit: journals that still name it undo nothing', async (t) => {
  const { source, commits } = place(t);
  const pair = makePair(source);
  const superJournal = await killInCommit(t, pair);
  if (superJournal === undefined) return t.skip('no writer was killed at the right time');
  // As if the kill had come when one journal was deleted, and the other one was not: that one's database is as it was
  // before, with a journal that would put garbage into it.
  const journals = pair.map((path) => readFileSync(`${path}-journal`));
  const [before] = await commits('one.db', 'two.db');
  assert.deepEqual(pair.map(recovered), [before, before]);
  const [, second = Buffer.alloc(0)] = journals;
  const database = new Database(pair[1]);
  database.exec('INSERT INTO sequence SELECT 1 + max(number) FROM sequence');
  database.close();
  writeFileSync(`${pair[1]}-journal`, second);
  rmSync(join(source, superJournal), { force: true });
  await sleep(IDLE_MS);
  const state = appearance(source);
  const [first, later] = await commits('one.db', 'two.db');
  assert.deepEqual([first, later], [before, (before ?? NaN) + 1]);
  assert.deepEqual(appearance(source), state);
});

test('one that is locked for longer than the timeout fails alone; what is no database, or gone, keeps nobody', async (t) => {
  const { source, scratch, capture } = place(t, { busyTimeoutMs: 400 });
  const [one, two] = makePair(source);
  const pair = { path: two, how: 'attached' } as const;
  const writer = await SqliteWriter.start(t, one, { pauseMs: 10, pair });
  await writer.order('work');
  makeShelf(join(source, 'locked.db'));
  const locker = await SqliteWriter.start(t, join(source, 'locked.db'));
  await locker.order('lock');
  writeFileSync(join(source, 'text.db'), 'a text '.repeat(1000));
  makeShelf(join(source, 'damaged.db'), { rows: 2000 });
  const fd = openSync(join(source, 'damaged.db'), 'r+');
  writeSync(fd, Buffer.alloc(3 * 4096, 0xa5), 0, 3 * 4096, 10 * 4096);
  closeSync(fd);
  const names = ['locked.db', 'one.db', 'text.db', 'none.db', 'damaged.db', 'two.db'] as const;
  const started = performance.now();
  const moment = await capture(...names);
  assert.ok(performance.now() - started < 3000);
  assert.equal(moment.apart, undefined);
  assert.match(why(moment, 0), /locked\.db: somebody kept it locked for longer than the timeout/);
  assert.match(why(moment, 4), /damaged\.db: it is damaged/);
  assert.deepEqual(
    moment.members.map(({ kind }) => kind),
    ['failed', 'captured', 'other', 'vanished', 'failed', 'captured'],
  );
  const images = [moment.members[1], moment.members[5]].map((member) =>
    member?.kind === 'captured' ? readAndRemove(member.capture.imagePath) : NaN,
  );
  assert.equal(images[0], images[1]);
  assert.deepEqual(readdirSync(scratch), [], 'what failed leaves nothing behind');
  assert.deepEqual((await writer.stop()).failures, [], 'nobody waited for us while we waited for another one');
  await locker.order('unlock');
});

test('a writer without a journal on disk, stopped with half of its transaction written: nothing of it is taken', async (t) => {
  const { source, capture } = place(t, { busyTimeoutMs: 300 });
  const [one] = makePair(source, { rows: 20_000, noteBytes: 1000 });
  const database = new Database(one);
  database.pragma('journal_mode = MEMORY');
  database.pragma('cache_size = 5');
  database.exec('BEGIN IMMEDIATE; UPDATE left_side SET amount = amount - 7');
  assert.ok(!existsSync(`${one}-journal`));
  assert.ok(statSync(one).size > 16 * MIB, 'large enough to be copied before it is locked');
  await sleep(IDLE_MS);
  const moment = await capture('one.db', 'two.db');
  assert.match(why(moment, 0), /locked for longer/);
  assert.equal(moment.members[1]?.kind, 'captured');
  database.exec('ROLLBACK');
  database.close();
  const later = await capture('one.db', 'two.db');
  assert.deepEqual(
    captured(later).map(({ imagePath }) => readShelf(imagePath).commits),
    [0, 0],
  );
});

test('quiet databases are left as they are: nothing is made beside them, and their folder keeps its time', async (t) => {
  const { source, capture } = place(t);
  makePair(source, { journalMode: 'wal' }, { journalMode: 'delete' });
  makeShelf(join(source, 'third.db'), { journalMode: 'wal' });
  await sleep(IDLE_MS);
  const before = appearance(source);
  const moment = await capture('one.db', 'two.db', 'third.db');
  assert.equal(moment.apart, undefined);
  assert.deepEqual(appearance(source), before);
  assert.deepEqual(
    captured(moment).map(({ method, journalMode }) => [method, journalMode]),
    [
      ['private-copy', 'wal'],
      ['under-lock', 'rollback'],
      ['private-copy', 'wal'],
    ],
  );
  for (const { imagePath } of captured(moment)) assert.equal(readShelf(imagePath).commits, 0);
});

test('one file under two names is captured under each of them, and said to be', async (t) => {
  const { source, capture } = place(t);
  makePair(source);
  linkSync(join(source, 'one.db'), join(source, 'link.db'));
  const moment = await capture('one.db', 'link.db', 'two.db');
  assert.match(moment.apart ?? '', /two of them are one file/);
  assert.equal(captured(moment).length, 3);
});

test('of a writer in WAL mode that never pauses the images show one instant, or it is said that they do not', async (t) => {
  const { source, capture } = place(t);
  const [one, two] = makePair(source, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, one, { pauseMs: 0, pair: { path: two, how: 'in-turn' } });
  await writer.order('work');
  let together = 0;
  for (let round = 0; round < rounds(30); round++) {
    const moment = await capture('one.db', 'two.db');
    const [a = NaN, b = NaN] = captured(moment).map(({ imagePath }) => readAndRemove(imagePath));
    if (moment.apart !== undefined) continue;
    together++;
    assert.ok(a - b === 0 || a - b === 1, `${a} and ${b}`);
  }
  assert.deepEqual((await writer.stop()).failures, []);
  t.diagnostic(`${together} times of one moment`);
});

test('beside writers in WAL mode that never pause each database is captured by itself, and it is said why', async (t) => {
  const { source, capture } = place(t);
  const [one, two] = makePair(source, { journalMode: 'wal' });
  const writers = [
    await SqliteWriter.start(t, one, { pauseMs: 0 }),
    await SqliteWriter.start(t, one, { pauseMs: 0 }),
    await SqliteWriter.start(t, two, { pauseMs: 0 }),
  ];
  for (const writer of writers) await writer.order('work');
  const moment = await capture('one.db', 'two.db');
  // On a slow machine they may pause after all.
  if (moment.apart !== undefined) assert.match(moment.apart, /writers came between each time.*stop the server/);
  for (const { imagePath } of captured(moment)) assert.ok(readShelf(imagePath).commits > 0);
  for (const writer of writers) assert.deepEqual((await writer.stop()).failures, []);
  t.diagnostic(moment.apart ?? 'of one moment all the same');
});

test('the hold budget holds for all of them together: writers wait no longer, and a calm one is no obstacle', async (t) => {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : undefined;
  const holdMsMax = 20;
  const { source, capture } = place(t, { holdMsMax }, testFolder(t, parent));
  const [one, two] = makePair(source, { rows: 20_000, noteBytes: 2000 });
  assert.ok(statSync(one).size + statSync(two).size > 150 * MIB);
  const pair = { path: two, how: 'attached' } as const;

  const busy = await SqliteWriter.start(t, one, { pauseMs: 10, busyMs: 5000, pair });
  await busy.order('work');
  const given = await capture('one.db', 'two.db');
  const report = await busy.stop();
  assert.deepEqual(report.failures, []);
  assert.ok(report.longestMs < 1000, `a commit took ${report.longestMs} ms`);
  // They are too large to be copied while a writer waits, alone as well.
  for (const member of given.members)
    if (member.kind === 'failed') assert.match(member.error.message, /writers came between each time.*stop the server/);
  t.diagnostic(
    `every 10 ms: ${given.apart ?? 'one moment'}; the longest of ${report.commits} commits took ${Math.round(report.longestMs)} ms`,
  );
  rmSync(join(source, '..', 'scratch'), { recursive: true });
  mkdirSync(join(source, '..', 'scratch'));

  const calm = await SqliteWriter.start(t, one, { pauseMs: 3000, busyMs: 5000, pair });
  await calm.order('work');
  await sleep(100);
  const moment = await capture('one.db', 'two.db');
  const last = await calm.stop();
  assert.deepEqual(last.failures, []);
  assert.equal(moment.apart, undefined);
  const found = captured(moment);
  for (const { holdMs } of found) assert.ok(holdMs <= holdMsMax + 50, `held for ${holdMs} ms`);
  assert.equal(found[0] && readAndRemove(found[0].imagePath), found[1] && readAndRemove(found[1].imagePath));
  t.diagnostic(`now and then: ${found.map(({ method, holdMs }) => `${method}, held ${holdMs} ms`).join('; ')}`);
});

/** SNAP_TEST_DATABASE_BYTES=5368709120 makes this the real thing. */
test('large databases in both journal modes as of one moment, in bounded memory', async (t) => {
  const bytes = Number(process.env['SNAP_TEST_DATABASE_BYTES'] ?? 200 * MIB);
  const isReal = bytes >= 4 * GIB;
  const parent = !isReal && existsSync('/dev/shm') ? '/dev/shm' : undefined;
  const { source, capture } = place(t, {}, testFolder(t, parent));
  const noteBytes = 4000;
  const size = { rows: Math.ceil(bytes / 2 / noteBytes), noteBytes };
  const [one, two] = makePair(source, { journalMode: 'delete', ...size }, { journalMode: 'wal', ...size });
  assert.ok(statSync(one).size >= bytes && statSync(two).size >= bytes);
  const pair = { path: two, how: 'in-turn' } as const;
  const writer = await SqliteWriter.start(t, one, { pauseMs: isReal ? 60_000 : 1500, busyMs: 5000, pair });
  await writer.order('work');
  const moment = await capture('one.db', 'two.db');
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
  assert.equal(moment.apart, undefined);
  const found = captured(moment);
  const peak = childPeakMib();
  const ways = found.map(
    ({ method, holdMs, durationSeconds }) => `${method}, ${durationSeconds.toFixed(1)} s, ${holdMs} ms`,
  );
  t.diagnostic(
    `${ways.join('; ')}; the longest commit ${Math.round(report.longestMs)} ms; the child's peak: ${peak} MiB`,
  );
  assert.ok(peak > 0 && peak < 150, `${peak} MiB`);
  const [a = NaN, b = NaN] = found.map(({ imagePath }) => readAndRemove(imagePath));
  assert.ok(a - b === 0 || a - b === 1, `${a} and ${b}`);
});

test('where the file system can share bytes, clones under the lock are of one moment', async (t) => {
  const disk = mountCloningDisk(t);
  if (typeof disk === 'string') return t.skip(disk);
  const { source, capture } = place(t, {}, disk.folder);
  const [one, two] = makePair(source, { rows: 20_000, noteBytes: 1000 });
  const pair = { path: two, how: 'attached' } as const;
  const writer = await SqliteWriter.start(t, one, { pauseMs: 10, pair });
  await writer.order('work');
  for (let round = 0; round < 5; round++) {
    const moment = await capture('one.db', 'two.db');
    assert.equal(moment.apart, undefined);
    const found = captured(moment);
    for (const { method, holdMs } of found) assert.ok(method === 'reflink' && holdMs < 200, `${method}, ${holdMs} ms`);
    assert.equal(found[0] && readAndRemove(found[0].imagePath), found[1] && readAndRemove(found[1].imagePath));
  }
  assert.deepEqual((await writer.stop()).failures, []);
});

test('databases that are replaced, and change their journal mode, again and again meanwhile', async (t) => {
  const { source, capture } = place(t);
  const [one, two] = makePair(source);
  const spare = join(source, 'spare');
  makeShelf(spare, { journalMode: 'wal' });
  let going = true;
  const changes = (async () => {
    for (let round = 0; going; round++) {
      copyFileSync(spare, join(source, 'next'));
      renameSync(join(source, 'next'), one);
      await sleep(7);
      if (round % 3 === 0) rmSync(one);
      await sleep(7);
      const database = new Database(two);
      try {
        database.pragma(`journal_mode = ${round % 2 === 0 ? 'wal' : 'delete'}`);
      } catch (error) {
        // It takes the database for itself, which is not to be had while it is pinned.
        assert.match(String(error), /locked/);
      } finally {
        database.close();
      }
    }
  })();
  for (let round = 0; round < 20; round++) {
    const { members } = await capture('one.db', 'two.db');
    for (const member of members) {
      if (member.kind === 'captured') assert.equal(readAndRemove(member.capture.imagePath), 0);
      else assert.notEqual(member.kind, 'other');
    }
  }
  going = false;
  await changes;
});
