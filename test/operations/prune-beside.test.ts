/** Prune beside backups that are under way: by leases, marks, and what a run finds out about itself. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { encodeLease, type LeaseRecord } from '../../engine/format/snapshot.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import type { BackupResult } from '../../engine/operations/backup/options.ts';
import { unlock } from '../../engine/operations/unlock.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { saveRecord } from '../../engine/repository/sealed-files.ts';
import type { Backend, FileKind } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { PausingBackend, ShiftedTimes } from '../support/faulty-backend.ts';
import { Prunable } from '../support/prunable.ts';
import { randomFor } from '../support/random.ts';

const HOUR_MS = 3600_000;

/** A backup of another folder in which lies what the library's forgotten snapshot alone holds; it stands still at `kind`. */
class PausedBackup {
  readonly #backend: PausingBackend;
  readonly #result: Promise<BackupResult | unknown>;
  readonly folder: string;

  constructor(made: Prunable, content: Buffer, kind: FileKind) {
    const { library } = made;
    this.folder = join(library.folder, 'another source');
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(join(this.folder, 'the same'), content);
    writeFileSync(join(this.folder, 'new'), Buffer.alloc(9000, 'new'));
    this.#backend = new PausingBackend(library.repository.backend, kind);
    this.#result = this.#run(library.repository.cacheDirectory).catch((error: unknown) => error);
  }

  async #run(cacheDirectory: string): Promise<BackupResult> {
    const backend = this.#backend;
    const repository = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
    return backup(repository, { paths: [Buffer.from(this.folder)], databases: false });
  }

  reached(): Promise<void> {
    return this.#backend.reached;
  }

  finish(): Promise<BackupResult | unknown> {
    this.#backend.resume();
    return this.#result;
  }
}

function snapshotOf(result: unknown): SnapshotId {
  if (result instanceof Error) throw result;
  const { snapshot } = result as BackupResult;
  assert.ok(snapshot !== undefined);
  return snapshot.id;
}

async function prepare(
  t: TestContext,
  backend: Backend = new MemoryBackend(),
): Promise<{ made: Prunable; content: Buffer; gone: SnapshotId }> {
  const random = randomFor(t);
  const made = await Prunable.make(t, random, backend);
  made.write('stays', 100_000);
  await made.backup();
  const content = random.bytes(400_000);
  made.write('goes', content);
  const gone = await made.backup();
  made.remove('goes');
  await made.backup();
  return { made, content, gone };
}

test('trap 14: a backup that was paused half-way, while its chunks were forgotten and pruned twice, is whole', async (t) => {
  const { made, content, gone } = await prepare(t);
  const paused = new PausedBackup(made, content, 'pack');
  await paused.reached();
  await made.forget(gone);
  const before = await made.packBytes();
  for (let time = 0; time < 2; time++) {
    const result = await made.prune({ maxUnused: { share: 0 } });
    assert.ok(result.packsMarked > 0 && result.packsRemoved === 0);
  }
  assert.ok((await made.packBytes()) >= before);
  const id = snapshotOf(await paused.finish());
  await made.isWhole();
  const { target } = await made.library.restore(id, { path: Buffer.from(paused.folder) });
  assert.ok(target.length > 0);
  await made.prune({ maxUnused: { share: 0 } });
  await made.isWhole();
  assert.deepEqual(await made.files('mark'), []);
  await made.forget(id);
  const last = await made.prune({ maxUnused: { share: 0 } });
  assert.ok(last.bytesFreed > 390_000);
  await made.isWhole();
});

for (const kind of ['pack', 'index', 'snapshot'] as const) {
  test(`trap 13: a backup that was taken for dead at its first ${kind} notices that its chunks were pruned`, async (t) => {
    const { made, content, gone } = await prepare(t);
    const paused = new PausedBackup(made, content, kind);
    await paused.reached();
    await made.forget(gone);
    await made.unlock();
    const result = await made.prune({ maxUnused: { share: 0 } });
    assert.ok(result.packsRemoved > 0);
    const error = await paused.finish();
    assert.ok(isEngineError(error, 'LEASE_LOST'), String(error));
    await made.isWhole();
    const again = new PausedBackup(made, content, kind);
    const id = snapshotOf(await again.finish());
    await made.isWhole();
    await made.library.restore(id, { path: Buffer.from(again.folder) });
  });
}

test('a backup that was taken for dead and lost nothing makes its snapshot', async (t) => {
  const { made, content } = await prepare(t);
  const paused = new PausedBackup(made, content, 'snapshot');
  await paused.reached();
  await made.unlock();
  snapshotOf(await paused.finish());
  await made.isWhole();
});

test('a backup that begins while packs are marked stores their blobs anew', async (t) => {
  const { made, content, gone } = await prepare(t);
  const other = new PausedBackup(made, Buffer.alloc(10), 'pack');
  await other.reached();
  await made.forget(gone);
  assert.ok((await made.prune({ maxUnused: { share: 0 } })).packsMarked > 0);
  made.write('the same again', content);
  const id = await made.backup();
  const { summary } = await made.library.repository.snapshots.load(id);
  assert.ok(summary.dataAdded >= content.length, String(summary.dataAdded));
  snapshotOf(await other.finish());
  const result = await made.prune({ maxUnused: { share: 0 } });
  assert.ok(result.packsRemoved > 0);
  await made.isWhole();
});

test('a parent that is forgotten while the lease is made is not built upon', async (t) => {
  const { made } = await prepare(t);
  const [newest] = (await made.library.repository.snapshots.list()).slice(-1);
  assert.ok(newest !== undefined);
  const { backend, cacheDirectory } = made.library.repository;
  const pausing = new PausingBackend(backend, 'lock');
  const repository = await Repository.open({ backend: pausing, credential: { type: 'none' }, cacheDirectory });
  const running = backup(repository, { paths: [Buffer.from(made.library.source)], databases: false });
  await pausing.reached;
  await made.forget(newest.id);
  await made.prune({ maxUnused: { share: 0 } });
  pausing.resume();
  const { parent } = await running;
  assert.notEqual(parent, newest.id);
  await made.isWhole();
});

test('a parent that a lease names is kept although it is forgotten', async (t) => {
  const { made } = await prepare(t);
  const [newest] = (await made.library.repository.snapshots.list()).slice(-1);
  assert.ok(newest !== undefined);
  const { backend, cacheDirectory } = made.library.repository;
  const pausing = new PausingBackend(backend, 'snapshot');
  const repository = await Repository.open({ backend: pausing, credential: { type: 'none' }, cacheDirectory });
  made.write('new', 5000);
  const running = backup(repository, { paths: [Buffer.from(made.library.source)], databases: false });
  await pausing.reached;
  for (const { id } of await made.library.repository.snapshots.list()) await made.forget(id);
  await made.prune({ maxUnused: { share: 0 } });
  pausing.resume();
  assert.equal((await running).parent, newest.id);
  await made.isWhole();
});

async function foreignLease(made: Prunable, fields: Partial<LeaseRecord>): Promise<string> {
  const now = Date.now();
  const lease = {
    run: 'a'.repeat(32),
    host: 'elsewhere',
    pid: 1,
    boot: 'another',
    startedMs: now,
    refreshedMs: now,
    verb: 'backup',
    exclusive: false,
    parents: [],
    ...fields,
  };
  return (await saveRecord(made.library.repository, 'lock', encodeLease(lease))).id;
}

test("another machine's run is taken for dead by the store's clock alone", async (t) => {
  const { made, gone } = await prepare(t);
  const id = await foreignLease(made, {});
  await made.forget(gone);
  const { backend } = made.library.repository;
  assert.ok((await made.prune({}, backend)).packsMarked > 0);
  // Written and refreshed an hour ago.
  await backend.remove('lock', id);
  const old = await foreignLease(made, { refreshedMs: Date.now() - HOUR_MS });
  const aged = new ShiftedTimes(backend, (_kind, name) => (name === old ? -HOUR_MS : 0));
  const result = await made.prune({}, aged);
  assert.ok(result.packsRemoved > 0 && result.packsMarked === 0);
  assert.deepEqual(await made.files('lock'), []);
  await made.isWhole(backend);
});

test('trap 15: clocks that disagree are refused, and nothing is removed', async (t) => {
  const { made, gone } = await prepare(t);
  await made.forget(gone);
  const { backend } = made.library.repository;
  const refused = (error: unknown): boolean => isEngineError(error, 'CLOCKS_DISAGREE');
  const before = await made.files('pack');
  for (const shiftMs of [48 * HOUR_MS, -48 * HOUR_MS]) {
    await assert.rejects(made.prune({}, new ShiftedTimes(backend, () => shiftMs)), refused);
    // One host's clock is off.
    const id = await foreignLease(made, { refreshedMs: Date.now() + shiftMs });
    await assert.rejects(made.prune({}, backend), refused);
    await backend.remove('lock', id);
  }
  // The machine's clock has been set back.
  await assert.rejects(
    made.prune({}, new ShiftedTimes(backend, (kind) => (kind === 'lock' ? 0 : 48 * HOUR_MS))),
    refused,
  );
  assert.deepEqual(await made.files('pack'), before);
  assert.deepEqual(await made.files('lock'), []);
  assert.ok((await made.prune({}, backend)).packsRemoved > 0);
});

test('marked packs stay for their grace, and go with the next prune once it is over', async (t) => {
  const { made, gone } = await prepare(t);
  await made.forget(gone);
  const first = await made.prune({ graceMs: HOUR_MS });
  assert.ok(first.packsMarked > 0 && first.packsRemoved === 0);
  assert.ok((await made.prune({ graceMs: HOUR_MS })).packsRemoved === 0);
  assert.ok((await made.prune()).packsRemoved > 0);
  assert.deepEqual(await made.files('mark'), []);
  await made.isWhole();
});

test('one prune at a time; prune --now alone; a backup waits for neither but the latter', async (t) => {
  const { made, content } = await prepare(t);
  const locked = (error: unknown): boolean => isEngineError(error, 'REPOSITORY_LOCKED');
  const other = await foreignLease(made, { verb: 'prune' });
  await assert.rejects(made.prune(), locked);
  await unlock(made.library.repository, { all: true });
  assert.equal((await made.files('lock')).includes(other), false);
  const paused = new PausedBackup(made, content, 'pack');
  await paused.reached();
  await assert.rejects(made.prune({ now: true }), locked);
  snapshotOf(await paused.finish());
  await made.prune({ now: true });
  await made.isWhole();
});
