import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MIB } from '../../engine/base/limits.ts';
import { readFileContent } from '../../engine/operations/cat.ts';
import { type Entry, type ListOptions, listEntries, splitSnapshotPath } from '../../engine/operations/list.ts';
import { stats } from '../../engine/operations/stats.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import {
  dir,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  symlink,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';

const ODD_NAME = Buffer.from([0x66, 0xff, 0x0a]);

const TREE: readonly NamedEntry[] = [
  ['b', file('second')],
  [
    'a',
    dir([
      ['inner', dir([['deep', file('deep content')]])],
      [ODD_NAME, file('odd')],
      ['link', symlink('/nowhere')],
    ]),
  ],
  ['sparse', file([Buffer.from('start'), 3 * MIB, Buffer.from('end')])],
  ['empty', dir([])],
];

async function given(t: TestContext): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t) });
  await new SnapshotBuilder(repository).save(TREE);
  return reopened(repository);
}

async function entries(repository: Repository, options: Omit<ListOptions, 'snapshot'> = {}): Promise<Entry[]> {
  const all: Entry[] = [];
  for await (const entry of listEntries(repository, { snapshot: 'latest', ...options })) all.push(entry);
  return all;
}

function names(all: readonly Entry[]): string[] {
  return all.map(({ path }) => path.toString('latin1'));
}

async function content(repository: Repository, path: string | Buffer): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readFileContent(repository, { snapshot: 'latest', path: Buffer.from(path as string) })) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

test('a directory is listed in order of the bytes of its names', async (t) => {
  const repository = await given(t);
  assert.deepEqual(names(await entries(repository)), ['/a', '/b', '/empty', '/sparse']);
  assert.deepEqual(names(await entries(repository, { path: Buffer.from('/a/') })), [
    '/a/f\xff\n',
    '/a/inner',
    '/a/link',
  ]);
  assert.deepEqual(await entries(repository, { path: Buffer.from('/empty') }), []);
});

test('a recursive list has each directory before what it holds, a file is listed as itself', async (t) => {
  const repository = await given(t);
  assert.deepEqual(names(await entries(repository, { recursive: true })), [
    '/a',
    '/a/f\xff\n',
    '/a/inner',
    '/a/inner/deep',
    '/a/link',
    '/b',
    '/empty',
    '/sparse',
  ]);
  const [only] = await entries(repository, { path: Buffer.from('/a/inner/deep') });
  assert.deepEqual([only?.path.toString(), only?.node.size, only?.node.type], ['/a/inner/deep', 12, 'file']);
});

test('a path or a snapshot that is not there is named', async (t) => {
  const repository = await given(t);
  await assert.rejects(entries(repository, { path: Buffer.from('/a/missing/x') }), {
    code: 'PATH_NOT_FOUND',
    message: /nearest that it holds is \/a$/,
  });
  await assert.rejects(
    (async () => {
      for await (const _ of listEntries(repository, { snapshot: 'latest~1' }));
    })(),
    { code: 'SNAPSHOT_NOT_FOUND' },
  );
  await assert.rejects(content(repository, '/c'), { code: 'PATH_NOT_FOUND' });
  await assert.rejects(content(repository, '/b/below a file'), { code: 'PATH_NOT_FOUND' });
});

test('cat gives every byte of a file, holes as zeros, and refuses what is none', async (t) => {
  const repository = await given(t);
  assert.equal((await content(repository, '/a/inner/deep')).toString(), 'deep content');
  assert.equal((await content(repository, Buffer.concat([Buffer.from('/a/'), ODD_NAME]))).toString(), 'odd');
  const sparse = await content(repository, '/sparse');
  assert.deepEqual(sparse, Buffer.concat([Buffer.from('start'), Buffer.alloc(3 * MIB), Buffer.from('end')]));
  for (const path of ['/', '/a', '/a/link']) {
    await assert.rejects(content(repository, path), { code: 'INVALID_ARGUMENT' }, path);
  }
});

test('SNAP:PATH is split at the first ":/"', () => {
  const split = (text: string): [string, string | undefined] => {
    const { snapshot, path } = splitSnapshotPath(Buffer.from(text));
    return [snapshot, path?.toString()];
  };
  assert.deepEqual(split('latest'), ['latest', undefined]);
  assert.deepEqual(split('latest:/a:/b'), ['latest', '/a:/b']);
  assert.deepEqual(split('@2026-03-01T02:00:/x'), ['@2026-03-01T02:00', '/x']);
  assert.throws(() => split(':/a'), { code: 'INVALID_ARGUMENT' });
});

test('stats count what snapshots would restore to, and each blob once', async (t) => {
  const repository = await testRepository({ folder: testFolder(t) });
  const builder = new SnapshotBuilder(repository);
  const same = Buffer.alloc(40_000, 'the same again ');
  await builder.save([
    ['one', file(same)],
    ['two', file(same)],
    ['folder', dir([['three', file('three')]])],
  ]);
  const first = await stats(await reopened(repository));
  assert.deepEqual([first.snapshots, first.totalFileCount, first.restoreSize], [1, 3, 80_005]);
  assert.ok(first.uniqueSize <= 40_005, `${first.uniqueSize}`);
  assert.ok(first.dedupRatio >= 2 && first.compressionRatio > 3, JSON.stringify(first));
  await builder.save([['one', file(same)]]);
  const opened = await reopened(repository);
  const both = await stats(opened);
  assert.deepEqual([both.snapshots, both.totalFileCount, both.restoreSize], [2, 4, 120_005]);
  assert.equal(both.uniqueSize, first.uniqueSize);
  assert.ok(both.repositoryBytes > both.storedSize);
  const last = await stats(opened, { snapshot: 'latest' });
  assert.deepEqual([last.snapshots, last.totalFileCount, last.restoreSize], [1, 1, 40_000]);
});

test('stats of an empty repository, and of a filter that fits nothing, are zeros', async (t) => {
  const repository = await testRepository({ folder: testFolder(t) });
  for (const filter of [undefined, { hosts: ['nobody'] }]) {
    const result = await stats(repository, { filter });
    assert.deepEqual([result.snapshots, result.restoreSize, result.uniqueSize, result.dedupRatio], [0, 0, 0, 1]);
    assert.ok(result.repositoryBytes > 0);
  }
});
