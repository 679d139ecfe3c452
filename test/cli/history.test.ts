/** diff, find, log and stats as a person and a script call them. */

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { CliFixture, type Json, jsonLines } from '../support/cli.ts';

const ODD = Buffer.from([0x2f, 0x66, 0xff, 0x0a]);

/** Two nights of a small library with a server's database. */
async function given(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'Author'), { recursive: true });
  writeFileSync(join(cli.source, 'Author', 'book.txt'), 'one\ntwo\nthree\n');
  writeFileSync(join(cli.source, 'gone'), 'gone');
  const server = new Database(join(cli.source, 'server.db'));
  t.after(() => server.close());
  server.exec(`CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO books VALUES (1, 'a'), (2, 'b')`);
  await cli.init();
  await cli.ok(['backup', cli.source]);
  renameSync(join(cli.source, 'Author'), join(cli.source, 'Writer'));
  writeFileSync(join(cli.source, 'Writer', 'book.txt'), 'one\n2\nthree\n');
  rmSync(join(cli.source, 'gone'));
  writeFileSync(Buffer.concat([Buffer.from(cli.source), ODD]), 'odd');
  server.exec(`UPDATE books SET title = 'x' WHERE id = 1; INSERT INTO books VALUES (3, 'c')`);
  await cli.ok(['backup', cli.source]);
  return cli;
}

const CHANGE_KEYS = 'message_type path change type fields size_before size_after bytes_added bytes_removed'.split(' ');

test('diff speaks JSON Lines: changes, tables of databases, and a summary', async (t) => {
  const cli = await given(t);
  const lines = jsonLines((await cli.ok(['diff', 'latest~1', 'latest', '--json', '--rows'])).stdout);
  const short = ({ path }: Json): string => path.slice(cli.source.length + 1);
  const changes = lines.filter((line) => line.message_type === 'change' && line.table === undefined);
  for (const change of changes) for (const key of CHANGE_KEYS) assert.ok(key in change, key);
  assert.deepEqual(
    changes.map((line) => `${line.change} ${short(line)}`),
    ['moved Writer', 'content Writer/book.txt', 'added f\ufffd\n', 'removed gone', 'content server.db'],
  );
  assert.equal(changes[0].from, join(cli.source, 'Author'));
  assert.deepEqual(Buffer.from(changes[2].path_base64, 'base64'), Buffer.concat([Buffer.from(cli.source), ODD]));
  const table = lines.find((line) => line.table === 'books' && line.message_type === 'change');
  assert.deepEqual([table.rows_added, table.rows_removed, table.rows_changed], [1, 0, 1]);
  const rows = lines.filter((line) => line.message_type === 'row');
  assert.deepEqual(
    rows.map(({ change, key, before, after }) => [change, key, before?.title, after?.title]),
    [
      ['added', { id: 3 }, undefined, 'c'],
      ['changed', { id: 1 }, 'a', 'x'],
    ],
  );
  const summary = lines.at(-1);
  assert.deepEqual(
    [summary.message_type, summary.added, summary.removed, summary.content, summary.moved],
    ['summary', 1, 1, 2, 1],
  );
  assert.ok(summary.bytes_added > 0 && summary.bytes_removed > 0);
  assert.deepEqual(jsonLines((await cli.ok(['diff', 'latest~1', 'latest', '--json', '--stat'])).stdout).length, 1);
});

test('diff for people: one line for each change, --stat, --name-only and --text', async (t) => {
  const cli = await given(t);
  const { stdout } = await cli.ok(['diff', 'latest~1', 'latest']);
  const text = stdout.replaceAll(cli.source, '');
  assert.match(text, /^R {4}\/Author\/ -> \/Writer\/$/m);
  assert.match(text, /^M {4}\/Author\/book.txt -> \/Writer\/book.txt {2}\+12 B -14 B$/m);
  assert.match(text, /^\+ {4}\/f.\\n {2}3 B$/m);
  assert.match(text, /^- {4}\/gone {2}4 B$/m);
  assert.match(text, /^ {7}books: \+1 rows, 1 rows changed$/m);
  assert.match(text, /^added +1$/m);
  const names = await cli.ok(['diff', 'latest~1', 'latest', join(cli.source, 'gone'), '--name-only']);
  assert.equal(names.stdout, `${cli.source}/gone\n`);
  assert.doesNotMatch((await cli.ok(['diff', 'latest~1', 'latest', '--stat'])).stdout, /gone/);
  await cli.ok(['backup', cli.source]);
  assert.equal((await cli.ok(['diff', 'latest~1', 'latest'])).stdout, 'Nothing changed.\n');
  const unified = await cli.ok(['diff', 'latest~1', '--live', 'Writer/book.txt', '--text'], { cwd: cli.source });
  assert.equal(unified.stdout, '');
  writeFileSync(join(cli.source, 'Writer', 'book.txt'), 'one\n2\n3\n');
  const edited = await cli.ok(['diff', 'latest', '--live', 'Writer/book.txt', '--text'], { cwd: cli.source });
  assert.match(
    edited.stdout,
    /^--- .*Writer\/book.txt\t.*\n\+\+\+ .*\tnow\n@@ -1,3 \+1,3 @@\n one\n 2\n-three\n\+3\n$/,
  );
  const live = await cli.ok(['diff', 'latest', '--live']);
  assert.match(live.stdout, /^M .*Writer\/book.txt/);
});

test('diff: wrong command lines end with 2, what is not there with 1', async (t) => {
  const cli = await given(t);
  for (const wrong of [
    ['diff'],
    ['diff', 'latest'],
    ['diff', 'latest', 'latest', '--read-data'],
    ['diff', 'latest', 'latest', '--text'],
    ['diff', 'latest', '--live', '/a', '/b'],
    ['find'],
    ['find', '[a'],
    ['find', 'a', '--type', 'cat'],
    ['log'],
  ]) {
    const run = await cli.run(wrong);
    assert.equal(run.code, 2, `${wrong.join(' ')}: ${run.stderr}`);
  }
  for (const missing of [
    ['diff', 'latest', 'ffffffff'],
    ['diff', 'latest~1', 'latest', '/nowhere'],
    ['log', '/nowhere'],
  ]) {
    assert.equal((await cli.run(missing)).code, 1, missing.join(' '));
  }
  for (const verb of ['diff', 'find', 'log']) {
    const { stdout } = await cli.ok([verb, '--help']);
    assert.match(stdout, new RegExp(`Examples:\\n  snap ${verb} .*\\n  snap ${verb} .*\\n\\nExit codes:`));
  }
});

test('find and log say where to restore from', async (t) => {
  const cli = await given(t);
  const ids = (await cli.json(['snapshots'])).map(({ id }: Json) => id);
  const found = jsonLines((await cli.ok(['find', 'BOOK.*', '-i', '--json'])).stdout);
  assert.deepEqual(
    found.map(({ path, ranges }) => [path.slice(cli.source.length), ranges[0].first, ranges[0].snapshots]),
    [
      ['/Author/book.txt', ids[0], 1],
      ['/Writer/book.txt', ids[1], 1],
    ],
  );
  for (const key of 'path type size mode uid gid user group mtime ctime inode links snapshot_id'.split(' ')) {
    assert.ok(key in found[0], key);
  }
  const odd = jsonLines((await cli.ok(['find', 'f??', '--json'])).stdout);
  assert.ok(Buffer.from(odd[0].path_base64, 'base64').subarray(-4).equals(ODD));
  const one = await cli.ok(['find', 'gone']);
  assert.match(one.stdout, /\/gone {2}4 B {2}\d{4}-\S+ {2}[0-9a-f]{8} \(\d{4}-\d\d-\d\d \d\d:\d\d\)\n$/);

  const versions = await cli.json(['log', join(cli.source, 'gone')]);
  assert.deepEqual(
    versions.map(({ change, restore_from, snapshots }: Json) => [change, restore_from, snapshots]),
    [
      ['added', ids[0], 1],
      ['deleted', null, 1],
    ],
  );
  assert.equal(versions[0].size, 4);
  const table = await cli.ok(['log', 'gone'], { cwd: cli.source });
  assert.match(table.stdout, /^Since +Snapshots +Size +Modified \(UTC\) +Restore from +What\n/);
  assert.match(table.stdout, /deleted$/m);
});

test('stats says what only one snapshot holds, and draws what each night added', async (t) => {
  const cli = await given(t);
  const one = await cli.json(['stats', 'latest~1']);
  assert.ok(one.unique_size <= one.distinct_size && one.unique_size > 0);
  assert.ok(one.by_type.some(({ type }: Json) => type === 'database'));
  assert.match((await cli.ok(['stats', 'latest'])).stdout, /^only in this one .*what forgetting it would free/m);
  for (const day of ['02', '03', '04']) {
    writeFileSync(join(cli.source, `night ${day}`), `${day} `.repeat(Number(day) * 1000));
    await cli.ok(['backup', cli.source, '--time', `2026-03-${day}T02:00`]);
  }
  assert.match((await cli.ok(['stats'])).stdout, /Growth a night\n2026-03-02 +[\d.]+ \w+ *█*[▏▎▍▌▋▊▉]?\n2026-03-03/);
  const { growth } = await cli.json(['stats']);
  assert.ok(growth.length >= 4 && growth[0].data_added_packed > 0);
});
