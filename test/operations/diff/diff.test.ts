import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { diff } from '../../../engine/operations/diff/diff.ts';
import type { Change, DiffEvent, DiffOptions, DiffSummary } from '../../../engine/operations/diff/options.ts';
import type { Repository } from '../../../engine/repository/repository.ts';
import {
  dir,
  type EntryFields,
  type EntrySpec,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  symlink,
  TEST_MTIME,
  testFolder,
  testRepository,
} from '../../support/build-repository.ts';
import { Random, randomFor, rounds } from '../../support/random.ts';

/** A repository with one snapshot for each list of entries, oldest first. */
async function given(t: TestContext, ...states: (readonly NamedEntry[])[]): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t) });
  for (const state of states) {
    await new SnapshotBuilder(await reopened(repository)).save(state);
    await new Promise((done) => setTimeout(done, 2));
  }
  return reopened(repository);
}

async function eventsOf(repository: Repository, options: Partial<DiffOptions> = {}): Promise<DiffEvent[]> {
  const events: DiffEvent[] = [];
  for await (const event of diff(repository, { before: 'latest~1', after: 'latest', ...options })) events.push(event);
  return events;
}

function lineOf({ change, path, from, fields }: Change): string {
  const origin = from === undefined ? '' : ` from ${from.toString('latin1')}`;
  const told = change === 'metadata' ? ` (${fields.join(' ')})` : '';
  return `${change} ${path.toString('latin1')}${origin}${told}`;
}

async function linesOf(repository: Repository, options: Partial<DiffOptions> = {}): Promise<string[]> {
  const events = await eventsOf(repository, options);
  return events.filter((event): event is Change => event.event === 'change').map(lineOf);
}

/** Entries as they are read from a disk: each with an inode of its own. */
const at = (inode: number, fields: EntryFields = {}): EntryFields => ({ inode: BigInt(inode), ...fields });
const later = { seconds: TEST_MTIME.seconds + 10, nanoseconds: 5 };

interface Case {
  readonly title: string;
  readonly before: readonly NamedEntry[];
  readonly after: readonly NamedEntry[];
  readonly lines: readonly string[];
}

const album = (inode: number, more: readonly NamedEntry[] = []): EntrySpec =>
  dir([['one', file('first song', at(inode + 1))], ['two', file('second song', at(inode + 2))], ...more], at(inode));

const CASES: readonly Case[] = [
  { title: 'equal snapshots', before: [['a', file('x', at(1))]], after: [['a', file('x', at(1))]], lines: [] },
  {
    title: 'added and removed, folders with all they hold',
    before: [['gone', dir([['inner', file('1', at(2))]], at(1))]],
    after: [['new', dir([['other', file('2', at(4))]], at(3))]],
    lines: ['removed /gone', 'removed /gone/inner', 'added /new', 'added /new/other'],
  },
  {
    title: 'content',
    before: [['a', file('old', at(1))]],
    after: [['a', file('newer', at(1, { mtime: later, ctime: later }))]],
    lines: ['content /a'],
  },
  {
    title: 'each field of the metadata',
    before: [
      ['mode', file('x', at(1))],
      ['owner', file('x', at(2))],
      ['time', file('x', at(3))],
      ['xattr', file('x', at(4))],
      ['dir', dir([], at(5))],
    ],
    after: [
      ['mode', file('x', at(1, { mode: 0o600, ctime: later }))],
      ['owner', file('x', at(2, { uid: 7777, gid: 8888 }))],
      ['time', file('x', at(3, { mtime: later, ctime: later }))],
      ['xattr', file('x', at(4, { attributes: [{ name: Buffer.from('user.a'), value: Buffer.from('1') }] }))],
      ['dir', dir([], at(5, { mode: 0o700 }))],
    ],
    lines: [
      'metadata /dir (mode)',
      'metadata /mode (mode ctime)',
      'metadata /owner (uid gid)',
      'metadata /time (mtime ctime)',
      'metadata /xattr (xattrs)',
    ],
  },
  {
    title: 'what the file system keeps by itself is not told',
    before: [['a', file('x', at(1))]],
    after: [['a', file('x', at(9, { ctime: later, links: 2 }))]],
    lines: [],
  },
  {
    title: 'a folder whose times moved because its entries changed',
    before: [['d', dir([['a', file('x', at(2))]], at(1))]],
    after: [['d', dir([], at(1, { mtime: later, ctime: later }))]],
    lines: ['removed /d/a'],
  },
  {
    title: 'a folder whose times moved and nothing else',
    before: [['d', dir([['a', file('x', at(2))]], at(1))]],
    after: [['d', dir([['a', file('x', at(2))]], at(1, { mtime: later, ctime: later }))]],
    lines: ['metadata /d (mtime ctime)'],
  },
  {
    title: 'types',
    before: [
      ['a', file('x', at(1))],
      ['d', dir([['inner', file('y', at(3))]], at(2))],
    ],
    after: [
      ['a', dir([['below', file('z', at(5))]], at(4))],
      ['d', symlink('/nowhere', at(6))],
    ],
    lines: ['type /a', 'added /a/below', 'type /d', 'removed /d/inner'],
  },
  {
    title: 'the target of a link is its content',
    before: [['l', symlink('/old', at(1))]],
    after: [['l', symlink('/new', at(2, { mtime: later, ctime: later }))]],
    lines: ['content /l'],
  },
  {
    title: 'a file that moved',
    before: [
      ['a', file('moving', at(1))],
      ['d', dir([], at(2))],
    ],
    after: [['d', dir([['b', file('moving', at(1, { ctime: later }))]], at(2, { mtime: later }))]],
    lines: ['moved /d/b from /a'],
  },
  {
    title: 'a file that was copied and removed',
    before: [['a', file('moving', at(1))]],
    after: [['b', file('moving', at(7, { mtime: later, ctime: later }))]],
    lines: ['moved /b from /a'],
  },
  {
    title: 'of two equal files the one with the inode',
    before: [
      ['a', file('same', at(1))],
      ['b', file('same', at(2))],
    ],
    after: [
      ['c', file('same', at(2))],
      ['d', file('same', at(1))],
    ],
    lines: ['moved /c from /b', 'moved /d from /a'],
  },
  {
    title: 'empty files are told apart by inode alone',
    before: [
      ['a', file('', at(1))],
      ['b', file('', at(2))],
    ],
    after: [
      ['c', file('', at(2))],
      ['d', file('', at(3))],
    ],
    lines: ['removed /a', 'moved /c from /b', 'added /d'],
  },
  {
    title: 'a moved folder is one line',
    before: [['old', album(10)]],
    after: [['new', album(10)]],
    lines: ['moved /new from /old'],
  },
  {
    title: 'a moved folder, and what changed in it',
    before: [['old', album(10, [['gone', file('left out', at(20))]])]],
    after: [['new', album(10, [['more', file('third song', at(30))]])]],
    lines: ['moved /new from /old', 'added /new/more', 'removed /old/gone'],
  },
  {
    title: 'a folder that moved into a new one',
    before: [['old', album(10)]],
    after: [['shelf', dir([['old', album(10)]], at(99))]],
    lines: ['added /shelf', 'moved /shelf/old from /old'],
  },
  {
    title: 'a folder that moved out of one that is gone',
    before: [['shelf', dir([['old', album(10)]], at(99))]],
    after: [['old', album(10)]],
    lines: ['moved /old from /shelf/old', 'removed /shelf'],
  },
  {
    title: 'a folder that was copied to another disk and removed',
    before: [['old', album(10)]],
    after: [['new', album(50)]],
    lines: ['moved /new from /old'],
  },
  {
    title: 'a new folder that got the inode of one that is gone',
    before: [['old', album(10)]],
    after: [['new', dir([['other', file('no song', at(77))]], at(10))]],
    lines: ['added /new', 'added /new/other', 'removed /old', 'removed /old/one', 'removed /old/two'],
  },
  {
    title: 'bytes that differ while size and times do not',
    before: [['a', file('right', at(1))]],
    after: [['a', file('wrong', at(1))]],
    lines: ['bitrot /a'],
  },
  {
    title: 'names that no text can say, and names that begin alike',
    before: [
      [Buffer.from([0x66, 0xff, 0x0a]), file('1', at(1))],
      ['a', dir([['x', file('x', at(3))]], at(2))],
      ['a-b', file('2', at(4))],
    ],
    after: [['a', dir([], at(2))]],
    lines: ['removed /a/x', 'removed /a-b', 'removed /f\xff\n'],
  },
];

for (const { title, before, after, lines } of CASES) {
  test(`diff: ${title}`, async (t) => {
    assert.deepEqual(await linesOf(await given(t, before, after)), lines);
  });
}

test('diff: bytes are counted by chunks, and the summary adds up', async (t) => {
  const random = new Random(1);
  const parts = Array.from({ length: 100 }, () => random.bytes(1000));
  const edited = parts.with(50, random.bytes(1000)).with(99, random.bytes(700));
  const fields = { ctime: later, chunkBytes: 1000 };
  const repository = await given(
    t,
    [
      ['big', file(parts, { ...at(1), ...fields })],
      ['gone', file('12345', at(2))],
    ],
    [
      ['big', file(edited, { ...at(1, { mtime: later }), ...fields })],
      ['new', file('123', at(3))],
    ],
  );
  const events = await eventsOf(repository);
  const big = events.find((event): event is Change => event.event === 'change' && event.change === 'content');
  assert.deepEqual(
    [big?.sizeBefore, big?.sizeAfter, big?.bytesAdded, big?.bytesRemoved],
    [100_000, 99_700, 1700, 2000],
  );
  const summary = events.at(-1) as DiffSummary;
  assert.deepEqual([summary.counts.content, summary.counts.added, summary.counts.removed], [1, 1, 1]);
  assert.deepEqual([summary.bytesAdded, summary.bytesRemoved], [1703, 2005]);
});

test('diff: a long list of pieces is read where it differs only', async (t) => {
  const random = new Random(2);
  const parts = Array.from({ length: 4000 }, () => random.bytes(64));
  const fields = { chunkBytes: 64 };
  const edited = parts.with(2000, random.bytes(64));
  const repository = await given(
    t,
    [['big', file(parts, { ...at(1), ...fields })]],
    [['big', file(edited, { ...at(1, { mtime: later }), ...fields })]],
  );
  await repository.loadIndex();
  let lists = 0;
  const load = repository.blobs.loadContentList.bind(repository.blobs);
  repository.blobs.loadContentList = (id) => {
    lists++;
    return load(id);
  };
  const [change] = await eventsOf(repository);
  assert.ok(change?.event === 'change');
  assert.deepEqual([change.bytesAdded, change.bytesRemoved], [64, 64]);
  assert.ok(lists <= 6, `${lists} lists were read`);
});

test('diff: of one path', async (t) => {
  const repository = await given(
    t,
    [
      ['a', dir([['x', file('1', at(2))]], at(1))],
      ['b', file('1', at(3))],
    ],
    [
      ['a', dir([['x', file('2', at(2, { mtime: later }))]], at(1))],
      ['c', file('2', at(4))],
    ],
  );
  const below = (path: string): Promise<string[]> => linesOf(repository, { path: Buffer.from(path) });
  assert.deepEqual(await below('/a'), ['content /a/x']);
  assert.deepEqual(await below('/a/x'), ['content /a/x']);
  assert.deepEqual(await below('/b'), ['removed /b']);
  assert.deepEqual(await below('/c'), ['added /c']);
  await assert.rejects(below('/nowhere'), { code: 'PATH_NOT_FOUND' });
});

test('diff: equal subtrees are not read', async (t) => {
  const folder = (name: string, value: string): NamedEntry => [
    name,
    dir([['inner', dir([['file', file(value, at(3))]], at(2))]], at(1)),
  ];
  const many = Array.from({ length: 50 }, (_, index) => folder(`folder ${index}`, `value ${index}`));
  const repository = await given(t, many, many.with(7, folder('folder 7', 'another value')));
  await repository.loadIndex();
  let parts = 0;
  const load = repository.blobs.loadTreePart.bind(repository.blobs);
  repository.blobs.loadTreePart = (id) => {
    parts++;
    return load(id);
  };
  assert.deepEqual(await linesOf(repository), ['content /folder 7/inner/file']);
  assert.ok(parts <= 8, `${parts} parts were read`);
});

// ---- against a plain model

/** Path to what is there. Contents are unique, so that a move can only be what it was made as. */
type State = Map<string, { readonly content: string; readonly inode: number }>;

function entriesOf(state: State): NamedEntry[] {
  const top: Map<string, NamedEntry[]> = new Map();
  const entries: NamedEntry[] = [];
  for (const [path, { content, inode }] of state) {
    const [folder = '', name] = path.split('/');
    if (name === undefined)
      entries.push([folder, file(content, at(inode, { mtime: { seconds: content.length, nanoseconds: inode } }))]);
    else
      top.set(folder, [
        ...(top.get(folder) ?? []),
        [name, file(content, at(inode, { mtime: { seconds: content.length, nanoseconds: inode } }))],
      ]);
  }
  for (const [folder, inner] of top) entries.push([folder, dir(inner, at(100_000 + Number(folder.slice(1))))]);
  return entries;
}

test('diff: random changes against a plain model', async (t) => {
  const random = randomFor(t);
  let next = 1;
  for (let round = 0; round < rounds(10); round++) {
    const before: State = new Map();
    for (let count = 5 + random.below(60); count > 0; count--) {
      const name = random.below(3) === 0 ? `f${random.below(40)}` : `d${random.below(6)}/f${random.below(10)}`;
      before.set(name, { content: `content ${next}`, inode: next++ });
    }
    // A folder that stays keeps a file that nobody touches.
    for (let folder = 0; folder < 6; folder++)
      before.set(`d${folder}/stays`, { content: `kept ${next}`, inode: next++ });
    const after: State = new Map(before);
    const expected = new Set<string>();
    const touched = new Set<string>();
    for (let edit = random.below(12); edit > 0; edit--) {
      const paths = [...after.keys()].filter((path) => !path.endsWith('stays') && !touched.has(path));
      const path = paths[random.below(paths.length)] ?? '';
      const fresh = `d${random.below(6)}/n${next++}`;
      const kind = random.below(4);
      touched.add(path).add(fresh);
      const entry = after.get(path);
      if (kind === 0) {
        after.set(fresh, { content: `content ${next}`, inode: next++ });
        expected.add(`added /${fresh}`);
      } else if (entry === undefined) continue;
      else if (kind === 1) {
        after.delete(path);
        expected.add(`removed /${path}`);
      } else if (kind === 2) {
        after.set(path, { content: `edited content ${next++}`, inode: entry.inode });
        expected.add(`content /${path}`);
      } else {
        after.delete(path);
        after.set(fresh, entry);
        expected.add(`moved /${fresh} from /${path}`);
      }
    }
    const repository = await given(t, entriesOf(before), entriesOf(after));
    assert.deepEqual(new Set(await linesOf(repository)), expected);
    // The other way round, what was added was removed.
    const back = await linesOf(repository, { before: 'latest', after: 'latest~1' });
    const turned = [...expected].map((line) => {
      const [kind, path, , from] = line.split(' ');
      if (kind === 'moved') return `moved ${from} from ${path}`;
      return `${kind === 'added' ? 'removed' : kind === 'removed' ? 'added' : kind} ${path}`;
    });
    assert.deepEqual(new Set(back), new Set(turned));
  }
});
