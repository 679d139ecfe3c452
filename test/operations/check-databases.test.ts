/** Databases of snapshots, in full: damage that a capture does not see, references that lead nowhere, and what could not be told. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { DATABASE_REFERENCES_MAX } from '../../engine/base/limits.ts';
import { type CheckResult, check } from '../../engine/operations/check/check.ts';
import { newestOfGroups } from '../../engine/operations/check/check-databases.ts';
import { SAFETY_LABEL, type Snapshot } from '../../engine/repository/snapshots.ts';
import { Library } from '../support/library.ts';
import { snapshotOf } from '../support/retention.ts';
import { processes } from '../support/server-fixtures.ts';
import { makeDatabase } from '../support/servers.ts';

async function made(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  return library;
}

async function databasesOf(library: Library): Promise<CheckResult> {
  const result = await check(await library.reopen(), { databases: {} });
  assert.deepEqual(readdirSync(join(library.repository.cacheDirectory, 'scratch')), [], 'no image is left behind');
  return result;
}

/** Each as `name check messages`. */
function told({ databases }: CheckResult): string[] {
  return (databases?.databases ?? []).map(({ path, check: found, messages }) =>
    [path.toString().split('/').at(-1), found, ...messages].join(' | '),
  );
}

/** Makes what stands in the schema of one table something else. */
function spoil(path: string, statement: string): void {
  const database = new Database(path);
  database.unsafeMode();
  database.pragma('writable_schema = ON');
  database.exec(statement);
  database.close();
}

test('sound databases are ok; without being asked nobody looks at them', async (t) => {
  const library = await made(t);
  makeDatabase(join(library.source, 'a.db'), 'CREATE TABLE a (id INTEGER PRIMARY KEY); INSERT INTO a VALUES (1)');
  makeDatabase(join(library.source, 'b.db'), 'CREATE TABLE b (x)', { wal: true });
  await library.backup();
  assert.equal((await check(await library.reopen())).databases, undefined);
  const result = await databasesOf(library);
  assert.deepEqual(told(result), ['a.db | ok', 'b.db | ok']);
  assert.deepEqual(result.errors, []);
});

test('an index that is not what its table says is damage: a capture does not look for it, and it is named with snapshot and path', async (t) => {
  const library = await made(t);
  const path = join(library.source, 'shelf.db');
  makeDatabase(path, "CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('x', 'y'), ('z', 'w')");
  spoil(path, "UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'");
  makeDatabase(join(library.source, 'sound.db'), 'CREATE TABLE t (a)');
  const { snapshot, problemCount } = await library.backup();
  assert.equal(problemCount, 0, 'the capture took it');
  const result = await databasesOf(library);
  assert.match(told(result)[0] ?? '', /^shelf\.db \| damaged \| row 1 missing from index i/);
  assert.equal(told(result)[1], 'sound.db | ok');
  assert.equal(result.errors.length, 1);
  const [error] = result.errors;
  assert.equal(error?.object, `database ${path} in snapshot ${snapshot?.id.slice(0, 8)}`);
  assert.deepEqual([error?.code, error?.snapshots, error?.paths], ['DATABASE_FAILED', [snapshot?.id], [path]]);
});

test('references that lead nowhere are counted by pairs of tables, in bounds, and are no damage', async (t) => {
  const library = await made(t);
  const path = join(library.source, 'shelf.db');
  makeDatabase(path, 'CREATE TABLE book (id INTEGER PRIMARY KEY)');
  const database = new Database(path);
  database.pragma('foreign_keys = OFF');
  database.transaction(() => {
    for (let table = 0; table < DATABASE_REFERENCES_MAX + 20; table++) {
      database.exec(`CREATE TABLE "pa""ge ${table}" (book INTEGER REFERENCES book (id))`);
      database.exec(`INSERT INTO "pa""ge ${table}" VALUES (1), (2), (NULL)`);
    }
    database.exec('CREATE TABLE odd (x REFERENCES book (no_such_column)); INSERT INTO odd VALUES (1)');
  })();
  database.close();
  await library.backup();
  const result = await databasesOf(library);
  assert.deepEqual(result.errors, []);
  const [found] = result.databases?.databases ?? [];
  assert.equal(found?.brokenCount, 2 * (DATABASE_REFERENCES_MAX + 20));
  assert.equal(found?.broken.length, DATABASE_REFERENCES_MAX);
  assert.deepEqual(found?.broken[0], { table: 'pa"ge 0', parent: 'book', rows: 2 });
  assert.match(told(result)[0] ?? '', /^shelf\.db \| partly-checked \| references of odd: foreign key mismatch/);
});

test('what needs a collation or a SQLite that is not here is no damage', async (t) => {
  const library = await made(t);
  const collation = join(library.source, 'collation.db');
  makeDatabase(collation, "CREATE TABLE t (a TEXT); CREATE INDEX i ON t (a); INSERT INTO t VALUES ('x')");
  spoil(collation, "UPDATE sqlite_master SET sql = 'CREATE TABLE t (a TEXT COLLATE elsewhere)' WHERE name = 't'");
  const words = join(library.source, 'words.db');
  makeDatabase(words, "CREATE VIRTUAL TABLE w USING fts5(x, tokenize = 'unicode61'); INSERT INTO w VALUES ('whale')");
  spoil(words, "UPDATE sqlite_master SET sql = replace(sql, 'unicode61', 'elsewhere') WHERE name = 'w'");
  const future = join(library.source, 'future.db');
  makeDatabase(future, 'CREATE TABLE t (a)');
  spoil(future, "UPDATE sqlite_master SET sql = 'CREATE TABLE t (a FUTURE SYNTAX (((' WHERE name = 't'");
  await library.backup();
  const result = await databasesOf(library);
  assert.deepEqual(result.errors, []);
  assert.match(told(result)[0] ?? '', /^collation\.db \| partly-checked \| t: no such collation sequence: elsewhere/);
  assert.match(told(result)[1] ?? '', /^future\.db \| schema-unparsable \| malformed database schema/);
  assert.match(told(result)[2] ?? '', /^words\.db \| partly-checked \| w: /);
});

test('a database that could not be captured is said to be so, and is not called sound', async (t) => {
  const library = await made(t);
  const path = join(library.source, 'broken.db');
  makeDatabase(path, `CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(90000))`);
  const bytes = readFileSync(path);
  bytes.fill(0x55, 4096, 12_288);
  writeFileSync(path, bytes);
  const { problemCount } = await library.backup();
  assert.equal(problemCount, 1);
  const result = await databasesOf(library);
  assert.match(told(result)[0] ?? '', /^broken\.db \| unverified \| .*it is damaged/);
  assert.deepEqual(result.errors, []);
});

test('an image that the repository lost, and a record without its file, are damage; a dump that is there is present', async (t) => {
  const library = await made(t);
  const path = join(library.source, 'shelf.db');
  makeDatabase(path, 'CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(200000))');
  writeFileSync(join(library.source, 'dump.sql'), 'SELECT 1');
  const { snapshot } = await library.backup();
  assert.ok(snapshot !== undefined);
  const [record] = snapshot.databases;
  assert.ok(record !== undefined);
  const dump = { ...record, kind: 'postgresql', path: join(library.source, 'dump.sql') };
  const { id: _, pinned: __, suspect: ___, forgotten: ____, ...facts } = snapshot;
  await library.repository.snapshots.save({
    ...facts,
    label: 'by hand',
    startedNs: facts.startedNs + 1n,
    databases: [
      { ...dump, path: Buffer.from(dump.path) },
      { ...record, path: Buffer.from('/gone.db') },
    ],
  });
  const packs = join(library.folder, 'repository', 'packs');
  const [largest = ''] = readdirSync(packs, { recursive: true })
    .map((name) => join(packs, String(name)))
    .filter((name) => /[0-9a-f]{32}$/.test(name))
    .sort((a, b) => readFileSync(b).length - readFileSync(a).length);
  const bytes = readFileSync(largest);
  bytes[60_000] = (bytes[60_000] ?? 0) ^ 1;
  writeFileSync(largest, bytes);
  const result = await databasesOf(library);
  assert.deepEqual(
    result.databases?.databases.map(({ check: found }) => found),
    ['failed', 'present', 'failed'],
  );
  assert.deepEqual(
    result.errors.map(({ code, paths }) => [code, ...paths]),
    [
      ['OBJECT_CORRUPT', path],
      ['PATH_NOT_FOUND', '/gone.db'],
    ],
  );
});

test('one snapshot can be named; else it is the newest good one of each group of label and paths', async (t) => {
  const library = await made(t);
  makeDatabase(join(library.source, 'a.db'), 'CREATE TABLE a (x)');
  const { snapshot: first } = await library.backup();
  makeDatabase(join(library.source, 'b.db'), 'CREATE TABLE b (x)');
  await library.backup();
  assert.deepEqual(told(await databasesOf(library)), ['a.db | ok', 'b.db | ok']);
  const named = await check(await library.reopen(), { databases: { snapshot: first?.id } });
  assert.deepEqual(told(named), ['a.db | ok']);
  await assert.rejects(check(await library.reopen(), { databases: { snapshot: 'ffff' } }), (error) =>
    isEngineError(error, 'SNAPSHOT_NOT_FOUND'),
  );

  const paths = (path: string): Pick<Snapshot, 'paths'> => ({ paths: [Buffer.from(path)] });
  const snapshots = [
    snapshotOf('2026-01-01T00:00Z', { label: 'night' }),
    snapshotOf('2026-01-02T00:00Z', { label: 'night', suspect: true }),
    snapshotOf('2026-01-03T00:00Z', { label: 'night', ...paths('/other') }),
    snapshotOf('2026-01-04T00:00Z', paths('/always partial')),
    snapshotOf('2026-01-05T00:00Z', { problemCount: 1, ...paths('/partial') }),
    snapshotOf('2026-01-06T00:00Z', { problemCount: 1, ...paths('/partial') }),
    snapshotOf('2026-01-07T00:00Z', { label: SAFETY_LABEL }),
    snapshotOf('2026-01-08T00:00Z', { forgotten: true }),
    snapshotOf('2026-01-09T00:00Z', paths('/always partial')),
  ];
  assert.deepEqual(
    newestOfGroups(snapshots).map(({ time }) => time.slice(8, 10)),
    ['01', '03', '06', '09'],
  );
});

/** This process's children that look into images. */
function auditors(): number[] {
  return processes()
    .filter(({ pid, words }) => words.includes('sqlite-audit-child') && parentOf(pid) === process.pid)
    .map(({ pid }) => pid);
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  } catch {
    return undefined;
  }
}

test('an interruption ends the process that looks into an image', async (t) => {
  const library = await made(t);
  const path = join(library.source, 'large.db');
  makeDatabase(
    path,
    'CREATE TABLE t (a, b); CREATE INDEX i ON t (b, a); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000) INSERT INTO t SELECT i, hex(randomblob(20)) FROM n',
  );
  await library.backup();
  const controller = new AbortController();
  const timer = setInterval(() => {
    if (auditors().length > 0) controller.abort();
  }, 5);
  t.after(() => clearInterval(timer));
  await assert.rejects(check(await library.reopen(), { databases: {}, signal: controller.signal }), (error) =>
    isEngineError(error, 'INTERRUPTED'),
  );
  assert.ok(controller.signal.aborted);
  assert.deepEqual(auditors(), []);
  assert.deepEqual(readdirSync(join(library.repository.cacheDirectory, 'scratch')), []);
});
