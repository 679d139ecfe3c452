import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { Library } from '../support/library.ts';

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60));
}

test('a database that a server holds open and idle is captured once, until a commit moves its -wal', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const path = join(library.source, 'server.db');
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.exec('CREATE TABLE t (x)');
  await settle();
  const before = { main: readFileSync(path), names: readdirSync(library.source) };
  const first = await library.backup();
  assert.deepEqual(readdirSync(library.source), before.names);
  assert.ok(readFileSync(path).equals(before.main));
  await settle();
  const second = await library.backup();
  assert.equal(second.counts.filesUnmodified, 1);
  assert.deepEqual(second.databases, first.databases, 'kept from the parent, not captured again');
  const main = statSync(path, { bigint: true }).mtimeNs;
  database.exec('INSERT INTO t VALUES (1)');
  assert.equal(statSync(path, { bigint: true }).mtimeNs, main, 'the commit went to the -wal alone');
  const third = await library.backup();
  assert.equal(third.counts.filesChanged, 1);
  const { target } = await library.restore();
  const restored = new Database(join(target, 'server.db'), { readonly: true });
  assert.equal(restored.prepare('SELECT count(*) FROM t').pluck().get(), 1);
  restored.close();
  database.close();
});
