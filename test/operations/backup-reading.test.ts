import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KIB, MIB } from '../../engine/base/limits.ts';
import type { BackupResult } from '../../engine/operations/backup/options.ts';
import { Library } from '../support/library.ts';
import { treeState } from '../support/tree-state.ts';

/** Longer than a tick of any clock, so that what was made before is trusted. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60));
}

async function library(t: TestContext, files: { readonly [path: string]: string | Buffer }): Promise<Library> {
  const made = await Library.make(t);
  mkdirSync(made.source);
  for (const [path, content] of Object.entries(files)) {
    const full = join(made.source, path);
    mkdirSync(join(full, '..'), { recursive: true });
    writeFileSync(full, content);
  }
  await settle();
  return made;
}

/** Bytes that this process has read from anywhere, by the kernel's count. */
function bytesReadByProcess(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
}

async function restoresAlike(given: Library): Promise<void> {
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
}

test('trap 8: an unchanged night reads no file, nor does the night after it, by the kernel’s own count', async (t) => {
  const files: { [path: string]: Buffer } = { 'one large': randomBytes(40 * MIB) };
  for (let number = 0; number < 200; number++) files[`folder ${number % 7}/${number}`] = randomBytes(100 * KIB);
  const given = await library(t, files);
  const first = await given.backup();
  const all = 40 * MIB + 200 * 100 * KIB;
  assert.ok(first.bytesRead >= all && first.bytesRead < all * 1.2, 'all, and a little where workers take turns');
  for (let night = 0; night < 3; night++) {
    const before = bytesReadByProcess();
    const next = await given.backup();
    assert.equal(next.bytesRead, 0);
    assert.deepEqual(
      [next.counts.filesNew, next.counts.filesChanged, next.counts.filesUnmodified, next.counts.dataAdded],
      [0, 0, 201, 0],
    );
    assert.ok(bytesReadByProcess() - before < 8 * MIB, 'what was read is the repository’s own');
  }
});

test('a run that is skipped because nothing changed does not make the next one read', async (t) => {
  const given = await library(t, { one: 'one', two: 'two' });
  await given.backup();
  // A folder above the source changes all the time, and is no source.
  writeFileSync(join(given.folder, 'beside'), '');
  assert.equal((await given.backup({ skipIfUnchanged: true })).skipped, true);
  const next = await given.backup();
  assert.equal(next.bytesRead, 0);
  chmodSync(given.source, 0o700);
  assert.equal((await given.backup({ skipIfUnchanged: true })).skipped, false, 'the source itself does count');
});

const MUTATIONS: { readonly [name: string]: (path: string, spare: string) => void } = {
  'written over, same size': (path) => writeFileSync(path, 'CONTENT'),
  appended: (path) => appendFileSync(path, '!'),
  truncated: (path) => truncateSync(path, 3),
  'written over and its mtime put back': (path) => {
    const { atime, mtime } = statSync(path);
    writeFileSync(path, 'CONTENT');
    utimesSync(path, atime, mtime);
  },
  'replaced by rename, with the same size and mtime': (path, spare) => {
    const { atime, mtime } = statSync(path);
    writeFileSync(spare, 'CONTENT');
    utimesSync(spare, atime, mtime);
    renameSync(spare, path);
  },
  'removed and made again with the same size and mtime': (path, spare) => {
    const { atime, mtime } = statSync(path);
    renameSync(path, spare);
    writeFileSync(path, 'CONTENT');
    utimesSync(path, atime, mtime);
    unlinkSync(spare);
  },
  'mode only': (path) => chmodSync(path, 0o600),
  'mtime only, backwards': (path) => utimesSync(path, 1, 1),
  'a new hard link beside it': (path, spare) => linkSync(path, spare),
  'an extended attribute': (path) => execFileSync('setfattr', ['-n', 'user.note', '-v', 'x', path]),
};

for (const [name, mutate] of Object.entries(MUTATIONS)) {
  test(`trap 6: a change is seen: ${name}`, async (t) => {
    const given = await library(t, { file: 'content', other: 'other' });
    await given.backup();
    try {
      mutate(join(given.source, 'file'), join(given.folder, 'spare'));
    } catch (error) {
      if (name === 'an extended attribute') return t.skip('setfattr, or a file system with attributes, is missing');
      throw error;
    }
    const next = await given.backup();
    assert.equal(next.counts.filesChanged, 1);
    assert.equal(next.counts.filesUnmodified, 1);
    await restoresAlike(given);
  });
}

test('trap 6: two files that swap their names are both seen', async (t) => {
  const given = await library(t, { a: 'content of a', b: 'content of b' });
  utimesSync(join(given.source, 'a'), 5, 5);
  utimesSync(join(given.source, 'b'), 5, 5);
  await settle();
  await given.backup();
  renameSync(join(given.source, 'a'), join(given.source, 'c'));
  renameSync(join(given.source, 'b'), join(given.source, 'a'));
  renameSync(join(given.source, 'c'), join(given.source, 'b'));
  const next = await given.backup();
  assert.equal(next.counts.filesChanged, 2);
  await restoresAlike(given);
});

test('trap 7: what is not older than the parent is not trusted, a time in the future included', async (t) => {
  const given = await library(t, { old: 'old', fresh: 'fresh' });
  const inAnHour = Date.now() / 1000 + 3600;
  utimesSync(join(given.source, 'fresh'), inAnHour, inAnHour);
  await given.backup();
  for (let night = 0; night < 2; night++) {
    const next = await given.backup();
    assert.equal(next.bytesRead, 'fresh'.length, 'it could have changed in the tick in which it was read');
    assert.deepEqual([next.counts.filesUnmodified, next.counts.filesChanged], [2, 0], 'it had not');
  }
});

test('files below a moved folder are not read, a renamed file is read and stores nothing', async (t) => {
  const given = await library(t, {
    'A/B/large': randomBytes(3 * MIB),
    'A/B/C/small': 'small',
    'A/other': 'other',
    renamed: randomBytes(2 * MIB),
  });
  await given.backup();
  mkdirSync(join(given.source, 'target'));
  renameSync(join(given.source, 'A/B'), join(given.source, 'target/B moved'));
  const moved = await given.backup();
  assert.deepEqual([moved.bytesRead, moved.counts.filesMoved, moved.counts.filesNew], [0, 2, 0]);
  renameSync(join(given.source, 'renamed'), join(given.source, 'target/renamed'));
  const renamed = await given.backup();
  assert.equal(renamed.bytesRead, 2 * MIB);
  assert.ok(renamed.counts.dataAdded < 8 * KIB, `${renamed.counts.dataAdded} bytes of trees`);
  await restoresAlike(given);
});

test('a hard link is read once, whatever folders its names lie in', async (t) => {
  const given = await library(t, { 'a/first': randomBytes(MIB), 'b/x': 'x', 'c/large': randomBytes(30 * MIB) });
  linkSync(join(given.source, 'a/first'), join(given.source, 'b/second'));
  linkSync(join(given.source, 'a/first'), join(given.source, 'third'));
  linkSync(join(given.source, 'c/large'), join(given.source, 'a/large too'));
  await settle();
  const result = await given.backup();
  assert.ok(result.bytesRead < 31 * MIB * 1.2, `${result.bytesRead / MIB} MiB`);
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
  assert.equal(statSync(join(target, 'third')).ino, statSync(join(target, 'a/first')).ino);
  assert.equal(statSync(join(target, 'c/large')).ino, statSync(join(target, 'a/large too')).ino);
  assert.equal((await given.backup()).bytesRead, 0);
});

test('holes are not read, and a step reads beyond its end only what it needs', async (t) => {
  const given = await library(t, { sparse: randomBytes(3 * MIB), large: randomBytes(100 * MIB) });
  truncateSync(join(given.source, 'sparse'), 500 * MIB);
  await settle();
  const result: BackupResult = await given.backup({ workers: 2 });
  assert.ok(result.bytesRead < 103 * MIB * 1.3, `${result.bytesRead / MIB} MiB`);
  await restoresAlike(given);
});

test('what an interrupted run finished is not read again, though its packs were in no index', async (t) => {
  const given = await library(t, {});
  for (let number = 0; number < 80; number++) writeFileSync(join(given.source, `${number}`), randomBytes(2 * MIB));
  await settle();
  let readBefore = 0;
  for (let attempt = 0; attempt < 3; attempt++) {
    const controller = new AbortController();
    let read = 0;
    const monitor = {
      progress: ({ bytesNew }: { bytesNew: number }) => {
        read = bytesNew;
        if (read > 30 * MIB) controller.abort();
      },
    };
    await assert.rejects(given.backup({ monitor, signal: controller.signal, readBytesPerSecond: 100 * MIB }), {
      code: 'INTERRUPTED',
    });
    readBefore += read;
  }
  const last = await given.backup();
  const all = 80 * 2 * MIB;
  assert.ok(readBefore >= 90 * MIB, `${readBefore / MIB} MiB were new in the runs before`);
  assert.ok(last.bytesRead <= all - readBefore + 24 * MIB, `${last.bytesRead / MIB} MiB were read in the last`);
  assert.equal(last.counts.totalFilesProcessed, 80);
  await restoresAlike(given);
  assert.equal((await given.backup()).bytesRead, 0);
});

test('a journal of an interrupted run that is cut off or damaged costs time, never data', async (t) => {
  const given = await library(t, {});
  for (let number = 0; number < 80; number++) writeFileSync(join(given.source, `${number}`), randomBytes(MIB));
  await settle();
  const controller = new AbortController();
  const monitor = { progress: ({ bytesNew }: { bytesNew: number }) => bytesNew > 26 * MIB && controller.abort() };
  const options = { monitor: { progress: (p: { bytesNew: number }) => void monitor.progress(p) } };
  await assert.rejects(given.backup({ ...options, signal: controller.signal, readBytesPerSecond: 60 * MIB }));
  const journals = join(given.folder, 'cache', 'journals');
  const [path = ''] = execFileSync('find', [journals, '-name', '*.journal'], { encoding: 'utf8' }).trim().split('\n');
  const whole = readFileSync(path);
  assert.ok(whole.length > 500);
  for (const damage of [whole.subarray(0, whole.length - 7), Buffer.from(whole).fill(0xff, 60, 90), Buffer.alloc(9)]) {
    const copy = join(given.folder, 'copy');
    rmSync(copy, { recursive: true, force: true });
    execFileSync('cp', ['-a', join(given.folder, 'repository'), copy]);
    writeFileSync(path, damage);
    const result = await given.backup();
    assert.equal(result.problemCount, 0);
    await restoresAlike(given);
    rmSync(join(given.folder, 'repository'), { recursive: true });
    renameSync(copy, join(given.folder, 'repository'));
  }
});

test('databases are looked for again after a run that took them for files, and the other way round', async (t) => {
  const given = await library(t, { 'not one': Buffer.alloc(1024, 'x') });
  const { default: Database } = await import('better-sqlite3');
  const path = join(given.source, 'library.db');
  const database = new Database(path);
  database.exec('create table t (x); insert into t values (1), (2)');
  database.close();
  await settle();
  assert.equal((await given.backup({ databases: false })).databases.length, 0);
  assert.equal((await given.backup()).databases.length, 1);
  assert.equal((await given.backup()).databases.length, 1, 'kept');
  const plain = await given.backup({ databases: false });
  assert.equal(plain.databases.length, 0);
  assert.equal(plain.bytesRead, statSync(path).size, 'what was captured is no copy of the file');
  await restoresAlike(given);
});
