/** Many paths of a snapshot in the order of its tree: the same answers as one by one, and no part read twice. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { treeKey } from '../../engine/base/server-paths.ts';
import { findPath } from '../../engine/repository/find-node.ts';
import { followFolder } from '../../engine/repository/follow-path.ts';
import { OrderedFinder } from '../../engine/repository/ordered-finder.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import type { Snapshot } from '../../engine/repository/snapshots.ts';
import {
  dir,
  file,
  type NamedEntry,
  SnapshotBuilder,
  symlink,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { type Random, randomFor } from '../support/random.ts';

/** Names around the slash and the dot, so that the order of paths is another one. */
function nameOf(random: Random): string {
  const letters = ['a', 'a.', 'a ', 'a-b', 'b', 'é', 'z'];
  return `${letters[random.below(letters.length)]}${random.below(2500)}`;
}

function entriesOf(random: Random, depth: number, count: number): NamedEntry[] {
  const entries = new Map<string, NamedEntry>();
  for (let index = 0; index < count; index++) {
    const name = nameOf(random);
    const isFolder = depth > 0 && random.below(3) > 0;
    entries.set(name, [name, isFolder ? dir(entriesOf(random, depth - 1, random.below(12))) : file('')]);
  }
  return [...entries.values()];
}

function pathsOf(entries: readonly NamedEntry[], above = ''): string[] {
  return entries.flatMap(([name, { entries: inner }]) => [
    `${above}/${name}`,
    ...pathsOf(inner ?? [], `${above}/${name}`),
  ]);
}

async function saved(
  t: TestContext,
  entries: readonly NamedEntry[],
): Promise<{ readonly repository: Repository; readonly snapshot: Snapshot }> {
  const repository = await testRepository({ folder: testFolder(t) });
  const snapshot = await new SnapshotBuilder(repository).save(entries);
  await repository.loadIndex();
  return { repository, snapshot };
}

/** A reader that counts the parts it is asked for. */
function counted(repository: Repository): { readonly blobs: Repository['blobs']; readonly loads: Map<string, number> } {
  const loads = new Map<string, number>();
  const { blobs } = repository;
  const load = blobs.loadTreePart.bind(blobs);
  blobs.loadTreePart = (id) => {
    loads.set(id.toString('hex'), (loads.get(id.toString('hex')) ?? 0) + 1);
    return load(id);
  };
  return { blobs, loads };
}

test('paths in the order of the tree are found as one by one, each part read once; so are paths in no order', async (t) => {
  const random = randomFor(t);
  // So many names that the root is split into parts.
  const entries = entriesOf(random, 3, 4000);
  const { repository, snapshot } = await saved(t, entries);
  const there = pathsOf(entries);
  const absent = Array.from({ length: 500 }, () => {
    const path = there[random.below(there.length)] ?? '/';
    return random.below(2) === 0 ? `${path}/${nameOf(random)}` : `${path}${random.below(10)}`;
  });
  const asked = [...there, ...absent, '/0', '/\uffff/x'].map((path) => treeKey(Buffer.from(path)));
  const known = new Set(there.map((path) => treeKey(Buffer.from(path)).toString('latin1')));
  const { blobs, loads } = counted(repository);
  const finder = new OrderedFinder(blobs, snapshot.tree);
  for (const key of asked.toSorted(Buffer.compare)) {
    for (let again = 0; again < 2; again++) {
      const node = await finder.find(key);
      assert.equal(node !== undefined, known.has(key.toString('latin1')), key.toString());
      if (node !== undefined && node !== 'behind-link') {
        assert.deepEqual(node.name, key.subarray(key.lastIndexOf(0) + 1));
      }
    }
  }
  assert.ok(loads.size > 3, 'the root has parts');
  // An empty folder and another one are the same part.
  const empty = [...loads.values()].filter((count) => count > 1);
  assert.ok(empty.length <= 2, `${empty.length} parts were read again`);
  const shuffled = new OrderedFinder(blobs, snapshot.tree);
  for (const key of asked.slice(0, 60).toReversed()) {
    assert.equal((await shuffled.find(key)) !== undefined, known.has(key.toString('latin1')));
  }
});

test('a few paths of a large folder cost few of its parts', async (t) => {
  const names = Array.from({ length: 20_000 }, (_, index): NamedEntry => [`book ${index}`, file('')]);
  const { repository, snapshot } = await saved(t, [
    ['books', dir(names)],
    ['photos', dir(names)],
  ]);
  const { blobs, loads } = counted(repository);
  const finder = new OrderedFinder(blobs, snapshot.tree);
  for (const path of ['/books/book 1', '/books/book 5', '/books/book 9999', '/books/nothing']) {
    assert.equal((await finder.find(treeKey(Buffer.from(path)))) !== undefined, !path.endsWith('nothing'));
  }
  assert.ok(loads.size <= 8, `${loads.size} parts`);
});

test('what lies behind a link is not followed by a search; a folder is, within the snapshot', async (t) => {
  const { repository, snapshot } = await saved(t, [
    ['disk', dir([['books', dir([['a', file('a')]])]])],
    ['loop', symlink('loop/x')],
    [
      'srv',
      dir([
        ['books', symlink('../disk/books')],
        ['far', symlink('/disk/../disk//books/.')],
        ['up', symlink('../../..')],
      ]),
    ],
    ['out', symlink('/nowhere')],
  ]);
  const { blobs } = repository;
  const finder = new OrderedFinder(blobs, snapshot.tree);
  assert.equal(await finder.find(treeKey(Buffer.from('/srv/books/a'))), 'behind-link');
  const found = await finder.find(treeKey(Buffer.from('/srv/far')));
  assert.equal(typeof found === 'object' ? found.type : found, 'symlink');
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['/', '/'],
    ['/srv/books', '/disk/books'],
    ['/srv/far', '/disk/books'],
    ['/srv/up/srv', '/srv'],
    ['/srv/books/a', undefined],
    ['/loop', undefined],
    ['/out', undefined],
    ['/none', undefined],
  ];
  for (const [path, real] of cases) {
    const folder = await followFolder(blobs, snapshot, Buffer.from(path));
    assert.equal(folder?.toString(), real, path);
  }
  await assert.rejects(findPath(blobs, snapshot, Buffer.from('/srv/books/a')), (error) =>
    isEngineError(error, 'PATH_NOT_FOUND'),
  );
});
