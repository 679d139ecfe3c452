/** The chunk index against a plain model, all in memory and with nearly all of it in LevelDB. */

import assert from 'node:assert/strict';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ByteReader } from '../../engine/base/bytes.ts';
import { isEngineError } from '../../engine/base/errors.ts';
import type { BlobId } from '../../engine/base/ids.ts';
import { readPackHeader } from '../../engine/format/pack-header.ts';
import { ChunkIndex, type IndexLimits } from '../../engine/repository/chunk-index.ts';
import { KnownBlobs } from '../../engine/repository/known-blobs.ts';
import type { Store } from '../../engine/repository/sealed-files.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { testFolder } from '../support/build-repository.ts';
import { ReplacedFile } from '../support/faulty-backend.ts';
import {
  headerOf,
  type PaperPack,
  paperPack,
  randomBlobId,
  saveSegment,
  testStore,
} from '../support/index-segments.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';

const TINY: Partial<IndexLimits> = { youngBlobs: 50, coldRuns: 2, runClaims: 40 };
const LEVELS: readonly (readonly [name: string, limits: Partial<IndexLimits>])[] = [
  ['all young', {}],
  ['nearly all cold', TINY],
];

/** What the repository holds: segments and the packs that they name. */
class Model {
  readonly segments = new Map<string, readonly PaperPack[]>();
  readonly ids: BlobId[] = [];

  /** Places of a blob, as text, in order. */
  places(id: BlobId): string[] {
    const places = new Set<string>();
    for (const packs of this.segments.values()) {
      for (const pack of packs) {
        pack.frames.forEach((blobs, frame) => {
          let offset = 0;
          for (const blob of blobs) {
            if (blob.blobId.equals(id)) places.add(`${pack.packId} ${frame} ${offset} ${blob.length}`);
            offset += blob.length;
          }
        });
      }
    }
    return [...places].sort();
  }
}

function placesIn(index: ChunkIndex, id: BlobId): string[] {
  return index
    .findAll(id)
    .map((place) => {
      const address = index.frame(place);
      assert.equal(address.packId, index.pack(place.pack)?.packId);
      return `${address.packId} ${place.frame} ${place.offset} ${place.length}`;
    })
    .sort();
}

function assertEqualsModel(index: ChunkIndex, model: Model, ids: readonly BlobId[]): void {
  for (const id of ids) {
    const expected = model.places(id);
    assert.deepEqual(placesIn(index, id), expected, `places of ${id.toString('hex')}`);
    assert.equal(index.find(id) !== undefined, expected.length > 0);
  }
  const packs = new Set([...model.segments.values()].flat().map((pack) => pack.packId));
  assert.deepEqual(new Set([...index.packs()].map((pack) => pack.packId)), packs);
  for (const pack of [...model.segments.values()].flat()) {
    assert.ok(index.hasPack(pack.packId));
    pack.frames.forEach((blobs, frame) => {
      const [first] = blobs;
      const place = first && index.findAll(first.blobId).find((at) => index.pack(at.pack)?.packId === pack.packId);
      if (place !== undefined && place.frame === frame) {
        assert.equal(
          index.frame(place).plainLength,
          blobs.reduce((sum, blob) => sum + blob.length, 0),
        );
      }
    });
  }
}

async function addSegment(store: Store, model: Model, random: Random): Promise<void> {
  const packs: PaperPack[] = [];
  for (let count = 1 + random.below(3); count > 0; count--) {
    const ids: BlobId[] = [];
    for (let blobs = random.below(30); blobs > 0; blobs--) {
      // One in four is stored already somewhere, perhaps in this very pack.
      const known = random.below(4) === 0 ? model.ids[random.below(model.ids.length)] : undefined;
      const id = known ?? randomBlobId(random);
      if (known === undefined) model.ids.push(id);
      ids.push(id);
    }
    packs.push(paperPack(random, ids));
  }
  // A pack that another segment names too.
  const others = [...model.segments.values()].flat();
  const again = random.below(3) === 0 ? others[random.below(others.length)] : undefined;
  if (again !== undefined) packs.push(again);
  model.segments.set(await saveSegment(store, packs), packs);
}

/** What prune does to the index: some segments are replaced by others that name fewer packs. */
async function replaceSegments(store: Store, model: Model, random: Random): Promise<void> {
  const old = [...model.segments].filter(() => random.below(3) === 0);
  const packs = [...new Set(old.flatMap(([, named]) => named))].filter(() => random.below(3) !== 0);
  if (packs.length > 0) model.segments.set(await saveSegment(store, packs), packs);
  for (const [id] of old) {
    if (packs.length > 0 && model.segments.get(id) === packs) continue;
    model.segments.delete(id);
    await store.backend.remove('index', id);
  }
}

async function playRandomly(t: TestContext, limits: Partial<IndexLimits>, steps: number): Promise<void> {
  const random = randomFor(t);
  const cacheDirectory = testFolder(t);
  const store = await testStore(new MemoryBackend());
  const model = new Model();
  const open = new Set<ChunkIndex>();
  for (let step = 0; step < steps; step++) {
    const act = random.below(12);
    if (act < 6) await addSegment(store, model, random);
    else if (act === 6) await replaceSegments(store, model, random);
    else if (act === 7) rmSync(join(cacheDirectory, 'index'), { recursive: true, force: true });
    else if (act === 8) {
      const [first] = open;
      await first?.close();
      if (first !== undefined) open.delete(first);
    } else if (act === 9 && open.size < 4) open.add(new ChunkIndex(store, { cacheDirectory, limits }));
    const some = model.ids.filter(() => random.below(Math.ceil(model.ids.length / 40)) === 0);
    for (const index of open) {
      if (random.below(3) !== 0) continue;
      await index.refresh();
      assertEqualsModel(index, model, some);
    }
  }
  const last = new ChunkIndex(store, { cacheDirectory, limits });
  await last.refresh();
  assertEqualsModel(last, model, model.ids);
  const known = last.known();
  const joined = await KnownBlobs.join(structuredClone(known.shared()));
  for (const id of [...model.ids, randomBlobId(random), randomBlobId(random)]) {
    const expected = model.places(id).length > 0;
    assert.equal(known.has(id), expected);
    assert.equal(joined.has(id), expected);
  }
  await joined.close();
  for (const index of [...open, last]) await index.close();
}

for (const [name, limits] of LEVELS) {
  test(`traps 4 and 26, invariant 3: any order of segments, replacements, processes and deleted caches gives what a plain model gives (${name})`, async (t) => {
    for (let round = 0; round < rounds(4); round++) await playRandomly(t, limits, 60);
  });
}

/** A store with `segments` segments of which most blobs are cold for whoever opens the index with TINY limits. */
async function filledStore(random: Random, segments = 20): Promise<{ store: Store; model: Model }> {
  const store = await testStore(new MemoryBackend());
  const model = new Model();
  for (let count = 0; count < segments; count++) await addSegment(store, model, random);
  return { store, model };
}

async function opened(store: Store, cacheDirectory: string, limits = TINY): Promise<ChunkIndex> {
  const index = new ChunkIndex(store, { cacheDirectory, limits });
  await index.refresh();
  return index;
}

function generations(cacheDirectory: string): string[] {
  const [repository = ''] = readdirSync(join(cacheDirectory, 'index'));
  const folder = join(cacheDirectory, 'index', repository);
  return readdirSync(folder)
    .filter((name) => name.startsWith('v1-'))
    .map((name) => join(folder, name));
}

test('a small repository never has a LevelDB', async (t) => {
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(randomFor(t));
  const index = await opened(store, cacheDirectory, {});
  assertEqualsModel(index, model, model.ids);
  await index.close();
  assert.equal(existsSync(join(cacheDirectory, 'index')), false);
});

test('a second process reads no segment that is cold', async (t) => {
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(randomFor(t));
  await (await opened(store, cacheDirectory, { ...TINY, youngBlobs: 0 })).close();
  const read: string[] = [];
  const backend = new MemoryBackend();
  const watching: Store = {
    ...store,
    backend: Object.assign(backend, {
      list: (kind: 'index') => store.backend.list(kind),
      read: (kind: 'index', name: string) => {
        read.push(name);
        return store.backend.read(kind, name);
      },
    }),
  };
  const index = await opened(watching, cacheDirectory);
  assert.deepEqual(read, []);
  assert.equal(index.youngBlobCount, 0);
  assertEqualsModel(index, model, model.ids);
  await index.close();
  assert.equal(generations(cacheDirectory).length, 1);
});

test('invariant 3: the cache directory is deleted while the index is in use, and every answer stays right', async (t) => {
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(randomFor(t));
  const first = await opened(store, cacheDirectory);
  const second = await opened(store, cacheDirectory);
  rmSync(join(cacheDirectory, 'index'), { recursive: true });
  assertEqualsModel(first, model, model.ids);
  assertEqualsModel(second, model, model.ids);
  await first.refresh();
  assertEqualsModel(first, model, model.ids);
  await first.close();
  await second.close();
  const third = await opened(store, cacheDirectory);
  assertEqualsModel(third, model, model.ids);
  await third.close();
});

test('trap 32, invariant 3: a cold part with one wrong byte gives right answers, or says so once and is built anew', async (t) => {
  const random = randomFor(t);
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(random, 12);
  await (await opened(store, cacheDirectory)).close();
  const whole = join(testFolder(t), 'whole');
  cpSync(cacheDirectory, whole, { recursive: true });
  let refused = 0;
  for (let round = 0; round < rounds(25); round++) {
    rmSync(cacheDirectory, { recursive: true });
    cpSync(whole, cacheDirectory, { recursive: true });
    const [generation = ''] = generations(cacheDirectory);
    const names = readdirSync(generation).filter((name) => statSync(join(generation, name)).size > 0);
    const path = join(generation, names[random.below(names.length)] ?? '');
    const bytes = readFileSync(path);
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    writeFileSync(path, random.below(4) === 0 ? bytes.subarray(0, at) : bytes);
    for (let attempt = 0; ; attempt++) {
      const index = await opened(store, cacheDirectory);
      try {
        assertEqualsModel(index, model, model.ids);
        await index.close();
        break;
      } catch (error) {
        if (!isEngineError(error, 'STORAGE_FAILED') || attempt > 0) throw error;
        refused++;
        await index.close();
      }
    }
  }
  t.diagnostic(`${refused} damages were met in the middle of a command`);
});

test('packs that come while blobs move to LevelDB are not lost', async (t) => {
  const random = randomFor(t);
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(random);
  const index = new ChunkIndex(store, { cacheDirectory, limits: TINY });
  const refreshed = index.refresh();
  let done = false;
  void refreshed.finally(() => {
    done = true;
  });
  const own: PaperPack[] = [];
  while (!done) {
    const pack = paperPack(random, [randomBlobId(random)]);
    own.push(pack);
    index.addPack({ ...pack, table: readPackHeader(new ByteReader(headerOf(pack), 'a header')) });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await refreshed;
  model.segments.set('of its own', own);
  const ids = own.flatMap((pack) => pack.frames.flat().map((blob) => blob.blobId));
  assertEqualsModel(index, model, [...model.ids, ...ids]);
  await index.refresh();
  assertEqualsModel(index, model, [...model.ids, ...ids]);
  await index.close();
});

test('an audit finds a damaged segment that LevelDB stands for, and the index goes on with what it has', async (t) => {
  const cacheDirectory = testFolder(t);
  const { store, model } = await filledStore(randomFor(t));
  await (await opened(store, cacheDirectory, { ...TINY, youngBlobs: 0 })).close();
  const [name = ''] = model.segments.keys();
  const bytes = await store.backend.read('index', name);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  const damaged = { ...store, backend: new ReplacedFile(store.backend, { kind: 'index', name, bytes }) };
  const index = new ChunkIndex(damaged, { cacheDirectory, limits: TINY });
  await index.refresh();
  assert.deepEqual(index.damage, []);
  await index.refresh({ readsAll: true });
  assert.deepEqual(
    index.damage.map(({ object }) => object),
    [`index/${name}`],
  );
  assertEqualsModel(index, model, model.ids);
  await index.close();
});

test('a cache directory that cannot be made leaves everything in memory', async (t) => {
  const folder = testFolder(t);
  writeFileSync(join(folder, 'file'), '');
  const { store, model } = await filledStore(randomFor(t));
  const index = await opened(store, join(folder, 'file'));
  assertEqualsModel(index, model, model.ids);
  await index.close();
});

test('two processes that move blobs at the same time both go on, and one generation remains', async (t) => {
  const cacheDirectory = testFolder(t);
  const random = randomFor(t);
  const { store, model } = await filledStore(random);
  const indexes = await Promise.all([1, 2, 3, 4].map(() => opened(store, cacheDirectory)));
  for (let round = 0; round < 5; round++) {
    for (let count = 0; count < 5; count++) await addSegment(store, model, random);
    await Promise.all(indexes.map((index) => index.refresh()));
    for (const index of indexes) assertEqualsModel(index, model, model.ids);
  }
  for (const index of indexes) await index.close();
  assert.equal(generations(cacheDirectory).length, 1);
  const work = join(generations(cacheDirectory)[0] ?? '', '..', 'work');
  assert.deepEqual(readdirSync(work), []);
});

test('what a killed process left is removed by the next one', async (t) => {
  const cacheDirectory = testFolder(t);
  const { store } = await filledStore(randomFor(t));
  await (await opened(store, cacheDirectory)).close();
  const work = join(generations(cacheDirectory)[0] ?? '', '..', 'work');
  // No process has a number this high.
  const living = await opened(store, cacheDirectory);
  const [own = ''] = readdirSync(work);
  cpSync(join(work, own), join(work, own.replace(/^\d+/, '99999999')), { recursive: true });
  await (await opened(store, cacheDirectory)).close();
  assert.deepEqual(readdirSync(work), [own]);
  await living.close();
});

for (const [name, limits] of LEVELS) {
  test(`trap 1: packs that an index names and the store has not are left out, and named (${name})`, async (t) => {
    const random = randomFor(t);
    const cacheDirectory = testFolder(t);
    const { store, model } = await filledStore(random);
    const packs = [...new Set([...model.segments.values()].flat())];
    const gone = new Set(packs.filter((_, at) => at % 3 === 0).map((pack) => pack.packId));
    const short = packs.find((pack) => !gone.has(pack.packId));
    for (const pack of packs) {
      if (gone.has(pack.packId)) continue;
      await store.backend.write('pack', pack.packId, [Buffer.alloc(pack.packLength - (pack === short ? 1 : 0))]);
    }
    if (short !== undefined) gone.add(short.packId);
    await (await opened(store, cacheDirectory, limits)).close();
    const index = new ChunkIndex(store, { cacheDirectory, limits });
    await index.refresh({ onlyExisting: true });
    await index.refresh({ onlyExisting: true });
    assert.deepEqual(
      index.damage.map(({ object }) => object).sort(),
      [...gone].map((packId) => `packs/${packId}`).sort(),
    );
    const known = index.known();
    for (const id of model.ids) {
      const places = model.places(id).filter((place) => !gone.has(place.slice(0, 32) as PaperPack['packId']));
      assert.deepEqual(placesIn(index, id), places);
      assert.equal(known.has(id), places.length > 0);
    }
    await index.close();
  });
}
