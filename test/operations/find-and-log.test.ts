import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FindOptions, findEntries } from '../../engine/operations/find.ts';
import { logPath } from '../../engine/operations/log.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import type { SnapshotOptions } from '../support/build-repository.ts';
import {
  dir,
  type EntryFields,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  symlink,
  TEST_MTIME,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { randomFor, rounds } from '../support/random.ts';

interface State extends SnapshotOptions {
  readonly entries: readonly NamedEntry[];
}

async function given(t: TestContext, states: readonly State[]): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t) });
  for (const { entries, ...options } of states) {
    await new SnapshotBuilder(await reopened(repository)).save(entries, options);
    await new Promise((done) => setTimeout(done, 2));
  }
  const opened = await reopened(repository);
  await opened.loadIndex();
  return opened;
}

const at = (inode: number, fields: EntryFields = {}): EntryFields => ({ inode: BigInt(inode), ...fields });

/** `path size 0-2 4`: in which snapshots it was, by their numbers. */
async function found(repository: Repository, options: FindOptions): Promise<string[]> {
  const numbers = new Map((await repository.snapshots.list()).map(({ id }, number) => [id, number]));
  const lines: string[] = [];
  for await (const { path, node, ranges } of findEntries(repository, options)) {
    const lived = ranges.map(({ first, last, snapshots }) => {
      const [from, to] = [numbers.get(first.id), numbers.get(last.id)];
      return from === to ? `${from}` : `${from}-${to}/${snapshots}`;
    });
    lines.push(`${path.toString('latin1')} ${node.size} ${lived.join(' ')}`);
  }
  return lines;
}

const shelf = (...entries: NamedEntry[]): NamedEntry => ['shelf', dir(entries, at(1))];
const STATES: readonly State[] = [
  { entries: [shelf(['a.txt', file('1', at(2))]), ['other', dir([['a.txt', file('12', at(3))]], at(4))]] },
  { entries: [shelf(['a.txt', file('1', at(2))], ['b.txt', file('123', at(5))])] },
  { entries: [shelf(['b.txt', file('1234', at(5))])] },
  { entries: [shelf(['a.txt', file('1', at(2))], ['b.txt', file('123', at(5))], ['link', symlink('a.txt', at(6))])] },
];

test('find: by name, with the ranges in which each match lived', async (t) => {
  const repository = await given(t, STATES);
  assert.deepEqual(await found(repository, { pattern: 'a.*' }), ['/other/a.txt 2 0', '/shelf/a.txt 1 0-1/2 3']);
  assert.deepEqual(await found(repository, { pattern: 'b.txt' }), ['/shelf/b.txt 3 1 3', '/shelf/b.txt 4 2']);
  assert.deepEqual(await found(repository, { pattern: 'shelf' }), ['/shelf 0 0-3/4']);
  assert.deepEqual(await found(repository, { pattern: '/other/**' }), ['/other/a.txt 2 0']);
  assert.deepEqual(await found(repository, { pattern: 'nothing' }), []);
});

test('find: by type, size and time, and in one snapshot', async (t) => {
  const repository = await given(t, STATES);
  assert.deepEqual(await found(repository, { type: 'symlink' }), ['/shelf/link 5 3']);
  assert.deepEqual(await found(repository, { sizeMin: 3 }), ['/shelf/b.txt 3 1 3', '/shelf/b.txt 4 2']);
  assert.deepEqual(await found(repository, { sizeMax: 1 }), ['/shelf/a.txt 1 0-1/2 3']);
  assert.deepEqual(await found(repository, { pattern: 'a.txt', notAfter: { ...TEST_MTIME, nanoseconds: 0 } }), []);
  assert.equal((await found(repository, { pattern: 'a.txt', notBefore: TEST_MTIME })).length, 2);
  assert.deepEqual(await found(repository, { pattern: '*.txt', snapshot: 'latest~1' }), ['/shelf/b.txt 4 2']);
  await assert.rejects(found(repository, {}), { code: 'INVALID_ARGUMENT' });
});

test('find: what a blob or a pack belongs to', async (t) => {
  const repository = await given(t, STATES);
  const id = repository.keys.hashers.data.digest(Buffer.from('1234'), 16).toString('hex');
  assert.deepEqual(await found(repository, { blob: id }), ['/shelf/b.txt 4 2']);
  assert.deepEqual(await found(repository, { blob: id.slice(0, 8), pattern: 'a*' }), []);
  const location = repository.index.get(repository.keys.hashers.data.digest(Buffer.from('1234'), 16) as never);
  const pack = repository.index.pack(location.pack)?.packId ?? '';
  assert.deepEqual(await found(repository, { pack }), ['/shelf/b.txt 4 2']);
  await assert.rejects(found(repository, { blob: 'xyz' }), { code: 'INVALID_ARGUMENT' });
});

test('find: snapshots of other sources interrupt no range', async (t) => {
  const states = ['/one', '/two', '/one', '/two'].map((path) => ({
    entries: [[path.slice(1), dir([['same', file('same', at(1))]], at(2))]] as readonly NamedEntry[],
    paths: [Buffer.from(path)],
  }));
  assert.deepEqual(await found(await given(t, states), { pattern: 'same' }), [
    '/one/same 4 0-2/2',
    '/two/same 4 1-3/2',
  ]);
});

test('find: no tree is read twice, however many snapshots have it', async (t) => {
  const folder = (number: number, more: readonly NamedEntry[] = []): NamedEntry => [
    `folder ${number}`,
    dir([[`file ${number}`, file(`${number}`, at(100 + number))], ...more], at(number)),
  ];
  const folders = Array.from({ length: 20 }, (_, number) => folder(number));
  const states = Array.from({ length: 10 }, (_, night) => ({
    entries: folders.with(night % 3, folder(night % 3, [['new', file(`night ${night}`, at(200 + night))]])),
  }));
  const repository = await given(t, states);
  const read: string[] = [];
  const load = repository.blobs.loadTreePart.bind(repository.blobs);
  repository.blobs.loadTreePart = (id) => {
    read.push(id.toString('hex'));
    return load(id);
  };
  assert.equal((await found(repository, { pattern: 'new' })).length, 10);
  assert.equal(read.length, new Set(read).size);
});

test('find: random nights against a plain model', async (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(5); round++) {
    const nights: Map<string, string>[] = [];
    const now = new Map<string, string>();
    for (let night = 0; night < 6; night++) {
      for (let edit = 0; edit < 8; edit++) {
        const path = `d${random.below(3)}/f${random.below(6)}`;
        if (random.below(3) === 0) now.delete(path);
        else now.set(path, 'x'.repeat(1 + random.below(3)));
      }
      nights.push(new Map(now));
    }
    const states = nights.map((night) => ({
      entries: [0, 1, 2].map((folder): NamedEntry => {
        const inner = [...night].filter(([path]) => path.startsWith(`d${folder}/`));
        return [
          `d${folder}`,
          dir(
            inner.map(([path, content]) => [path.slice(3), file(content, at(path.length))]),
            at(folder),
          ),
        ];
      }),
    }));
    const repository = await given(t, states);
    const expected: string[] = [];
    for (const path of [...new Set(nights.flatMap((night) => [...night.keys()]))].sort()) {
      const lines: [number, string][] = [];
      for (const size of [1, 2, 3]) {
        const present = nights.map((night) => night.get(path)?.length === size);
        const ranges: string[] = [];
        for (let start = 0; start < 6; start++) {
          if (!present[start] || present[start - 1]) continue;
          let end = start;
          while (present[end + 1]) end++;
          ranges.push(start === end ? `${start}` : `${start}-${end}/${end - start + 1}`);
        }
        if (ranges.length > 0)
          lines.push([Number.parseInt(ranges[0] ?? '', 10), `/${path} ${size} ${ranges.join(' ')}`]);
      }
      expected.push(...lines.sort(([a], [b]) => a - b).map(([, line]) => line));
    }
    assert.deepEqual(await found(repository, { type: 'file' }), expected);
  }
});

// ---- log

async function versions(repository: Repository, path: string): Promise<string[]> {
  const numbers = new Map((await repository.snapshots.list()).map(({ id }, number) => [id, number]));
  const all = await logPath(repository, { path: Buffer.from(path) });
  return all.map(({ change, fields, node, first, last, snapshots }) => {
    const told = change === 'metadata' ? ` (${fields.join(' ')})` : '';
    return `${change}${told} ${node?.size ?? '-'} ${numbers.get(first.id)}-${numbers.get(last.id)}/${snapshots}`;
  });
}

test('log: each version once, with what changed, deleted and come back', async (t) => {
  const book = (content: string, fields: EntryFields = {}): State => ({
    entries: [
      [
        'd',
        dir(
          [
            ['book', file(content, at(1, fields))],
            ['other', file(String(Math.random()), at(3))],
          ],
          at(2),
        ),
      ],
    ],
  });
  const gone: State = { entries: [['d', dir([], at(2))]] };
  const later = { seconds: TEST_MTIME.seconds + 1, nanoseconds: 0 };
  const elsewhere: State = { entries: [['e', dir([], at(9))]], paths: [Buffer.from('/e')] };
  const repository = await given(t, [
    gone,
    book('12'),
    book('12', { ctime: later }),
    elsewhere,
    book('123', { mtime: later }),
    book('123', { mtime: later, mode: 0o600 }),
    gone,
    gone,
    book('123', { mtime: later, mode: 0o600 }),
    book('321', { mtime: later, mode: 0o600 }),
    { entries: [['d', dir([['book', dir([], at(4))]], at(2))]] },
  ]);
  assert.deepEqual(await versions(repository, '/d/book'), [
    'added 2 1-2/2',
    'content 3 4-4/1',
    'metadata (mode) 3 5-5/1',
    'deleted - 6-7/2',
    'returned 3 8-8/1',
    'bitrot 3 9-9/1',
    'type 0 10-10/1',
  ]);
  assert.equal((await versions(repository, '/d')).length, 9);
  await assert.rejects(versions(repository, '/d/nothing'), { code: 'PATH_NOT_FOUND' });
  await assert.rejects(versions(repository, '/d/other/below'), { code: 'PATH_NOT_FOUND' });
});

test('log: trees that snapshots share are looked into once', async (t) => {
  const states = Array.from({ length: 12 }, (_, night) => ({
    entries: [
      ['d', dir([['book', file('same', at(1))]], at(2))],
      ['night', file(`${night}`, at(3))],
    ] as readonly NamedEntry[],
  }));
  const repository = await given(t, states);
  let parts = 0;
  const load = repository.blobs.loadTreePart.bind(repository.blobs);
  repository.blobs.loadTreePart = (id) => {
    parts++;
    return load(id);
  };
  assert.deepEqual(await versions(repository, '/d/book'), ['added 4 0-11/12']);
  assert.equal(parts, 13);
});
