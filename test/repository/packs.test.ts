/** Packs: what is written is what is read, whatever codec or store do. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { mapBounded } from '../../engine/base/concurrency.ts';
import { isEngineError } from '../../engine/base/errors.ts';
import { BLOB_ID_BYTES, type BlobId } from '../../engine/base/ids.ts';
import {
  FRAME_ALONE_BYTES_MIN,
  FRAME_CACHE_BYTES_MAX,
  FRAME_MEMORY_FREE_BYTES_MAX,
  KIB,
  MIB,
  PACK_BYTES_TARGET,
} from '../../engine/base/limits.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { PROLOGUE_BYTES } from '../../engine/format/envelope.ts';
import { BatchReader, type LoadedBatch } from '../../engine/repository/batch-reader.ts';
import { BlobReader } from '../../engine/repository/blob-reader.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import { ChunkIndex } from '../../engine/repository/chunk-index.ts';
import { loadPackHeader } from '../../engine/repository/pack-headers.ts';
import { type PlannedBatch, ReadPlan } from '../../engine/repository/read-plan.ts';
import type { Store } from '../../engine/repository/sealed-files.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { createLocalBackend } from '../../engine/storage/local.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { testFolder } from '../support/build-repository.ts';
import { MissingFile, RecordingBackend, ReplacedFile } from '../support/faulty-backend.ts';
import { testStore } from '../support/index-segments.ts';
import { type Random, randomFor } from '../support/random.ts';

const LIMITS = { youngBlobs: 20 };

interface Blob {
  readonly id: BlobId;
  readonly bytes: Buffer;
}

function blobOf(store: Store, bytes: Buffer): Blob {
  return { id: store.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId, bytes };
}

function randomBlobs(store: Store, random: Random, count: number): Blob[] {
  return Array.from({ length: count }, () => {
    const length = random.below(5) === 0 ? random.below(300 * KIB) : random.below(8 * KIB);
    const bytes = random.below(2) === 0 ? random.bytes(length) : Buffer.alloc(length, random.below(256));
    return blobOf(store, bytes);
  });
}

async function writePacks(store: Store, blobs: readonly Blob[], compressor = new Compressor(3)): Promise<StoredPack[]> {
  const packs: StoredPack[] = [];
  const writer = new BlobWriter(store, { kind: 'data', compressor, onStored: (pack) => packs.push(pack) });
  for (const { id, bytes } of blobs) {
    // The writer must not lean on the caller's memory.
    const lent = Buffer.from(bytes);
    writer.add(id, lent);
    lent.fill(0xee);
    await writer.settle();
  }
  await writer.flush();
  return packs;
}

function named(packs: readonly StoredPack[]): (StoredPack & { blobs: number })[] {
  return packs.map((pack) => ({ ...pack, blobs: 1 }));
}

async function openIndex(t: TestContext, store: Store): Promise<ChunkIndex> {
  const index = new ChunkIndex(store, { cacheDirectory: testFolder(t), limits: LIMITS });
  t.after(() => index.close());
  await index.refresh();
  return index;
}

function through(store: Store, backend: Backend): Store {
  return { keys: store.keys, backend };
}

async function damaged(store: Store, packId: string, at: number): Promise<Buffer> {
  const bytes = await store.backend.read('pack', packId);
  const position = at < 0 ? bytes.length + at : at;
  bytes[position] = (bytes[position] ?? 0) ^ 1;
  return bytes;
}

test('blobs of every size come back from packs through the index', async (t) => {
  const store = await testStore(new MemoryBackend());
  const blobs = randomBlobs(store, randomFor(t), 400);
  blobs.push(blobOf(store, Buffer.alloc(0)), blobOf(store, randomBytes(FRAME_ALONE_BYTES_MIN)));
  const packs = await writePacks(store, blobs);
  const index = await openIndex(t, store);
  await index.save(named(packs));
  await index.refresh();
  const reader = new BlobReader(store, index);
  for (const { id, bytes } of blobs) assert.ok((await reader.read('data', id)).equals(bytes));
  for (const pack of packs) {
    const header = await loadPackHeader(store, pack.packId);
    assert.ok(header.headerRecord.equals(pack.headerRecord));
    assert.equal(header.packLength, pack.packLength);
  }
});

test('trap 26: a blob that is stored three times is found in all its places, and read while one of them is whole', async (t) => {
  const store = await testStore(new MemoryBackend());
  const [blob] = randomBlobs(store, randomFor(t), 1);
  assert.ok(blob !== undefined);
  const fill = Array.from({ length: 30 }, () => blobOf(store, randomBytes(100)));
  const packs = [
    ...(await writePacks(store, [blob, ...fill])),
    ...(await writePacks(store, [blob, blob])),
    ...(await writePacks(store, [...fill, blob])),
  ];
  await (await openIndex(t, store)).save(named(packs));
  const [first, second, third] = packs;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  for (const whole of packs) {
    let { backend } = store;
    for (const other of packs) {
      if (other === whole) continue;
      const bytes = await damaged(store, other.packId, PROLOGUE_BYTES + 1);
      backend =
        other === second
          ? new MissingFile(backend, { kind: 'pack', name: other.packId })
          : new ReplacedFile(backend, { kind: 'pack', name: other.packId, bytes });
    }
    const faulty = through(store, backend);
    const index = await openIndex(t, faulty);
    assert.equal(index.findAll(blob.id).length, 4);
    assert.ok((await new BlobReader(faulty, index).read('data', blob.id)).equals(blob.bytes));
  }
});

test('traps 4 and 26: blobs whose index segment is damaged or missing are found by the headers of their packs', async (t) => {
  const store = await testStore(new MemoryBackend());
  const random = randomFor(t);
  const groups = [1, 2, 3, 4].map(() => randomBlobs(store, random, 40));
  const index = await openIndex(t, store);
  for (const group of groups) await index.save(named(await writePacks(store, group)));
  const all = groups.flat();
  const segments: string[] = [];
  for await (const file of store.backend.list('index')) segments.push(file.name);
  for (const name of segments) {
    const bytes = await store.backend.read('index', name);
    bytes[40] = (bytes[40] ?? 0) ^ 4;
    const file = { kind: 'index', name } as const;
    const cases: [Backend, number][] = [
      [new ReplacedFile(store.backend, { ...file, bytes }), 1],
      [new ReplacedFile(store.backend, { ...file, bytes: Buffer.alloc(0) }), 1],
      [new MissingFile(store.backend, file), 0],
    ];
    for (const [backend, damages] of cases) {
      const faulty = through(store, backend);
      const reopened = await openIndex(t, faulty);
      assert.equal(reopened.damage.length, damages);
      const reader = new BlobReader(faulty, reopened);
      for (const { id, bytes: plain } of all) assert.ok((await reader.read('data', id)).equals(plain));
    }
  }
});

test('what was read stays as it was while other frames come and go, also where many wait for them', async (t) => {
  const store = await testStore(await createLocalBackend(join(testFolder(t), 'repository')));
  const random = randomFor(t);
  // They compress, so that frames are opened into memory that is used again.
  const blobs = Array.from({ length: 900 }, () =>
    blobOf(store, Buffer.alloc(20 * KIB + random.below(20 * KIB), random.bytes(64))),
  );
  const bytes = blobs.reduce((sum, blob) => sum + blob.bytes.length, 0);
  assert.ok(bytes > FRAME_CACHE_BYTES_MAX + FRAME_MEMORY_FREE_BYTES_MAX, 'more than is kept');
  const index = await openIndex(t, store);
  await index.save(named(await writePacks(store, blobs)));
  await index.refresh();
  const reader = new BlobReader(store, index);
  const wanted = Array.from({ length: 1500 }, () => blobs[random.below(blobs.length)] ?? assert.fail());
  const read = await mapBounded(wanted, 50, ({ id }) => reader.read('data', id));
  for (const [number, found] of read.entries()) assert.ok(wanted[number]?.bytes.equals(found));
});

test('a blob that is nowhere is OBJECT_MISSING', async (t) => {
  const store = await testStore(new MemoryBackend());
  const index = await openIndex(t, store);
  const { id } = blobOf(store, Buffer.from('never stored'));
  await assert.rejects(new BlobReader(store, index).read('data', id), (error) =>
    isEngineError(error, 'OBJECT_MISSING'),
  );
  assert.throws(
    () => index.get(id),
    (error) => isEngineError(error, 'OBJECT_MISSING'),
  );
});

test('invariant 4, trap 27: every blob is hashed when it is read, each time', async (t) => {
  const store = await testStore(new MemoryBackend());
  const good = blobOf(store, randomBytes(1000));
  // Sealed and indexed well, under an id that its bytes do not have.
  const wrong = { id: blobOf(store, randomBytes(1000)).id, bytes: randomBytes(1000) };
  const index = await openIndex(t, store);
  await index.save(named(await writePacks(store, [good, wrong])));
  await index.refresh();
  const reader = new BlobReader(store, index);
  assert.ok((await reader.read('data', good.id)).equals(good.bytes));
  for (let time = 0; time < 3; time++) {
    await assert.rejects(reader.read('data', wrong.id), (error) => isEngineError(error, 'OBJECT_CORRUPT'));
    assert.throws(
      () => reader.readCached('data', wrong.id),
      (error) => isEngineError(error, 'OBJECT_CORRUPT'),
    );
  }
  // A data blob does not pass for a tree blob.
  await assert.rejects(reader.read('tree', good.id), (error) => isEngineError(error, 'OBJECT_CORRUPT'));
});

test('every flipped byte of a pack is noticed or harmless', async (t) => {
  const store = await testStore(new MemoryBackend());
  const blobs = randomBlobs(store, randomFor(t), 3).map(({ bytes }) => blobOf(store, bytes.subarray(0, 700)));
  const [pack] = await writePacks(store, blobs);
  assert.ok(pack !== undefined);
  const index = await openIndex(t, store);
  await index.save(named([pack]));
  await index.refresh();
  let refused = 0;
  for (let at = 0; at < pack.packLength; at++) {
    const bytes = await damaged(store, pack.packId, at);
    const faulty = through(store, new ReplacedFile(store.backend, { kind: 'pack', name: pack.packId, bytes }));
    const reader = new BlobReader(faulty, index);
    for (const { id, bytes: plain } of blobs) {
      try {
        assert.ok((await reader.read('data', id)).equals(plain));
      } catch (error) {
        if (!isEngineError(error, 'OBJECT_CORRUPT')) throw error;
        refused++;
      }
    }
    const header = await loadPackHeader(faulty, pack.packId).catch((error: unknown) => error);
    if (header instanceof Error) assert.ok(isEngineError(header, 'OBJECT_CORRUPT'));
  }
  assert.ok(refused > 0);
});

test('a pack that was cut off, renamed or padded is refused', async () => {
  const store = await testStore(new MemoryBackend());
  const [pack] = await writePacks(store, [blobOf(store, randomBytes(5000))]);
  assert.ok(pack !== undefined);
  const bytes = await store.backend.read('pack', pack.packId);
  const other = randomBytes(16).toString('hex');
  await store.backend.write('pack', other, [bytes]);
  const isCorrupt = (error: unknown): boolean => isEngineError(error, 'OBJECT_CORRUPT');
  await assert.rejects(loadPackHeader(store, other as StoredPack['packId']), isCorrupt);
  for (const length of [0, 10, PROLOGUE_BYTES, 100, bytes.length - 4096, bytes.length - 1]) {
    const file = { kind: 'pack', name: pack.packId, bytes: bytes.subarray(0, length) } as const;
    await assert.rejects(loadPackHeader(through(store, new ReplacedFile(store.backend, file)), pack.packId), isCorrupt);
  }
  const longer = { kind: 'pack', name: pack.packId, bytes: Buffer.concat([bytes, Buffer.alloc(4096)]) } as const;
  await assert.rejects(loadPackHeader(through(store, new ReplacedFile(store.backend, longer)), pack.packId), isCorrupt);
});

/** Gives another frame's bytes now and then: a codec whose output buffer was taken again too early. */
class ForgetfulCompressor extends Compressor {
  #last: Buffer | undefined;
  #calls = 0;

  override compress(bytes: Buffer): Buffer | undefined {
    const compressed = super.compress(bytes);
    const last = this.#last;
    this.#last = compressed === undefined ? undefined : Buffer.from(compressed);
    return ++this.#calls % 3 === 0 ? last : compressed;
  }
}

/** Changes one byte of what it compressed. */
class GarbageCompressor extends Compressor {
  override compress(bytes: Buffer): Buffer | undefined {
    const compressed = super.compress(bytes);
    if (compressed !== undefined) compressed[compressed.length >> 1] = (compressed[compressed.length >> 1] ?? 0) ^ 1;
    return compressed;
  }
}

for (const [what, make] of [
  ['that mixes up its buffers', () => new ForgetfulCompressor(3)],
  ['that stores garbage', () => new GarbageCompressor(3)],
] as const) {
  test(`trap 16: a codec ${what} is caught before its pack is written`, async () => {
    const backend = new RecordingBackend(new MemoryBackend());
    const store = await testStore(backend);
    const blobs = Array.from({ length: 8 }, (_, at) => blobOf(store, Buffer.alloc(200 * KIB, `${at} text `)));
    await assert.rejects(writePacks(store, blobs, make()));
    for await (const file of backend.list('pack')) assert.fail(`pack ${file.name} was written`);
  });
}

test('a pack goes to a store that takes pieces before it is whole, and has no name until it is', async (t) => {
  const root = join(testFolder(t), 'repository');
  const store = await testStore(await createLocalBackend(root));
  const random = randomFor(t);
  const packs: StoredPack[] = [];
  const onStored = (pack: StoredPack): void => void packs.push(pack);
  const writer = new BlobWriter(store, { kind: 'data', compressor: new Compressor(3), onStored });
  const blobs = Array.from({ length: 20 }, () => blobOf(store, random.bytes(MIB)));
  for (const { id, bytes } of blobs) {
    writer.add(id, bytes);
    await writer.settle();
  }
  const temporaries = (): string[] => readdirSync(join(root, 'tmp'));
  for (let turn = 0; turn < 500 && temporaries().length === 0; turn++) await setTimeout(10);
  const [temporary = ''] = temporaries();
  for (let turn = 0; turn < 500 && statSync(join(root, 'tmp', temporary)).size < 4 * MIB; turn++) await setTimeout(10);
  assert.ok(statSync(join(root, 'tmp', temporary)).size >= 4 * MIB);
  for await (const file of store.backend.list('pack')) assert.fail(`pack ${file.name} has its name too early`);
  await writer.flush();
  assert.equal(packs.length, 1);
  assert.deepEqual(temporaries(), []);
  const index = await openIndex(t, store);
  await index.save(named(packs));
  await index.refresh();
  const reader = new BlobReader(store, index);
  for (const { id, bytes } of blobs) assert.deepEqual(await reader.read('data', id), bytes);
});

test('a writer that is given up leaves nothing of its open pack, and takes no more', async (t) => {
  const root = join(testFolder(t), 'repository');
  const store = await testStore(await createLocalBackend(root));
  const random = randomFor(t);
  const onStored = (): void => assert.fail('no pack is whole');
  const writer = new BlobWriter(store, { kind: 'data', compressor: new Compressor(3), onStored });
  for (let number = 0; number < 12; number++) {
    const { id, bytes } = blobOf(store, random.bytes(MIB));
    writer.add(id, bytes);
  }
  await writer.idle();
  assert.deepEqual(readdirSync(join(root, 'tmp')), []);
  for await (const file of store.backend.list('pack')) assert.fail(`pack ${file.name} was written`);
  await assert.rejects(writer.flush(), (error) => isEngineError(error, 'INTERNAL'));
});

test('trap 16: garbage behind pieces that were written keeps their pack from getting a name', async (t) => {
  const root = join(testFolder(t), 'repository');
  const store = await testStore(await createLocalBackend(root));
  const random = randomFor(t);
  const onStored = (): void => assert.fail('no pack is whole');
  const writer = new BlobWriter(store, { kind: 'data', compressor: new GarbageCompressor(3), onStored });
  for (let number = 0; number < 12; number++) {
    const { id, bytes } = blobOf(store, random.bytes(MIB));
    writer.add(id, bytes);
    await writer.settle();
  }
  const text = blobOf(store, Buffer.alloc(200 * KIB, 'text '));
  assert.throws(() => writer.add(text.id, text.bytes));
  await assert.rejects(writer.flush());
  await writer.idle();
  assert.deepEqual(readdirSync(join(root, 'tmp')), []);
  for await (const file of store.backend.list('pack')) assert.fail(`pack ${file.name} was written`);
});

test('packs end near their target, and no blob is in two of them', async (t) => {
  const store = await testStore(new MemoryBackend());
  const random = randomFor(t);
  const blobs = Array.from({ length: 70 }, () => blobOf(store, random.bytes(400 * KIB + random.below(1000))));
  const packs = await writePacks(store, blobs);
  assert.equal(packs.length, 2);
  assert.ok((packs[0]?.packLength ?? 0) >= PACK_BYTES_TARGET);
  const index = await openIndex(t, store);
  await index.save(named(packs));
  await index.refresh();
  for (const { id } of blobs) assert.equal(index.findAll(id).length, 1);
});

test('trap 16: memory that a reader of batches uses again is not used while a batch is in it', async (t) => {
  const random = randomFor(t);
  const store = await testStore(await createLocation(join(testFolder(t), 'repository')));
  const blobs = randomBlobs(store, random, 1500);
  const packs = await writePacks(store, blobs);
  const index = await openIndex(t, store);
  await index.save(named(packs));
  await index.refresh();
  const plan = new ReadPlan(index);
  for (const { id, bytes } of blobs) assert.ok(plan.add(id, bytes.length) !== undefined);
  const reader = new BatchReader(store);
  const limits = { bytes: 256 * KIB, wishes: 200, accepts: () => true };
  const next = (): { wishes: PlannedBatch; loading: Promise<LoadedBatch> } | undefined => {
    const batch = plan.next(limits);
    return batch && { wishes: batch, loading: reader.load(batch.frames) };
  };
  let seen = 0;
  // As in a worker: while one batch is at work, the next one is being read.
  for (let [batch, ahead] = [next(), next()]; batch !== undefined; [batch, ahead] = [ahead, next()]) {
    const loaded = await batch.loading;
    await ahead?.loading;
    const opened = reader.open(loaded);
    for (const [at, wish] of batch.wishes.wishes.entries()) {
      const blob = blobs[wish];
      assert.ok(blob !== undefined);
      const frame = batch.wishes.frameOfWish[at] ?? 0;
      const bytes = reader.blob(opened, { frame, offset: plan.offset(wish), length: plan.length(wish) }, blob.id);
      assert.ok(bytes.equals(blob.bytes));
      seen++;
    }
    reader.release(loaded);
  }
  assert.equal(seen, blobs.length);
});
