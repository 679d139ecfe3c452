/** Zips of which the length is known before they are made, and of which any part can be had. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { crc32 } from 'node:zlib';
import type { PackId } from '../../engine/base/ids.ts';
import { CRCS_REMEMBERED_MAX, GIB, KIB, MIB, ZIP_LEFT_OUT_TOLD_MAX } from '../../engine/base/limits.ts';
import type { PlanZipOptions, ZipPlan } from '../../engine/operations/export/options.ts';
import { planZip } from '../../engine/operations/export/zip-plan.ts';
import { readZip } from '../../engine/operations/export/zip-read.ts';
import { findEntry } from '../../engine/operations/list.ts';
import { CrcFile, type CrcStore } from '../../engine/repository/crc-store.ts';
import { Repository } from '../../engine/repository/repository.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import {
  dir,
  type EntrySpec,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  symlink,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { CountedReads, MissingFile } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';

/** Sums in memory, and how often they were asked for in vain. */
class CrcMap implements CrcStore {
  readonly sums = new Map<string, number>();

  find(contentId: string): number | undefined {
    return this.sums.get(contentId);
  }

  remember(contentId: string, crc: number): void {
    this.sums.set(contentId, crc);
  }
}

async function collect(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(Buffer.from(piece));
  return Buffer.concat(all);
}

const ODD_NAME = Buffer.from([0x66, 0xff, 0x0a, 0x5c]);

function someTree(random: Random): NamedEntry[] {
  return [
    ['a.txt', file('first')],
    [
      'books',
      dir([
        ['large.m4b', file(random.bytes(700 * KIB), { mtime: { seconds: 1_700_000_001, nanoseconds: 500 } })],
        ['empty', file([])],
        [
          'inner',
          dir([
            ['deep', dir([['file', file('deep')]])],
            ['sparse', file([Buffer.from('x'), 300_000, Buffer.from('y')])],
          ]),
        ],
        ['link', symlink('large.m4b')],
        [ODD_NAME, file('odd')],
        ['späť 📚', file(random.bytes(100))],
      ]),
    ],
    ['covers', dir([['one.jpg', file(random.bytes(5000), { mtime: { seconds: -5_000_000_000, nanoseconds: 1 } })]])],
    ['nothing', dir([])],
  ];
}

const ALL: PlanZipOptions = { snapshot: 'latest', roots: [{ path: Buffer.from('/'), as: Buffer.alloc(0) }] };
const SOME: PlanZipOptions = {
  snapshot: 'latest',
  roots: [
    { path: Buffer.from('/books'), as: Buffer.from('library/books') },
    { path: Buffer.from('/covers/one.jpg'), as: Buffer.from('covers/first.jpg') },
    { path: Buffer.from('/nothing'), as: Buffer.from('nothing') },
  ],
  files: [
    { as: Buffer.from('manifest.json'), content: Buffer.from('{"format":1}') },
    { as: Buffer.from('notes/empty'), content: Buffer.alloc(0) },
  ],
};

async function given(
  t: TestContext,
  tree: readonly NamedEntry[],
  backend: Backend = new MemoryBackend(),
): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t), backend });
  await new SnapshotBuilder(repository).save(tree);
  return reopened(repository);
}

test('an archive has the length that was planned, and the same bytes each time, in every zone', async (t) => {
  const repository = await given(t, someTree(randomFor(t)));
  const zone = process.env['TZ'];
  t.after(() => {
    if (zone === undefined) delete process.env['TZ'];
    else process.env['TZ'] = zone;
  });
  for (const options of [ALL, SOME]) {
    const archives: Buffer[] = [];
    const plans: ZipPlan[] = [];
    for (const place of ['UTC', 'Asia/Kathmandu', 'America/Los_Angeles']) {
      process.env['TZ'] = place;
      const opened = await reopened(repository);
      const plan = await planZip(opened, options);
      plans.push(plan);
      archives.push(await collect(readZip(opened, plan, { crcs: new CrcMap() })));
    }
    const [first] = archives;
    for (const [at, archive] of archives.entries()) {
      assert.equal(archive.length, plans[at]?.length);
      assert.ok(first?.equals(archive));
      assert.equal(plans[at]?.id, plans[0]?.id);
    }
  }
  const [all, some] = [await planZip(repository, ALL), await planZip(repository, SOME)];
  assert.match(all.id, /^[0-9a-f]{32}$/);
  assert.notEqual(all.id, some.id);
  assert.deepEqual(all.counts, {
    files: 8,
    directories: 5,
    symlinks: 1,
    bytes: 5 + 700 * KIB + 300_002 + 4 + 3 + 100 + 5000,
  });
  assert.deepEqual(some.counts, {
    files: 9,
    directories: 4,
    symlinks: 1,
    bytes: 12 + 700 * KIB + 300_002 + 4 + 3 + 100 + 5000,
  });
});

test('any part of an archive is that part of it, whatever sums are known', async (t) => {
  const random = randomFor(t);
  const repository = await given(t, [
    ...someTree(random),
    // Enough for several places in the middle from which reading begins.
    ['zeros', dir(Array.from({ length: 3000 }, (_, at): NamedEntry => [`${at}`, file(at % 10 === 0 ? 'ten' : [])]))],
  ]);
  for (const options of [ALL, SOME]) {
    const plan = await planZip(repository, options);
    const known = new CrcMap();
    const whole = await collect(readZip(repository, plan, { crcs: known }));
    // Where something begins and ends: signatures of headers, descriptors, records and the end.
    const edges = [0, plan.length, plan.directory.offset, plan.directory.offset + plan.directory.bytes];
    for (const signature of ['PK\x03\x04', 'PK\x07\x08', 'PK\x01\x02']) {
      for (let at = whole.indexOf(signature, 0, 'latin1'); at >= 0; at = whole.indexOf(signature, at + 4, 'latin1'))
        edges.push(at);
    }
    for (let round = 0; round < rounds(60); round++) {
      const edge = edges[random.below(edges.length)] ?? 0;
      const start = Math.max(0, Math.min(plan.length, edge + random.below(50) - 25));
      const length = round % 2 === 0 ? random.below(60) : random.below(300_000);
      const end = Math.min(plan.length, start + length);
      const crcs = round % 3 === 0 ? known : new CrcMap();
      const part = await collect(readZip(repository, plan, { crcs, start, end }));
      assert.ok(part.equals(whole.subarray(start, end)), `${start} to ${end} of ${plan.length}`);
    }
    for (const [start, end] of [
      [-1, 5],
      [5, 4],
      [0, plan.length + 1],
      [0.5, 1],
    ]) {
      await assert.rejects(collect(readZip(repository, plan, { crcs: known, start, end })), {
        code: 'INVALID_ARGUMENT',
      });
    }
  }
});

/** What Python sees in an archive: one line for each entry. */
const LIST_ZIP = `
import sys, zipfile, hashlib
z = zipfile.ZipFile(sys.argv[1])
assert z.testzip() is None
for i in z.infolist():
    print(ascii(i.filename), i.flag_bits & 2048, oct(i.external_attr >> 16), i.file_size, i.date_time, hashlib.sha256(z.read(i)).hexdigest()[:8] if i.file_size < 10**7 else '-')
`;

function has(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

test('Python and Info-ZIP find names, modes, links, times and contents', async (t) => {
  if (!has('python3')) return t.skip('python3 is not installed');
  const folder = testFolder(t);
  const content = randomFor(t).bytes(400 * KIB);
  const repository = await given(t, [
    [
      'folder',
      dir(
        [
          ['Hörbuch.m4b', file(content, { mode: 0o640, mtime: { seconds: 1_609_459_199, nanoseconds: 0 } })],
          ['link', symlink('Hörbuch.m4b')],
          [Buffer.from([0x61, 0xe9]), file('1')],
        ],
        { mode: 0o2750, mtime: { seconds: 1_000_000_000, nanoseconds: 0 } },
      ),
    ],
  ]);
  const plan = await planZip(repository, {
    snapshot: 'latest',
    roots: [{ path: Buffer.from('/folder'), as: Buffer.from('as/é') }],
  });
  const path = join(folder, 'out.zip');
  writeFileSync(path, await collect(readZip(repository, plan, { crcs: new CrcMap() })));
  const sha = (bytes: Buffer | string): string =>
    execFileSync(
      'python3',
      ['-c', 'import sys,hashlib; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest()[:8])'],
      { input: bytes },
    )
      .toString()
      .trim();
  const lines = execFileSync('python3', ['-c', LIST_ZIP, path], {
    encoding: 'utf8',
    env: { ...process.env, TZ: 'Asia/Tokyo' },
  });
  assert.deepEqual(lines.trimEnd().split('\n'), [
    `'as/\\xe9/' 2048 0o42750 0 (2001, 9, 9, 1, 46, 40) ${sha('')}`,
    `'as/\\xe9/H\\xf6rbuch.m4b' 2048 0o100640 ${content.length} (2020, 12, 31, 23, 59, 58) ${sha(content)}`,
    // Bytes that are no UTF-8 stand there as they are.
    `'as/\\u251c\\u2310/a\\u0398' 0 0o100644 1 (2020, 9, 13, 12, 26, 40) ${sha('1')}`,
    `'as/\\xe9/link' 2048 0o120777 12 (2020, 9, 13, 12, 26, 40) ${sha('Hörbuch.m4b')}`,
  ]);
  if (has('unzip')) execFileSync('unzip', ['-tq', path]);
});

const HOLE_BYTES = 4 * GIB + MIB;

test('more than 4 GiB, and more than 65,535 entries: zip64', async (t) => {
  if (!has('python3')) return t.skip('python3 is not installed');
  const folder = testFolder(t);
  const repository = await given(t, [
    ['1 large', file([Buffer.from('begin'), HOLE_BYTES, Buffer.from('end')], { mode: 0o600 })],
    ['2 behind', file('behind four gigabytes')],
    ['3 many', dir(Array.from({ length: 66_000 }, (_, at): NamedEntry => [`${at}`, file([])]))],
  ]);
  const plan = await planZip(repository, ALL);
  const path = join(folder, 'out.zip');
  // Zeros are left out of the file.
  const out = openSync(path, 'w');
  let at = 0;
  for await (const piece of readZip(repository, plan, { crcs: new CrcMap() })) {
    if (piece.length < MIB || piece[0] !== 0) writeSync(out, piece, 0, piece.length, at);
    at += piece.length;
  }
  closeSync(out);
  assert.equal(at, plan.length);
  const program = `
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
names = z.namelist()
print(len(names), z.getinfo('1 large').file_size, z.getinfo('2 behind').header_offset > 2**32, z.read('2 behind'), z.read('3 many/65999'))
`;
  const line = execFileSync('python3', ['-c', program, path], { encoding: 'utf8' });
  assert.equal(line.trim(), `66003 ${HOLE_BYTES + 8} True b'behind four gigabytes' b''`);
});

test('the length is known, and headers are given, without reading any file', async (t) => {
  const backend = new MemoryBackend();
  const repository = await given(t, someTree(randomFor(t)), backend);
  const { node } = await findEntry(repository, { snapshot: 'latest', path: Buffer.from('/books/large.m4b') });
  assert.ok(node?.content.kind === 'list');
  const place = repository.index.find(node.content.entries[0]?.blobId as never);
  const pack = repository.index.pack(place?.pack ?? -1)?.packId as PackId;
  const { cacheDirectory } = repository;
  const without = new MissingFile(backend, { kind: 'pack', name: pack });
  const opened = await Repository.open({ backend: without, credential: { type: 'none' }, cacheDirectory });
  const plan = await planZip(opened, SOME);
  assert.ok(plan.length > 700 * KIB);
  const crcs = new CrcMap();
  const head = await collect(readZip(opened, plan, { crcs, end: 200 }));
  assert.equal(head.toString('latin1', 0, 4), 'PK\x03\x04');
  // The rest is missing, and says of which file.
  for (const range of [{}, { start: plan.directory.offset }]) {
    await assert.rejects(collect(readZip(opened, plan, { crcs, ...range })), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'OBJECT_MISSING');
      assert.match(error.message, /^\/books\/[\s\S]+ cannot be read/);
      return true;
    });
  }
  assert.deepEqual([...crcs.sums], []);
});

test('a damaged piece is an error that names its file, and no sum of it is remembered', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const book = randomFor(t).bytes(2 * MIB);
  writeFileSync(join(library.source, 'book.m4b'), book);
  await library.backup();
  const repository = await library.reopen();
  const path = Buffer.from(library.source);
  const plan = await planZip(repository, { snapshot: 'latest', roots: [{ path, as: Buffer.from('books') }] });
  const { node } = await findEntry(repository, {
    snapshot: 'latest',
    path: Buffer.from(join(library.source, 'book.m4b')),
  });
  const pieces = node?.content.kind === 'list' ? node.content.entries : [];
  const last = repository.index.find(pieces.at(-1)?.blobId as never);
  const { packId } = repository.index.pack(last?.pack ?? -1) ?? { packId: '' };
  const frame = repository.index.frame(last ?? { pack: -1, frame: -1 });
  const packPath = join(library.folder, 'repository', 'packs', packId.slice(0, 2), packId);
  const bytes = readFileSync(packPath);
  bytes[frame.offset + 100] = (bytes[frame.offset + 100] ?? 0) ^ 1;
  writeFileSync(packPath, bytes);
  const crcs = new CrcMap();
  let given = 0;
  await assert.rejects(
    (async () => {
      for await (const piece of readZip(await library.reopen(), plan, { crcs })) given += piece.length;
    })(),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'OBJECT_CORRUPT');
      assert.ok(error.message.startsWith(`${join(library.source, 'book.m4b')} cannot be read`), error.message);
      return true;
    },
  );
  assert.ok(given < plan.length - 1000 && crcs.sums.size === 0);
});

test('small files have their sums in front, from the snapshot; of a large one it follows, and is made once', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const random = randomFor(t);
  writeFileSync(join(library.source, 'cover.jpg'), random.bytes(100 * KIB));
  writeFileSync(join(library.source, 'book.m4b'), random.bytes(20 * MIB));
  await library.backup();
  const path = Buffer.from(library.source);
  const { backend, cacheDirectory } = await library.reopen();
  const counted = new CountedReads(backend);
  const open = () => Repository.open({ backend: counted, credential: { type: 'none' }, cacheDirectory });
  const plan = await planZip(await open(), { snapshot: 'latest', roots: [{ path, as: Buffer.from('x') }] });
  const bytesFor = async (act: (repository: Repository) => Promise<unknown>): Promise<number> => {
    const before = counted.packBytes;
    await act(await open());
    return counted.packBytes - before;
  };
  const crcs = new CrcMap();
  const { offset } = plan.directory;
  const wholeCost = await bytesFor(async (repository) => collect(readZip(repository, plan, { crcs })));
  assert.ok(wholeCost < 21 * MIB, `${wholeCost} bytes were read: each of the files once`);
  assert.equal(crcs.sums.size, 1);
  const tail = (sums: CrcStore) => (repository: Repository) =>
    collect(readZip(repository, plan, { crcs: sums, start: offset - 20 }));
  assert.ok((await bytesFor(tail(crcs))) < MIB, 'the directory costs no file once sums are known');
  const fresh = new CrcMap();
  assert.ok((await bytesFor(tail(fresh))) > 20 * MIB);
  assert.deepEqual(fresh.sums, crcs.sums);
  // Broken off in the middle, and gone on with: what was there before the break is read for its sum, and all else once.
  const again = new CrcMap();
  const middle = Math.floor(offset / 2);
  const rest = await bytesFor(async (repository) => {
    const bytes = await collect(readZip(repository, plan, { crcs: again, start: middle }));
    assert.equal(bytes.length, plan.length - middle);
  });
  assert.ok(rest < 22 * MIB, `${rest} bytes`);
});

test('what has no place in a zip is left out and named', async (t) => {
  const special = (type: EntrySpec['type']): EntrySpec => ({ type, device: { major: 1, minor: 3 } });
  let deep = dir([['file', file('x')]]);
  for (let level = 0; level < 262; level++) deep = dir([['d'.repeat(250), deep]]);
  const repository = await given(t, [
    ['fifo', { type: 'fifo' }],
    ['null', special('chardev')],
    ['socket', { type: 'socket' }],
    ['file', file('x')],
    ['z', deep],
  ]);
  const plan = await planZip(repository, ALL);
  assert.deepEqual(
    plan.leftOut.slice(0, 3).map(({ path, why }) => [path.toString(), why]),
    [
      ['/fifo', 'fifo'],
      ['/null', 'chardev'],
      ['/socket', 'socket'],
    ],
  );
  const tooLong = plan.leftOut.slice(3);
  assert.ok(tooLong.length >= 2 && tooLong.every(({ why, path }) => why === 'name' && path.length > 65_500));
  assert.equal(plan.leftOutCount, plan.leftOut.length);
  const bytes = await collect(readZip(repository, plan, { crcs: new CrcMap() }));
  assert.equal(bytes.length, plan.length);
  const many = await given(t, [
    [
      'many',
      dir(Array.from({ length: ZIP_LEFT_OUT_TOLD_MAX + 5 }, (_, at): NamedEntry => [`${at}`, { type: 'fifo' }])),
    ],
  ]);
  const { leftOut, leftOutCount } = await planZip(many, ALL);
  assert.deepEqual([leftOut.length, leftOutCount], [ZIP_LEFT_OUT_TOLD_MAX, ZIP_LEFT_OUT_TOLD_MAX + 5]);
});

test('names that lead out of the archive, or into each other, are refused', async (t) => {
  const repository = await given(t, [
    ['a', dir([])],
    ['b', file('b')],
  ]);
  const root = (as: string, path = '/a') => ({ path: Buffer.from(path), as: Buffer.from(as) });
  const named = (as: string) => ({ as: Buffer.from(as), content: Buffer.from('x') });
  for (const [roots, files] of [
    [[root('../a')], []],
    [[root('/a')], []],
    [[root('a/')], []],
    [[root('a//b')], []],
    [[root('a/./b')], []],
    [[root('a\0b')], []],
    [[root('a'), root('a')], []],
    [[root('a'), root('ab'), root('a/b')], []],
    [[root('a/b'), root('a')], []],
    [[root('')], [named('manifest.json')]],
    [[root(''), root('b')], []],
    [[root('a')], [named('a/inside')]],
    [[root('a/b')], [named('a')]],
    [[], [named('')]],
  ] as const) {
    await assert.rejects(
      planZip(repository, { snapshot: 'latest', roots, files }),
      { code: 'INVALID_ARGUMENT' },
      JSON.stringify([roots, files]),
    );
  }
  const fine = {
    snapshot: 'latest',
    roots: [root('a'), root('a b'), root('ab/c'), root('b', '/b')],
    files: [named('ab/d')],
  };
  assert.equal((await planZip(repository, fine)).directory.entries, 5);
  await assert.rejects(planZip(repository, { snapshot: 'latest', roots: [root('x', '/missing')] }), {
    code: 'PATH_NOT_FOUND',
  });
  const empty = await planZip(repository, { snapshot: 'latest', roots: [] });
  assert.equal((await collect(readZip(repository, empty, { crcs: new CrcMap() }))).length, 22);
});

test('planning and reading end with their signal', async (t) => {
  const repository = await given(t, someTree(randomFor(t)));
  await assert.rejects(planZip(repository, { ...ALL, signal: AbortSignal.abort() }), { code: 'INTERRUPTED' });
  const plan = await planZip(repository, ALL);
  const controller = new AbortController();
  const reading = (async () => {
    for await (const _ of readZip(repository, plan, { crcs: new CrcMap(), signal: controller.signal }))
      controller.abort();
  })();
  await assert.rejects(reading, { code: 'INTERRUPTED' });
});

// ---- sums in the cache directory

test('sums are there again in the next process, whatever became of single ones', async (t) => {
  const repository = await given(t, []);
  const path = join(repository.cacheDirectory, 'crc', repository.config.id, 'sums-v1');
  const idOf = (number: number): string => number.toString(16).padStart(32, '0');
  const first = await CrcFile.open(repository.cacheDirectory, repository.config.id);
  const beside = await CrcFile.open(repository.cacheDirectory, repository.config.id);
  for (let number = 0; number < 100; number++) (number % 2 === 0 ? first : beside).remember(idOf(number), number * 7);
  first.remember(idOf(4), 99);
  first.close();
  beside.close();
  const sumsOf = async (): Promise<(number | undefined)[]> => {
    const opened = await CrcFile.open(repository.cacheDirectory, repository.config.id);
    const sums = Array.from({ length: 100 }, (_, number) => opened.find(idOf(number)));
    opened.close();
    return sums;
  };
  const expected = Array.from({ length: 100 }, (_, number): number | undefined => (number === 4 ? 99 : number * 7));
  assert.deepEqual(await sumsOf(), expected);
  assert.equal(readFileSync(path).length, 100 * 24, 'what was there twice is gone');
  // A wrong bit, and a record that was cut off.
  const bytes = readFileSync(path);
  bytes[50 * 24 + 17] = (bytes[50 * 24 + 17] ?? 0) ^ 4;
  writeFileSync(path, bytes);
  appendFileSync(path, Buffer.alloc(10, 1));
  const damaged = await sumsOf();
  assert.equal(damaged.filter((sum) => sum === undefined).length, 1);
  for (const [number, sum] of damaged.entries()) assert.ok(sum === undefined || sum === expected[number]);
  const mended = await CrcFile.open(repository.cacheDirectory, repository.config.id);
  mended.remember(idOf(1000), 5);
  mended.close();
  const last = await CrcFile.open(repository.cacheDirectory, repository.config.id);
  assert.equal(last.find(idOf(1000)), 5);
  truncateSync(path, 0);
  last.remember(idOf(1), 1);
  last.close();
  assert.equal((await sumsOf())[1], 1);
});

test('sums are bounded, the oldest go; where none can be kept, nothing fails', async (t) => {
  const repository = await given(t, []);
  const folder = join(repository.cacheDirectory, 'crc', repository.config.id);
  mkdirSync(folder, { recursive: true });
  const record = (number: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32LE(number, 0);
    bytes.writeUInt32LE(number, 16);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20);
    return bytes;
  };
  const extra = 100;
  writeFileSync(
    join(folder, 'sums-v1'),
    Buffer.concat(Array.from({ length: CRCS_REMEMBERED_MAX + extra }, (_, at) => record(at))),
  );
  const file = await CrcFile.open(repository.cacheDirectory, repository.config.id);
  const idOf = (number: number): string => record(number).toString('hex', 0, 16);
  assert.deepEqual([file.find(idOf(extra - 1)), file.find(idOf(extra))], [undefined, extra]);
  assert.equal(readFileSync(join(folder, 'sums-v1')).length, CRCS_REMEMBERED_MAX * 24);
  file.remember(idOf(1), 1);
  assert.deepEqual([file.find(idOf(extra)), file.find(idOf(1))], [undefined, 1]);
  file.close();
  // A file stands where the folder should be.
  const other = await given(t, []);
  mkdirSync(other.cacheDirectory, { recursive: true });
  writeFileSync(join(other.cacheDirectory, 'crc'), '');
  const unkept = await CrcFile.open(other.cacheDirectory, other.config.id);
  unkept.remember(idOf(1), 7);
  assert.equal(unkept.find(idOf(1)), 7);
  unkept.close();
});
