/** The capturer by itself: which way is taken, what it says of the database, and that the source stays as it is. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import { createSqliteCapturer, type SqliteCapture, type SqliteCapturer } from '../../engine/databases/sqlite.ts';
import { capturePlace } from '../support/capture-place.ts';
import { childPeakMib } from '../support/child-peak.ts';
import { makeShelf, readShelf, SqliteWriter } from '../support/sqlite-writer.ts';

interface Place {
  readonly source: string;
  readonly scratch: string;
  readonly capturer: SqliteCapturer;
  capture(name: string | Buffer): Promise<SqliteCapture>;
}

function place(...parameters: Parameters<typeof capturePlace>): Place {
  const { source, scratch, capturer } = capturePlace(...parameters);
  return {
    source,
    scratch,
    capturer,
    async capture(name) {
      const outcome = await capturer.capture(Buffer.concat([Buffer.from(`${source}/`), Buffer.from(name)]));
      if (outcome.kind !== 'captured') throw new Error(`It is ${outcome.kind}`);
      return outcome.capture;
    },
  };
}

type Entry = readonly (string | bigint)[];

/** From then on a database counts as idle. */
const IDLE_MS = 600;

/** Everything that another program could see of a folder. */
function appearance(folder: string): Entry[] {
  const entry = (path: string): Entry => {
    const stat = lstatSync(path, { bigint: true });
    const bytes = stat.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
    return [path, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs, bytes];
  };
  return [entry(folder), ...readdirSync(folder).map((name) => entry(join(folder, name)))];
}

async function failure(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    assert.ok(isEngineError(error, 'DATABASE_FAILED'), String(error));
    return error.message;
  }
  return assert.fail('It did not fail');
}

test('page sizes from 512 to 65536 in both journal modes come back as they are', async (t) => {
  const { source, capture } = place(t);
  for (const journalMode of ['wal', 'delete'] as const) {
    for (let pageBytes = 512; pageBytes <= 65_536; pageBytes *= 2) {
      const name = `${journalMode} ${pageBytes}.db`;
      makeShelf(join(source, name), { journalMode, pageBytes, userVersion: pageBytes, applicationId: -7, rows: 200 });
      const before = appearance(source);
      const captured = await capture(name);
      assert.deepEqual(appearance(source), before);
      assert.equal(captured.pageSize, pageBytes);
      assert.equal(captured.userVersion, pageBytes);
      assert.equal(captured.applicationId, -7);
      assert.equal(captured.bytes, captured.pageCount * pageBytes);
      assert.equal(captured.journalMode, journalMode === 'wal' ? 'wal' : 'rollback');
      assert.equal(captured.check, 'ok');
      assert.deepEqual(captured.rowCounts, [
        { table: 'left_side', rows: 200 },
        { table: 'right_side', rows: 200 },
        { table: 'sequence', rows: 1 },
      ]);
      const bytes = readFileSync(captured.imagePath);
      assert.ok(bytes.equals(readFileSync(join(source, name))), 'a quiet database is copied byte for byte');
      assert.equal(readShelf(captured.imagePath).pageBytes, pageBytes);
    }
  }
});

test('of an idle WAL database neither -shm nor -wal is made, and its folder keeps its time', async (t) => {
  const { source, capture } = place(t);
  makeShelf(join(source, 'idle.db'), { journalMode: 'wal' });
  const before = appearance(source);
  const captured = await capture('idle.db');
  assert.equal(captured.method, 'private-copy');
  assert.deepEqual(appearance(source), before);
  assert.equal(captured.live.wal, undefined);
});

test('a WAL database that a server has open is captured with its commits, and nothing is checkpointed', async (t) => {
  const { source, capture } = place(t);
  const path = join(source, 'shelf.db');
  makeShelf(path, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, path);
  await writer.order('commit');
  const [folder, main, , wal] = appearance(source);
  const captured = await capture('shelf.db');
  assert.match(captured.method, /^(?:wal-transaction|private-copy)$/);
  assert.equal(readShelf(captured.imagePath).commits, 1);
  assert.ok((captured.live.wal?.size ?? 0) > 0);
  const [folderAfter, mainAfter, , walAfter] = appearance(source);
  assert.deepEqual([folderAfter, mainAfter], [folder, main]);
  // As root, SQLite gives a log to the owner of its database whenever it opens one, which moves its change time.
  assert.deepEqual(walAfter?.toSpliced(4, 1), wal?.toSpliced(4, 1));
  await writer.order('commit');
  await sleep(IDLE_MS);
  const idle = appearance(source);
  const quiet = await capture('shelf.db');
  assert.equal(quiet.method, 'private-copy', 'while nothing is written, nothing is opened either');
  assert.equal(readShelf(quiet.imagePath).commits, 2);
  assert.deepEqual(appearance(source), idle);
  await writer.stop();
});

test('a writer killed with commits in its WAL loses none of them in the image', async (t) => {
  const { source, capture } = place(t);
  const path = join(source, 'shelf.db');
  makeShelf(path, { journalMode: 'wal' });
  const writer = await SqliteWriter.start(t, path);
  for (let commits = 0; commits < 7; commits++) await writer.order('commit');
  await writer.order('spill');
  await writer.kill();
  assert.ok(lstatSync(`${path}-wal`).size > 0);
  // With and without the shared memory that a crash of the machine would take away.
  for (const withShm of [true, false]) {
    if (!withShm) rmSync(`${path}-shm`);
    const captured = await capture('shelf.db');
    assert.equal(readShelf(captured.imagePath).commits, 7, 'committed, and nothing else');
    assert.equal(existsSync(`${path}-shm`), withShm);
    assert.ok(lstatSync(`${path}-wal`).size > 0);
  }
});

for (const journalMode of ['delete', 'persist', 'truncate'] as const) {
  test(`a writer in ${journalMode} mode killed half-way leaves a hot journal, which is rolled back in the image only`, async (t) => {
    const { source, capture } = place(t);
    const path = join(source, 'shelf.db');
    makeShelf(path, { journalMode, rows: 3000 });
    const writer = await SqliteWriter.start(t, path);
    await writer.order('commit');
    await writer.order('spill');
    await writer.kill();
    assert.ok(lstatSync(`${path}-journal`).size > 0);
    const soon = await capture('shelf.db');
    assert.equal(soon.method, 'private-copy');
    assert.equal(readShelf(soon.imagePath).commits, 1);
    await sleep(IDLE_MS);
    const before = appearance(source);
    const captured = await capture('shelf.db');
    assert.equal(captured.method, 'private-copy');
    assert.equal(readShelf(captured.imagePath).commits, 1);
    assert.deepEqual(appearance(source), before);
  });
}

test('a lock held for longer than the timeout is a failure of that database, and the next one is captured', async (t) => {
  const { source, scratch, capturer, capture } = place(t, { busyTimeoutMs: 300 });
  for (const journalMode of ['delete', 'wal'] as const) {
    const path = join(source, `${journalMode}.db`);
    makeShelf(path, { journalMode });
    const writer = await SqliteWriter.start(t, path);
    if (journalMode === 'wal') {
      await writer.stop();
      const exclusive = new Database(path);
      exclusive.pragma('locking_mode = EXCLUSIVE');
      exclusive.exec('INSERT INTO sequence VALUES (2)');
      const quiet = await capture('wal.db');
      assert.equal(readShelf(quiet.imagePath).commits, 1, 'its files belong together while nothing is written');
      exclusive.close();
    } else {
      await writer.order('lock');
      const started = performance.now();
      assert.match(await failure(capturer.capture(Buffer.from(path))), /locked for longer than the timeout/);
      assert.ok(performance.now() - started < 2000);
      const waiting = capture('delete.db');
      await sleep(50);
      await writer.order('unlock');
      await waiting;
      await writer.stop();
    }
    await capture(`${journalMode}.db`);
  }
  assert.equal(readdirSync(scratch).length, 4, 'what failed leaves nothing behind');
});

test('writers wait no longer than the budget: a large database is copied between their commits, or not at all', async (t) => {
  const { source, capturer, capture } = place(t, { holdMsMax: 0 });
  const path = join(source, 'shelf.db');
  makeShelf(path, { rows: 20_000, noteBytes: 1000 });
  const quiet = await capture('shelf.db');
  assert.equal(quiet.method, 'between-writers');
  assert.equal(quiet.holdMs, 0);
  assert.equal(readShelf(quiet.imagePath).commits, 0);
  const writer = await SqliteWriter.start(t, path, { pauseMs: 1, busyMs: 1000 });
  await writer.order('work');
  assert.match(await failure(capturer.capture(Buffer.from(path))), /writers came between each time.*stop the server/);
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
});

test('200 MB are captured within the hold budget beside a writer, in bounded memory', async (t) => {
  if (!existsSync('/dev/shm')) return t.skip('no tmpfs');
  const source = join('/dev/shm', `snap-test-${process.pid}`);
  mkdirSync(source);
  t.after(() => rmSync(source, { recursive: true, force: true }));
  const scratch = join(source, 'scratch');
  mkdirSync(scratch);
  const capturer = createSqliteCapturer({ scratchDirectory: scratch });
  t.after(() => capturer.close());
  for (const journalMode of ['delete', 'wal'] as const) {
    const path = join(source, `${journalMode}.db`);
    makeShelf(path, { journalMode, rows: 50_000, noteBytes: 2000 });
    assert.ok(lstatSync(path).size > 190 * MIB);
    const writer = await SqliteWriter.start(t, path, { pauseMs: 3 });
    await writer.order('work');
    const outcome = await capturer.capture(Buffer.from(path));
    const report = await writer.stop();
    assert.ok(outcome.kind === 'captured');
    const { capture } = outcome;
    assert.deepEqual(report.failures, []);
    assert.equal(capture.method, journalMode === 'wal' ? 'wal-transaction' : 'under-lock');
    assert.ok(capture.holdMs <= 1000, `held for ${capture.holdMs} ms`);
    assert.ok(readShelf(capture.imagePath).commits <= report.commits);
    t.diagnostic(
      `${journalMode}: ${capture.method}, ${capture.durationSeconds.toFixed(2)} s, held ${capture.holdMs} ms, ${report.commits} commits, the longest ${report.longestMs.toFixed(0)} ms`,
    );
    rmSync(capture.imagePath);
    rmSync(path);
  }
  const peak = childPeakMib();
  t.diagnostic(`the child's peak: ${peak} MiB`);
  assert.ok(peak > 0 && peak < 120, `${peak} MiB`);
});

/** False where this user cannot mount. */
async function mountedReadOnly(source: string, mounted: string, act: () => Promise<void>): Promise<boolean> {
  if (spawnSync('mount', ['--bind', source, mounted]).status !== 0) return false;
  try {
    execFileSync('mount', ['-o', 'remount,ro,bind', mounted]);
    await act();
  } finally {
    execFileSync('umount', [mounted]);
  }
  return true;
}

test('read-only mounts: rollback, idle WAL, WAL with commits, hot journal', async (t) => {
  const { source, capture } = place(t);
  for (const journalMode of ['delete', 'wal'] as const) {
    makeShelf(join(source, `quiet ${journalMode}.db`), { journalMode });
    const path = join(source, `killed ${journalMode}.db`);
    makeShelf(path, { journalMode, rows: 3000 });
    const writer = await SqliteWriter.start(t, path);
    await writer.order('commit');
    await writer.order('spill');
    await writer.kill();
  }
  rmSync(join(source, 'killed wal.db-shm'));
  const mounted = join(source, '..', 'mounted');
  mkdirSync(mounted);
  const mount = await mountedReadOnly(source, mounted, async () => {
    assert.throws(() => writeFileSync(join(mounted, 'x'), ''), /EROFS/);
    const before = appearance(source);
    for (const journalMode of ['delete', 'wal'] as const) {
      const quiet = await capture(`../mounted/quiet ${journalMode}.db`);
      assert.equal(readShelf(quiet.imagePath).commits, 0);
      const killed = await capture(`../mounted/killed ${journalMode}.db`);
      assert.equal(killed.method, 'private-copy');
      assert.equal(readShelf(killed.imagePath).commits, 1);
    }
    assert.deepEqual(appearance(source), before);
  });
  if (!mount) t.skip('this user cannot mount');
});

test('a server at work in a folder that is mounted read-only here', async (t) => {
  const { source, capture } = place(t);
  const mounted = join(source, '..', 'mounted');
  mkdirSync(mounted);
  for (const journalMode of ['delete', 'wal'] as const) makeShelf(join(source, `${journalMode}.db`), { journalMode });
  const mount = await mountedReadOnly(source, mounted, async () => {
    for (const journalMode of ['delete', 'wal'] as const) {
      const writer = await SqliteWriter.start(t, join(source, `${journalMode}.db`));
      await writer.order('work');
      for (let round = 0; round < 5; round++) {
        const captured = await capture(`../mounted/${journalMode}.db`);
        readShelf(captured.imagePath);
      }
      assert.deepEqual((await writer.stop()).failures, []);
    }
  });
  if (!mount) t.skip('this user cannot mount');
});

test('damaged and encrypted databases are named as such; tiny files and others are no databases', async (t) => {
  const { source, scratch, capturer } = place(t);
  const path = (name: string): Buffer => Buffer.from(join(source, name));
  makeShelf(join(source, 'damaged.db'), { rows: 2000 });
  const fd = openSync(join(source, 'damaged.db'), 'r+');
  writeSync(fd, Buffer.alloc(3 * 4096, 0xa5), 0, 3 * 4096, 10 * 4096);
  closeSync(fd);
  makeShelf(join(source, 'short.db'), { rows: 2000 });
  truncateSync(join(source, 'short.db'), 20 * 4096);
  const noise = createHash('sha512').update('noise').digest();
  writeFileSync(
    join(source, 'encrypted.db'),
    Buffer.concat([Buffer.from('SQLite format 3\0'), ...Array(64).fill(noise)]),
  );
  assert.match(
    await failure(capturer.capture(path('damaged.db'))),
    /it is damaged .*stored as they lie there, unverified/,
  );
  assert.match(await failure(capturer.capture(path('short.db'))), /it is damaged/);
  assert.match(await failure(capturer.capture(path('encrypted.db'))), /it is encrypted, or damaged/);
  writeFileSync(join(source, 'empty.db'), '');
  writeFileSync(join(source, 'tiny.db'), 'SQLite format 3\0 and little more');
  writeFileSync(join(source, 'text.db'), 'a text '.repeat(1000));
  symlinkSync('text.db', join(source, 'link.db'));
  execFileSync('mkfifo', [join(source, 'pipe.db')]);
  for (const name of ['empty.db', 'tiny.db', 'text.db', 'link.db', 'pipe.db']) {
    assert.deepEqual(await capturer.capture(path(name)), { kind: 'other' }, name);
  }
  assert.deepEqual(await capturer.capture(path('none.db')), { kind: 'vanished' });
  assert.deepEqual(readdirSync(scratch), []);
});

test('a schema that this SQLite cannot parse is not called damage', async (t) => {
  const { source, capture } = place(t);
  for (const journalMode of ['delete', 'wal'] as const) {
    const path = join(source, `${journalMode}.db`);
    makeShelf(path, { journalMode });
    const database = new Database(path);
    database.unsafeMode();
    database.pragma('writable_schema = ON');
    database.exec(
      "UPDATE sqlite_master SET sql = 'CREATE TABLE sequence (number FUTURE SYNTAX (((' WHERE name = 'sequence'",
    );
    database.close();
    const captured = await capture(`${journalMode}.db`);
    assert.equal(captured.check, 'schema-unparsable');
    assert.match(captured.checkMessages.join(), /malformed database schema/);
    assert.ok(readFileSync(captured.imagePath).equals(readFileSync(path)));
    const open = new Database(path);
    open.unsafeMode();
    if (journalMode === 'wal') {
      open.pragma('user_version = 30');
      const live = await capture('wal.db');
      assert.match(live.method, /^(?:wal-transaction|private-copy)$/);
      assert.equal(live.userVersion, 30);
    }
    open.close();
  }
});

test('names that are no text, end in blanks, or are longer than SQLite allows', async (t) => {
  const { source, capture } = place(t);
  makeShelf(join(source, 'plain.db'), { journalMode: 'delete' });
  const writer = await SqliteWriter.start(t, join(source, 'plain.db'));
  await writer.order('commit');
  await writer.stop();
  const deep = join(source, ...Array(4).fill('d'.repeat(200)));
  mkdirSync(deep, { recursive: true });
  const names = [
    Buffer.from([0x61, 0xff, 0xfe, 0x2e]),
    Buffer.from('blank '),
    Buffer.from('line\n'),
    Buffer.from('q?x=1#%20'),
  ];
  for (const name of names) {
    renameSync(join(source, 'plain.db'), Buffer.concat([Buffer.from(`${source}/`), name]));
    assert.equal(readShelf((await capture(name)).imagePath).commits, 1);
    renameSync(Buffer.concat([Buffer.from(`${source}/`), name]), join(source, 'plain.db'));
  }
  renameSync(join(source, 'plain.db'), join(deep, 'x'));
  assert.equal(readShelf((await capture(join(deep.slice(source.length + 1), 'x'))).imagePath).commits, 1);
});

test('a live WAL database whose name is no text is captured with its commits', async (t) => {
  const { source, scratch, capture } = place(t);
  makeShelf(join(source, 'text.db'), { journalMode: 'wal' });
  const name = Buffer.from([0x61, 0xff, 0xfe]);
  const odd = Buffer.concat([Buffer.from(`${source}/`), name]);
  renameSync(join(source, 'text.db'), odd);
  symlinkSync(odd, join(source, 'link.db'));
  const writer = await SqliteWriter.start(t, join(source, 'link.db'));
  await writer.order('commit');
  assert.ok(existsSync(Buffer.concat([odd, Buffer.from('-wal')])));
  const captured = await capture(name);
  // Where half a second has passed since the commit, the files count as quiet.
  assert.match(captured.method, /^(?:wal-transaction|private-copy)$/);
  assert.equal(readShelf(captured.imagePath).commits, 1);
  assert.equal(readdirSync(scratch).length, 1, 'the link is gone');
  await writer.stop();
});

test('databases that are replaced or removed again and again meanwhile', async (t) => {
  const { source, capturer } = place(t);
  const path = join(source, 'shelf.db');
  makeShelf(join(source, 'one'), {});
  makeShelf(join(source, 'two'), { journalMode: 'wal', rows: 900 });
  let going = true;
  const changes = (async () => {
    for (let round = 0; going; round++) {
      const next = join(source, 'next');
      linkSync(join(source, round % 2 === 0 ? 'one' : 'two'), next);
      renameSync(next, path);
      await sleep(3);
      if (round % 5 === 0) unlinkSync(path);
    }
  })();
  const kinds = new Set<string>();
  for (let round = 0; round < 40; round++) {
    try {
      const outcome = await capturer.capture(Buffer.from(path));
      kinds.add(outcome.kind);
      if (outcome.kind === 'captured') assert.equal(readShelf(outcome.capture.imagePath).commits, 0);
    } catch (error) {
      assert.ok(isEngineError(error, 'DATABASE_FAILED'), String(error));
      kinds.add('failed');
    }
  }
  going = false;
  await changes;
  assert.ok(kinds.has('captured'));
});

test('the signal ends a capture at once, and the process is gone', async (t) => {
  const abort = new AbortController();
  const { source, capturer } = place(t, { signal: abort.signal, busyTimeoutMs: 60_000 });
  const path = join(source, 'shelf.db');
  makeShelf(path);
  const writer = await SqliteWriter.start(t, path);
  await writer.order('lock');
  const capture = capturer.capture(Buffer.from(path));
  const outcome = assert.rejects(capture, (error) => isEngineError(error, 'INTERRUPTED'));
  await sleep(300);
  assert.ok(childPids().length > 0);
  const started = performance.now();
  abort.abort();
  await outcome;
  await capturer.close();
  assert.ok(performance.now() - started < 500);
  assert.deepEqual(childPids(), []);
});

test('a capturing process that is killed fails its database, and another one takes the next', async (t) => {
  const { source, capturer, capture } = place(t, { busyTimeoutMs: 60_000 });
  const path = join(source, 'shelf.db');
  makeShelf(path);
  const writer = await SqliteWriter.start(t, path);
  await writer.order('lock');
  const failed = failure(capturer.capture(Buffer.from(path)));
  await sleep(300);
  for (const pid of childPids()) process.kill(pid, 'SIGKILL');
  assert.match(await failed, /ended \(SIGKILL\)/);
  await writer.stop();
  await capture('shelf.db');
});

function childPids(): number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim();
  return children
    .split(' ')
    .filter((pid) => pid !== '')
    .map(Number)
    .filter((pid) => {
      const isState = (state: string): boolean => readFileSync(`/proc/${pid}/stat`, 'utf8').includes(`) ${state} `);
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sqlite-child') && !isState('Z');
    });
}

test('a log that appears beside a database by other hands is not mistaken for its own', async (t) => {
  const { source, capture } = place(t);
  makeShelf(join(source, 'shelf.db'), { journalMode: 'wal' });
  appendFileSync(join(source, 'shelf.db-wal'), 'no log at all');
  utimesSync(join(source, 'shelf.db-wal'), 1, 1);
  const before = appearance(source);
  const captured = await capture('shelf.db');
  assert.equal(readShelf(captured.imagePath).commits, 0);
  assert.deepEqual(appearance(source), before);
});
