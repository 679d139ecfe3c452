import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import type { OverwritePolicy, RestoreOptions, RestoreResult } from '../../engine/operations/restore/options.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import {
  dir,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  type SnapshotOptions,
  symlink,
  TEST_MTIME,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { touchState, treeState } from '../support/tree-state.ts';

const isRoot = process.geteuid?.() === 0;

interface Given {
  readonly repository: Repository;
  readonly target: string;
  readonly folder: string;
  readonly restore: (options?: Partial<RestoreOptions>) => Promise<RestoreResult>;
}

async function given(t: TestContext, entries: readonly NamedEntry[], options: SnapshotOptions = {}): Promise<Given> {
  const folder = testFolder(t);
  const repository = await testRepository({ folder });
  await new SnapshotBuilder(repository).save(entries, options);
  const opened = await reopened(repository);
  const target = join(folder, 'target');
  return {
    repository: opened,
    target,
    folder,
    restore: (more = {}) => restore(opened, { snapshot: 'latest', target: Buffer.from(target), ...more }),
  };
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

const LIBRARY: readonly NamedEntry[] = [
  [
    'library',
    dir(
      [
        ['empty', file('')],
        ['empty folder', dir([], { mode: 0o700 })],
        ['small', file('a small file', { mode: 0o600 })],
        ['middling', file(pattern(200_000, 1), { mode: 0o755 })],
        ['large', file(pattern(9 * MIB + 1, 2), { chunkBytes: MIB })],
        ['same as large', file(pattern(9 * MIB + 1, 2), { chunkBytes: MIB })],
        ['old', file('x', { mtime: { seconds: -2_000_000_000, nanoseconds: 999_999_999 } })],
        ['late', file('x', { mtime: { seconds: 5_000_000_000, nanoseconds: 1 } })],
        ['link', symlink('../somewhere')],
        [
          'books',
          dir(
            [
              ['one', file('1')],
              ['two', file('2')],
            ],
            { mode: 0o500 },
          ),
        ],
      ],
      { mode: 0o751, mtime: { seconds: 1_500_000_000, nanoseconds: 5 } },
    ),
  ],
];

test('modes come back whatever the umask, and groups where the target hands its own down', async (t) => {
  const modes = [0o000, 0o400, 0o600, 0o644, 0o666, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o200, 0o077];
  const files = modes.map((mode): NamedEntry => [`file ${mode.toString(8)}`, file(`mode ${mode}`, { mode })]);
  const { restore, target } = await given(t, [
    ['folder', dir(files)],
    ...files,
    ['large', file(pattern(9 * MIB, 3), { chunkBytes: MIB })],
  ]);
  mkdirSync(target);
  if (isRoot) chownSync(target, 0, 4242);
  chmodSync(target, 0o2755);
  const before = process.umask(0o077);
  t.after(() => process.umask(before));
  const result = await restore();
  assert.equal(result.problemCount, 0);
  assert.equal(statSync(join(target, 'large')).gid, process.getegid?.());
  for (const folder of [target, join(target, 'folder')]) {
    for (const mode of modes) {
      const stat = statSync(join(folder, `file ${mode.toString(8)}`));
      assert.equal(stat.mode & 0o7777, mode, mode.toString(8));
      assert.equal(stat.gid, process.getegid?.());
    }
  }
});

test('a whole tree comes back with bytes, modes and times to the nanosecond', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  const result = await restore();
  assert.equal(result.problemCount, 0);
  assert.equal(result.filesRestored, 10);
  assert.equal(result.filesSkipped, 0);
  const state = treeState(target);
  assert.equal(state.size, 13);
  assert.deepEqual(readFileSync(join(target, 'library/large')), pattern(9 * MIB + 1, 2));
  assert.deepEqual(readFileSync(join(target, 'library/same as large')), pattern(9 * MIB + 1, 2));
  assert.deepEqual(readFileSync(join(target, 'library/middling')), pattern(200_000, 1));
  const stat = lstatSync(join(target, 'library/middling'), { bigint: true });
  assert.equal(stat.mode & 0o7777n, 0o755n);
  assert.equal(stat.mtimeNs, BigInt(TEST_MTIME.seconds) * 1_000_000_000n + BigInt(TEST_MTIME.nanoseconds));
  assert.equal(lstatSync(join(target, 'library'), { bigint: true }).mtimeNs, 1_500_000_000_000_000_005n);
  assert.equal(lstatSync(join(target, 'library/old'), { bigint: true }).mtimeNs, -1_999_999_999_000_000_001n);
  assert.equal(lstatSync(join(target, 'library/late'), { bigint: true }).mtimeNs, 5_000_000_000_000_000_001n);
  assert.equal(statSync(join(target, 'library/books')).mode & 0o7777, 0o500);
  assert.equal(existsSync(join(target, '.snap-restore')), false);
});

test('one, two and five workers, or none, restore the same', async (t) => {
  const { restore, folder, repository } = await given(t, [
    ...LIBRARY,
    ['many', dir(Array.from({ length: 3000 }, (_, index) => [`f${index}`, file(`content ${index}`)] as const))],
  ]);
  const states: Map<string, string>[] = [];
  for (const workers of [1, 2, 5]) {
    const target = join(folder, `target ${workers}`);
    await restore({ target: Buffer.from(target), workers });
    states.push(treeState(target));
  }
  assert.equal(states[0]?.size, 3014);
  assert.deepEqual(states[1], states[0]);
  assert.deepEqual(states[2], states[0]);
  assert.notEqual(repository.address, undefined);
});

test('a store that threads cannot reach is restored from in this thread', async (t) => {
  const folder = testFolder(t);
  const repository = await testRepository({ folder, backend: new MemoryBackend() });
  const snapshot = await new SnapshotBuilder(repository).save(LIBRARY);
  const opened = await reopened(repository);
  const target = join(folder, 'target');
  const result = await restore(opened, { snapshot: snapshot.id, target: Buffer.from(target) });
  assert.equal(result.problemCount, 0);
  assert.equal(treeState(target).size, 13);
});

test('holes come back as holes', async (t) => {
  const { restore, target } = await given(t, [
    ['sparse', file([4 * MIB, Buffer.from('in the middle'), 8 * MIB])],
    ['all hole', file([3 * MIB])],
    ['large', file([pattern(2 * MIB, 3), 64 * MIB, pattern(6 * MIB, 4), 64 * MIB], { chunkBytes: MIB })],
  ]);
  const result = await restore();
  assert.equal(result.problemCount, 0);
  const expected = Buffer.concat([Buffer.alloc(4 * MIB), Buffer.from('in the middle'), Buffer.alloc(8 * MIB)]);
  assert.deepEqual(readFileSync(join(target, 'sparse')), expected);
  assert.ok(statSync(join(target, 'sparse')).blocks * 512 < MIB);
  assert.equal(statSync(join(target, 'all hole')).size, 3 * MIB);
  assert.equal(statSync(join(target, 'all hole')).blocks, 0);
  const large = readFileSync(join(target, 'large'));
  assert.equal(large.length, 136 * MIB);
  assert.deepEqual(large.subarray(66 * MIB, 72 * MIB), pattern(6 * MIB, 4));
  assert.ok(statSync(join(target, 'large')).blocks * 512 <= 9 * MIB);
});

test('hard links come back as links, across folders and for large files', async (t) => {
  const small = file('shared', { links: 3, inode: 7n });
  const large = file(pattern(6 * MIB, 5), { links: 2, inode: 8n, chunkBytes: MIB });
  const { restore, target } = await given(t, [
    [
      'a',
      dir([
        ['one', small],
        ['big', large],
      ]),
    ],
    [
      'b',
      dir([
        ['two', small],
        ['three', small],
      ]),
    ],
    [
      'c',
      dir([
        ['big too', large],
        ['other', file('shared', { links: 1, inode: 9n })],
      ]),
    ],
  ]);
  const result = await restore();
  assert.equal(result.problemCount, 0);
  assert.equal(result.filesRestored, 6);
  const inode = (path: string): bigint => lstatSync(join(target, path), { bigint: true }).ino;
  assert.equal(inode('a/one'), inode('b/two'));
  assert.equal(inode('a/one'), inode('b/three'));
  assert.equal(inode('a/big'), inode('c/big too'));
  assert.notEqual(inode('a/one'), inode('c/other'));
  assert.equal(
    lstatSync(join(target, 'b'), { bigint: true }).mtimeNs,
    lstatSync(join(target, 'a'), { bigint: true }).mtimeNs,
  );
  const before = touchState(target);
  const again = await restore({ overwrite: 'if-changed' });
  assert.equal(again.filesRestored, 0);
  assert.equal(again.filesSkipped, 6);
  assert.deepEqual(touchState(target), before);
});

test('the same inode number on two devices is two files', async (t) => {
  const twin = file('x', { links: 2, inode: 7n });
  const { restore, target } = await given(
    t,
    [
      ['a', dir([['f', twin]])],
      ['m', dir([['f', twin]])],
    ],
    {
      mounts: [
        { path: Buffer.from('/'), device: '1' },
        { path: Buffer.from('/m'), device: '2' },
      ],
    },
  );
  await restore();
  assert.notEqual(lstatSync(join(target, 'a/f')).ino, lstatSync(join(target, 'm/f')).ino);
});

test('special entries, owners and set-user-id come back for root', { skip: !isRoot }, async (t) => {
  const { restore, target } = await given(t, [
    ['fifo', { type: 'fifo', mode: 0o640, uid: 12, gid: 34 }],
    ['socket', { type: 'socket', mode: 0o600 }],
    ['null', { type: 'chardev', mode: 0o666, device: { major: 1, minor: 3 } }],
    ['setuid', file('#!', { mode: 0o4755, uid: 1234, gid: 4321 })],
    ['sticky', dir([], { mode: 0o1777, uid: 4_000_000_000, gid: 1 })],
    ['link', symlink('nowhere', { uid: 55, gid: 66 })],
  ]);
  const result = await restore();
  if (result.problems.some((problem) => problem.path.endsWith('/null'))) t.diagnostic('devices are forbidden here');
  else assert.equal(lstatSync(join(target, 'null')).rdev, 0x103);
  assert.ok(lstatSync(join(target, 'fifo')).isFIFO());
  assert.ok(lstatSync(join(target, 'socket')).isSocket());
  assert.equal(lstatSync(join(target, 'fifo')).mode & 0o7777, 0o640);
  assert.equal(lstatSync(join(target, 'fifo')).uid, 12);
  const setuid = lstatSync(join(target, 'setuid'));
  assert.deepEqual([setuid.mode & 0o7777, setuid.uid, setuid.gid], [0o4755, 1234, 4321]);
  assert.equal(lstatSync(join(target, 'sticky')).mode & 0o7777, 0o1777);
  assert.equal(lstatSync(join(target, 'sticky')).uid, 4_000_000_000);
  assert.equal(lstatSync(join(target, 'link')).uid, 55);
  const before = touchState(target);
  const again = await restore({ overwrite: 'if-changed' });
  assert.equal(again.filesRestored, 0);
  assert.deepEqual(touchState(target), before);
});

test('extended attributes come back, or are one problem by kind where the target has none', async (t) => {
  const attributes = [{ name: Buffer.from('user.comment'), value: Buffer.from([0, 1, 255]) }];
  const { restore, target } = await given(t, [
    ['a', file('x', { attributes, mode: 0o400 })],
    ['b', dir([], { attributes })],
    ['c', file(pattern(6 * MIB, 1), { attributes, chunkBytes: MIB })],
  ]);
  const result = await restore();
  if (result.problemCount > 0) {
    assert.equal(result.problemCount, 3);
    assert.deepEqual(
      result.problems.map((problem) => problem.during),
      ['attributes'],
    );
    return;
  }
  const fileSystem = createFileSystem();
  const root = fileSystem.openDirectory(Buffer.from(target));
  for (const name of ['a', 'b', 'c']) assert.deepEqual(fileSystem.attributesAt(root, Buffer.from(name)), attributes);
  fileSystem.close(root);
});

test('names that are not UTF-8 and trees deeper than PATH_MAX come back', async (t) => {
  const name = Buffer.from([0x66, 0xff, 0x0a, 0x25]);
  let deep = dir([['bottom', file('deep down')]]);
  for (let level = 0; level < 400; level++) deep = dir([[`directory number ${level} with a long name`, deep]]);
  const { restore, target, folder } = await given(t, [
    [name, file('odd')],
    ['deep', deep],
  ]);
  // Without the C library's help nobody could remove this.
  t.after(() => execFileSync('rm', ['-rf', folder]));
  const result = await restore();
  assert.equal(result.problemCount, 0);
  assert.ok(readdirSync(target, { encoding: 'buffer' }).some((found) => found.equals(name)));
  const found = execFileSync('find', [target, '-name', 'bottom', '-printf', '%d %s']).toString();
  assert.equal(found, '402 9');
  const again = await restore({ overwrite: 'if-changed' });
  assert.equal(again.filesRestored, 0);
  assert.equal(again.problemCount, 0);
});

test('a folder goes straight into the target, a file under its name', async (t) => {
  const { restore, folder, target } = await given(t, LIBRARY);
  await restore({ path: Buffer.from('/library/books/') });
  assert.deepEqual(readdirSync(target).sort(), ['one', 'two']);
  assert.equal(statSync(target).mode & 0o777, 0o500);
  const other = join(folder, 'other');
  mkdirSync(other);
  writeFileSync(join(other, 'mine'), 'stays');
  const result = await restore({ path: Buffer.from('/library/small'), target: Buffer.from(other) });
  assert.equal(result.filesRestored, 1);
  assert.deepEqual(readdirSync(other).sort(), ['mine', 'small']);
  await assert.rejects(restore({ path: Buffer.from('/library/small'), target: Buffer.from(other) }), (error) =>
    isEngineError(error, 'TARGET_NOT_EMPTY'),
  );
  await assert.rejects(restore({ path: Buffer.from('/library/nothing') }), (error) =>
    isEngineError(error, 'PATH_NOT_FOUND'),
  );
  await assert.rejects(restore({ path: Buffer.from('/library/../x') }), (error) =>
    isEngineError(error, 'INVALID_ARGUMENT'),
  );
});

test('patterns choose what is restored, and folders come only where they are needed', async (t) => {
  const { restore, folder } = await given(t, LIBRARY);
  const notes: string[] = [];
  const into = async (name: string, options: Partial<RestoreOptions>): Promise<string[]> => {
    const target = join(folder, name);
    await restore({ ...options, target: Buffer.from(target), monitor: { note: (text) => notes.push(text) } });
    if (options.dryRun === true) return [];
    return [...treeState(target).keys()].sort();
  };
  assert.deepEqual(await into('1', { include: ['one'] }), ['library', 'library/books', 'library/books/one']);
  assert.deepEqual(await into('2', { include: ['/library/books'], exclude: ['two'] }), [
    'library',
    'library/books',
    'library/books/one',
  ]);
  assert.equal((await into('3', { exclude: ['books', 'large'] })).length, 9);
  assert.deepEqual(notes, []);
  assert.deepEqual(await into('4', { include: ['nothing', 'no'] }), []);
  assert.deepEqual(notes.splice(0), ['No file that is to be restored fits nothing or no']);
  await into('5', { include: ['nothing'], dryRun: true });
  assert.equal(notes.length, 1);
});

test('an interrupted restore says that nothing is lost, and the same one goes on', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  const stop = new AbortController();
  const monitor = { progress: () => stop.abort() };
  await assert.rejects(restore({ monitor, signal: stop.signal }), (error) => {
    return (
      isEngineError(error, 'INTERRUPTED') && /what is restored stays, and the same restore goes on/.test(error.message)
    );
  });
  assert.equal((await restore({})).problemCount, 0);
  assert.ok(readdirSync(target).length > 0);
});

test('a target that holds something is refused, and left as it is', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  mkdirSync(target);
  writeFileSync(join(target, 'mine'), 'x');
  await assert.rejects(restore(), (error) => isEngineError(error, 'TARGET_NOT_EMPTY'));
  assert.deepEqual(readdirSync(target), ['mine']);
});

test('each overwrite policy does what its name says', async (t) => {
  const given1 = await given(t, [
    ['older', file('snapshot')],
    ['newer', file('snapshot')],
    ['other', file('snapshot')],
    ['missing', file('snapshot')],
    ['touched', file('snapshot')],
  ]);
  const content = async (overwrite: OverwritePolicy): Promise<string[]> => {
    const target = join(given1.folder, overwrite);
    mkdirSync(target);
    for (const name of ['older', 'newer', 'touched']) writeFileSync(join(target, name), 'snapshot');
    writeFileSync(join(target, 'older'), 'target 1');
    writeFileSync(join(target, 'newer'), 'target 2');
    writeFileSync(join(target, 'other'), 'another length');
    writeFileSync(join(target, 'extra'), 'extra');
    utimesSync(join(target, 'older'), 1000, 1000);
    await given1.restore({ overwrite, target: Buffer.from(target) });
    return ['older', 'newer', 'other', 'missing', 'extra'].map((name) => readFileSync(join(target, name), 'utf8'));
  };
  assert.deepEqual(await content('always'), ['snapshot', 'snapshot', 'snapshot', 'snapshot', 'extra']);
  assert.deepEqual(await content('if-changed'), ['snapshot', 'snapshot', 'snapshot', 'snapshot', 'extra']);
  assert.deepEqual(await content('if-newer'), ['snapshot', 'target 2', 'another length', 'snapshot', 'extra']);
  assert.deepEqual(await content('never'), ['target 1', 'target 2', 'another length', 'snapshot', 'extra']);
});

test('run again with if-changed, nothing is rewritten; what was changed is mended', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  await restore();
  const state = treeState(target);
  const touched = touchState(target);
  const again = await restore({ overwrite: 'if-changed' });
  assert.deepEqual([again.filesRestored, again.filesSkipped], [0, 10]);
  assert.deepEqual(touchState(target), touched);
  chmodSync(join(target, 'library/small'), 0o777);
  utimesSync(join(target, 'library/large'), 5, 5);
  writeFileSync(join(target, 'library/middling'), 'spoilt');
  const inode = statSync(join(target, 'library/large')).ino;
  const third = await restore({ overwrite: 'if-changed' });
  assert.deepEqual([third.filesRestored, third.filesSkipped], [1, 9]);
  assert.deepEqual(treeState(target), state);
  assert.equal(statSync(join(target, 'library/large')).ino, inode, 'equal content is not written again');
});

test('an edit whose length and mtime were put back is found', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  await restore();
  const path = join(target, 'library/small');
  writeFileSync(path, 'a small FILE');
  execFileSync('touch', ['-d', `@${TEST_MTIME.seconds}.${TEST_MTIME.nanoseconds}`, path]);
  await restore({ overwrite: 'if-changed' });
  assert.equal(readFileSync(path, 'utf8'), 'a small file');
});

test('without its memory a restore finds by content that nothing has to be written', async (t) => {
  const { restore, target, repository } = await given(t, LIBRARY);
  await restore();
  execFileSync('rm', ['-rf', join(repository.cacheDirectory, 'restored')]);
  const touched = touchState(target);
  const again = await restore({ overwrite: 'if-changed' });
  assert.deepEqual([again.filesRestored, again.filesSkipped], [0, 10]);
  assert.deepEqual(touchState(target), touched);
});

test('verify reads back what was written, and what was there', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  const result = await restore({ verify: true });
  assert.equal(result.problemCount, 0);
  const again = await restore({ verify: true, overwrite: 'if-changed' });
  assert.deepEqual([again.filesRestored, again.filesSkipped, again.problemCount], [0, 10, 0]);
  assert.equal(treeState(target).size, 13);
});

test('a dry run counts and writes nothing', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  const result = await restore({ dryRun: true });
  assert.equal(existsSync(target), false);
  assert.equal(result.plan?.filesToCreate, 10);
  assert.ok((result.plan?.bytesToWrite ?? 0) > 18 * MIB);
  await restore();
  writeFileSync(join(target, 'library/small'), 'another length');
  const touched = touchState(target);
  const second = await restore({ dryRun: true, overwrite: 'if-changed' });
  assert.deepEqual([second.plan?.filesToReplace, second.plan?.filesToSkip], [1, 9]);
  assert.deepEqual(touchState(target), touched);
});

test('a target that cannot be a directory is named', async (t) => {
  const { restore, folder } = await given(t, LIBRARY);
  writeFileSync(join(folder, 'a file'), '');
  await assert.rejects(restore({ target: Buffer.from(join(folder, 'a file')) }), (error) =>
    isEngineError(error, 'INVALID_ARGUMENT'),
  );
  await assert.rejects(restore({ target: Buffer.from('relative') }), (error) =>
    isEngineError(error, 'INVALID_ARGUMENT'),
  );
  await assert.rejects(restore({ target: Buffer.from('/proc/nothing/here') }), (error) =>
    isEngineError(error, 'TARGET_FAILED'),
  );
});

test('progress ends at everything, and problems are told as they come', async (t) => {
  const { restore, target } = await given(t, LIBRARY);
  mkdirSync(join(target, 'library/small'), { recursive: true });
  let last = { filesDone: 0, bytesDone: 0, filesTotal: 0, bytesTotal: 0 };
  const told: string[] = [];
  const result = await restore({
    overwrite: 'always',
    monitor: {
      progress: (progress) => {
        last = { ...progress, filesTotal: progress.filesTotal ?? 0, bytesTotal: progress.bytesTotal ?? 0 };
      },
      problem: (problem) => told.push(`${problem.code} ${problem.path}`),
    },
  });
  assert.deepEqual(told, [`EISDIR ${join(target, 'library/small')}`]);
  assert.equal(result.problemCount, 1);
  assert.equal(last.filesTotal, 10);
  assert.equal(last.filesDone, 9);
});
