import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { isEngineError } from '../../engine/base/errors.ts';
import { GIB, KIB, MIB } from '../../engine/base/limits.ts';
import { ZstdCompressor } from '../../engine/codec/zstd-stream.ts';
import { encodeTarEnd, encodeTarEntry, paddingOf } from '../../engine/format/archive-tar.ts';
import { check } from '../../engine/operations/check/check.ts';
import { importArchive } from '../../engine/operations/import/import.ts';
import type { ImportOptions, ImportResult } from '../../engine/operations/import/options.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { entry, type Given, zip } from '../support/archives.ts';
import { Library } from '../support/library.ts';
import { randomFor } from '../support/random.ts';

function tar(entries: readonly Given[]): Buffer {
  const parts = entries.flatMap((given) => {
    const data = Buffer.from((given.data ?? '') as string);
    return [encodeTarEntry(entry(given)), data, Buffer.alloc(paddingOf(data.length))];
  });
  const body = Buffer.concat(parts);
  return Buffer.concat([body, encodeTarEnd(body.length)]);
}

async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += 10_007) yield bytes.subarray(at, at + 10_007);
}

class Imports {
  readonly library: Library;

  private constructor(library: Library) {
    this.library = library;
  }

  static async make(t: TestContext): Promise<Imports> {
    return new Imports(await Library.make(t));
  }

  async stream(source: Buffer | AsyncIterable<Buffer>, more: Partial<ImportOptions> = {}): Promise<ImportResult> {
    const stream = Buffer.isBuffer(source) ? inPieces(source) : source;
    return importArchive(await this.library.reopen(), { source: { stream }, ...more });
  }

  async file(bytes: Buffer, more: Partial<ImportOptions> = {}): Promise<ImportResult> {
    const path = join(this.library.folder, 'archive');
    writeFileSync(path, bytes);
    return importArchive(await this.library.reopen(), { source: { file: Buffer.from(path) }, ...more });
  }

  async listing(): Promise<string[]> {
    const lines: string[] = [];
    const repository = await this.library.reopen();
    for await (const { path, node } of listEntries(repository, { snapshot: 'latest', recursive: true })) {
      const to = node.linkTarget === undefined ? '' : ` -> ${node.linkTarget}`;
      lines.push(`${node.type} ${path} ${node.type === 'file' ? node.size : ''}${to}`.trim());
    }
    return lines;
  }

  async snapshots(): Promise<number> {
    return (await (await this.library.reopen()).snapshots.list()).length;
  }
}

const OUTSIDE: readonly Given[] = [
  { path: '../up', data: 'x' },
  { path: 'a/../../up', data: 'x' },
  { path: 'a/..', data: 'x' },
  { path: '..', type: 'dir' },
  { path: '/etc/shadow', data: 'abs' },
  { path: '//double//slash/', type: 'dir' },
  { path: './a/./b', data: 'dots' },
  { path: 'link', type: 'symlink', linkTarget: Buffer.from('/etc') },
  { path: 'link/passwd', data: 'through a link' },
  { path: 'up', type: 'symlink', linkTarget: Buffer.from('../../..') },
  { path: 'file', data: 'is a file' },
  { path: 'file/below', data: 'below a file' },
  { path: 'twice', data: 'first' },
  { path: './twice', data: 'second one' },
];

const INSIDE = [
  'dir /a',
  'file /a/b 4',
  'dir /double',
  'dir /double/slash',
  'dir /etc',
  'file /etc/shadow 3',
  'file /file 9',
  'symlink /link  -> /etc',
  'file /twice 10',
  'symlink /up  -> ../../..',
];

for (const format of ['tar', 'zip'] as const) {
  test(`trap 33: names in a ${format} that lead out are refused, links are kept and not followed, the last of a name counts`, async (t) => {
    const imports = await Imports.make(t);
    const result = await imports.file(format === 'tar' ? tar(OUTSIDE) : zip(OUTSIDE));
    assert.deepEqual(await imports.listing(), INSIDE);
    const refused = result.problems.map(({ path, code }) => `${path} ${code}`).sort();
    assert.deepEqual(
      refused,
      [
        '../up PATH_REFUSED',
        '../ PATH_REFUSED',
        '/file/below NOT_A_FOLDER',
        '/link/passwd NOT_A_FOLDER',
        'a/.. PATH_REFUSED',
        'a/../../up PATH_REFUSED',
      ].sort(),
    );
    assert.equal(result.duplicates, 1);
    assert.deepEqual((await check(await imports.library.reopen(), { readData: true })).errors, []);
    await assert.rejects(imports.file(format === 'tar' ? tar(OUTSIDE) : zip(OUTSIDE), { strict: true }), {
      code: 'PROBLEMS_FOUND',
    });
    assert.equal(await imports.snapshots(), 1);
  });
}

test('trap 33: a hard link names only what the archive held before it', async (t) => {
  const imports = await Imports.make(t);
  const result = await imports.stream(
    tar([
      { path: 'folder', type: 'dir' },
      { path: 'first', data: 'content' },
      { path: 'second', type: 'hardlink', linkTarget: Buffer.from('./first') },
      { path: 'out', type: 'hardlink', linkTarget: Buffer.from('../../etc/passwd') },
      { path: 'absolute', type: 'hardlink', linkTarget: Buffer.from('/etc/passwd') },
      { path: 'to a folder', type: 'hardlink', linkTarget: Buffer.from('folder') },
      { path: 'later', type: 'hardlink', linkTarget: Buffer.from('not yet') },
      { path: 'not yet', data: 'here' },
    ]),
  );
  assert.deepEqual(
    result.problems.map(({ path, code }) => `${path} ${code}`),
    ['out', 'absolute', 'to a folder', 'later'].map((path) => `${path} LINK_REFUSED`),
  );
  const links: string[] = [];
  for await (const { path, node } of listEntries(await imports.library.reopen(), { snapshot: 'latest' })) {
    if (node.type === 'file') links.push(`${path} ${node.links} ${node.inode}`);
  }
  assert.deepEqual(links, ['/first 2 1', '/not yet 1 0', '/second 2 1']);
});

test('trap 33: an archive cut off anywhere makes no snapshot', async (t) => {
  const imports = await Imports.make(t);
  const random = randomFor(t);
  const entries = [
    { path: 'one', data: random.bytes(3000) },
    {
      path: 'sparse',
      size: 9000,
      data: random.bytes(100),
      regions: [
        { offset: 50, length: 100 },
        { offset: 9000, length: 0 },
      ],
    },
    { path: 'x'.repeat(300), data: random.bytes(700) },
  ];
  const whole = { tar: tar(entries), zip: zip(entries.map(({ path, data }) => ({ path, data }))) };
  const compressor = new ZstdCompressor(3);
  const zst = Buffer.concat([...compressor.compress(whole.tar), ...compressor.finish()]);
  const end = whole.tar.length - 10 * KIB;
  const cuts = [0, 1, 511, 512, 513, ...Array.from({ length: 12 }, () => random.below(end))];
  for (const cut of cuts)
    await assert.rejects(imports.stream(whole.tar.subarray(0, cut)), { code: 'ARCHIVE_INVALID' }, `tar ${cut}`);
  for (const bytes of [zst, gzipSync(whole.tar)]) {
    for (let count = 0; count < 8; count++) {
      const cut = count === 0 ? bytes.length - 1 : random.below(bytes.length);
      await assert.rejects(imports.stream(bytes.subarray(0, cut)), { code: 'ARCHIVE_INVALID' }, `${bytes[0]} ${cut}`);
    }
  }
  for (let count = 0; count < 12; count++) {
    const cut = random.below(whole.zip.length);
    await assert.rejects(imports.file(whole.zip.subarray(0, cut)), { code: 'ARCHIVE_INVALID' }, `zip ${cut}`);
  }
  assert.equal(await imports.snapshots(), 0);
  await imports.stream(whole.tar);
  await imports.stream(zst);
  await imports.file(whole.zip);
  assert.equal(await imports.snapshots(), 3);
});

test('a flipped byte makes an import fail, or shows in what is not protected by a checksum; nothing else happens', async (t) => {
  const imports = await Imports.make(t);
  const random = randomFor(t);
  const entries = [
    { path: 'one', data: random.bytes(500) },
    { path: 'folder/two', data: 'x'.repeat(500) },
  ];
  for (const bytes of [tar(entries), zip(entries)]) {
    for (let count = 0; count < 40; count++) {
      const harmed = Buffer.from(bytes);
      const at = random.below(Math.min(bytes.length, 4096));
      harmed[at] = (harmed[at] ?? 0) ^ (1 << random.below(8));
      try {
        await imports.file(harmed);
      } catch (error) {
        const codes = ['ARCHIVE_INVALID', 'SOURCE_MISSING', 'LIMIT_EXCEEDED'];
        if (!codes.some((code) => isEngineError(error) && error.code === code)) throw error;
      }
    }
  }
  assert.deepEqual((await check(await imports.library.reopen(), { readData: true })).errors, []);
});

test('trap 33: bombs are stopped, and allowed where they were asked for', async (t) => {
  const imports = await Imports.make(t);
  const zeros = Buffer.alloc(8 * MIB);
  const header = encodeTarEntry(entry({ path: 'zeros', size: 3 * GIB }));
  async function* zst(): AsyncGenerator<Buffer> {
    const compressor = new ZstdCompressor(1);
    yield* compressor.compress(header);
    for (let count = 0; count < (3 * GIB) / zeros.length; count++) yield* compressor.compress(zeros);
    yield* compressor.finish();
  }
  await assert.rejects(imports.stream(zst()), { code: 'LIMIT_EXCEEDED' });
  const member = gzipSync(zeros);
  async function* gz(): AsyncGenerator<Buffer> {
    yield gzipSync(header);
    for (let count = 0; count < (3 * GIB) / zeros.length; count++) yield member;
  }
  await assert.rejects(imports.stream(gz()), { code: 'LIMIT_EXCEEDED' });
  assert.equal(await imports.snapshots(), 0);
  const small = { path: 'zeros', data: zeros };
  await imports.stream(gzipSync(tar([small])));
  assert.equal(await imports.snapshots(), 1);
});

test('trap 33: a zip whose entries overlap, disagree with their directory, are encrypted or longer than they say is refused', async (t) => {
  const imports = await Imports.make(t);
  const data = 'x'.repeat(3000);
  const cases: readonly (readonly [string, Buffer])[] = [
    [
      'overlap',
      zip([
        { path: 'a', data },
        { path: 'a', data, change: { at: 0 } },
      ]),
    ],
    ['another name', zip([{ path: 'a', data, change: { localName: 'b' } }])],
    ['longer', zip([{ path: 'a', data, change: { data: { bytes: 2000 } } }])],
    ['shorter', zip([{ path: 'a', data, change: { data: { bytes: 4000 } } }])],
    ['checksum', zip([{ path: 'a', data, change: { data: { crc32: 7 } } }])],
    ['method', zip([{ path: 'a', data, change: { data: { method: 12 } } }])],
    ['beyond', zip([{ path: 'a', data, change: { data: { compressedBytes: 1_000_000 } } }])],
    ['not an archive', Buffer.from('just a text that is long enough to be looked at '.repeat(20))],
    ['empty', Buffer.alloc(0)],
  ];
  for (const [name, bytes] of cases) await assert.rejects(imports.file(bytes), { code: 'ARCHIVE_INVALID' }, name);
  await assert.rejects(imports.file(tar([])), { code: 'SOURCE_MISSING' });
  await assert.rejects(imports.stream(tar([{ path: '../only', data }])), { code: 'SOURCE_MISSING' });
  assert.equal(await imports.snapshots(), 0);
});

test('trap 33: sparse entries are holes and cost nothing; those that make no sense are refused', async (t) => {
  const imports = await Imports.make(t);
  const sparse = (size: number, regions: readonly { offset: number; length: number }[], data = ''): Buffer =>
    tar([
      { path: 'sparse', size, regions, data },
      { path: 'after', data: 'it' },
    ]);
  const result = await imports.stream(
    sparse(
      5 * GIB,
      [
        { offset: 4 * GIB, length: 4 },
        { offset: 5 * GIB, length: 0 },
      ],
      'data',
    ),
  );
  assert.deepEqual(await imports.listing(), ['file /after 2', `file /sparse ${5 * GIB}`]);
  assert.ok(result.counts.dataAdded < 10_000);
  const claimed = await imports.stream(sparse(2 ** 52, [{ offset: 2 ** 52, length: 0 }]));
  assert.deepEqual(
    claimed.problems.map(({ path, code }) => `${path} ${code}`),
    ['sparse ENTRY_REFUSED'],
  );
  for (const [size, regions] of [
    [100, [{ offset: 90, length: 20 }]],
    [
      100,
      [
        { offset: 50, length: 4 },
        { offset: 10, length: 4 },
      ],
    ],
  ] as const) {
    const bytes = Buffer.alloc(regions.reduce((sum, { length }) => sum + length, 0));
    await assert.rejects(imports.stream(sparse(size, regions, bytes.toString('latin1'))), { code: 'ARCHIVE_INVALID' });
  }
});

test('a prefix puts everything below it, folders that are not in the archive are made up, an interruption makes no snapshot', async (t) => {
  const imports = await Imports.make(t);
  await imports.stream(
    tar([
      { path: '.', type: 'dir', mode: 0o700 },
      { path: 'a/b/c', data: 'deep' },
    ]),
    { prefix: Buffer.from('/srv/books/') },
  );
  assert.deepEqual(await imports.listing(), [
    'dir /srv',
    'dir /srv/books',
    'dir /srv/books/a',
    'dir /srv/books/a/b',
    'file /srv/books/a/b/c 4',
  ]);
  const [snapshot] = await (await imports.library.reopen()).snapshots.list();
  assert.deepEqual(snapshot?.paths.map(String), ['/srv/books']);
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(imports.stream(tar([{ path: 'a', data: 'x' }]), { signal: controller.signal }), {
    code: 'INTERRUPTED',
  });
  await assert.rejects(imports.stream(tar([{ path: 'a', data: 'x' }]), { prefix: Buffer.from('/a/../b') }), {
    code: 'INVALID_ARGUMENT',
  });
  assert.equal(await imports.snapshots(), 1);
});
