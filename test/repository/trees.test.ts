/** Trees and content lists: there and back, at any size, and cheap to change. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { BlobId } from '../../engine/base/ids.ts';
import { CONTENT_INLINE_ENTRIES_MAX, KIB, TREE_PART_BYTES_MAX } from '../../engine/base/limits.ts';
import { S_IFREG, STAT_BYTES, writeStat } from '../../engine/base/stat.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { type ContentEntry, encodeRow } from '../../engine/format/row.ts';
import { BlobReader } from '../../engine/repository/blob-reader.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import { ChunkIndex } from '../../engine/repository/chunk-index.ts';
import { findPath, findRow } from '../../engine/repository/find-node.ts';
import { IdTable } from '../../engine/repository/id-table.ts';
import type { Store } from '../../engine/repository/sealed-files.ts';
import { TreeWriter } from '../../engine/repository/tree-writer.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { testFolder } from '../support/build-repository.ts';
import { randomBlobId, testStore } from '../support/index-segments.ts';
import { type Random, randomFor } from '../support/random.ts';

/** Writes trees into a store and reads them through an index. */
class Forest {
  readonly store: Store;
  readonly index: ChunkIndex;
  readonly reader: BlobReader;
  readonly trees: TreeWriter;
  readonly #writer: BlobWriter;
  readonly #packs: StoredPack[] = [];

  private constructor(store: Store, index: ChunkIndex) {
    this.store = store;
    this.index = index;
    this.reader = new BlobReader(store, index);
    const onStored = (pack: StoredPack): void => void this.#packs.push(pack);
    this.#writer = new BlobWriter(store, { kind: 'tree', compressor: new Compressor(3), onStored });
    const claims = new IdTable(1 << 16);
    this.trees = new TreeWriter({ keys: store.keys, writer: this.#writer, claim: (id) => claims.add(id) });
  }

  static async plant(t: TestContext): Promise<Forest> {
    const store = await testStore(new MemoryBackend());
    const index = new ChunkIndex(store, { cacheDirectory: testFolder(t), limits: { youngBlobs: 10 } });
    t.after(() => index.close());
    return new Forest(store, index);
  }

  async settle(): Promise<void> {
    await this.#writer.flush();
    await this.index.save(this.#packs.splice(0).map((pack) => ({ ...pack, blobs: 1 })));
    await this.index.refresh();
  }

  async rows(treeId: BlobId): Promise<Buffer[]> {
    const rows: Buffer[] = [];
    for await (const leaf of this.reader.leaves(treeId)) {
      for (let at = leaf.firstRow, row = 0; row < leaf.rowCount; row++) {
        const length = leaf.bytes.readUInt32LE(at);
        rows.push(Buffer.from(leaf.bytes.subarray(at, at + length)));
        at += length;
      }
    }
    return rows;
  }

  async entries(content: Parameters<BlobReader['content']>[0], size: number): Promise<ContentEntry[]> {
    const entries: ContentEntry[] = [];
    for await (const { length, blobId } of this.reader.content(content, size)) entries.push({ length, blobId });
    return entries;
  }
}

function row(name: string, random: Random): Buffer {
  const stat = Buffer.alloc(STAT_BYTES);
  const time = { seconds: 1_600_000_000, nanoseconds: random.below(1_000_000_000) };
  const size = 1 + random.below(1_000_000);
  const inode = BigInt(random.below(2 ** 32));
  writeStat(stat, 0, { mode: S_IFREG | 0o644, uid: 1, gid: 2, links: 1, inode, size, mtime: time, ctime: time });
  return encodeRow({ name: Buffer.from(name), stat, content: { kind: 'single', blobId: randomBlobId(random) } });
}

function named(number: number): string {
  return `Chapter ${String(number).padStart(7, '0')} of a long book.mp3`;
}

for (const count of [0, 1, 2, 300, 100_000]) {
  test(`a directory of ${count} entries comes back as it was`, async (t) => {
    const random = randomFor(t);
    const forest = await Forest.plant(t);
    const rows = Array.from({ length: count }, (_, number) => row(named(2 * number), random));
    const treeId = forest.trees.saveDirectory(rows);
    await forest.settle();
    const found = await forest.rows(treeId);
    assert.equal(found.length, rows.length);
    assert.ok(Buffer.concat(found).equals(Buffer.concat(rows)));
    for (const number of [0, 1, count >> 1, count - 1]) {
      if (number < 0 || number >= count) continue;
      const node = await findRow(forest.reader, treeId, Buffer.from(named(2 * number)));
      assert.ok(node?.row.equals(rows[number] ?? Buffer.alloc(0)));
    }
    for (const absent of ['A', named(1), 'z']) {
      assert.equal(await findRow(forest.reader, treeId, Buffer.from(absent)), undefined);
    }
    // The same rows are the same tree, and store nothing.
    const before = forest.trees.bytesAdded;
    assert.ok(forest.trees.saveDirectory(rows).equals(treeId));
    assert.equal(forest.trees.bytesAdded, before);
  });
}

test('one entry more, less or changed among 100,000 rewrites a few KiB', async (t) => {
  const random = randomFor(t);
  const forest = await Forest.plant(t);
  const rows = Array.from({ length: 100_000 }, (_, number) => row(named(2 * number), random));
  forest.trees.saveDirectory(rows);
  const costs: number[] = [];
  for (let change = 0; change < 12; change++) {
    const at = random.below(rows.length);
    const changed = [...rows];
    if (change % 3 === 0) changed.splice(at, 0, row(named(2 * at - 1), random));
    else if (change % 3 === 1) changed.splice(at, 1);
    else changed[at] = row(named(2 * at), random);
    const before = forest.trees.bytesAdded;
    const treeId = forest.trees.saveDirectory(changed);
    costs.push(forest.trees.bytesAdded - before);
    await forest.settle();
    assert.ok(Buffer.concat(await forest.rows(treeId)).equals(Buffer.concat(changed)));
  }
  costs.sort((a, b) => a - b);
  t.diagnostic(`bytes written for each change: ${costs.join(', ')}`);
  assert.ok((costs[6] ?? 0) < 64 * KIB, `the median is ${costs[6]}`);
  assert.ok((costs.at(-1) ?? 0) < 2 * TREE_PART_BYTES_MAX);
});

test('content of any number of pieces, with holes, comes back as it was', async (t) => {
  const random = randomFor(t);
  const forest = await Forest.plant(t);
  for (const count of [0, 1, 2, CONTENT_INLINE_ENTRIES_MAX, CONTENT_INLINE_ENTRIES_MAX + 1, 5000, 100_000]) {
    const entries = Array.from({ length: count }, (): ContentEntry => {
      const length = 1 + random.below(1_000_000);
      return { length, blobId: random.below(10) === 0 ? undefined : randomBlobId(random) };
    });
    const size = entries.reduce((sum, entry) => sum + entry.length, 0);
    const content = forest.trees.saveContent(entries, size);
    await forest.settle();
    assert.deepEqual(await forest.entries(content, size), entries);
  }
});

test('a change in the middle of a long list of pieces keeps the other parts of it', async (t) => {
  const random = randomFor(t);
  const forest = await Forest.plant(t);
  const entries = Array.from({ length: 50_000 }, (): ContentEntry => ({ length: 4096, blobId: randomBlobId(random) }));
  forest.trees.saveContent(entries, 50_000 * 4096);
  const before = forest.trees.bytesAdded;
  const changed = [
    ...entries.slice(0, 20_000),
    { length: 4096, blobId: randomBlobId(random) },
    ...entries.slice(20_000),
  ];
  forest.trees.saveContent(changed, 50_001 * 4096);
  assert.ok(forest.trees.bytesAdded - before < 100 * KIB, `${forest.trees.bytesAdded - before} bytes`);
});

test('a path that is not there is named with the nearest that is', async (t) => {
  const random = randomFor(t);
  const forest = await Forest.plant(t);
  const inner = forest.trees.saveDirectory([row('file', random)]);
  const stat = Buffer.alloc(STAT_BYTES);
  const time = { seconds: 1, nanoseconds: 0 };
  writeStat(stat, 0, { mode: 0o040755, uid: 0, gid: 0, links: 1, inode: 1n, size: 0, mtime: time, ctime: time });
  const folder = encodeRow({
    name: Buffer.from('folder'),
    stat,
    content: { kind: 'tree', treeId: inner, filesBelow: 1, bytesBelow: 1 },
  });
  const tree = forest.trees.saveDirectory([folder]);
  await forest.settle();
  const snapshot = { id: 'a'.repeat(64), tree };
  const found = await findPath(forest.reader, snapshot, Buffer.from('/folder/file'));
  assert.equal(found.kind === 'node' && found.node.name.toString(), 'file');
  assert.equal((await findPath(forest.reader, snapshot, Buffer.from('/'))).kind, 'root');
  for (const [path, nearest] of [
    ['/folder/other', '/folder'],
    ['/folder/file/below', '/folder/file'],
    ['/nothing/at/all', '/'],
  ]) {
    await assert.rejects(
      findPath(forest.reader, snapshot, Buffer.from(path ?? '')),
      (error) =>
        isEngineError(error, 'PATH_NOT_FOUND') && error.message.endsWith(`the nearest that it holds is ${nearest}`),
    );
  }
});
