import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { compareSqliteImages } from '../../../engine/databases/sqlite-compare.ts';
import { type ComparedTable, compareTables } from '../../../engine/databases/sqlite-compare-tables.ts';
import { diff } from '../../../engine/operations/diff/diff.ts';
import type { DiffEvent, DiffOptions } from '../../../engine/operations/diff/options.ts';
import { reopened, testFolder } from '../../support/build-repository.ts';
import { Library } from '../../support/library.ts';
import { randomFor, rounds } from '../../support/random.ts';

/** Two images: after `before`, and after `change` as well. */
function images(t: TestContext, before: string, change: string): { before: string; after: string } {
  const folder = testFolder(t);
  const paths = { before: join(folder, 'before'), after: join(folder, 'after') };
  for (const path of [paths.before, paths.after]) {
    const connection = new Database(path);
    connection.exec(before);
    if (path === paths.after) connection.exec(change);
    connection.close();
  }
  return paths;
}

function tablesOf(paths: { before: string; after: string }): { [table: string]: string } {
  const told: { [table: string]: string } = {};
  const tell = (one: ComparedTable | { kind: 'row' }): void => {
    if (one.kind !== 'table') return;
    const { table, change, rowsAdded, rowsRemoved, rowsChanged, columnsAdded, columnsRemoved, note } = one;
    const columns = [...columnsAdded.map((name) => ` +${name}`), ...columnsRemoved.map((name) => ` -${name}`)].join('');
    told[table] = note ?? `${change} +${rowsAdded} -${rowsRemoved} ~${rowsChanged}${columns}`;
  };
  compareTables(paths.before, paths.after, { rowsMax: 0, tell });
  return told;
}

const TABLE = 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, size);';
const ROWS = `${TABLE} INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3);`;
const KEYED = 'CREATE TABLE k (isbn TEXT PRIMARY KEY, title TEXT); ';

const CASES: readonly (readonly [title: string, before: string, change: string, told: { [table: string]: string }])[] =
  [
    ['nothing', ROWS, '', {}],
    [
      'rows of each kind',
      ROWS,
      `DELETE FROM t WHERE id = 1; UPDATE t SET name = 'x' WHERE id = 2; INSERT INTO t VALUES (9, 'n', 9)`,
      { t: 'content +1 -1 ~1' },
    ],
    [
      'a table that is new, one that is gone',
      `${ROWS} CREATE TABLE old (x); INSERT INTO old VALUES (1)`,
      'DROP TABLE old; CREATE TABLE young (y)',
      { old: 'removed +0 -1 ~0', young: 'added +0 -0 ~0' },
    ],
    [
      'columns',
      ROWS,
      'ALTER TABLE t ADD COLUMN more; ALTER TABLE t DROP COLUMN size',
      { t: 'content +0 -0 ~0 +more -size' },
    ],
    [
      'a primary key that is text, though row ids were given anew',
      `${KEYED} INSERT INTO k VALUES ('1', 'a'), ('2', 'b'), ('3', 'c'); DELETE FROM k WHERE isbn = '1'`,
      `UPDATE k SET title = 'x' WHERE isbn = '3'; VACUUM`,
      { k: 'content +0 -0 ~1' },
    ],
    [
      'a primary key that is null',
      `${KEYED} INSERT INTO k VALUES (NULL, 'a'), (NULL, 'b')`,
      `UPDATE k SET title = 'x' WHERE title = 'b'`,
      { k: 'content +0 -0 ~1' },
    ],
    [
      'a table without row ids',
      'CREATE TABLE w (a, b, v, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO w VALUES (1, 2, 3), (4, 5, 6)',
      'UPDATE w SET v = 0 WHERE a = 1; DELETE FROM w WHERE a = 4',
      { w: 'content +0 -1 ~1' },
    ],
    [
      'no key at all',
      'CREATE TABLE bare (x); INSERT INTO bare VALUES (1), (1)',
      'INSERT INTO bare VALUES (1)',
      { bare: 'content +1 -0 ~0' },
    ],
    [
      'values that SQL calls equal',
      `CREATE TABLE e (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b); INSERT INTO e VALUES (1, 'A', 1), (2, 'B', 1), (3, 'C', x'41')`,
      `UPDATE e SET a = 'a' WHERE id = 1; UPDATE e SET b = 1.0 WHERE id = 2; UPDATE e SET b = 'A' WHERE id = 3`,
      { e: 'content +0 -0 ~3' },
    ],
    [
      'null and values',
      ROWS,
      'UPDATE t SET name = NULL WHERE id = 1; UPDATE t SET size = NULL WHERE id = 2',
      { t: 'content +0 -0 ~2' },
    ],
    [
      'odd names',
      'CREATE TABLE "a ""b"" c" ("x ""y""" INTEGER PRIMARY KEY, "select"); INSERT INTO "a ""b"" c" VALUES (1, 1)',
      'UPDATE "a ""b"" c" SET "select" = 2',
      { 'a "b" c': 'content +0 -0 ~1' },
    ],
    [
      'rows with pages of their own',
      `${TABLE} INSERT INTO t VALUES (1, hex(randomblob(9)), zeroblob(100000)), (2, 'b', zeroblob(100000))`,
      'UPDATE t SET size = zeroblob(100001) WHERE id = 2',
      { t: 'content +0 -0 ~1' },
    ],
    [
      'a full-text index is told by its own tables',
      'CREATE VIRTUAL TABLE f USING fts5(x)',
      `INSERT INTO f VALUES ('words')`,
      {
        f_content: 'content +1 -0 ~0',
        f_data: 'content +1 -0 ~2',
        f_docsize: 'content +1 -0 ~0',
        f_idx: 'content +1 -0 ~0',
      },
    ],
  ];

for (const [title, before, change, told] of CASES) {
  test(`tables: ${title}`, (t) => {
    const random = before.includes('randomblob');
    const paths = images(t, random ? before.replace('hex(randomblob(9))', `'a'`) : before, change);
    assert.deepEqual(tablesOf(paths), told);
  });
}

test('tables: what a table holds is not looked at where none of its pages differ', (t) => {
  // A collation that is not here: whoever looks at rows of it fails.
  const folder = testFolder(t);
  const paths = images(
    t,
    `CREATE TABLE p (name TEXT PRIMARY KEY, size); INSERT INTO p VALUES ('a', 1); CREATE TABLE other (x); INSERT INTO other VALUES (1)`,
    'INSERT INTO other VALUES (2)',
  );
  for (const path of [paths.before, paths.after]) {
    const connection = new Database(path);
    connection.unsafeMode();
    connection.pragma('writable_schema = 1');
    connection.exec(
      `UPDATE sqlite_master SET sql = replace(sql, 'name TEXT', 'name TEXT COLLATE elsewhere') WHERE name = 'p'`,
    );
    connection.close();
  }
  assert.deepEqual(tablesOf(paths), { other: 'content +1 -0 ~0' });
  const connection = new Database(paths.after);
  connection.exec('UPDATE p SET size = 7 WHERE rowid = 1');
  connection.close();
  assert.match(tablesOf(paths)['p'] ?? '', /cannot be compared: no such collation/);
  assert.deepEqual(readdirSync(folder), []);
});

test('tables: an image that is no database is a message, not a crash', async (t) => {
  const { before } = images(t, ROWS, '');
  const { found, message } = await compareSqliteImages({ before, after: '/dev/null/nowhere', rowsMax: 0 });
  assert.deepEqual(found, []);
  assert.match(message ?? '', /unable to open/);
});

test('tables: random changes against a plain model', (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(8); round++) {
    const rows = 1 + random.below(3000);
    const first = Array.from({ length: rows }, (_, id) => `(${id}, 'name ${random.below(50)}', ${random.below(5)})`);
    const gone = new Set<number>();
    const changed = new Set<number>();
    const edits: string[] = [];
    const added = random.below(4);
    for (let id = rows; id < rows + added; id++) edits.push(`INSERT INTO t VALUES (${id}, 'new', 0)`);
    for (let edit = random.below(8); edit > 0; edit--) {
      const id = random.below(rows);
      if (gone.has(id)) continue;
      if (random.below(2) === 0) {
        gone.add(id);
        changed.delete(id);
        edits.push(`DELETE FROM t WHERE id = ${id}`);
      } else {
        changed.add(id);
        edits.push(`UPDATE t SET size = 'edited' WHERE id = ${id}`);
      }
    }
    const paths = images(t, `${TABLE} INSERT INTO t VALUES ${first.join(', ')}`, edits.join('; '));
    const any = added + gone.size + changed.size > 0;
    assert.deepEqual(tablesOf(paths), any ? { t: `content +${added} -${gone.size} ~${changed.size}` } : {});
  }
});

// ---- in a diff

function textOf(event: DiffEvent): string[] {
  switch (event.event) {
    case 'change':
      return [event.change];
    case 'table':
      return [`${event.table} +${event.rowsAdded} -${event.rowsRemoved} ~${event.rowsChanged}`];
    case 'row':
      return [
        `${event.change} ${JSON.stringify(event.key, (_, value) => (typeof value === 'bigint' ? Number(value) : value))} ${event.before?.['name']} -> ${event.after?.['name']}`.replaceAll(
          '"',
          '',
        ),
      ];
    default:
      return [];
  }
}

async function told(library: Library, options: Partial<DiffOptions>): Promise<string[]> {
  const lines: string[] = [];
  const repository = await reopened(library.repository);
  const path = Buffer.from(join(library.source, 'server.db'));
  for await (const event of diff(repository, { before: 'latest', after: 'latest', path, ...options }))
    lines.push(...textOf(event));
  return lines;
}

for (const mode of ['wal', 'delete']) {
  test(`tables: of a live database in ${mode} mode, between snapshots and against the disk`, async (t) => {
    const library = await Library.make(t);
    mkdirSync(library.source);
    const connection = new Database(join(library.source, 'server.db'));
    t.after(() => connection.close());
    connection.pragma(`journal_mode = ${mode}`);
    connection.exec(`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b')`);
    await library.backup();
    assert.deepEqual(await told(library, { after: { live: {} } }), []);
    connection.exec(`UPDATE t SET name = 'x' WHERE id = 1`);
    const change = ['content', 't +0 -0 ~1', 'changed {id:1} a -> x'];
    assert.deepEqual(await told(library, { after: { live: {} }, rows: true }), change);
    await library.backup();
    assert.deepEqual(await told(library, { before: 'latest~1', rows: true }), change);
    assert.deepEqual(await told(library, { before: 'latest~1', tables: false }), ['content']);
    assert.deepEqual(readdirSync(join(library.folder, 'cache', 'scratch')), []);
  });
}
