/** Sources that lie oddly, and file systems that tell little: nothing of them may be lost in silence. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { backup } from '../../engine/operations/backup/backup.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { Library } from '../support/library.ts';
import { treeState } from '../support/tree-state.ts';

/** A folder for a file system of ours, which is mounted at `below` in it; undefined where that is not allowed. */
function mounted(t: TestContext, below: string, options: readonly string[]): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'snap-mount-'));
  const point = join(folder, below);
  mkdirSync(point, { recursive: true });
  let isMounted = false;
  // Hooks run in their order, and a folder goes only when nothing is mounted in it.
  t.after(() => {
    if (isMounted) execFileSync('umount', ['-l', point]);
    execFileSync('rm', ['-rf', folder]);
  });
  try {
    execFileSync('mount', [...options, point], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  isMounted = true;
  return folder;
}

test('trap 7: on a file system of whole seconds an edit within the same second is seen', async (t) => {
  const library = await Library.make(t);
  const image = join(library.folder, 'image');
  execFileSync('truncate', ['-s', '8M', image]);
  try {
    execFileSync('mke2fs', ['-q', '-I', '128', image], { stdio: 'ignore' });
  } catch {
    return t.skip('mke2fs is not installed');
  }
  const source = mounted(t, '.', ['-o', 'loop', image]);
  if (source === undefined) return t.skip('mounting is not allowed here');
  const paths = [Buffer.from(source)];
  const restored = async (): Promise<string> => (await library.restore('latest', { path: Buffer.from(source) })).target;
  const file = join(source, 'file');
  const path = join(source, 'db.sqlite');
  const database = new Database(path);
  database.exec('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (0)');
  for (let round = 1; round <= 3; round++) {
    // Just after a full second, so that all of it lies in one.
    await sleep(1000 - (Date.now() % 1000) + 5);
    writeFileSync(file, `version ${round}a`);
    await library.backup({ paths });
    writeFileSync(file, `version ${round}b`);
    database.exec(`UPDATE t SET n = ${round}`);
    await sleep(1100);
    await library.backup({ paths });
    const target = await restored();
    assert.equal(readFileSync(join(target, 'file'), 'utf8'), `version ${round}b`);
    const copy = new Database(join(target, 'db.sqlite'), { readonly: true });
    assert.deepEqual(copy.prepare('SELECT n FROM t').all(), [{ n: round }]);
    copy.close();
  }
  database.close();
});

test('trap 25: a database that is named itself is captured with what its -wal holds, and only it', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const path = join(library.source, 'shelf.db');
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('wal_autocheckpoint = 0');
  database.exec('CREATE TABLE t (n INTEGER)');
  writeFileSync(join(library.source, 'plain'), 'plain');
  writeFileSync(join(library.source, 'plain-wal'), 'nobody named this');
  writeFileSync(join(library.source, 'other'), 'nor this');
  const paths = [Buffer.from(path), Buffer.from(join(library.source, 'plain'))];
  for (let rows = 1; rows <= 3; rows++) {
    database.exec('INSERT INTO t VALUES (1)');
    await sleep(50);
    const { problems, databases } = await library.backup({ paths });
    assert.deepEqual(problems, []);
    assert.deepEqual(
      databases.map(({ check }) => check),
      ['ok'],
    );
    const { target } = await library.restore();
    assert.deepEqual(readdirSync(target).sort(), ['plain', 'shelf.db']);
    const restored = new Database(join(target, 'shelf.db'), { readonly: true });
    assert.deepEqual(restored.prepare('SELECT count(*) AS n FROM t').get(), { n: rows });
    restored.close();
  }
  database.close();
});

test('a source that lies in another one is stored, whatever the rules say of the way to it', async (t) => {
  const library = await Library.make(t);
  const { source } = library;
  for (const folder of ['excluded/keep', 'excluded/drop', 'cache', 'marked/keep'])
    mkdirSync(join(source, folder), { recursive: true });
  for (const file of [
    'excluded/keep/a',
    'excluded/drop/b',
    'excluded/c',
    'cache/d.tmp',
    'cache/e.tmp',
    'marked/.nobackup',
    'marked/keep/f',
    'marked/g',
    'h',
  ])
    writeFileSync(join(source, file), file);
  const paths = ['', 'excluded/keep', 'cache/d.tmp', 'marked/keep'].map((path) => Buffer.from(join(source, path)));
  const { problems, counts } = await library.backup({
    paths,
    excludes: ['excluded', '*.tmp'],
    excludeIfPresent: ['.nobackup'],
  });
  assert.deepEqual(problems, []);
  const { target } = await library.restore();
  const found = readdirSync(target, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = found.map((entry) => join(entry.parentPath, entry.name).slice(target.length + 1));
  assert.deepEqual(names.sort(), ['cache/d.tmp', 'excluded/keep/a', 'h', 'marked/.nobackup', 'marked/keep/f']);
  assert.equal(counts.totalFilesProcessed, names.length);
});

test('a mount that is named beside the folder it lies in is stored with oneFileSystem, too', async (t) => {
  const library = await Library.make(t);
  const source = mounted(t, 'deep/mount', ['-t', 'tmpfs', 'tmpfs']);
  if (source === undefined) return t.skip('mounting is not allowed here');
  const folder = join(source, 'deep', 'mount', 'folder');
  mkdirSync(folder);
  writeFileSync(join(folder, 'inside'), 'inside');
  writeFileSync(join(folder, '..', 'beside'), 'beside');
  writeFileSync(join(source, 'outside'), 'outside');
  const restored = async (): Promise<string> => (await library.restore('latest', { path: Buffer.from(source) })).target;
  const paths = [Buffer.from(source), Buffer.from(folder)];
  await library.backup({ paths, oneFileSystem: true });
  const target = await restored();
  assert.deepEqual(readdirSync(join(target, 'deep', 'mount')), ['folder']);
  assert.equal(readFileSync(join(target, 'deep/mount/folder/inside'), 'utf8'), 'inside');
  assert.equal(readFileSync(join(target, 'outside'), 'utf8'), 'outside');
  await library.backup({ paths: paths.slice(0, 1), oneFileSystem: true });
  assert.deepEqual(readdirSync(join(await restored(), 'deep')), []);
});

test('an inode number that another file gets in mid-run is no hard link of the first', async (t) => {
  const library = await Library.make(t);
  const { source } = library;
  const outside = join(library.folder, 'outside');
  for (const folder of [join(source, 'a'), join(source, 'm'), outside]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(source, 'a', 'first'), 'A'.repeat(5000));
  linkSync(join(source, 'a', 'first'), join(outside, 'first'));
  for (let number = 0; number < 3000; number++) writeFileSync(join(source, 'm', String(number)), 'x'.repeat(1000));
  const running = library.backup({ force: true, workers: 1, readBytesPerSecond: 1_500_000 });
  await sleep(800);
  rmSync(join(source, 'a', 'first'));
  rmSync(join(outside, 'first'));
  for (let number = 0; number < 20; number++) {
    const name = `second ${number}`;
    writeFileSync(join(outside, name), 'B'.repeat(5000));
    linkSync(join(outside, name), join(source, 'a', name));
  }
  renameSync(join(source, 'a'), join(source, 'z'));
  await running;
  const { target } = await library.restore();
  for (const folder of readdirSync(target)) {
    for (const name of readdirSync(join(target, folder))) {
      if (!name.startsWith('second')) continue;
      assert.equal(readFileSync(join(target, folder, name), 'utf8'), 'B'.repeat(5000), `${folder}/${name}`);
    }
  }
});

test('30,000 named paths are matched with their snapshot in no time', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const paths: Buffer[] = [];
  for (let number = 0; number < 30_000; number++) {
    const path = join(library.source, String(number));
    writeFileSync(path, '');
    paths.push(Buffer.from(path));
  }
  await library.backup({ paths });
  const begunMs = performance.now();
  const { counts } = await library.backup({ paths: paths.toReversed() });
  assert.equal(counts.filesUnmodified, 30_000);
  assert.ok(performance.now() - begunMs < 10_000, `${performance.now() - begunMs} ms`);
});

for (const kind of ['data', 'tree', 'data and tree'] as const) {
  test(`a backup into a repository whose ${kind} packs are gone says so, and stores again what is there`, async (t) => {
    const library = await Library.make(t);
    mkdirSync(join(library.source, 'folder'), { recursive: true });
    writeFileSync(join(library.source, 'folder', 'small'), 'small');
    writeFileSync(join(library.source, 'folder', 'large'), randomBytes(3_000_000));
    const database = new Database(join(library.source, 'db.sqlite'));
    database.exec('CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)');
    database.close();
    await sleep(100);
    await library.backup();
    await removePacks(library, kind);
    const healed = await library.backup({ skipIfUnchanged: true });
    assert.ok(healed.damage.length > 0);
    for (const { code } of healed.damage) assert.equal(code, 'OBJECT_MISSING');
    assert.deepEqual(healed.problems, []);
    const { target, problems } = await library.restore();
    assert.deepEqual(problems, []);
    assert.deepEqual(treeState(target), treeState(library.source));
    const next = await library.backup();
    assert.equal(next.bytesRead, 0, 'what was stored again counts');
    assert.ok(next.damage.length > 0, 'earlier snapshots still lack it');
  });
}

async function removePacks(library: Library, kind: string): Promise<void> {
  await library.reopen();
  const { index, backend } = library.repository;
  await library.repository.loadIndex();
  for (const pack of [...index.packs()]) {
    if (kind.includes(pack.kind)) await backend.remove('pack', pack.packId);
  }
}

test('a database is captured also where the cache directory cannot be made; images of killed runs are swept up', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const database = new Database(join(library.source, 'db.sqlite'));
  database.exec('CREATE TABLE t (n INTEGER)');
  database.close();
  const { cacheDirectory, backend } = library.repository;
  const scratch = join(cacheDirectory, 'scratch');
  const folders = [`images-${hostname()}-999999999-a`, 'images-gone-container-1-a', 'images-other-container-1-a'];
  for (const folder of folders) mkdirSync(join(scratch, folder), { recursive: true });
  utimesSync(join(scratch, folders[1] ?? ''), 1e9, 1e9);
  await library.backup();
  assert.deepEqual(readdirSync(scratch), [folders[2]]);

  writeFileSync(join(library.folder, 'a file'), '');
  const options = { backend, cacheDirectory: join(library.folder, 'a file', 'cache') };
  const repository = await Repository.open({ ...options, credential: { type: 'none' } });
  const { databases, problems } = await backup(repository, { paths: [Buffer.from(library.source)], force: true });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    databases.map(({ check }) => check),
    ['ok'],
  );
});
