import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { partLines } from '../../cli/commands/run-account.ts';
import { EngineError } from '../../engine/base/errors.ts';
import { backupAndCheck } from '../../engine/checked.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { CliFixture, type Json, lastJson } from '../support/cli.ts';
import { Library } from '../support/library.ts';
import { addCalibreBook, makeCalibreLibrary } from '../support/servers.ts';

const MOBY = 'Melville/Moby Dick (1)';

function makeBooks(folder: string): void {
  makeCalibreLibrary(folder);
  addCalibreBook(folder, { id: 1, title: 'Moby Dick', path: MOBY, formats: ['EPUB'], cover: true });
  addCalibreBook(folder, { id: 2, title: 'Emma', path: 'Austen/Emma (2)', formats: ['EPUB'] });
}

/** A library in which a book's file is gone. */
async function brokenLibrary(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  makeBooks(cli.source);
  rmSync(join(cli.source, MOBY, 'Moby Dick.epub'));
  await cli.init();
  return cli;
}

const MISS = new RegExp(
  `file of "Moby Dick" is not in the snapshot: .*${MOBY.replace(/[()]/g, '\\$&')}/Moby Dick\\.epub`,
);

test('backup --profile tells broken books with their titles, and is no failure for it', async (t) => {
  const cli = await brokenLibrary(t);
  const run = await cli.ok(['backup', cli.source, '--profile', 'calibre']);
  assert.match(run.stderr, /Calibre in .*: of 5 files and folders that its database names, 1 thing is not as it says:/);
  assert.match(run.stderr, MISS);
  assert.match(run.stdout, /^ {2}checked {4}Calibre in .*: 5 files and folders that its database names, 1 amiss$/m);
  const summary = await cli.json(['backup', cli.source, '--profile', 'calibre']);
  const [check] = summary.profiles[0].checks;
  assert.deepEqual([check.rows_checked, check.miss_count, check.problem], [5, 1, undefined]);
  assert.deepEqual(check.misses, [
    { what: 'file', title: 'Moby Dick', path: join(cli.source, MOBY, 'Moby Dick.epub'), entries: 1 },
  ]);
  assert.equal(summary.problem_count, 0);
  const plain = await cli.json(['backup', cli.source]);
  assert.deepEqual(plain.profiles, []);
});

test('check --databases: 0 where all is well, 3 for what is amiss, 20 for damage, 2 for a snapshot without it', async (t) => {
  const cli = await brokenLibrary(t);
  await cli.ok(['backup', cli.source]);
  const amiss = await cli.run(['check', '--databases']);
  assert.equal(amiss.code, 3, amiss.stderr);
  assert.match(amiss.stdout, /^ok +[0-9a-f]{8} {2}.*metadata\.db {2}/m);
  assert.match(amiss.stdout, MISS);
  assert.match(amiss.stdout, /^No damage was found\.$/m);
  const { code, stdout } = await cli.run(['check', '--databases', 'latest', '--json']);
  assert.equal(code, 3);
  const summary = lastJson(stdout);
  assert.deepEqual(summary.errors, []);
  const metadata = summary.databases.find(({ path }: Json) => path === join(cli.source, 'metadata.db'));
  assert.deepEqual([metadata.check, metadata.messages, metadata.foreign_key_violations], ['ok', [], 0]);
  assert.deepEqual(
    summary.servers.map((one: { profile: string; miss_count: number }) => [one.profile, one.miss_count]),
    [['calibre', 1]],
  );
  assert.match(summary.servers[0].snapshot_id, /^[0-9a-f]{64}$/);
  assert.equal((await cli.ok(['check', '--json'])).stdout.includes('"servers"'), false);

  writeFileSync(join(cli.source, MOBY, 'Moby Dick.epub'), 'Call me Ishmael.');
  await cli.ok(['backup', cli.source]);
  const sound = await cli.ok(['check', '--databases']);
  assert.match(sound.stdout, /Calibre in .*: 5 files and folders that its database names, nothing amiss/);
  assert.equal((await cli.ok(['check', '--databases', '-q'])).stdout, '');

  const database = new Database(join(cli.source, 'metadata.db'));
  database.exec('CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1, 2)');
  database.unsafeMode();
  database.pragma('writable_schema = ON');
  database.exec("UPDATE sqlite_master SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'");
  database.close();
  await cli.ok(['backup', cli.source]);
  const damaged = await cli.run(['check', '--databases']);
  assert.equal(damaged.code, 20);
  assert.match(
    damaged.stdout,
    /^damaged: database .*metadata\.db in snapshot [0-9a-f]{8}: row 1 missing from index i$/m,
  );
  for (const wrong of [
    ['check', 'latest'],
    ['check', '--databases', 'latest', 'latest~1'],
  ]) {
    assert.equal((await cli.run(wrong)).code, 2);
  }
});

test('a night says in its summary which books are broken, and is done all the same', async (t) => {
  const library = await Library.make(t);
  makeBooks(library.source);
  rmSync(join(library.source, MOBY, 'Moby Dick.epub'));
  const part = 'backup' as const;
  const result = await backupAndCheck(library.repository, {
    paths: [Buffer.from(library.source)],
    profiles: ['calibre'],
  });
  const lines = partLines({
    part,
    status: 'done',
    why: '',
    details: { part, result, missingDatabases: [] },
    error: undefined,
    durationSeconds: 1,
  });
  assert.match(lines.join('\n'), /^Calibre in .*: 5 files and folders that its database names, 1 amiss$/m);
  assert.match(lines.join('\n'), MISS);
});

test('whatever becomes of a check, the snapshot is saved and the backup answers', async (t) => {
  for (const error of [new EngineError('INTERRUPTED', 'Interrupted'), new TypeError('a bug')]) {
    const library = await Library.make(t);
    makeBooks(library.source);
    const notes: string[] = [];
    const options = { paths: [Buffer.from(library.source)], profiles: ['calibre'] };
    const monitor = { note: (text: string) => void notes.push(text) };
    const result = await backup(library.repository, { ...options, monitor }, () => Promise.reject(error));
    assert.equal(result.checksError?.code, error instanceof EngineError ? 'INTERRUPTED' : 'INTERNAL');
    assert.match(notes.join('\n'), /The snapshot is saved; its servers were not checked to the end: /);
    assert.equal((await library.repository.snapshots.list()).length, 1);
    assert.equal((await library.repository.snapshots.find('latest')).id, result.snapshot?.id);
    let asked = 0;
    const count = async (): Promise<readonly []> => {
      asked++;
      return [];
    };
    await backup(await library.reopen(), { ...options, dryRun: true }, count);
    await backup(await library.reopen(), { ...options, skipIfUnchanged: true }, count);
    await backup(await library.reopen(), { paths: options.paths }, count);
    assert.equal(asked, 0, 'nothing is checked of what is not saved, or of no profile');
  }
});
