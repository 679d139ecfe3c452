/**
 * Rules of capturing that are not proven elsewhere. The others: writers at work in every journal mode, killed ones, hot
 * journals, read-only mounts, locks, page sizes at rest, names (sqlite-capture.test.ts); what a backup stores of databases,
 * and of those that cannot be captured (database-backup.test.ts, live-backup.test.ts, idle-wal.test.ts).
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { DATABASE_HOLD_MS_MAX, GIB, MIB } from '../../engine/base/limits.ts';
import type { SqliteCapture } from '../../engine/databases/sqlite.ts';
import { testFolder } from '../support/build-repository.ts';
import { capturePlace } from '../support/capture-place.ts';
import { childPeakMib } from '../support/child-peak.ts';
import { mountCloningDisk } from '../support/cloning-disk.ts';
import { Library } from '../support/library.ts';
import { randomFor } from '../support/random.ts';
import { makeShelf, readShelf, SqliteWriter } from '../support/sqlite-writer.ts';

interface Place {
  readonly source: string;
  capture(name: string): Promise<SqliteCapture>;
}

function place(...parameters: Parameters<typeof capturePlace>): Place {
  const { source, capturer } = capturePlace(...parameters);
  return {
    source,
    async capture(name) {
      const outcome = await capturer.capture(Buffer.from(join(source, name)));
      if (outcome.kind !== 'captured') throw new Error(`It is ${outcome.kind}`);
      return outcome.capture;
    },
  };
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

/** Makes what SQLite says of one table something that it cannot parse, or that makes no sense. */
function spoilSchema(database: Database.Database, change: string): void {
  database.unsafeMode();
  database.pragma('writable_schema = ON');
  database.exec(`UPDATE sqlite_master SET ${change} WHERE name = 'future'`);
  database.pragma('writable_schema = OFF');
}

const UNPARSABLE = "sql = 'CREATE TABLE future (number FUTURE SYNTAX ((('";

/** As far as the schema can be parsed. */
function sequenceIn(path: string): number {
  const database = new Database(path);
  database.unsafeMode();
  database.pragma('writable_schema = ON');
  try {
    return Number(database.prepare('SELECT max(number) FROM sequence').pluck().get());
  } finally {
    database.close();
  }
}

test('a schema that cannot be parsed is not called damage, whatever lies beside the database: commits in a WAL, a hot journal', async (t) => {
  const { source, capture } = place(t);
  for (const journalMode of ['wal', 'delete'] as const) {
    const path = join(source, 'live.db');
    makeShelf(path, { journalMode, rows: 3000, userVersion: 30, applicationId: 7 });
    const database = new Database(path);
    database.exec('CREATE TABLE future (x)');
    spoilSchema(database, UNPARSABLE);
    if (journalMode === 'wal') {
      database.pragma('wal_autocheckpoint = 0');
      database.pragma('wal_checkpoint(TRUNCATE)');
      database.exec('INSERT INTO sequence VALUES (2), (3)');
    } else {
      database.exec('INSERT INTO sequence VALUES (2), (3)');
      database.pragma('cache_size = 5');
      database.exec("BEGIN; UPDATE left_side SET note = note || 'x'; INSERT INTO sequence VALUES (4)");
    }
    // As a killed writer leaves it.
    const name = `killed ${journalMode}.db`;
    const side = journalMode === 'wal' ? '-wal' : '-journal';
    for (const suffix of ['', side]) copyFileSync(`${path}${suffix}`, join(source, `${name}${suffix}`));
    assert.ok(lstatSync(join(source, `${name}${side}`)).size > 1000);
    await sleep(600);
    const captured = await capture(name);
    assert.equal(captured.check, 'schema-unparsable');
    assert.match(captured.checkMessages.join(), /malformed database schema.*syntax error/);
    assert.equal(captured.method, 'private-copy');
    assert.deepEqual([captured.userVersion, captured.applicationId], [30, 7]);
    assert.equal(captured.bytes, captured.pageCount * 4096);
    assert.equal(sequenceIn(captured.imagePath), 3, 'committed, and nothing else');
    const live = await capture('live.db');
    assert.equal(live.check, 'schema-unparsable');
    assert.equal(sequenceIn(live.imagePath), 3);
    database.close();
    rmSync(path);
  }
});

test('rows of the schema that make no sense are damage, not a schema of the future', async (t) => {
  const { source, capture } = place(t);
  for (const [name, change] of [
    ['page.db', 'rootpage = 9999999'],
    ['none.db', 'rootpage = NULL'],
  ] as const) {
    const path = join(source, name);
    makeShelf(path);
    const database = new Database(path);
    database.exec('CREATE TABLE future (x)');
    spoilSchema(database, change);
    database.close();
    assert.match(await failure(capture(name)), /it is damaged/, name);
  }
});

test('page sizes beside a log: commits in a WAL and a hot journal at 512 to 65536 bytes', async (t) => {
  const { source, capture } = place(t);
  for (const journalMode of ['wal', 'delete'] as const) {
    for (let pageBytes = 512; pageBytes <= 65_536; pageBytes *= 2) {
      const name = `${journalMode} ${pageBytes}.db`;
      const path = join(source, name);
      // Several times what SQLite keeps in memory of the transaction that is cut short.
      makeShelf(path, { journalMode, pageBytes, rows: pageBytes / 8 + 500, userVersion: pageBytes, applicationId: -7 });
      const writer = await SqliteWriter.start(t, path);
      for (let commits = 0; commits < 3; commits++) await writer.order('commit');
      await writer.order('spill');
      await writer.kill();
      assert.ok(lstatSync(`${path}${journalMode === 'wal' ? '-wal' : '-journal'}`).size > pageBytes, name);
      const captured = await capture(name);
      const state = readShelf(captured.imagePath);
      assert.deepEqual(
        [state.commits, state.pageBytes, state.userVersion, state.applicationId],
        [3, pageBytes, pageBytes, -7],
      );
      assert.equal(captured.check, 'ok');
    }
  }
});

const STRUCTURES = [
  'CREATE TABLE sequence (number INTEGER PRIMARY KEY)',
  'CREATE TABLE pairs (a TEXT, b INTEGER, v BLOB, PRIMARY KEY (b, a)) WITHOUT ROWID',
  'CREATE INDEX pairs_length ON pairs (length(v)) WHERE b > 3',
  'CREATE VIRTUAL TABLE words USING fts5(title, body, tokenize = "unicode61 remove_diacritics 2")',
  'CREATE VIRTUAL TABLE places USING rtree(id, west, east, south, north, +note TEXT)',
  'CREATE TABLE strict_one (id INTEGER PRIMARY KEY, amount REAL NOT NULL, twice REAL AS (amount * 2) STORED) STRICT',
  'CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x)',
  'CREATE TABLE noted (number INTEGER)',
  'CREATE TRIGGER note AFTER INSERT ON sequence BEGIN INSERT INTO noted VALUES (new.number); END',
  'CREATE VIEW both AS SELECT a, number FROM pairs, sequence',
  'PRAGMA user_version = 4711',
];

function addToStructures(database: Database.Database, number: number): void {
  database.transaction(() => {
    database.prepare('INSERT INTO sequence VALUES (?)').run(number);
    database.prepare('INSERT INTO pairs VALUES (?, ?, randomblob(300))').run(`a${number}`, number);
    database.prepare('INSERT INTO words VALUES (?, ?)').run(`Títle ${number}`, `of the number${number} `.repeat(20));
    database
      .prepare('INSERT INTO places VALUES (?, ?, ?, ?, ?, ?)')
      .run(number, number, number + 1, 0, 1, `at ${number}`);
    database.prepare('INSERT INTO strict_one (id, amount) VALUES (?, ?)').run(number, number / 3);
    database.prepare('INSERT INTO counted (x) VALUES (?)').run(number);
  })();
}

function assertStructures(path: string): number {
  const database = new Database(path);
  try {
    const value = (sql: string): unknown => database.prepare(sql).pluck().get();
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
    assert.equal(database.pragma('user_version', { simple: true }), 4711);
    const last = Number(value('SELECT max(number) FROM sequence'));
    for (const table of ['sequence', 'pairs', 'words', 'places', 'strict_one', 'counted', 'noted'])
      assert.equal(value(`SELECT count(*) FROM ${table}`), last, table);
    database.exec("INSERT INTO words (words) VALUES ('integrity-check')");
    assert.equal(value(`SELECT count(*) FROM words WHERE words MATCH 'title AND number${last}'`), 1);
    assert.equal(value("SELECT rtreecheck('places')"), 'ok');
    assert.equal(value(`SELECT note FROM places WHERE west >= ${last}`), `at ${last}`);
    assert.equal(value('SELECT count(*) FROM both'), last * last);
    assert.equal(value("SELECT seq FROM sqlite_sequence WHERE name = 'counted'"), last);
    return last;
  } finally {
    database.close();
  }
}

for (const journalMode of ['wal', 'delete'] as const) {
  test(`WITHOUT ROWID, FTS5, R-tree, STRICT, generated columns, triggers and views come back whole from beside a writer (${journalMode})`, async (t) => {
    const library = await Library.make(t);
    mkdirSync(library.source);
    const path = join(library.source, 'all.db');
    const database = new Database(path);
    t.after(() => database.close());
    database.pragma(`journal_mode = ${journalMode}`);
    database.pragma('synchronous = OFF');
    for (const statement of STRUCTURES) database.exec(statement);
    let commits = 0;
    while (commits < 200) addToStructures(database, ++commits);
    let going = true;
    const writing = (async () => {
      for (; going; await sleep(10)) addToStructures(database, ++commits);
    })();
    let before = 200;
    for (let night = 1; night <= 2; night++) {
      const { problems, databases } = await library.backup();
      assert.deepEqual([problems, databases.map(({ check }) => check)], [[], ['ok']]);
      const counted = databases[0]?.details['rowCounts'] as { table: string; rows: number }[];
      const { target } = await library.restore();
      const last = assertStructures(join(target, 'all.db'));
      assert.ok(last > before);
      assert.equal(counted.find(({ table }) => table === 'pairs')?.rows, last, 'what is recorded is what is stored');
      before = last;
    }
    going = false;
    await writing;
  });
}

const FOREIGN = `
import sqlite3, sys
def make(name, *statements):
    c = sqlite3.connect(sys.argv[1] + '/' + name)
    c.create_collation('icu_root', lambda a, b: (a > b) - (a < b))
    c.create_function('title_sort', 1, lambda s: s.upper(), deterministic=True)
    for s in statements: c.execute(s)
    c.execute('CREATE TABLE plain (x)')
    c.executemany('INSERT INTO plain VALUES (?)', [('text %d ' % n * 20,) for n in range(3000)])
    c.commit()
    c.close()
rows = "INSERT INTO t (a) WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT printf('row %08d', i) FROM n"
make('collation.db', 'CREATE TABLE t (a TEXT COLLATE icu_root, b)', 'CREATE INDEX i ON t (a COLLATE icu_root)', rows)
make('key.db', 'CREATE TABLE t (a TEXT COLLATE icu_root PRIMARY KEY, b) WITHOUT ROWID', rows)
make('check.db', "CREATE TABLE t (a TEXT CHECK (title_sort(a) != 'Z'), b)", rows)
make('trigger.db', 'CREATE TABLE t (a TEXT, b)', 'CREATE TRIGGER g AFTER UPDATE ON t BEGIN SELECT title_sort(a) FROM t; END', 'CREATE VIEW v AS SELECT title_sort(a) FROM t', rows)
`;

test('a database that needs collations or functions of its own program is captured, checked as far as that goes, and comes back', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const made = spawnSync('python3', ['-c', FOREIGN, library.source], { encoding: 'utf8' });
  if (made.error !== undefined) return t.skip('no Python, which makes such databases');
  assert.equal(made.status, 0, made.stderr);
  const { problems, databases } = await library.backup();
  assert.deepEqual(problems, []);
  const found = databases.map(({ path, check, details }) => [
    basename(path.toString()),
    check,
    details['checkMessages'],
  ]);
  assert.deepEqual(found, [
    ['check.db', 'partly-checked', ['t: unknown function: title_sort()']],
    ['collation.db', 'partly-checked', ['t: no such collation sequence: icu_root']],
    ['key.db', 'partly-checked', ['t: no such collation sequence: icu_root']],
    ['trigger.db', 'ok', []],
  ]);
  const { target, problems: restoreProblems } = await library.restore();
  assert.deepEqual(restoreProblems, []);
  for (const name of readdirSync(library.source))
    assert.ok(readFileSync(join(target, name)).equals(readFileSync(join(library.source, name))), name);
  // Onto the old ones: the image is checked again before the swap.
  for (const name of readdirSync(target)) {
    const old = new Database(join(target, name));
    old.exec("INSERT INTO plain VALUES ('later')");
    old.close();
  }
  const again = await library.restore('latest', { target: Buffer.from(target), overwrite: 'always' });
  assert.deepEqual(again.problems, []);
  for (const name of readdirSync(library.source))
    assert.ok(readFileSync(join(target, name)).equals(readFileSync(join(library.source, name))), name);
  // What can be checked is: pages of the other table are damaged.
  const bytes = readFileSync(join(library.source, 'collation.db'));
  bytes.fill(0xa5, bytes.length - 12 * 4096, bytes.length - 4 * 4096);
  writeFileSync(join(library.source, 'collation.db'), bytes);
  const later = await library.backup();
  assert.match(later.problems.map(({ message }) => message).join(), /collation\.db.*it is damaged/);
});

test('an encrypted database with a SQLite header is kept as it lies there with its side files, unverified, and named', async (t) => {
  const library = await Library.make(t);
  const random = randomFor(t);
  mkdirSync(library.source);
  const at = (name: string): string => join(library.source, name);
  const header = Buffer.alloc(100);
  header.write('SQLite format 3\0', 'latin1');
  // Page size and reserved bytes as SQLCipher's plain header leaves them, versions of a WAL.
  Buffer.from([0x10, 0x00, 2, 2, 80, 64, 32, 32]).copy(header, 16);
  writeFileSync(at('secret.db'), Buffer.concat([header, random.bytes(50 * 4096 - 100)]));
  for (const side of ['-wal', '-shm', '-journal']) writeFileSync(at(`secret.db${side}`), random.bytes(9000));
  makeShelf(at('good.db'));
  await sleep(600);
  const { problems, databases } = await library.backup();
  assert.deepEqual(
    problems.map(({ path, code, during }) => [basename(path), code, during]),
    [['secret.db', 'DATABASE_FAILED', 'export']],
  );
  assert.match(problems[0]?.message ?? '', /encrypted|damaged/);
  assert.match(problems[0]?.message ?? '', /stored as they lie there, unverified/);
  assert.deepEqual(databases.map(({ path, check }) => [basename(path.toString()), check]).sort(), [
    ['good.db', 'ok'],
    ['secret.db', 'unverified'],
  ]);
  const { target } = await library.restore();
  for (const name of ['secret.db', 'secret.db-wal', 'secret.db-journal'])
    assert.ok(readFileSync(join(target, name)).equals(readFileSync(at(name))), name);
});

test('where the file system can share bytes, a clone under the lock ends the wait at once', async (t) => {
  const disk = mountCloningDisk(t);
  if (typeof disk === 'string') return t.skip(disk);
  const { source, capture } = place(t, {}, disk.folder);
  const path = join(source, 'shelf.db');
  makeShelf(path, { rows: 40_000, noteBytes: 1000 });
  const writer = await SqliteWriter.start(t, path, { pauseMs: 10 });
  await writer.order('work');
  for (let round = 0; round < 3; round++) {
    const captured = await capture('shelf.db');
    assert.equal(captured.method, 'reflink');
    assert.ok(captured.holdMs < 200, `held for ${captured.holdMs} ms`);
    readShelf(captured.imagePath);
    rmSync(captured.imagePath);
  }
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
});

/** SNAP_TEST_DATABASE_BYTES=5368709120 makes this the real thing; else the budget is as much smaller as the database. */
test('the hold budget: a large rollback-journal database beside a writer with a busy timeout of 5 s, which never fails', async (t) => {
  const bytes = Number(process.env['SNAP_TEST_DATABASE_BYTES'] ?? 200 * MIB);
  const isReal = bytes >= 4 * GIB;
  const parent = !isReal && existsSync('/dev/shm') ? '/dev/shm' : undefined;
  const holdMsMax = isReal ? DATABASE_HOLD_MS_MAX : 20;
  const { source, capture } = place(t, { holdMsMax }, testFolder(t, parent));
  const path = join(source, 'large.db');
  const noteBytes = 4000;
  makeShelf(path, { rows: Math.ceil(bytes / 2 / noteBytes), noteBytes });
  assert.ok(lstatSync(path).size >= bytes);

  // Commits every 10 ms: the copy may be given up, the writer may not.
  const busy = await SqliteWriter.start(t, path, { pauseMs: 10, busyMs: 5000 });
  await busy.order('work');
  const outcome = await capture('large.db').then(
    (captured) => captured,
    (error: unknown) => error,
  );
  const report = await busy.stop();
  assert.deepEqual(report.failures, []);
  assert.ok(report.longestMs < holdMsMax + 2000, `a commit took ${report.longestMs} ms`);
  if (isEngineError(outcome)) assert.match(outcome.message, /writers came between each time.*stop the server/);
  else assert.ok((outcome as SqliteCapture).holdMs <= holdMsMax + 50);
  const how = isEngineError(outcome) ? 'given up' : (outcome as SqliteCapture).method;
  t.diagnostic(`every 10 ms: ${how}; the longest of ${report.commits} commits took ${Math.round(report.longestMs)} ms`);

  // As a server at night: a commit now and then.
  const pauseMs = isReal ? 60_000 : 3000;
  const calm = await SqliteWriter.start(t, path, { pauseMs, busyMs: 5000 });
  await calm.order('work');
  const captured = await capture('large.db');
  const last = await calm.stop();
  assert.deepEqual(last.failures, []);
  assert.ok(last.longestMs < holdMsMax + 2000, `a commit took ${last.longestMs} ms`);
  assert.ok(captured.holdMs <= holdMsMax + 50, `held for ${captured.holdMs} ms`);
  const peak = childPeakMib();
  t.diagnostic(
    `now and then: ${captured.method} in ${captured.durationSeconds.toFixed(1)} s, held ${captured.holdMs} ms; the child's peak: ${peak} MiB`,
  );
  assert.ok(peak > 0 && peak < 150, `${peak} MiB`);
  assert.ok(readShelf(captured.imagePath).commits <= report.commits + last.commits);
});

test('a large WAL database beside a writer every 10 ms: nobody waits, and memory does not grow with it', async (t) => {
  const bytes = Number(process.env['SNAP_TEST_DATABASE_BYTES'] ?? 200 * MIB);
  const parent = bytes < 4 * GIB && existsSync('/dev/shm') ? '/dev/shm' : undefined;
  const { source, capture } = place(t, {}, testFolder(t, parent));
  const path = join(source, 'large.db');
  const noteBytes = 4000;
  makeShelf(path, { journalMode: 'wal', rows: Math.ceil(bytes / 2 / noteBytes), noteBytes });
  const writer = await SqliteWriter.start(t, path, { pauseMs: 10, busyMs: 5000 });
  await writer.order('work');
  const captured = await capture('large.db');
  const report = await writer.stop();
  assert.deepEqual(report.failures, []);
  assert.equal(captured.method, 'wal-transaction');
  const peak = childPeakMib();
  t.diagnostic(
    `${captured.durationSeconds.toFixed(1)} s; the longest of ${report.commits} commits took ${Math.round(report.longestMs)} ms; the child's peak: ${peak} MiB`,
  );
  assert.ok(peak > 0 && peak < 150, `${peak} MiB`);
  assert.ok(readShelf(captured.imagePath).commits <= report.commits);
});

test("a virtual table whose module is its own program's stands in nobody's way", async (t) => {
  const { source, capture } = place(t);
  const database = new Database(join(source, 'shelf.db'));
  database.exec('CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); CREATE VIEW future AS SELECT 1');
  spoilSchema(database, "type = 'table', sql = 'CREATE VIRTUAL TABLE future USING of_another_program(x)'");
  database.close();
  const captured = await capture('shelf.db');
  assert.match(captured.check, /^(?:ok|partly-checked)$/);
  assert.deepEqual(captured.rowCounts, [{ table: 't', rows: 2 }]);
});

test('several writers every 10 ms in other processes, one in each journal mode, in one backup', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const modes = ['wal', 'delete', 'truncate', 'persist'] as const;
  const writers: SqliteWriter[] = [];
  for (const journalMode of modes) {
    const path = join(library.source, `${journalMode}.db`);
    makeShelf(path, { journalMode, rows: 2000 });
    const writer = await SqliteWriter.start(t, path, { pauseMs: 10 });
    await writer.order('work');
    writers.push(writer);
  }
  const { problems, databases } = await library.backup();
  assert.deepEqual([problems, databases.map(({ check }) => check)], [[], modes.map(() => 'ok')]);
  const { target } = await library.restore();
  assert.deepEqual(readdirSync(target).sort(), modes.map((mode) => `${mode}.db`).sort());
  for (const mode of modes) assert.ok(readShelf(join(target, `${mode}.db`)).commits >= 0);
  for (const writer of writers) assert.deepEqual((await writer.stop()).failures, []);
});
