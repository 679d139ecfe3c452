/** Trap 25: logs of SQLite that lie in the target of a restore, and are not the snapshot's. */

import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import type { BackupOptions } from '../../engine/operations/backup/options.ts';
import { Library } from '../support/library.ts';

const ROWS_STORED = 10;

function insert(database: Database.Database, count: number): void {
  const statement = database.prepare('INSERT INTO item (text) VALUES (?)');
  for (let row = 0; row < count; row++) statement.run(`row ${row}`);
}

function rowsOf(path: string): number {
  const database = new Database(path);
  try {
    return database.prepare('SELECT count(*) FROM item').pluck().get() as number;
  } finally {
    database.close();
  }
}

interface Scene {
  readonly library: Library;
  /** Puts what a killed server left into a folder: commits that lie in the `-wal` alone. */
  leave(target: string, suffixes: readonly string[], name?: string): void;
}

/** A snapshot of a database of a few rows, and the files of the same one many commits later. */
async function scene(t: TestContext, options: Partial<BackupOptions> = {}): Promise<Scene> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const path = join(library.source, 'db.sqlite');
  const database = new Database(path);
  t.after(() => database.close());
  database.pragma('journal_mode = WAL');
  database.pragma('wal_autocheckpoint = 0');
  database.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT)');
  insert(database, ROWS_STORED);
  database.pragma('wal_checkpoint(TRUNCATE)');
  const later = join(library.folder, 'later');
  mkdirSync(later);
  // With `databases: false` the files are stored as they lie there: without a log.
  const plain = join(library.folder, 'plain');
  copyFileSync(path, plain);
  insert(database, 400);
  for (const suffix of ['', '-wal', '-shm']) copyFileSync(`${path}${suffix}`, join(later, `db.sqlite${suffix}`));
  database.close();
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  copyFileSync(plain, path);
  await library.backup(options);
  return {
    library,
    leave: (target, suffixes, name = 'db.sqlite') => {
      mkdirSync(target, { recursive: true });
      for (const suffix of suffixes) copyFileSync(join(later, `db.sqlite${suffix}`), join(target, `${name}${suffix}`));
    },
  };
}

for (const databases of [true, false]) {
  const how = databases ? 'a captured database' : 'a database that was stored as a file';

  test(`trap 25: no -wal whose database is gone stays beside ${how}`, async (t) => {
    const { library, leave } = await scene(t, { databases });
    const target = join(library.folder, 'target');
    for (const overwrite of ['always', 'if-changed', 'if-newer', 'never'] as const) {
      rmSync(target, { recursive: true, force: true });
      leave(target, ['-wal']);
      const { problemCount } = await library.restore('latest', { target: Buffer.from(target), overwrite });
      assert.equal(problemCount, 0);
      assert.equal(existsSync(join(target, 'db.sqlite-wal')), false, overwrite);
      assert.ok(existsSync(join(target, 'db.sqlite-wal.before-restore')), 'it may hold the only copy of something');
      assert.equal(rowsOf(join(target, 'db.sqlite')), ROWS_STORED, overwrite);
    }
  });

  test(`trap 25: ${how} is not left alone as it was beside a newer -wal`, async (t) => {
    const { library, leave } = await scene(t, { databases });
    const target = join(library.folder, 'target');
    await library.restore('latest', { target: Buffer.from(target) });
    leave(target, ['-wal']);
    await library.restore('latest', { target: Buffer.from(target), overwrite: 'if-changed' });
    assert.equal(existsSync(join(target, 'db.sqlite-wal')), false);
    assert.equal(rowsOf(join(target, 'db.sqlite')), ROWS_STORED);
    leave(target, ['', '-wal', '-shm']);
    await library.restore('latest', { target: Buffer.from(target), overwrite: 'always' });
    assert.deepEqual(readdirSync(target), ['db.sqlite']);
    assert.equal(rowsOf(join(target, 'db.sqlite')), ROWS_STORED);
    rmSync(target, { recursive: true });
    leave(target, ['', '-wal']);
    await library.restore('latest', { target: Buffer.from(target), overwrite: 'never' });
    assert.equal(rowsOf(join(target, 'db.sqlite')), ROWS_STORED + 400, 'what is kept is kept whole');
  });

  test(`trap 25: ${how} alone is refused where a log of its name lies`, async (t) => {
    const { library, leave } = await scene(t, { databases });
    for (const suffix of ['-wal', '-shm']) {
      const target = join(library.folder, `target ${suffix}`);
      leave(target, [suffix]);
      const one = { path: Buffer.from(join(library.source, 'db.sqlite')), target: Buffer.from(target) };
      await assert.rejects(library.restore('latest', one), (error) => isEngineError(error, 'TARGET_NOT_EMPTY'));
      assert.deepEqual(readdirSync(target), [`db.sqlite${suffix}`]);
      await library.restore('latest', { ...one, overwrite: 'always' });
      assert.equal(rowsOf(join(target, 'db.sqlite')), ROWS_STORED);
    }
  });
}

test('trap 25: a log beside a further name of a database goes, too', async (t) => {
  const { library, leave } = await scene(t);
  linkSync(join(library.source, 'db.sqlite'), join(library.source, 'other.sqlite'));
  await library.backup();
  const target = join(library.folder, 'target');
  leave(target, ['-wal'], 'other.sqlite');
  await library.restore('latest', { target: Buffer.from(target), overwrite: 'always' });
  assert.equal(rowsOf(join(target, 'other.sqlite')), ROWS_STORED);
});

test('files that are only called like logs stay, and so do the logs that the snapshot holds', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const log = Buffer.concat([Buffer.from('377f0682', 'hex'), Buffer.alloc(28)]);
  writeFileSync(join(library.source, 'text'), 'text');
  writeFileSync(join(library.source, 'kept'), 'kept');
  writeFileSync(join(library.source, 'kept-wal'), log);
  await library.backup();
  const { target } = await library.restore();
  writeFileSync(join(target, 'text-wal'), 'mine');
  writeFileSync(join(target, 'kept'), 'changed');
  writeFileSync(join(target, 'kept-wal'), Buffer.concat([log, log]));
  const { problemCount } = await library.restore('latest', { target: Buffer.from(target), overwrite: 'always' });
  assert.equal(problemCount, 0);
  assert.equal(readFileSync(join(target, 'text-wal'), 'utf8'), 'mine');
  assert.deepEqual(readFileSync(join(target, 'kept-wal')), log);
  assert.deepEqual(readdirSync(target).sort(), ['kept', 'kept-wal', 'text', 'text-wal']);
});
