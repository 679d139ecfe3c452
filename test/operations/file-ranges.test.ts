/** Parts of files, as a client with a Range header asks for them. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { CONTENT_LIST_ENTRIES_MAX, KIB, MIB } from '../../engine/base/limits.ts';
import { type ReadFileOptions, readFileContent } from '../../engine/operations/cat.ts';
import { findEntry } from '../../engine/operations/list.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { file, reopened, SnapshotBuilder, testFolder, testRepository } from '../support/build-repository.ts';
import { CountedReads } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { randomFor, rounds } from '../support/random.ts';

async function read(repository: Repository, options: Omit<ReadFileOptions, 'snapshot'>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of readFileContent(repository, { snapshot: 'latest', ...options })) {
    assert.ok(piece.length > 0);
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

const path = Buffer.from('/file');

async function given(t: TestContext, parts: readonly (Buffer | number)[], chunkBytes: number): Promise<Repository> {
  const repository = await testRepository({ folder: testFolder(t), backend: new MemoryBackend() });
  await new SnapshotBuilder(repository).save([['file', file(parts, { chunkBytes })]]);
  return reopened(repository);
}

function plainOf(parts: readonly (Buffer | number)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.alloc(part) : part)));
}

test('every range of a file is that part of it: one piece, a few in the row, lists, lists of lists, holes', async (t) => {
  const random = randomFor(t);
  for (const [what, parts, chunkBytes] of [
    ['one piece', [random.bytes(5000)], 8192],
    ['a few', [random.bytes(5000), 3000, random.bytes(10)], 1000],
    ['holes alone', [2 * MIB + 5], 1000],
    ['lists', [random.bytes(40_000), 300_000, random.bytes(1), 7, random.bytes(40_000)], 100],
    ['lists of lists', [random.bytes(22_000), 99, random.bytes(22_000)], 2],
  ] as const) {
    const plain = plainOf(parts);
    const repository = await given(t, parts, chunkBytes);
    assert.ok((await read(repository, { path })).equals(plain), what);
    for (let round = 0; round < rounds(60); round++) {
      const offset = random.below(plain.length + 1);
      const length = random.below(round % 12 === 0 ? plain.length + 1 : 5000);
      const bytes = await read(repository, { path, offset, length });
      assert.ok(bytes.equals(plain.subarray(offset, offset + length)), `${what}: ${length} bytes at ${offset}`);
    }
    assert.ok((await read(repository, { path, offset: plain.length })).length === 0);
    assert.ok((await read(repository, { path, offset: plain.length - 1, length: 10 ** 15 })).length === 1);
  }
});

test('of a long file with many pieces a short range reads a list or two, and the pieces that it touches', async (t) => {
  const random = randomFor(t);
  const content = random.bytes(8 * MIB);
  const chunkBytes = KIB;
  const repository = await given(t, [content], chunkBytes);
  assert.ok(content.length / chunkBytes > CONTENT_LIST_ENTRIES_MAX);
  const counted = new CountedReads(repository.backend);
  const { cacheDirectory } = repository;
  for (const offset of [0, 3 * MIB + 17, content.length - 100]) {
    const opened = await Repository.open({ backend: counted, credential: { type: 'none' }, cacheDirectory });
    const before = counted.packBytes;
    const bytes = await read(opened, { path, offset, length: 100 });
    assert.ok(bytes.equals(content.subarray(offset, offset + 100)));
    // A frame of small pieces, and two of trees.
    const cost = counted.packBytes - before;
    assert.ok(cost < 700 * KIB, `${cost} bytes were read for 100 at ${offset}`);
  }
});

test('ranges that are none are refused', async (t) => {
  const repository = await given(t, [Buffer.from('0123456789')], 4);
  for (const range of [{ offset: 11 }, { offset: -1 }, { length: -1 }, { offset: 0.5 }, { offset: 2 ** 60 }]) {
    await assert.rejects(read(repository, { path, ...range }), { code: 'INVALID_ARGUMENT' }, JSON.stringify(range));
  }
});

test('reading ends with its signal', async (t) => {
  const repository = await given(t, [randomFor(t).bytes(100_000)], 1000);
  const controller = new AbortController();
  let pieces = 0;
  await assert.rejects(
    (async () => {
      for await (const _ of readFileContent(repository, { snapshot: 'latest', path, signal: controller.signal })) {
        pieces++;
        controller.abort();
      }
    })(),
    { code: 'INTERRUPTED' },
  );
  assert.equal(pieces, 1);
});

test('ranges of a captured database are those of its image', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const live = join(library.source, 'library.db');
  const database = new Database(live);
  database.pragma('journal_mode = WAL');
  database.exec('CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)');
  const insert = database.prepare('INSERT INTO book (title) VALUES (?)');
  for (let book = 0; book < 5000; book++) insert.run(`title ${book} `.repeat(5));
  await library.backup();
  database.close();
  const repository = await library.reopen();
  const at = Buffer.from(live);
  const whole = await read(repository, { path: at });
  const found = await findEntry(repository, { snapshot: 'latest', path: at });
  assert.equal(found.node?.size, whole.length);
  assert.equal(whole.toString('latin1', 0, 15), 'SQLite format 3');
  for (const offset of [0, 4096, 5000, whole.length - 10]) {
    const bytes = await read(repository, { path: at, offset, length: 9000 });
    assert.ok(bytes.equals(whole.subarray(offset, offset + 9000)));
  }
  const copy = join(library.folder, 'copy.db');
  writeFileSync(copy, whole);
  const image = new Database(copy);
  assert.equal(image.prepare('SELECT count(*) AS books FROM book').pluck().get(), 5000);
  image.close();
});

test('of many who read large pieces at a time, each is served in a turn of the event loop of its own', async (t) => {
  const repository = await given(t, [randomFor(t).bytes(20 * MIB)], MIB);
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const turns = await Promise.all(
    Array.from({ length: 20 }, async (_, number) => {
      await read(repository, { path, offset: number * MIB, length: 1 });
      return turn;
    }),
  );
  isOver = true;
  assert.equal(new Set(turns).size, 20);
});
