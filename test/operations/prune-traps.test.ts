import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import { BLOB_ID_BYTES, type BlobId, type IndexSegmentId, type PackId } from '../../engine/base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, MIB, REPACK_THREAD_BYTES_MIN } from '../../engine/base/limits.ts';
import { Compressor } from '../../engine/codec/compression.ts';
import { prune } from '../../engine/operations/prune/prune.ts';
import { BlobWriter, type StoredPack } from '../../engine/repository/blob-writer.ts';
import type { IndexLimits } from '../../engine/repository/chunk-index.ts';
import { loadPackHeader } from '../../engine/repository/pack-headers.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { replaceSegments } from '../../engine/repository/segment-replacer.ts';
import type { Backend, FileKind } from '../../engine/storage/backend.ts';
import { TEMPORARY_FOLDER } from '../../engine/storage/layout.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { FailingListing, ReplacedFile, UnreadableFile, WrappedBackend } from '../support/faulty-backend.ts';
import { Prunable } from '../support/prunable.ts';
import { randomFor, rounds } from '../support/random.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const ALL = { maxUnused: { share: 0 } };
const TINY: Partial<IndexLimits> = { youngBlobs: 30, coldRuns: 2 };

async function withGarbage(t: TestContext): Promise<Prunable> {
  const made = await Prunable.make(t, randomFor(t), new MemoryBackend());
  made.write('stays', 100_000);
  await made.backup();
  made.write('folder/goes', 300_000);
  const gone = await made.backup();
  made.remove('folder');
  await made.backup();
  await made.forget(gone);
  await made.library.repository.snapshots
    .annotations()
    .then((all) => all.add(made.library.repository, { kind: 'retention', snapshot: undefined, value: {} }));
  return made;
}

async function named(backend: Backend, kind: FileKind): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of backend.list(kind)) names.push(name);
  return names;
}

test('trap 12: one snapshot, annotation, segment, tree or mark that cannot be read, and prune refuses and removes nothing', async (t) => {
  const made = await withGarbage(t);
  const { repository } = made.library;
  const { backend } = repository;
  await made.prune({ graceMs: 1e9 });
  await made.library.reopen(backend);
  await repository.loadIndex();
  const trees: string[] = [];
  for (const pack of repository.index.packs()) if (pack.kind === 'tree') trees.push(pack.packId);
  const before = await made.packBytes();
  for (const kind of ['snapshot', 'annotation', 'index', 'mark', 'lock'] as const) {
    if (kind === 'lock') await backend.write('lock', '1'.repeat(64), [Buffer.from('no lease')]);
    for (const name of await named(backend, kind)) {
      const bytes = Buffer.from(await backend.read(kind, name));
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      for (const faulty of [
        new ReplacedFile(backend, { kind, name, bytes }),
        new UnreadableFile(backend, { kind, name }),
      ]) {
        const thrown = await made.prune(ALL, faulty).then(
          () => undefined,
          (error: unknown) => error,
        );
        assert.ok(thrown instanceof EngineError, `${kind} ${name}`);
        assert.match(thrown.code, /^OBJECT_(?:CORRUPT|UNREADABLE)$/, thrown.message);
        const hint = kind === 'lock' && thrown.code === 'OBJECT_UNREADABLE' ? /lock/ : /snap check|snap unlock|by hand/;
        assert.match(thrown.message, hint, thrown.message);
        assert.equal(await made.packBytes(), before, kind);
      }
    }
    if (kind === 'lock') await backend.remove('lock', '1'.repeat(64));
    await assert.rejects(made.prune(ALL, new FailingListing(backend, kind)), { code: 'STORAGE_FAILED' }, kind);
    assert.equal(await made.packBytes(), before, kind);
  }
  let refusals = 0;
  for (const name of trees) {
    const bytes = Buffer.from(await backend.read('pack', name));
    bytes[40] = (bytes[40] ?? 0) ^ 1;
    const faulty = new ReplacedFile(backend, { kind: 'pack', name, bytes });
    // Trees that only the forgotten snapshot needs are not read.
    await made.prune({ ...ALL, dryRun: true }, faulty).catch((error: unknown) => {
      assert.ok(error instanceof EngineError && error.code === 'OBJECT_CORRUPT', String(error));
      assert.match(error.message, /snap check/);
      refusals++;
    });
  }
  assert.ok(refusals > 0);
  await assert.rejects(made.prune(ALL, new FailingListing(backend, 'pack')), { code: 'STORAGE_FAILED' });
  await made.isWhole(backend);
});

test('a blob that is in no pack is named, and prune refuses', async (t) => {
  const made = await withGarbage(t);
  const { backend } = made.library.repository;
  await made.library.repository.loadIndex();
  const data = [...made.library.repository.index.packs()].filter(({ kind }) => kind === 'data');
  let refusals = 0;
  for (const { packId } of data) {
    const bytes = await backend.read('pack', packId);
    await backend.remove('pack', packId);
    const before = await made.packBytes();
    try {
      await made.prune({ ...ALL, dryRun: true });
    } catch (error) {
      assert.ok(error instanceof EngineError && error.code === 'OBJECT_MISSING', String(error));
      refusals++;
    }
    assert.equal(await made.packBytes(), before);
    await backend.write('pack', packId, [bytes]);
  }
  assert.ok(refusals > 0 && refusals < data.length, 'what only the forgotten one needs may be missing');
});

/** Stores blobs that are there already once more, in packs that segments name. */
async function storeAgain(repository: Repository, ids: readonly BlobId[], times: number): Promise<PackId[]> {
  const packs: (StoredPack & { blobs: number })[] = [];
  for (let time = 0; time < times; time++) {
    const writer = new BlobWriter(repository, {
      kind: 'data',
      compressor: new Compressor(COMPRESSION_LEVEL_DEFAULT),
      onStored: (pack) => packs.push({ ...pack, blobs: ids.length }),
    });
    for (const id of ids) writer.add(id, await repository.blobs.read('data', id));
    await writer.flush();
  }
  await repository.index.save(packs);
  return packs.map(({ packId }) => packId);
}

async function dataBlobs(repository: Repository): Promise<BlobId[]> {
  await repository.loadIndex();
  const ids: BlobId[] = [];
  for (const { packId, kind } of [...repository.index.packs()]) {
    if (kind !== 'data') continue;
    const { table } = await loadPackHeader(repository, packId);
    for (let at = 0; at < table.blobIds.length; at += BLOB_ID_BYTES) {
      ids.push(Buffer.from(table.blobIds.subarray(at, at + BLOB_ID_BYTES)) as BlobId);
    }
  }
  return ids;
}

test('traps 3 and 26: blobs stored twice, in one pack and in several, lose all copies but one', async (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(3); round++) {
    const made = await Prunable.make(t, random, new MemoryBackend());
    made.write('zeros', Buffer.alloc(3_000_000));
    for (let file = 0; file < 20; file++) made.write(`${file}`, 10_000 + random.below(60_000));
    await made.backup();
    const { repository } = made.library;
    const once = await made.packBytes();
    const ids = await dataBlobs(repository);
    const some = ids.filter(() => random.below(2) === 0);
    await storeAgain(repository, [...ids, ...some], 1);
    await storeAgain(repository, some, 2);
    const result = await made.prune(ALL);
    assert.equal(result.packsMarked, 0);
    await made.isWhole();
    assert.ok((await made.packBytes()) <= once * 1.1, `${await made.packBytes()} after ${once}`);
    assert.equal((await made.prune(ALL)).bytesFreed, 0);
  }
});

test('of a blob that is stored twice the copy that can be read is kept', async (t) => {
  const made = await Prunable.make(t, randomFor(t), new MemoryBackend());
  for (let file = 0; file < 10; file++) made.write(`${file}`, 200_000);
  await made.backup();
  const { repository } = made.library;
  const { backend } = repository;
  const ids = await dataBlobs(repository);
  const copies = await storeAgain(repository, ids, 1);
  const packs = [...repository.index.packs()].filter(({ kind }) => kind === 'data').map(({ packId }) => packId);
  for (const damaged of [...packs, ...copies]) {
    const bytes = await backend.read('pack', damaged);
    const whole = Buffer.from(bytes);
    // Every frame of it is damaged, its header is not.
    for (let at = 30; at < bytes.length - 5000; at += 1000) bytes[at] = (bytes[at] ?? 0) ^ 1;
    const faulty = new ReplacedFile(backend, { kind: 'pack', name: damaged, bytes });
    const planned = await made.prune({ ...ALL, dryRun: true }, faulty);
    assert.ok(planned.packsRepacked > 0);
    const other = new MemoryBackend(backend.location);
    for (const kind of ['config', 'key', 'index', 'snapshot', 'pack'] as const) {
      for (const name of await named(backend, kind)) await other.write(kind, name, [await faulty.read(kind, name)]);
    }
    await made.prune(ALL, other);
    const { target, problemCount } = await made.library.restore('latest');
    assert.equal(problemCount, 0, `${damaged} of ${target}`);
    assert.ok(whole.length > 0);
    await made.library.reopen(backend);
  }
});

test('prune does the same with nearly all of the index in LevelDB, and leaves an index that is right', async (t) => {
  const random = randomFor(t);
  const made = await Prunable.make(t, random);
  const { backend, cacheDirectory } = made.library.repository;
  const open = (cache: string): Promise<Repository> =>
    Repository.open({ backend, credential: { type: 'none' }, cacheDirectory: cache, indexLimits: TINY });
  const nights = [];
  for (let night = 0; night < 6; night++) {
    for (let file = 0; file < 40; file++) made.write(`${night}/${file}`, random.below(30_000));
    for (let file = 0; file < 25; file++) made.remove(`${random.below(night + 1)}/${random.below(40)}`);
    nights.push(await made.backup());
    const cold = await open(cacheDirectory);
    await cold.loadIndex();
    if (night > 0) assert.ok(cold.index.blobCount > cold.index.youngBlobCount);
    await cold.close();
    if (night % 2 === 1) {
      await made.forget(...nights.splice(0, 1 + random.below(2)));
      const usual = await made.prune({ ...ALL, dryRun: true });
      const repository = await open(cacheDirectory);
      const result = await prune(repository, ALL);
      await repository.close();
      assert.deepEqual(result.plan, usual.plan);
      await made.isWhole();
    }
  }
  for (const id of nights) await made.forget(id);
  const repository = await open(cacheDirectory);
  await prune(repository, ALL);
  await repository.close();
  assert.deepEqual(await made.files('pack'), []);
  assert.deepEqual(await made.files('index'), []);
});

/** Counts the segments that are read. */
class CountingReads extends WrappedBackend {
  segments = 0;

  override read(
    kind: FileKind,
    name: string,
    range?: { readonly offset: number; readonly length: number },
  ): Promise<Buffer> {
    if (kind === 'index') this.segments++;
    return super.read(kind, name, range);
  }
}

test('segments that a prune has replaced are read once, and lie in LevelDB from then on', async (t) => {
  const made = await Prunable.make(t, randomFor(t), new MemoryBackend());
  const { backend, cacheDirectory } = made.library.repository;
  const load = async (): Promise<number> => {
    const counting = new CountingReads(backend);
    const repository = await Repository.open({
      backend: counting,
      credential: { type: 'none' },
      cacheDirectory,
      indexLimits: TINY,
    });
    await repository.loadIndex();
    await repository.close();
    return counting.segments;
  };
  for (let file = 0; file < 100; file++) made.write(`stays/${file}`, 3000);
  await made.backup();
  made.write('goes', 3000);
  const gone = await made.backup();
  made.remove('goes');
  await made.backup();
  await load();
  await made.forget(gone);
  const repository = await made.library.reopen(backend);
  await repository.loadIndex();
  // The same packs, named by another segment.
  const headers = await Promise.all(
    [...repository.index.packs()].map(({ packId }) => loadPackHeader(repository, packId)),
  );
  const old = await named(backend, 'index');
  await repository.index.save(headers.map((header) => ({ ...header, blobs: header.table.blobCount })));
  for (const name of old) await backend.remove('index', name);
  assert.ok((await load()) > 0);
  assert.equal(await load(), 0);
  await made.prune(ALL);
  await load();
  await made.isWhole(backend);
});

/** A file that leaves so many bytes of a disk, to within a block. */
function fill(folder: string, left: number): string {
  const filler = join(folder, 'filler');
  for (let step = 20 * MIB; step >= 4096; ) {
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize - left < step) step /= 2;
    else appendFileSync(filler, Buffer.alloc(step));
  }
  return filler;
}

test('trap 30: a disk that is full to the last byte is freed by prune --now', async (t) => {
  const disk = mountSmallDisk(t, 40 * MIB);
  if (disk === undefined) return t.skip('only root mounts');
  const backend = await createLocation(join(disk.folder, 'repository'));
  const made = await Prunable.make(t, randomFor(t), backend);
  for (let file = 0; file < 300; file++) made.write(`stays/${file}`, 2000);
  await made.backup();
  made.write('goes', 3_000_000);
  const gone = await made.backup();
  made.remove('goes');
  await made.backup();
  await made.forget(gone);
  const filler = fill(disk.folder, 0);
  await assert.rejects(made.prune(), { code: 'STORAGE_FAILED' });
  const result = await made.prune({ now: true });
  assert.ok(result.bytesFreed > 2_900_000, String(result.bytesFreed));
  await made.isWhole();
  assert.deepEqual(await made.files('lock'), []);
  rmSync(filler);
  await made.prune({ now: true });
  assert.ok(existsSync(join(disk.folder, 'repository', 'reserve')), 'and it is kept aside again');
  await made.isWhole();
});

/** More than one thread writes anew: photos, of which one of four goes from every pack. */
async function makePhotos(made: Prunable, count: number): Promise<void> {
  for (let photo = 0; photo < count; photo++) made.write(`${photo}.jpg`, 3_000_000);
  const first = await made.backup();
  for (let photo = 0; photo < count; photo += 4) made.remove(`${photo}.jpg`);
  await made.backup();
  await made.forget(first);
}

test('packs that are written anew in two threads hold what they held', async (t) => {
  const made = await Prunable.make(t, randomFor(t));
  await makePhotos(made, Math.ceil((1.2 * REPACK_THREAD_BYTES_MIN) / 3_000_000));
  const result = await made.prune(ALL);
  assert.ok(result.packsRepacked >= 4, `${result.packsRepacked} packs`);
  assert.ok(result.bytesFreed > 0.2 * REPACK_THREAD_BYTES_MIN, String(result.bytesFreed));
  assert.equal(await made.packBytes(), result.bytesAfter);
  await made.isWhole();
  assert.equal((await made.prune(ALL)).packsRepacked, 0);
});

test('a disk that is full before packs were written anew in two threads costs nothing', async (t) => {
  const disk = mountSmallDisk(t, 2 * REPACK_THREAD_BYTES_MIN);
  if (disk === undefined) return t.skip('only root mounts');
  const backend = await createLocation(join(disk.folder, 'repository'));
  const made = await Prunable.make(t, randomFor(t), backend);
  await makePhotos(made, Math.ceil((1.2 * REPACK_THREAD_BYTES_MIN) / 3_000_000));
  fill(disk.folder, REPACK_THREAD_BYTES_MIN / 3);
  await assert.rejects(made.prune(ALL), { code: 'STORAGE_FAILED' });
  assert.deepEqual(readdirSync(join(disk.folder, 'repository', TEMPORARY_FOLDER)), []);
  await made.isWhole();
});

test('trap 4: random replacements of index segments never lose an entry', async (t) => {
  const random = randomFor(t);
  const made = await Prunable.make(t, random, new MemoryBackend());
  const { backend } = made.library.repository;
  for (let round = 0; round < rounds(12); round++) {
    for (let file = 0; file < 3; file++) made.write(`${round}/${file}`, random.below(9000));
    await made.backup();
    if (random.below(2) === 0) {
      // The same pack in several segments, and a segment that is another one without some packs.
      const repository = await made.library.reopen(backend);
      await repository.loadIndex();
      const all = [...repository.index.packs()].filter(() => random.below(2) === 0);
      const headers = await Promise.all(all.map(({ packId }) => loadPackHeader(repository, packId)));
      await repository.index.save(headers.map((header) => ({ ...header, blobs: 1 })));
    }
    const repository = await made.library.reopen(backend);
    await repository.loadIndex();
    const expected = [...repository.index.packs()].map(({ packId }) => packId);
    const gone = new Set(expected.filter(() => random.below(5) === 0));
    const isGone = (pack: number): boolean => gone.has(repository.index.pack(pack)?.packId ?? ('' as PackId));
    await replaceSegments(repository.index, { isGone, merges: random.below(2) === 0 });
    const after = await made.library.reopen(backend);
    await after.loadIndex();
    const left = [...after.index.packs()].map(({ packId }) => packId).sort();
    assert.deepEqual(left, expected.filter((packId) => !gone.has(packId)).sort());
    // They come back for the next round.
    const headers = await Promise.all([...gone].map((packId) => loadPackHeader(after, packId)));
    await after.index.save(headers.map((header) => ({ ...header, blobs: header.table.blobCount })));
  }
  const segments: IndexSegmentId[] = [];
  for (const name of await named(backend, 'index')) segments.push(name as IndexSegmentId);
  t.diagnostic(`${segments.length} segments`);
  await made.isWhole(backend);
});
