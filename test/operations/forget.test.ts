/** Forgetting, bringing back, and editing what stands beside a snapshot. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SnapshotId } from '../../engine/base/ids.ts';
import type { SnapshotRecord } from '../../engine/format/snapshot.ts';
import { annotate } from '../../engine/operations/annotate.ts';
import { forget } from '../../engine/operations/forget/forget.ts';
import { listForgotten, undelete } from '../../engine/operations/undelete.ts';
import { HeldLease, listLeases } from '../../engine/repository/leases.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { testFolder, testRepository } from '../support/build-repository.ts';
import { FailingWrites, FlippedBytes, RecordingBackend } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { snapshotRecord } from '../support/snapshot-record.ts';

const NOW = new Date('2026-03-01T12:00:00Z');

/** A repository in memory with one snapshot for each record; the newest is the last. */
async function given(
  t: TestContext,
  records: readonly Partial<SnapshotRecord>[],
): Promise<{ repository: Repository; ids: SnapshotId[]; backend: MemoryBackend; folder: string }> {
  const folder = testFolder(t);
  const backend = new MemoryBackend();
  const repository = await testRepository({ folder, backend });
  const ids: SnapshotId[] = [];
  for (const [index, fields] of records.entries()) {
    const time = new Date(Date.UTC(2026, 0, 1 + index, 2)).toISOString();
    ids.push((await repository.snapshots.save(snapshotRecord({ time, startedNs: BigInt(index), ...fields }))).id);
  }
  return { repository, ids, backend, folder };
}

const NIGHTS = Array.from({ length: 10 }, () => ({}));

async function listed(repository: Repository): Promise<SnapshotId[]> {
  return (await repository.snapshots.list()).map(({ id }) => id);
}

test('forget lets go what the policy does not keep, and a dry run shows the same plan and writes nothing', async (t) => {
  const { repository, ids, backend, folder } = await given(t, NIGHTS);
  const recorded = new RecordingBackend(backend);
  const watched = await Repository.open({ backend: recorded, credential: { type: 'none' }, cacheDirectory: folder });
  const dry = await forget(watched, { policy: { keepDaily: 3 }, now: NOW, dryRun: true });
  assert.deepEqual(
    recorded.calls.filter((call) => !call.startsWith('list')),
    [],
  );
  assert.equal((await listed(repository)).length, 10);
  const real = await forget(repository, { policy: { keepDaily: 3 }, now: NOW });
  assert.deepEqual(real, dry);
  assert.deepEqual([real.kept, real.removed], [3, 7]);
  assert.deepEqual(await listed(repository), ids.slice(-3));
  assert.equal((await listForgotten(repository)).length, 7);
  assert.equal((await forget(repository, { policy: { keepDaily: 3 }, now: NOW })).removed, 0);
  assert.deepEqual((await listLeases(repository)).leases, [], 'no lease is left behind');
});

test('the zone is stored with the policy and holds for the next one; a policy that stays is stored once', async (t) => {
  const { repository } = await given(t, NIGHTS);
  const retention = async (): Promise<unknown> => (await repository.snapshots.annotations()).valueOf('retention');
  await forget(repository, { policy: { keepDaily: 30 }, zone: 'Pacific/Auckland', now: NOW, dryRun: true });
  assert.equal(await retention(), undefined);
  await forget(repository, { policy: { keepDaily: 30 }, zone: 'Pacific/Auckland', now: NOW });
  const again = await forget(repository, { policy: { keepDaily: 30 }, now: NOW });
  assert.equal(again.zone, 'Pacific/Auckland');
  assert.equal((await repository.snapshots.annotations()).superseded.length, 0);
  const other = await forget(repository, { policy: { keepLast: 30, keepTags: [] }, zone: 'UTC', now: NOW });
  assert.deepEqual([other.zone, other.policy], ['UTC', 'last 30']);
  assert.equal((await repository.snapshots.annotations()).superseded.length, 1);
  assert.deepEqual(await retention(), {
    groupBy: null,
    keepDaily: 0,
    keepHourly: 0,
    keepLast: 30,
    keepMonthly: 0,
    keepTags: [],
    keepWeekly: 0,
    keepWithin: null,
    keepYearly: 0,
    zone: 'UTC',
  });
});

test('trap 21: an empty policy, an unknown tag, a pinned one and removing everything are refused', async (t) => {
  const { repository, ids } = await given(t, [{ tags: ['nightly'] }, { label: 'b' }, { suspicion: 'empty' }]);
  const refused = (options: Parameters<typeof forget>[1], message: RegExp): Promise<void> =>
    assert.rejects(forget(repository, { now: NOW, ...options }), (error) => {
      assert.ok(isEngineError(error, 'RETENTION_REFUSED'), String(error));
      assert.match(error.message, message);
      return true;
    });
  await refused({}, /keeps nothing/);
  await refused({ policy: {} }, /keeps nothing/);
  await refused({ policy: { keepDaily: 0 }, dryRun: true }, /keeps nothing/);
  await refused({ policy: { keepTags: ['nihgtly'] } }, /"nihgtly".*There are: nightly/);
  await refused({ policy: { keepLast: 1 }, filter: { tags: ['nihgtly'] } }, /"nihgtly"/);
  await refused({ snapshots: ids }, /No good snapshot would be left/);
  await refused({ snapshots: ids.slice(0, 2) }, /No good snapshot would be left/);
  await annotate(repository, { snapshots: ids.slice(1, 2), pinned: true });
  await refused({ snapshots: ids.slice(1, 2), allowRemoveAll: true }, /is pinned.*pin --remove/);
  assert.equal((await listed(repository)).length, 3);
  await assert.rejects(forget(repository, { policy: { keepLast: 1 }, snapshots: ids }), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(forget(repository, { snapshots: ['ffff'] }), { code: 'SNAPSHOT_NOT_FOUND' });
});

test('an empty repository has nothing to forget, whatever tags the policy names', async (t) => {
  const { repository } = await given(t, []);
  const result = await forget(repository, { policy: { keepDaily: 7, keepTags: ['yearbook'] }, now: NOW });
  assert.deepEqual([result.groups, result.removed], [[], 0]);
});

test('snapshots that are named go, and all of them only when that is said', async (t) => {
  const { repository, ids } = await given(t, [{}, {}, { label: 'b' }]);
  const [first = '', second = '', third = ''] = ids;
  const named = await forget(repository, { snapshots: [first.slice(0, 40), 'latest', first] });
  assert.deepEqual(
    named.groups.map(({ key, keep, remove }) => [key, keep.length, remove.map(({ snapshot }) => snapshot.id)]),
    [
      [{ paths: ['/library'] }, 0, [first]],
      [{ label: 'b' }, 0, [third]],
    ],
  );
  assert.deepEqual(await listed(repository), [second]);
  await forget(repository, { snapshots: ['latest'], allowRemoveAll: true });
  assert.deepEqual(await listed(repository), []);
});

test('a filter confines the policy, and what it leaves aside stays', async (t) => {
  const { repository, ids } = await given(t, [{ host: 'a' }, { host: 'b' }, { host: 'a' }, { host: 'b' }]);
  await forget(repository, { policy: { keepLast: 1 }, filter: { hosts: ['a'] }, now: NOW });
  assert.deepEqual(await listed(repository), [ids[1], ids[2], ids[3]]);
});

test('trap 12: one snapshot or annotation that cannot be read, and nothing is forgotten', async (t) => {
  const { repository, backend, folder } = await given(t, NIGHTS);
  await annotate(repository, { snapshots: ['latest~5'], pinned: true });
  const before = await listed(repository);
  for (const kind of ['snapshot', 'annotation'] as const) {
    const damaged = await Repository.open({
      backend: new FlippedBytes(backend, kind),
      credential: { type: 'none' },
      cacheDirectory: folder,
    });
    for (const options of [{ policy: { keepLast: 1 } }, { snapshots: ['latest~2'] }]) {
      await assert.rejects(forget(damaged, { ...options, now: NOW }), { code: 'OBJECT_CORRUPT' });
    }
  }
  assert.deepEqual(await listed(repository), before);
});

test('a pin that comes while another one forgets has the last word', async (t) => {
  const { repository, ids } = await given(t, NIGHTS);
  const early = await repository.snapshots.annotations();
  const [first] = ids;
  assert.ok(first !== undefined);
  await annotate(repository, { snapshots: [first], pinned: true });
  await early.add(repository, { kind: 'forgotten', snapshot: first, value: true });
  assert.ok((await listed(repository)).includes(first));
});

test('forget stops at a full disk, and goes on where it stopped', async (t) => {
  const { repository, backend, folder } = await given(t, NIGHTS);
  // The lease, the policy, and three of the seven.
  const full = await Repository.open({
    backend: new FailingWrites(backend, 5),
    credential: { type: 'none' },
    cacheDirectory: folder,
  });
  await assert.rejects(forget(full, { policy: { keepLast: 3 }, now: NOW }), { code: 'STORAGE_FAILED' });
  const left = await listed(repository);
  assert.ok(left.length >= 7 && left.length < 10, `${left.length}`);
  await forget(repository, { policy: { keepLast: 3 }, now: NOW });
  assert.equal((await listed(repository)).length, 3);
});

test('somebody who holds the repository exclusively is waited for by nobody: 11', async (t) => {
  const { repository, ids } = await given(t, NIGHTS);
  const lease = await HeldLease.acquire(repository, { verb: 'repair', exclusive: true });
  const locked = { code: 'REPOSITORY_LOCKED' };
  await assert.rejects(forget(repository, { policy: { keepLast: 1 }, now: NOW }), locked);
  await assert.rejects(annotate(repository, { snapshots: ids, pinned: true }), locked);
  await lease.release();
  await forget(repository, { policy: { keepLast: 1 }, now: NOW });
});

test('tags, label, pin and trust are edited, and ids stay', async (t) => {
  const { repository, ids } = await given(t, [{ tags: ['a', 'b'] }, { suspicion: 'half is missing' }]);
  const [first = '', second = ''] = ids;
  const edit = async (options: Parameters<typeof annotate>[1]): Promise<readonly unknown[]> => {
    const { changed, unchanged } = await annotate(repository, options);
    return [changed.length, unchanged.length];
  };
  assert.deepEqual(await edit({ snapshots: [first], addTags: ['c', 'c'], removeTags: ['a'] }), [1, 0]);
  assert.deepEqual(await edit({ snapshots: [first, first], addTags: ['c'] }), [0, 1]);
  assert.deepEqual(await edit({ filter: { tags: ['c'] }, label: 'books', pinned: true }), [1, 0]);
  assert.deepEqual(await edit({ snapshots: [first, second], trusted: true }), [1, 1]);
  const [one, other] = await repository.snapshots.list();
  assert.deepEqual([one?.id, one?.tags, one?.label, one?.pinned], [first, ['b', 'c'], 'books', true]);
  assert.deepEqual([other?.id, other?.suspect, other?.suspicion], [second, false, 'half is missing']);
  assert.deepEqual(await edit({ snapshots: [first], setTags: ['x'], addTags: ['y'], pinned: false }), [1, 0]);
  assert.deepEqual((await repository.snapshots.find(first)).tags, ['x', 'y']);
  for (const wrong of [{ snapshots: [first] }, { pinned: true }, { snapshots: [first], addTags: [''] }]) {
    await assert.rejects(annotate(repository, wrong), { code: 'INVALID_ARGUMENT' });
  }
});

test('tags are not added to tags that cannot be read, but a pin is set all the same', async (t) => {
  const { repository, ids, backend, folder } = await given(t, [{}]);
  await annotate(repository, { snapshots: ids, addTags: ['precious'] });
  const damaged = await Repository.open({
    backend: new FlippedBytes(backend, 'annotation'),
    credential: { type: 'none' },
    cacheDirectory: folder,
  });
  await assert.rejects(annotate(damaged, { snapshots: ids, addTags: ['more'] }), { code: 'OBJECT_CORRUPT' });
  await annotate(damaged, { snapshots: ids, pinned: true });
  const [snapshot] = await repository.snapshots.list();
  assert.deepEqual([snapshot?.tags, snapshot?.pinned], [['precious'], true]);
});

test('a suspect snapshot counts again once it is trusted, and then makes room for itself', async (t) => {
  const { repository, ids } = await given(t, [{}, {}, { suspicion: 'half is missing' }]);
  const policy = { keepLast: 1 };
  await forget(repository, { policy, now: NOW });
  assert.deepEqual(await listed(repository), ids.slice(1));
  await annotate(repository, { snapshots: ids.slice(2), trusted: true });
  await forget(repository, { policy, now: NOW });
  assert.deepEqual(await listed(repository), ids.slice(2));
});

async function library(t: TestContext): Promise<Library> {
  const made = await Library.make(t);
  for (const night of ['one', 'two']) {
    mkdirSync(join(made.source, night), { recursive: true });
    for (let number = 0; number < 20; number++) writeFileSync(join(made.source, night, `${number}`), night + number);
    await made.backup();
  }
  return made;
}

test('undelete brings back what was forgotten, whole', async (t) => {
  const made = await library(t);
  const [first] = await made.repository.snapshots.list();
  assert.ok(first !== undefined);
  await forget(made.repository, { snapshots: [first.id] });
  const forgotten = await listForgotten(made.repository);
  assert.deepEqual(
    forgotten.map(({ id }) => id),
    [first.id],
  );
  assert.ok(Math.abs((forgotten[0]?.forgottenAt.getTime() ?? 0) - Date.now()) < 60_000);
  const { restored, lost } = await undelete(made.repository, { snapshots: [first.id.slice(0, 32)] });
  assert.deepEqual([restored.map(({ id }) => id), lost], [[first.id], []]);
  assert.equal((await listed(made.repository)).length, 2);
  assert.equal((await made.restore(first.id, { verify: true })).filesRestored, 20);
  await assert.rejects(undelete(made.repository, { snapshots: [first.id] }), { code: 'SNAPSHOT_NOT_FOUND' });
});

test('what prune has taken is not brought back: a snapshot that cannot be restored is never listed', async (t) => {
  const made = await library(t);
  const [first, second] = await made.repository.snapshots.list();
  assert.ok(first !== undefined && second !== undefined);
  await forget(made.repository, { snapshots: [first.id, second.id], allowRemoveAll: true });
  const { backend } = made.repository;
  // As after a prune: neither index nor packs.
  for (const kind of ['index', 'pack'] as const) {
    for await (const { name } of backend.list(kind)) await backend.remove(kind, name);
  }
  const { restored, lost } = await undelete(await made.reopen(), {});
  assert.equal(restored.length, 0);
  assert.equal(lost.length, 2);
  assert.deepEqual(await listed(made.repository), []);
});
