/** A file that changed is built from what it holds already; only what it lacks is read from the repository. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PACK_ID_BYTES, type PackId } from '../../engine/base/ids.ts';
import { CHUNK_LARGE_BYTES_MAX, MIB, REUSE_FILE_BYTES_MIN } from '../../engine/base/limits.ts';
import { PROLOGUE_BYTES } from '../../engine/format/envelope.ts';
import type { RestoreOptions, RestoreResult } from '../../engine/operations/restore/options.ts';
import { loadPackHeader } from '../../engine/repository/pack-headers.ts';
import { CliFixture } from '../support/cli.ts';
import { mountCloningDisk } from '../support/cloning-disk.ts';
import { CountedReads } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { Random, randomFor, rounds } from '../support/random.ts';

/** What trees and lists of a small snapshot may take. */
const TREE_BYTES = 64 * 1024;

interface Given {
  readonly library: Library;
  readonly target: string;
  /** Restores over the target, and says how much was read of packs besides. */
  readonly restore: (options?: Partial<RestoreOptions>) => Promise<RestoreResult & { readonly read: number }>;
}

/** A backup of `original`, and a target in which `present` lies instead. */
async function given(
  t: TestContext,
  original: { readonly [name: string]: Buffer },
  present: { readonly [name: string]: Buffer },
  folder?: string,
): Promise<Given> {
  const library = await Library.make(t, folder === undefined ? {} : { folder });
  mkdirSync(library.source);
  for (const [name, bytes] of Object.entries(original)) writeFileSync(join(library.source, name), bytes);
  // One worker, so that chunks lie in packs in the order of the file.
  await library.backup({ workers: 1 });
  const target = join(library.folder, 'target');
  mkdirSync(target);
  for (const [name, bytes] of Object.entries(present)) writeFileSync(join(target, name), bytes);
  const inner = library.repository.backend;
  const restore: Given['restore'] = async (options = {}) => {
    const backend = new CountedReads(inner);
    await library.reopen(backend);
    const into = { target: Buffer.from(target), overwrite: 'if-changed' as const };
    const result = await library.restore('latest', { ...into, ...options });
    return { ...result, read: backend.packBytes };
  };
  return { library, target, restore };
}

function isRestored({ target, library }: Given, names: readonly string[]): void {
  for (const name of names) {
    const [found, wanted] = [join(target, name), join(library.source, name)];
    assert.ok(readFileSync(found).equals(readFileSync(wanted)), `${name} has other bytes`);
    const [is, was] = [lstatSync(found, { bigint: true }), lstatSync(wanted, { bigint: true })];
    assert.deepEqual([is.mode, is.mtimeNs, is.uid], [was.mode, was.mtimeNs, was.uid], name);
  }
  assert.deepEqual(
    readdirSync(target).filter((name) => name.startsWith('.snap-restore')),
    [],
  );
}

const BOOK = new Random(1).bytes(12 * MIB + 12_345);
const inserted = (bytes: Buffer, at: number, more: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at)]);
const edited = (bytes: Buffer, at: number, length = 1): Buffer => {
  const copy = Buffer.from(bytes);
  for (let each = at; each < at + length; each++) copy[each] = (copy[each] ?? 0) ^ 0x55;
  return copy;
};

/** What was done to it; how many bytes of the snapshot's are gone with that, and how many chunks are at most torn. */
const CHANGES: readonly (readonly [name: string, present: Buffer, bytes: number, chunks: number])[] = [
  ['an edit in the middle', edited(BOOK, 6 * MIB), 0, 1],
  ['a tag that was inserted at the head', inserted(BOOK, 0, Buffer.alloc(100, 1)), 0, 0],
  ['a tag of another length', Buffer.concat([Buffer.alloc(5000, 1), BOOK.subarray(1000)]), 0, 1],
  ['more at its end', Buffer.concat([BOOK, Buffer.alloc(MIB, 3)]), 0, 0],
  ['half of it gone', BOOK.subarray(0, 6 * MIB), BOOK.length - 6 * MIB, 1],
  ['its beginning gone', BOOK.subarray(3 * MIB), 3 * MIB, 1],
  ['insertions in two places', inserted(inserted(BOOK, 9 * MIB, Buffer.alloc(77)), 10, Buffer.alloc(1001)), 0, 2],
  ['edits in two places, of the same length', edited(edited(BOOK, 0), BOOK.length - 1), 0, 2],
  ['its halves swapped', Buffer.concat([BOOK.subarray(6 * MIB), BOOK.subarray(0, 6 * MIB)]), 0, 4],
];

for (const [name, present, bytes, chunks] of CHANGES) {
  test(`${name}: what the file still holds is not read from the repository`, async (t) => {
    const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': present });
    const result = await it.restore();
    assert.equal(result.problemCount, 0);
    assert.deepEqual([result.filesRestored, result.bytesRestored], [1, BOOK.length]);
    isRestored(it, ['book.m4b']);
    const most = bytes + chunks * CHUNK_LARGE_BYTES_MAX;
    assert.ok(result.read <= most + TREE_BYTES, `${result.read} bytes were read`);
    assert.ok(result.bytesReused >= BOOK.length - most);
    assert.ok(result.bytesReused + result.read >= BOOK.length, 'all came from somewhere');
    const again = await it.restore();
    assert.deepEqual([again.filesRestored, again.filesSkipped, again.bytesReused], [0, 1, 0]);
  });
}

test('a file that has nothing of the snapshot’s is read from the repository as a whole', async (t) => {
  const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': new Random(2).bytes(BOOK.length) });
  const result = await it.restore({ verify: true });
  isRestored(it, ['book.m4b']);
  assert.deepEqual([result.problemCount, result.bytesReused, result.bytesRestored], [0, 0, BOOK.length]);
  assert.ok(result.read >= BOOK.length);
});

test('what is a link, a folder or not there any more is no help, and no harm', async (t) => {
  const it = await given(t, { 'a.m4b': BOOK, 'b.m4b': BOOK }, {});
  writeFileSync(join(it.library.folder, 'elsewhere'), edited(BOOK, 5));
  symlinkSync(join(it.library.folder, 'elsewhere'), join(it.target, 'a.m4b'));
  const result = await it.restore();
  isRestored(it, ['a.m4b', 'b.m4b']);
  assert.equal(result.bytesReused, 0);
  assert.ok(readFileSync(join(it.library.folder, 'elsewhere')).equals(edited(BOOK, 5)));
});

test('small files, and the policy that writes all anew, reuse nothing', async (t) => {
  const tiny = new Random(3).bytes(REUSE_FILE_BYTES_MIN - 1);
  const files = { 'tiny.txt': tiny, 'book.m4b': BOOK };
  const it = await given(t, files, { 'tiny.txt': inserted(tiny, 9, Buffer.alloc(9)), 'book.m4b': edited(BOOK, 1) });
  const always = await it.restore({ overwrite: 'always' });
  isRestored(it, Object.keys(files));
  assert.equal(always.bytesReused, 0);
  assert.ok(always.read > BOOK.length);
  writeFileSync(join(it.target, 'tiny.txt'), edited(tiny, 100_000));
  const changed = await it.restore();
  isRestored(it, Object.keys(files));
  assert.deepEqual([changed.filesRestored, changed.bytesReused], [1, 0]);
});

test('small chunks and pages of a database that moved are found', async (t) => {
  const random = new Random(4);
  const text = random.bytes(3 * MIB);
  const pages = random.bytes(4 * MIB);
  Buffer.from('SQLite format 3\0', 'latin1').copy(pages);
  pages.writeUInt16BE(4096, 16);
  const moved = Buffer.concat([pages.subarray(0, MIB), random.bytes(8192), pages.subarray(MIB, 3 * MIB)]);
  const present = {
    'notes.txt': inserted(edited(inserted(text, 2 * MIB, Buffer.alloc(50)), MIB), 1000, Buffer.alloc(50)),
    'pages.bin': Buffer.concat([moved, random.bytes(4096), pages.subarray(3 * MIB)]),
  };
  const library = await Library.make(t);
  mkdirSync(library.source);
  writeFileSync(join(library.source, 'notes.txt'), text);
  writeFileSync(join(library.source, 'pages.bin'), pages);
  await library.backup({ databases: false });
  const target = join(library.folder, 'target');
  mkdirSync(target);
  for (const [name, bytes] of Object.entries(present)) writeFileSync(join(target, name), bytes);
  const result = await library.restore('latest', { target: Buffer.from(target), overwrite: 'if-changed' });
  assert.ok(readFileSync(join(target, 'notes.txt')).equals(text));
  assert.ok(readFileSync(join(target, 'pages.bin')).equals(pages));
  assert.ok(result.bytesReused > text.length + pages.length - 400_000, `${result.bytesReused} were reused`);
});

/** Data where there are buffers, holes where there are numbers. */
function writeSparse(path: string, parts: readonly (Buffer | number)[]): void {
  const file = openSync(path, 'w');
  let at = 0;
  for (const part of parts) {
    if (typeof part !== 'number') writeSync(file, part, 0, part.length, at);
    at += typeof part === 'number' ? part : part.length;
  }
  ftruncateSync(file, at);
  closeSync(file);
}

async function sparseCases(t: TestContext, folder?: string): Promise<void> {
  const random = new Random(5);
  const [a, b] = [random.bytes(2 * MIB), random.bytes(3 * MIB)];
  const it = await given(t, {}, {}, folder);
  const source = (name: string): string => join(it.library.source, name);
  writeSparse(source('holes.img'), [MIB, a, 64 * MIB, b, 2 * MIB]);
  writeSparse(source('same size.img'), [MIB, a, 4 * MIB, b]);
  writeSparse(source('data.img'), [a, b]);
  writeSparse(source('all hole.img'), [8 * MIB]);
  await it.library.backup();
  const present = (name: string): string => join(it.target, name);
  // Data lies where there are to be holes, and the other way round.
  writeFileSync(present('holes.img'), Buffer.concat([Buffer.alloc(MIB, 1), a, Buffer.alloc(9 * MIB, 2), b]));
  writeFileSync(present('same size.img'), Buffer.concat([Buffer.alloc(MIB, 1), a, Buffer.alloc(4 * MIB, 1), b]));
  writeSparse(present('data.img'), [a, 10 * MIB, b, MIB]);
  writeFileSync(present('all hole.img'), Buffer.alloc(2 * MIB, 9));
  const result = await it.restore();
  assert.equal(result.problemCount, 0);
  isRestored(it, ['holes.img', 'same size.img', 'data.img', 'all hole.img']);
  assert.ok(result.read < TREE_BYTES + CHUNK_LARGE_BYTES_MAX, `${result.read} bytes were read`);
  assert.ok(lstatSync(present('holes.img')).blocks * 512 < 6 * MIB);
  assert.ok(lstatSync(present('same size.img')).blocks * 512 < 6 * MIB);
  assert.ok(lstatSync(present('all hole.img')).blocks * 512 < MIB);
}

test('holes stay holes where the old file had data, and data comes where it had holes', (t) => sparseCases(t));

test('on a file system that shares bytes, a file begins as a clone of the old one', async (t) => {
  const disk = mountCloningDisk(t);
  if (typeof disk === 'string') {
    t.skip(disk);
    return;
  }
  for (const [number, [name, present, bytes, chunks]] of CHANGES.entries()) {
    const folder = join(disk.folder, `case ${number}`);
    mkdirSync(folder);
    const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': present }, folder);
    const result = await it.restore({ verify: true });
    assert.equal(result.problemCount, 0);
    isRestored(it, ['book.m4b']);
    const most = bytes + chunks * CHUNK_LARGE_BYTES_MAX;
    assert.ok(result.read <= most + TREE_BYTES, `${name}: ${result.read} bytes were read`);
  }
  const folder = join(disk.folder, 'sparse');
  mkdirSync(folder);
  await sparseCases(t, folder);
});

test('many changed files are built by several threads, of large ones part by part', async (t) => {
  const random = new Random(6);
  const large = random.bytes(70 * MIB);
  const photos = Array.from({ length: 12 }, (_, number) => [`${number}.jpg`, random.bytes(3 * MIB)] as const);
  const original = { ...Object.fromEntries(photos), 'large.mkv': large };
  const present = {
    ...Object.fromEntries(photos.map(([name, bytes]) => [name, inserted(bytes, 0, Buffer.alloc(30))])),
    'large.mkv': inserted(edited(large, 40 * MIB), 0, Buffer.alloc(4096, 1)),
  };
  const it = await given(t, original, present);
  // Through the local store itself, since a thread cannot reach a wrapped one.
  const result = await it.library.restore('latest', {
    target: Buffer.from(it.target),
    overwrite: 'if-changed',
    workers: 3,
    verify: true,
  });
  assert.equal(result.problemCount, 0);
  isRestored(it, Object.keys(original));
  assert.ok(result.bytesReused >= 106 * MIB - CHUNK_LARGE_BYTES_MAX);
});

/** Changes a byte of the first frame of data, which holds the first chunk of what one worker backed up. */
async function damageFirstChunk(it: Given): Promise<void> {
  const packs = join(it.library.folder, 'repository', 'packs');
  for (const path of readdirSync(packs, { recursive: true, encoding: 'utf8' })) {
    if (path.length < PACK_ID_BYTES * 2) continue;
    const { table } = await loadPackHeader(it.library.repository, path.slice(-2 * PACK_ID_BYTES) as PackId);
    if (table.kind !== 'data') continue;
    const bytes = readFileSync(join(packs, path));
    bytes[PROLOGUE_BYTES] = (bytes[PROLOGUE_BYTES] ?? 0) ^ 1;
    chmodSync(join(packs, path), 0o600);
    writeFileSync(join(packs, path), bytes);
  }
}

test('a chunk that is damaged in the repository comes from the disk where it still lies there', async (t) => {
  const present = inserted(edited(BOOK, BOOK.length - 1), 0, Buffer.alloc(100));
  const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': present });
  await damageFirstChunk(it);
  const result = await it.restore();
  assert.equal(result.problemCount, 0);
  isRestored(it, ['book.m4b']);
});

test('a chunk that is damaged in the repository and gone from the disk leaves the old file as it is', async (t) => {
  const present = edited(BOOK, 1000);
  const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': present });
  await damageFirstChunk(it);
  const result = await it.restore();
  assert.deepEqual(
    result.problems.map(({ code }) => code),
    ['OBJECT_CORRUPT'],
  );
  assert.equal(result.bytesReused, 0, 'of a file that was given up nothing counts');
  assert.ok(readFileSync(join(it.target, 'book.m4b')).equals(present));
  assert.deepEqual(readdirSync(it.target), ['book.m4b']);
});

test('an old file with further names is read and never written to', async (t) => {
  const present = edited(BOOK, 7 * MIB);
  const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': present });
  linkSync(join(it.target, 'book.m4b'), join(it.library.folder, 'elsewhere'));
  const result = await it.restore();
  isRestored(it, ['book.m4b']);
  assert.ok(result.bytesReused > BOOK.length - 2 * CHUNK_LARGE_BYTES_MAX);
  assert.ok(readFileSync(join(it.library.folder, 'elsewhere')).equals(present));
});

test('names of one file are linked again after the first was built from the old one', async (t) => {
  const it = await given(t, {}, {});
  writeFileSync(join(it.library.source, 'a.m4b'), BOOK);
  linkSync(join(it.library.source, 'a.m4b'), join(it.library.source, 'b.m4b'));
  await it.library.backup();
  writeFileSync(join(it.target, 'a.m4b'), inserted(BOOK, MIB, Buffer.alloc(10)));
  linkSync(join(it.target, 'a.m4b'), join(it.target, 'b.m4b'));
  const result = await it.restore();
  assert.equal(result.problemCount, 0);
  isRestored(it, ['a.m4b', 'b.m4b']);
  assert.equal(lstatSync(join(it.target, 'a.m4b')).ino, lstatSync(join(it.target, 'b.m4b')).ino);
  assert.ok(result.bytesReused > BOOK.length - 2 * CHUNK_LARGE_BYTES_MAX);
});

test('a run that is killed while a file is built leaves the old one, and the next run goes on', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  const original = new Random(8).bytes(90 * MIB);
  const present = inserted(edited(original, 50 * MIB), 0, Buffer.alloc(100));
  writeFileSync(join(cli.source, 'large.mkv'), original);
  await cli.ok(['backup', cli.source]);
  const target = join(cli.folder, 'target');
  mkdirSync(target);
  writeFileSync(join(target, 'large.mkv'), present);
  const parameters = ['restore', `latest:${cli.source}`, '--target', target, '--overwrite', 'if-changed'];
  const isBuilding = (): boolean => readdirSync(target).some((name) => name.startsWith('.snap-restore-'));
  let kills = 0;
  for (let round = 0; round < 5 && kills === 0; round++) {
    const child = cli.spawn(parameters);
    child.stdout?.resume();
    child.stderr?.resume();
    while (child.exitCode === null && !isBuilding()) await new Promise((resolve) => setTimeout(resolve, 1));
    child.kill('SIGKILL');
    const [code] = child.exitCode === null ? await once(child, 'exit') : [child.exitCode];
    if (code === null) kills++;
    if (code !== null || !isBuilding()) writeFileSync(join(target, 'large.mkv'), present);
  }
  assert.equal(kills, 1, 'it was killed before it was done');
  assert.ok(readFileSync(join(target, 'large.mkv')).equals(present));
  const summary = await cli.json(parameters);
  assert.ok(summary.bytes_reused > 85 * MIB);
  assert.ok(readFileSync(join(target, 'large.mkv')).equals(original));
  assert.deepEqual(readdirSync(target), ['large.mkv']);
});

test('the old file may change or go at any moment', async (t) => {
  const it = await given(t, { 'book.m4b': BOOK }, { 'book.m4b': edited(BOOK, 9 * MIB) });
  const path = join(it.target, 'book.m4b');
  const inner = it.library.repository.backend;
  let changes = 0;
  // What is missing is being read when somebody writes into the old file, after it was copied.
  const backend = new CountedReads(inner, () => {
    if (!readdirSync(it.target).some((name) => name.startsWith('.snap-restore-'))) return;
    changes++;
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(5 * MIB, 0xee), 0, 5 * MIB, 0);
    closeSync(file);
  });
  await it.library.reopen(backend);
  const result = await it.library.restore('latest', { target: Buffer.from(it.target), overwrite: 'if-changed' });
  assert.equal(result.problemCount, 0);
  assert.ok(changes > 0);
  isRestored(it, ['book.m4b']);
  assert.ok(result.bytesReused > 0);
});

test('the account names what was reused, and only then', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book.m4b'), BOOK);
  await cli.ok(['backup', cli.source]);
  const target = join(cli.folder, 'target');
  const parameters = ['restore', `latest:${cli.source}`, '--target', target, '--overwrite', 'if-changed'];
  assert.doesNotMatch((await cli.ok(parameters)).stdout, /reused/);
  writeFileSync(join(target, 'book.m4b'), inserted(BOOK, 0, Buffer.alloc(5)));
  assert.match((await cli.ok(parameters)).stdout, /^ {2}reused {5}12\S* \S+ from files on disk$/m);
});

test('a restore in place takes from a file what it still holds', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  const path = join(cli.source, 'book.m4b');
  writeFileSync(path, BOOK);
  await cli.ok(['backup', cli.source]);
  writeFileSync(path, inserted(BOOK, 0, Buffer.alloc(5)));
  const summary = await cli.json(['restore', 'latest', '--in-place']);
  assert.deepEqual([summary.files_restored, summary.bytes_reused], [1, BOOK.length]);
  assert.ok(readFileSync(path).equals(BOOK));
});

/** An old file as somebody could have made it of the new one, or the other way round. */
function derived(bytes: Buffer, random: Random): Buffer {
  let result = bytes;
  for (let edit = random.below(6); edit >= 0; edit--) {
    const at = random.below(result.length + 1);
    const length = random.below(random.below(2) === 0 ? 2 * MIB : 2000);
    const kind = random.below(6);
    const before = result.subarray(0, at);
    if (kind === 0) result = inserted(result, at, random.bytes(length));
    else if (kind === 1) result = Buffer.concat([before, result.subarray(at + length)]);
    else if (kind === 2) result = edited(result, Math.min(at, result.length - 1), 1);
    else if (kind === 3) result = Buffer.concat([before, Buffer.alloc(length), result.subarray(at + length)]);
    else if (kind === 4) result = Buffer.concat([result.subarray(at), before]);
    else result = inserted(result, at, result.subarray(0, length));
  }
  return result;
}

test('whatever happened to a file, it comes back exactly', async (t) => {
  const random = randomFor(t);
  const extensions = ['m4b', 'txt', 'epub', 'jpg'];
  const original: { [name: string]: Buffer } = {};
  const present: { [name: string]: Buffer } = {};
  for (let number = 0; number < rounds(24); number++) {
    const name = `${number}.${extensions[number % extensions.length]}`;
    const bytes = random.bytes(MIB + random.below(5 * MIB));
    original[name] = derived(bytes, random);
    present[name] = derived(random.below(2) === 0 ? bytes : (original[name] ?? bytes), random);
  }
  const it = await given(t, original, present);
  const result = await it.restore({ verify: true });
  assert.equal(result.problemCount, 0);
  isRestored(it, Object.keys(original));
  assert.ok(existsSync(it.target));
  t.diagnostic(`${result.bytesReused} of ${result.bytesRestored} bytes were reused`);
});
