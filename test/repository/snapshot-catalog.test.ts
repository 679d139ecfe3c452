/** Snapshots that stay in memory: every answer is that of one who reads all anew. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineError } from '../../engine/base/errors.ts';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { SNAPSHOTS_KEPT_BYTES_MAX } from '../../engine/base/limits.ts';
import type { AnnotationKind } from '../../engine/format/annotation.ts';
import type { Json } from '../../engine/format/canonical-json.ts';
import { KeptRecords } from '../../engine/repository/kept-records.ts';
import type { Store } from '../../engine/repository/sealed-files.ts';
import { type Snapshot, SnapshotStore } from '../../engine/repository/snapshots.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { FlippedBytes, ReadLog } from '../support/faulty-backend.ts';
import { testStore } from '../support/index-segments.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';
import { snapshotRecord } from '../support/snapshot-record.ts';

const FACTS: readonly (readonly [AnnotationKind, (random: Random) => Json])[] = [
  ['tags', (random) => [`tag ${random.below(3)}`]],
  ['label', (random) => `label ${random.below(3)}`],
  ['pinned', (random) => random.below(2) === 0],
  ['trusted', (random) => random.below(2) === 0],
  ['forgotten', (random) => random.below(3) > 0],
];

/** What some other process does to snapshots. */
async function changeSomething(store: Store, random: Random): Promise<void> {
  const other = new SnapshotStore(store);
  const ids = (await other.ids()).sort();
  const id = ids[random.below(ids.length)];
  const what = random.below(10);
  if (id === undefined || what < 3) {
    const suspicion = random.below(4) === 0 ? 'too small' : undefined;
    const users = { [String(random.below(3))]: 'reader' };
    const time = new Date(1_700_000_000_000 + random.below(1_000_000)).toISOString();
    await other.save(snapshotRecord({ startedNs: BigInt(random.below(1e9)), time, users, suspicion }));
  } else if (what === 3) {
    // As a prune does.
    await store.backend.remove('snapshot', id);
    for (const name of (await other.annotations()).filesAbout(id)) await store.backend.remove('annotation', name);
  } else {
    const [kind, valueFor] = FACTS[random.below(FACTS.length)] ?? ['pinned', () => true];
    await (await other.annotations()).add(store, { kind, snapshot: id, value: valueFor(random) });
  }
}

test('one that keeps snapshots answers as one that reads all anew, whatever others do', async (t) => {
  const random = randomFor(t);
  const store = await testStore(new MemoryBackend());
  const keeping = new SnapshotStore(store, true);
  for (let round = 0; round < rounds(40); round++) {
    for (let change = random.below(3); change >= 0; change--) await changeSomething(store, random);
    const anew = new SnapshotStore(store);
    assert.deepEqual(await keeping.list({}, undefined, 'with'), await anew.list({}, undefined, 'with'));
    assert.deepEqual(await keeping.list(), await anew.list());
    const filter = { tags: [`tag ${random.below(3)}`] };
    assert.deepEqual(await keeping.list(filter), await anew.list(filter));
    const ids = await anew.ids();
    const id = ids[random.below(ids.length)];
    if (id !== undefined) assert.deepEqual(await keeping.load(id), await anew.load(id));
    const found = async (snapshots: SnapshotStore, name: string): Promise<Snapshot | string> =>
      snapshots.find(name).catch((error: EngineError) => error.message);
    for (const name of ['latest', id ?? 'ff', '@2024-01-01']) {
      assert.deepEqual(await found(keeping, name), await found(anew, name));
    }
    assert.deepEqual((await keeping.listSound()).snapshots, (await anew.listSound()).snapshots);
  }
});

for (const keeps of [true, false]) {
  test(`where all are gone, none is listed (${keeps ? 'kept' : 'not kept'})`, async () => {
    const store = await testStore(new MemoryBackend());
    const snapshots = new SnapshotStore(store, keeps);
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await snapshots.list(), []);
      const { id } = await snapshots.save(snapshotRecord());
      assert.equal((await snapshots.list()).length, 1);
      await store.backend.remove('snapshot', id);
    }
    assert.deepEqual(await snapshots.list(), []);
    const { id } = await snapshots.save(snapshotRecord());
    await (await snapshots.annotations()).add(store, { kind: 'pinned', snapshot: id, value: true });
    const annotations = await snapshots.annotations();
    assert.equal(annotations.factsOf(id).pinned, true);
    for (const name of annotations.filesAbout(id)) await store.backend.remove('annotation', name);
    assert.equal((await snapshots.annotations()).factsOf(id).pinned, false);
  });
}

test('what is kept is read once; what removes something reads it anew', async () => {
  const inner = new MemoryBackend();
  const plain = await testStore(inner);
  const backend = new ReadLog(inner);
  const store = { ...plain, backend };
  const writer = new SnapshotStore(plain);
  const ids: SnapshotId[] = [];
  for (let started = 0n; started < 20n; started++)
    ids.push((await writer.save(snapshotRecord({ startedNs: started }))).id);
  const addLabel = async (snapshot: SnapshotId | undefined): Promise<void> =>
    (await writer.annotations()).add(plain, { kind: 'label', snapshot, value: 'x' });
  await addLabel(ids[0]);
  const readBy = async (act: (keeping: SnapshotStore) => Promise<unknown>): Promise<string[]> => {
    backend.kinds.length = 0;
    await act(keeping);
    return [...backend.kinds].sort();
  };
  const keeping = new SnapshotStore(store, true);
  assert.equal((await readBy((one) => one.list())).length, 21);
  assert.deepEqual(await readBy((one) => one.list({ labels: ['x'] })), []);
  assert.deepEqual(await readBy((one) => one.find('latest')), []);
  assert.deepEqual(await readBy((one) => one.find(ids[3] ?? '')), []);
  await writer.save(snapshotRecord({ startedNs: 99n }));
  await addLabel(ids[5]);
  assert.deepEqual(await readBy((one) => one.list()), ['annotation', 'snapshot']);
  assert.equal((await readBy((one) => one.listSound())).length, 23);
  const forgetful = new SnapshotStore(store);
  assert.equal((await readBy(() => forgetful.list())).length, (await readBy(() => forgetful.list())).length);
  assert.equal(backend.kinds.length, 23);
});

test('damage is told each time, and keeps nothing else from being kept', async () => {
  const inner = new MemoryBackend();
  const store = await testStore(inner);
  const writer = new SnapshotStore(store);
  const { id } = await writer.save(snapshotRecord());
  await (await writer.annotations()).add(store, { kind: 'pinned', snapshot: id, value: true });
  for (const kind of ['snapshot', 'annotation'] as const) {
    const keeping = new SnapshotStore({ ...store, backend: new FlippedBytes(inner, kind) }, true);
    for (let time = 0; time < 2; time++) {
      const damaged: SnapshotId[] = [];
      const found = await keeping.list({}, (snapshot) => damaged.push(snapshot));
      assert.deepEqual(damaged, kind === 'snapshot' ? [id] : []);
      assert.equal(found.length, kind === 'snapshot' ? 0 : 1);
      assert.equal((await keeping.annotations()).damage.length, kind === 'annotation' ? 1 : 0);
      await assert.rejects(keeping.listSound(), { code: 'OBJECT_CORRUPT' });
    }
  }
});

test('no more is kept than there is room for, and all is listed', async () => {
  const inner = new MemoryBackend();
  const plain = await testStore(inner);
  const backend = new ReadLog(inner);
  const writer = new SnapshotStore(plain);
  for (let started = 0n; started < 9n; started++) await writer.save(snapshotRecord({ startedNs: started }));
  const names = await writer.ids();
  const room = (await recordBytes(plain, names[0])) * 4 + 10;
  const kept = new KeptRecords(
    { ...plain, backend },
    { kind: 'snapshot', bytesMax: room, decode: (_, { length }) => length },
  );
  const fail = (_: string, error: unknown): void => {
    throw error;
  };
  assert.equal((await kept.loadAll(names, fail)).length, 9);
  assert.equal(backend.kinds.length, 9);
  assert.equal((await kept.loadAll(names, fail)).length, 9);
  assert.equal(backend.kinds.length, 9 + 5);
  // Where some go there is room for others.
  const left = names.slice(2);
  await kept.loadAll(left, fail);
  const before = backend.kinds.length;
  assert.equal((await kept.loadAll(left, fail)).length, 7);
  assert.equal(backend.kinds.length - before, 3);
  assert.ok(SNAPSHOTS_KEPT_BYTES_MAX >= 10_000 * 3000, 'the snapshots of a year of hours fit');
});

async function recordBytes(store: Store, name: string | undefined): Promise<number> {
  const once = new KeptRecords(store, { kind: 'snapshot', bytesMax: 0, decode: (_, { length }) => length });
  const [first] = await once.loadAll(name === undefined ? [] : [name], () => undefined);
  return first?.[1] ?? 0;
}
