/** Pages of a folder and single entries, as a server asks for them. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { KIB, PAGE_SORTED_ENTRIES_MAX } from '../../engine/base/limits.ts';
import { type EntryPage, findEntry, listEntries, listPage, type PageOptions } from '../../engine/operations/list.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
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
import { CountedReads } from '../support/faulty-backend.ts';
import { randomFor } from '../support/random.ts';

async function given(t: TestContext, entries: readonly NamedEntry[]): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t), backend: new MemoryBackend() });
  await new SnapshotBuilder(repository).save(entries);
  return reopened(repository);
}

/** Empty files with names of their own: a large folder in little time. */
function manyFiles(count: number): NamedEntry[] {
  return Array.from({ length: count }, (_, number) => [`book ${String(number).padStart(6, '0')}`, file([])]);
}

/** All pages one behind the other. */
async function allPages(repository: Repository, options: Omit<PageOptions, 'snapshot'>): Promise<EntryPage[]> {
  const pages: EntryPage[] = [];
  let after: Buffer | undefined;
  do {
    const page = await listPage(repository, { snapshot: 'latest', ...options, after });
    pages.push(page);
    after = page.next;
  } while (after !== undefined);
  return pages;
}

function names(pages: readonly EntryPage[]): string[] {
  return pages.flatMap(({ entries }) => entries.map(({ node }) => node.name.toString('latin1')));
}

test('pages in order of names show every entry once, whatever their length and wherever they begin', async (t) => {
  const random = randomFor(t);
  const unique = new Set<string>();
  while (unique.size < 3000)
    unique.add(
      random
        .bytes(1 + random.below(6))
        .toString('latin1')
        .replace(/[/\0]/g, 'x'),
    );
  const wanted = [...unique].filter((name) => name !== '.' && name !== '..').sort();
  const folder = wanted.map((name): NamedEntry => [Buffer.from(name, 'latin1'), file([])]);
  const repository = await given(t, [['folder', dir(folder)]]);
  const path = Buffer.from('/folder');
  for (const limit of [1, 7, 500, 3000, 10_000]) {
    if (limit > 1) assert.deepEqual(names(await allPages(repository, { path, limit })), wanted);
    for (let round = 0; round < 40; round++) {
      // Behind a name that is there, and behind one that is not.
      const after = round % 2 === 0 ? (wanted[random.below(wanted.length)] ?? '') : random.bytes(3).toString('latin1');
      const page = await listPage(repository, { snapshot: 'latest', path, limit, after: Buffer.from(after, 'latin1') });
      const behind = wanted.filter((name) => name > after);
      assert.deepEqual(names([page]), behind.slice(0, limit));
      assert.equal(page.total, wanted.length);
      assert.equal(page.next?.toString('latin1'), behind.length > limit ? behind[limit - 1] : undefined);
    }
  }
});

test('a page of a large folder reads the parts of its tree that lead to it, and no others', async (t) => {
  const repository = await given(t, [['folder', dir(manyFiles(30_000))]]);
  const counted = new CountedReads(repository.backend);
  const { cacheDirectory } = repository;
  const bytesFor = async (read: (opened: Repository) => Promise<unknown>): Promise<number> => {
    const opened = await Repository.open({ backend: counted, credential: { type: 'none' }, cacheDirectory });
    await opened.loadIndex();
    const before = counted.packBytes;
    await read(opened);
    return counted.packBytes - before;
  };
  const path = Buffer.from('/folder');
  const whole = await bytesFor(async (opened) => {
    for await (const _ of listEntries(opened, { snapshot: 'latest', path }));
  });
  for (const after of [undefined, 'book 000100', 'book 015000', 'book 029990']) {
    const options = {
      snapshot: 'latest',
      path,
      limit: 50,
      after: after === undefined ? undefined : Buffer.from(after),
    };
    const bytes = await bytesFor((opened) => listPage(opened, options));
    assert.ok(bytes * 10 < whole, `${bytes} of ${whole} bytes behind ${after}`);
  }
});

test('pages by size and time, either way, with the size of a folder that of all below it', async (t) => {
  const at = (seconds: number) => ({ mtime: { seconds, nanoseconds: 0 } });
  const repository = await given(t, [
    ['c', file(Buffer.alloc(300), at(5))],
    ['a', file(Buffer.alloc(300), at(9))],
    ['b', file(Buffer.alloc(10), at(7))],
    ['d', dir([['inner', file(Buffer.alloc(1000))]], at(7))],
    ['e', dir([], at(1))],
  ]);
  const order = async (options: Omit<PageOptions, 'snapshot'>): Promise<string> =>
    names(await allPages(repository, options)).join('');
  for (const limit of [1, 2, 3, 100]) {
    assert.equal(await order({ limit, order: 'name' }), 'abcde');
    assert.equal(await order({ limit, order: 'name', descending: true }), 'edcba');
    assert.equal(await order({ limit, order: 'size' }), 'ebacd');
    assert.equal(await order({ limit, order: 'size', descending: true }), 'dacbe');
    assert.equal(await order({ limit, order: 'time' }), 'ecbda');
    assert.equal(await order({ limit, order: 'time', descending: true }), 'abdce');
  }
  const unknown = listPage(repository, { snapshot: 'latest', order: 'size', after: Buffer.from('zzz') });
  await assert.rejects(unknown, { code: 'INVALID_ARGUMENT', message: /no entry zzz/ });
});

test('a folder too large for it is shown by name alone; what is no folder, and limits that cannot be, are refused', async (t) => {
  const repository = await given(t, [
    ['folder', dir(manyFiles(PAGE_SORTED_ENTRIES_MAX + 1))],
    ['full', dir(manyFiles(PAGE_SORTED_ENTRIES_MAX))],
    ['file', file('text')],
  ]);
  const page = (options: Omit<PageOptions, 'snapshot'>) => listPage(repository, { snapshot: 'latest', ...options });
  const path = Buffer.from('/folder');
  const refused = { code: 'INVALID_ARGUMENT' };
  await assert.rejects(page({ path, order: 'size' }), { ...refused, message: /10001 entries/ });
  await assert.rejects(page({ path, order: 'time', descending: true }), refused);
  assert.equal((await page({ path })).total, PAGE_SORTED_ENTRIES_MAX + 1);
  assert.equal((await page({ path: Buffer.from('/full'), order: 'size', limit: 3 })).entries.length, 3);
  for (const limit of [0, -1, 1.5, 10_001, Number.NaN]) await assert.rejects(page({ path, limit }), refused);
  await assert.rejects(page({ path: Buffer.from('/file') }), refused);
  await assert.rejects(page({ path: Buffer.from('/nothing') }), { code: 'PATH_NOT_FOUND' });
});

test('an empty folder is one empty page', async (t) => {
  const repository = await given(t, [['folder', dir([])]]);
  const page = await listPage(repository, { snapshot: 'latest', path: Buffer.from('/folder') });
  assert.deepEqual([page.entries, page.total, page.next], [[], 0, undefined]);
});

test("an entry's content id changes with its content alone, and is the same in every process", async (t) => {
  const content = Buffer.alloc(200 * KIB, 'content ');
  const changed = Buffer.from(content);
  changed[150 * KIB] = 0;
  const repository = await testRepository({ folder: testFolder(t), backend: new MemoryBackend() });
  const builder = new SnapshotBuilder(repository);
  const first = await builder.save([
    ['one', file(content)],
    ['renamed', file(content, { mode: 0o600, mtime: { seconds: 1, nanoseconds: 2 }, inode: 77n })],
    ['changed', file(changed)],
    ['shorter', file(content.subarray(1))],
    ['many pieces', file(content, { chunkBytes: 1000 })],
    ['empty', file([])],
    ['link', symlink('one')],
    ['other link', symlink('empty')],
    ['folder', dir([['inner', file('1')]])],
    ['other folder', dir([['inner', file('2')]])],
  ]);
  const second = await builder.save([['moved', dir([['one', file(content)]])]]);
  const opened = await reopened(repository);
  const idOf = async (snapshot: string, path: string, from = opened): Promise<string> =>
    (await findEntry(from, { snapshot, path: Buffer.from(path) })).contentId;
  const id = await idOf(first.id, '/one');
  assert.match(id, /^[0-9a-f]{32}$/);
  assert.equal(await idOf(first.id, '/renamed'), id);
  assert.equal(await idOf(second.id, '/moved/one', await reopened(repository)), id);
  const paths = [
    'one',
    'changed',
    'shorter',
    'many pieces',
    'empty',
    'link',
    'other link',
    'folder',
    'other folder',
    '',
  ];
  const ids = await Promise.all(paths.map((path) => idOf(first.id, `/${path}`)));
  assert.equal(new Set(ids).size, paths.length);
  assert.notEqual(await idOf(second.id, '/'), await idOf(first.id, '/'));
});

test('one entry is found with its node; the root has none', async (t) => {
  const repository = await given(t, [['folder', dir([['inner', file('text')]])]]);
  const found = await findEntry(repository, { snapshot: 'latest', path: Buffer.from('/folder//inner') });
  assert.deepEqual([found.path.toString(), found.node?.size], ['/folder/inner', 4]);
  const root = await findEntry(repository, { snapshot: 'latest' });
  assert.deepEqual([root.path.toString(), root.node], ['/', undefined]);
  const [only] = await repository.snapshots.list();
  assert.equal(root.snapshot.id, only?.id);
  await assert.rejects(findEntry(repository, { snapshot: 'latest', path: Buffer.from('/x') }), {
    code: 'PATH_NOT_FOUND',
  });
});
