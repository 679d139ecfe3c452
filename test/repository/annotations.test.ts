/** Facts added to snapshots, and snapshots named by moments. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { encodeAnnotation } from '../../engine/format/annotation.ts';
import { Annotations } from '../../engine/repository/annotations.ts';
import { saveRecord } from '../../engine/repository/sealed-files.ts';
import { SnapshotStore } from '../../engine/repository/snapshots.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { FailingListing, FlippedBytes } from '../support/faulty-backend.ts';
import { testStore } from '../support/index-segments.ts';
import { snapshotRecord } from '../support/snapshot-record.ts';

test('the newest fact of a kind holds, also when the clock goes back, and unknown kinds are left alone', async (t) => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const { id } = await snapshots.save(snapshotRecord({ tags: ['first'], label: 'old' }));
  const other = await snapshots.save(snapshotRecord({ host: 'other' }));
  t.mock.timers.enable({ apis: ['Date'], now: 1_800_000_000_000 });
  const add = async (kind: 'tags' | 'label' | 'pinned', value: string | boolean | string[]): Promise<void> =>
    (await snapshots.annotations()).add(store, { kind, snapshot: id, value });
  await add('tags', ['second', 'third']);
  await add('pinned', true);
  await add('label', 'new');
  t.mock.timers.setTime(1_000_000_000_000);
  await add('tags', ['last']);
  await add('pinned', false);
  await saveRecord(
    store,
    'annotation',
    encodeAnnotation({ kind: 'of a later version', snapshot: id, atMs: 1, host: '', value: { a: [1] } }),
  );
  const found = await snapshots.load(id);
  assert.deepEqual([found.tags, found.label, found.pinned], [['last'], 'new', false]);
  assert.equal((await snapshots.find('latest', { tags: ['last'] })).id, id);
  await assert.rejects(snapshots.find('latest', { tags: ['first'] }), { code: 'SNAPSHOT_NOT_FOUND' });
  const untouched = await snapshots.load(other.id);
  assert.deepEqual([untouched.tags, untouched.label, untouched.pinned], [[], '', false]);
  assert.equal((await snapshots.annotations()).superseded.length, 2);
});

test('a forgotten snapshot is not listed, and found only by who asks for such', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const kept = await snapshots.save(snapshotRecord({ startedNs: 1n }));
  const gone = await snapshots.save(snapshotRecord({ startedNs: 2n }));
  const forget = async (value: boolean): Promise<void> =>
    (await snapshots.annotations()).add(store, { kind: 'forgotten', snapshot: gone.id, value });
  const ids = async (which?: 'with' | 'only'): Promise<SnapshotId[]> =>
    (await snapshots.list({}, undefined, which)).map(({ id }) => id);
  await forget(true);
  assert.deepEqual(await ids(), [kept.id]);
  assert.deepEqual(await ids('only'), [gone.id]);
  assert.deepEqual(await ids('with'), [kept.id, gone.id]);
  assert.equal((await snapshots.find('latest')).id, kept.id);
  await assert.rejects(snapshots.find(gone.id), (error) => isEngineError(error) && /undelete/.test(error.message));
  assert.equal((await snapshots.findForgotten(gone.id.slice(0, 32))).id, gone.id);
  await assert.rejects(snapshots.findForgotten(kept.id), { code: 'SNAPSHOT_NOT_FOUND' });
  await forget(false);
  assert.deepEqual(await ids(), [kept.id, gone.id]);
});

test('a snapshot with a suspicion is suspect until it is trusted', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const { id, suspect } = await snapshots.save(snapshotRecord({ suspicion: 'the source is empty' }));
  assert.equal(suspect, true);
  assert.equal((await snapshots.load(id)).suspect, true);
  await (await snapshots.annotations()).add(store, { kind: 'trusted', snapshot: id, value: true });
  const trusted = await snapshots.load(id);
  assert.deepEqual([trusted.suspect, trusted.suspicion], [false, 'the source is empty']);
});

test('a damaged annotation is named, and the others hold', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const { id } = await snapshots.save(snapshotRecord());
  await (await snapshots.annotations()).add(store, { kind: 'pinned', snapshot: id, value: true });
  const damaged = { ...store, backend: new FlippedBytes(store.backend, 'annotation') };
  const annotations = await Annotations.load(damaged);
  assert.equal(annotations.damage.length, 1);
  assert.equal(annotations.factsOf(id).pinned, false);
  assert.equal((await new SnapshotStore(damaged).list()).length, 1);
});

test('@moments take the newest snapshot at or before them; before the first one the error names that', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const times = ['2026-02-27T02:00:00+01:00', '2026-03-01T02:00:00+01:00', '2026-03-02T02:00:00+01:00'];
  const ids: SnapshotId[] = [];
  for (const [index, time] of times.entries()) {
    // Saved backwards, on two hosts: neither the order nor other hosts count.
    const record = snapshotRecord({ time, startedNs: BigInt(9 - index), host: index === 1 ? 'b' : 'a' });
    ids.push((await snapshots.save(record)).id);
  }
  const at = async (name: string, filter = {}): Promise<number> => ids.indexOf((await snapshots.find(name, filter)).id);
  assert.equal(await at('@2026-02-28T12:00Z'), 0);
  assert.equal(await at('@2026-03-01T02:00+01:00'), 1);
  assert.equal(await at('@2026-03-01T01:59:59+01:00'), 0);
  assert.equal(await at('@2026-03-01+01:00'), 1);
  assert.equal(await at('@2026-03-01+01:00', { hosts: ['a'] }), 0);
  assert.equal(await at('@1 second ago'), 2);
  assert.equal(await at('latest'), 2);
  const until = new Date('2026-03-01T12:00:00+01:00');
  assert.equal(await at('latest', { until }), 1);
  assert.equal(await at('latest~1', { until }), 0);
  assert.equal(await at('@2026-03-05', { until }), 1);
  for (const [name, filter] of [
    ['@2026-02-01', {}],
    ['latest', { until: new Date('2026-02-01T00:00:00Z') }],
  ] as const) {
    await assert.rejects(snapshots.find(name, filter), (error) => {
      assert.ok(isEngineError(error, 'SNAPSHOT_NOT_FOUND'));
      assert.match(error.message, new RegExp(`${ids[0]?.slice(0, 8)} of 2026-02-27T02:00:00`));
      return true;
    });
  }
  await assert.rejects(snapshots.find('@soon'), { code: 'INVALID_ARGUMENT' });
});

test('trap 12: listSound() answers with all, or not at all where one file cannot be read', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const first = await snapshots.save(snapshotRecord({ time: '2026-01-02T00:00:00Z' }));
  const second = await snapshots.save(snapshotRecord({ time: '2026-01-01T00:00:00Z' }));
  await (await snapshots.annotations()).add(store, { kind: 'forgotten', snapshot: second.id, value: true });
  const sound = await snapshots.listSound();
  assert.deepEqual(
    sound.snapshots.map(({ id, forgotten }) => [id, forgotten]),
    [
      [second.id, true],
      [first.id, false],
    ],
  );
  assert.equal(sound.annotations.factsOf(second.id).forgotten, true);
  for (const kind of ['snapshot', 'annotation'] as const) {
    const damaged = new SnapshotStore({ ...store, backend: new FlippedBytes(store.backend, kind) });
    await assert.rejects(damaged.listSound(), (error) => {
      assert.ok(isEngineError(error, 'OBJECT_CORRUPT'));
      assert.match(error.message, new RegExp(`Nothing was removed.*${kind}s/`));
      return true;
    });
    const unreachable = new SnapshotStore({ ...store, backend: new FailingListing(store.backend, kind) });
    await assert.rejects(unreachable.listSound(), { code: 'STORAGE_FAILED' });
  }
});
