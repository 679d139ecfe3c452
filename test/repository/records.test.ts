/** Small sealed files: snapshots, leases, segments. Each opens only as what it is, under its own name. */

import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, isEngineError } from '../../engine/base/errors.ts';
import { LEASE_REFRESH_MS, LEASE_STALE_MS } from '../../engine/base/limits.ts';
import { encodeLease, type LeaseRecord } from '../../engine/format/snapshot.ts';
import { HeldLease, isLeaseAlive, listLeases } from '../../engine/repository/leases.ts';
import { loadRecord, type RecordKind, type Store, saveRecord } from '../../engine/repository/sealed-files.ts';
import { SnapshotStore } from '../../engine/repository/snapshots.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { FailingListing, ReplacedFile } from '../support/faulty-backend.ts';
import { testStore } from '../support/index-segments.ts';
import { randomFor } from '../support/random.ts';
import { snapshotRecord } from '../support/snapshot-record.ts';

const KINDS: readonly RecordKind[] = ['index', 'snapshot', 'annotation', 'mark', 'lock'];

function fails(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isEngineError(error, code), String(error));
    return true;
  };
}

test('records of any length come back as they were', async (t) => {
  const random = randomFor(t);
  const store = await testStore(new MemoryBackend());
  for (const length of [0, 1, 63, 64, 255, 256, 5000, 1_000_000]) {
    for (const record of [random.bytes(length), Buffer.alloc(length, 'text ')]) {
      const { id, bytes } = await saveRecord(store, 'annotation', record);
      assert.ok((await loadRecord(store, 'annotation', id)).equals(record));
      assert.equal(await store.backend.size('annotation', id), bytes);
      // The same record is the same file, and written once.
      assert.equal((await saveRecord(store, 'annotation', record)).id, id);
    }
  }
});

test('traps 10 and 17: a sealed file opens only as its own kind, under its own name, in its own repository', async () => {
  const store = await testStore(new MemoryBackend());
  const foreign = await testStore(new MemoryBackend());
  const record = Buffer.from('the same words in every kind');
  const ids = new Map<RecordKind, string>();
  for (const kind of KINDS) ids.set(kind, (await saveRecord(store, kind, record)).id);
  assert.equal(new Set(ids.values()).size, KINDS.length);
  const other = await saveRecord(store, 'snapshot', Buffer.from('another snapshot'));
  for (const [from, id] of ids) {
    const file = await store.backend.read(from, id);
    for (const to of KINDS) {
      for (const name of new Set([id, ids.get(to) ?? '', other.id])) {
        if (from === to && name === id) continue;
        const kind = new Uint8Array([file[4] ?? 0]);
        // As it is, and with the kind in its first bytes changed to fit.
        for (const bytes of [file, Buffer.concat([file.subarray(0, 4), kind, file.subarray(5)])]) {
          const moved = { ...store, backend: new ReplacedFile(store.backend, { kind: to, name, bytes }) };
          if (!(await exists(moved, to, name))) continue;
          await assert.rejects(loadRecord(moved, to, name), fails('OBJECT_CORRUPT'));
        }
      }
    }
    await foreign.backend.write(from, id, [file]);
    await assert.rejects(loadRecord(foreign, from, id), fails('OBJECT_CORRUPT'));
  }
});

async function exists(store: Store, kind: RecordKind, name: string): Promise<boolean> {
  return (await store.backend.size(kind, name)) !== undefined;
}

test('trap 10: every flipped bit and every shorter form of a sealed file is refused', async () => {
  const store = await testStore(new MemoryBackend());
  const { id } = await saveRecord(store, 'snapshot', Buffer.from('a snapshot'));
  const file = await store.backend.read('snapshot', id);
  const refused = async (bytes: Buffer): Promise<void> => {
    const backend = new ReplacedFile(store.backend, { kind: 'snapshot', name: id, bytes });
    await assert.rejects(loadRecord({ ...store, backend }, 'snapshot', id), fails('OBJECT_CORRUPT'));
  };
  for (let at = 0; at < file.length; at++) {
    const bytes = Buffer.from(file);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
    await refused(bytes);
    await refused(file.subarray(0, at));
  }
  await refused(Buffer.concat([file, Buffer.alloc(1)]));
});

// ---- snapshots

test('snapshots are found by id, prefix, latest and latest~N, in the order of their starts', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  await assert.rejects(snapshots.find('latest'), fails('SNAPSHOT_NOT_FOUND'));
  const saved = [];
  for (const started of [30n, 10n, 20n]) saved.push(await snapshots.save(snapshotRecord({ startedNs: started })));
  const [third, first, second] = saved;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  assert.deepEqual(
    (await snapshots.list()).map(({ id }) => id),
    [first.id, second.id, third.id],
  );
  for (const [name, id] of [
    ['latest', third.id],
    ['latest~0', third.id],
    ['latest~1', second.id],
    ['latest~2', first.id],
    [first.id, first.id],
    [second.id.slice(0, 32), second.id],
    [second.id.slice(0, 32).toUpperCase(), second.id],
  ]) {
    assert.equal((await snapshots.find(name ?? '')).id, id, name);
  }
  await assert.rejects(snapshots.find('latest~3'), fails('SNAPSHOT_NOT_FOUND'));
  const absent = 'f'.repeat(63);
  await assert.rejects(snapshots.find(absent), fails('SNAPSHOT_NOT_FOUND'));
  for (const name of ['', 'lates', 'latest~', 'latest~-1', 'xyz', '../config', `${first.id}0`]) {
    await assert.rejects(snapshots.find(name), fails('INVALID_ARGUMENT'), name);
  }
});

test('a prefix that fits several snapshots is refused, whichever they are', async () => {
  const store = await testStore(new MemoryBackend());
  const snapshots = new SnapshotStore(store);
  const byDigit = new Map<string, number>();
  for (let started = 0n; started < 40n; started++) {
    const { id } = await snapshots.save(snapshotRecord({ startedNs: started }));
    byDigit.set(id.slice(0, 1), (byDigit.get(id.slice(0, 1)) ?? 0) + 1);
  }
  for (const [digit, count] of byDigit) {
    if (count > 1) await assert.rejects(snapshots.find(digit), fails('SNAPSHOT_AMBIGUOUS'));
    else assert.equal((await snapshots.find(digit)).id.slice(0, 1), digit);
  }
});

test('filters narrow what counts as latest', async () => {
  const snapshots = new SnapshotStore(await testStore(new MemoryBackend()));
  await snapshots.save(snapshotRecord({ startedNs: 1n, host: 'a', tags: ['daily', 'books'], label: 'x' }));
  await snapshots.save(snapshotRecord({ startedNs: 2n, host: 'b', tags: ['daily'], paths: [Buffer.from('/photos')] }));
  const started = async (filter: Parameters<SnapshotStore['find']>[1]): Promise<bigint> =>
    (await snapshots.find('latest', filter)).startedNs;
  assert.equal(await started({}), 2n);
  assert.equal(await started({ hosts: ['a'] }), 1n);
  assert.equal(await started({ hosts: ['a', 'b'] }), 2n);
  assert.equal(await started({ tags: ['daily'] }), 2n);
  assert.equal(await started({ tags: ['daily', 'books'] }), 1n);
  assert.equal(await started({ labels: ['x'] }), 1n);
  assert.equal(await started({ paths: [Buffer.from('/library')] }), 1n);
  await assert.rejects(started({ hosts: ['c'] }), fails('SNAPSHOT_NOT_FOUND'));
});

test('a damaged snapshot is named and left out; a listing that fails is an error', async () => {
  const store = await testStore(new MemoryBackend());
  const good = await new SnapshotStore(store).save(snapshotRecord({ startedNs: 1n }));
  const bad = await new SnapshotStore(store).save(snapshotRecord({ startedNs: 2n }));
  const file = { kind: 'snapshot', name: bad.id, bytes: Buffer.alloc(500) } as const;
  const snapshots = new SnapshotStore({ ...store, backend: new ReplacedFile(store.backend, file) });
  const damaged: string[] = [];
  const found = await snapshots.list({}, (id) => damaged.push(id));
  assert.deepEqual(
    found.map(({ id }) => id),
    [good.id],
  );
  assert.deepEqual(damaged, [bad.id]);
  await assert.rejects(snapshots.list(), fails('OBJECT_CORRUPT'));
  await assert.rejects(snapshots.find(bad.id), fails('OBJECT_CORRUPT'));
  for (const name of ['latest', 'latest~1', '@2999-01-01']) {
    await assert.rejects(snapshots.find(name), (error: unknown) => {
      assert.ok(fails('OBJECT_CORRUPT')(error));
      assert.ok(error instanceof Error && error.message.includes(bad.id.slice(0, 8)), String(error));
      return true;
    });
  }
  assert.equal((await snapshots.find(good.id.slice(0, 10))).id, good.id, 'an id needs no other snapshot');
  const unlisted = new SnapshotStore({ ...store, backend: new FailingListing(store.backend, 'snapshot') });
  await assert.rejects(
    unlisted.list({}, () => undefined),
    fails('STORAGE_FAILED'),
  );
});

// ---- leases

test('an exclusive lease waits for nobody, and nobody gets past it', async () => {
  const store = await testStore(new MemoryBackend());
  const one = await HeldLease.acquire(store, { verb: 'backup', exclusive: false });
  const two = await HeldLease.acquire(store, { verb: 'restore', exclusive: false });
  await assert.rejects(HeldLease.acquire(store, { verb: 'prune', exclusive: true }), fails('REPOSITORY_LOCKED'));
  assert.equal((await listLeases(store)).leases.length, 2);
  await one.release();
  await two.release();
  const alone = await HeldLease.acquire(store, { verb: 'prune', exclusive: true });
  for (const exclusive of [true, false]) {
    await assert.rejects(HeldLease.acquire(store, { verb: 'backup', exclusive }), fails('REPOSITORY_LOCKED'));
  }
  await alone.release();
  assert.deepEqual((await listLeases(store)).leases, []);
});

function leaseRecord(fields: Partial<LeaseRecord> = {}): LeaseRecord {
  const now = Date.now();
  return {
    run: 'ab'.repeat(16),
    host: 'elsewhere',
    pid: 1,
    boot: 'another boot',
    startedMs: now,
    refreshedMs: now,
    verb: 'backup',
    exclusive: true,
    parents: [],
    ...fields,
  };
}

test('a lease of another host lives while it is refreshed, one of a gone process here does not', async () => {
  const store = await testStore(new MemoryBackend());
  await saveRecord(store, 'lock', encodeLease(leaseRecord()));
  await assert.rejects(HeldLease.acquire(store, { verb: 'backup', exclusive: false }), fails('REPOSITORY_LOCKED'));
  const stale = leaseRecord({ refreshedMs: Date.now() - LEASE_STALE_MS - 1 });
  assert.equal(isLeaseAlive(stale, Date.now()), false);
  assert.equal(isLeaseAlive(leaseRecord(), Date.now()), true);
  const held = await HeldLease.acquire(await testStore(new MemoryBackend()), { verb: 'list', exclusive: false });
  await held.release();
  const { leases } = await listLeases(store);
  assert.equal(leases.length, 1);
});

test('a killed process here leaves a lease that nobody minds', async () => {
  const store = await testStore(new MemoryBackend());
  const own = await HeldLease.acquire(store, { verb: 'backup', exclusive: false });
  const [{ boot = '' } = {}] = (await listLeases(store)).leases;
  await own.release();
  await saveRecord(store, 'lock', encodeLease(leaseRecord({ host: hostname(), boot, pid: 99_999_999 })));
  const next = await HeldLease.acquire(store, { verb: 'backup', exclusive: false });
  await next.release();
});

test('a lease is refreshed by a new file, and ends for good even where a refresh is under way', async (t: TestContext) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_700_000_000_000 });
  const store = await testStore(new MemoryBackend());
  const lease = await HeldLease.acquire(store, { verb: 'backup', exclusive: false });
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  const [before] = (await listLeases(store)).leases;
  t.mock.timers.tick(LEASE_REFRESH_MS);
  await turns();
  const { leases } = await listLeases(store);
  assert.equal(leases.length, 1);
  assert.equal((leases[0]?.refreshedMs ?? 0) - (before?.refreshedMs ?? 0), LEASE_REFRESH_MS);
  assert.equal(leases[0]?.run, before?.run);
  t.mock.timers.tick(LEASE_REFRESH_MS);
  await lease.release();
  await turns();
  assert.deepEqual((await listLeases(store)).leases, []);
});
