import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { SnapshotId } from '../../engine/base/ids.ts';
import type { PruneOptions } from '../../engine/operations/prune/options.ts';
import type { Backend } from '../../engine/storage/backend.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { copyOf, KilledBackend } from '../support/faulty-backend.ts';
import { Prunable } from '../support/prunable.ts';
import { randomFor } from '../support/random.ts';

/** Packs to drop, to repack and to merge, a snapshot to remove, and one that stays. */
async function prepare(made: Prunable): Promise<{ readonly gone: SnapshotId; readonly content: Buffer }> {
  made.write('stays', 200_000);
  for (let file = 0; file < 30; file++) made.write(`folder ${file % 3}/small ${file}`, 3000);
  await made.backup();
  const content = Buffer.alloc(700_000, 'what only the forgotten snapshot holds ');
  made.write('goes', content);
  for (let file = 0; file < 30; file++) made.write(`mixed/${file}`, 20_000);
  const gone = await made.backup();
  made.remove('goes');
  for (let file = 0; file < 20; file++) made.remove(`mixed/${file}`);
  made.write('later', 50_000);
  await made.backup();
  await made.forget(gone);
  return { gone, content };
}

async function killedAtEveryStep(t: TestContext, options: PruneOptions): Promise<void> {
  const made = await Prunable.make(t, randomFor(t), new MemoryBackend());
  const { content } = await prepare(made);
  const before = made.library.repository.backend;
  let end: Backend | undefined;
  for (let changes = 0; end === undefined; changes++) {
    const backend = await copyOf(before);
    const killed = new KilledBackend(backend, changes);
    await made.prune(options, killed).catch((error: unknown) => {
      assert.ok(isEngineError(error, 'STORAGE_FAILED'), String(error));
    });
    await made.library.reopen(backend);
    await made.unlock();
    await made.isSound(backend);
    if (!killed.killed) end = backend;
    // Trap 1: the same data again, so that what was removed is stored anew and nothing else is taken for known.
    const again = await copyOf(backend);
    await made.library.reopen(again);
    made.write('goes', content);
    const same = await made.backup();
    await made.isWhole(again);
    made.remove('goes');
    await made.forget(same);
    await made.library.reopen(backend);
    await made.prune(options, backend);
    await made.isSound(backend);
    for (const kind of ['mark', 'lock', 'annotation'] as const) assert.deepEqual(await made.files(kind), [], kind);
    if (!killed.killed) t.diagnostic(`${changes} steps`);
  }
  await made.isWhole(end);
  const third = await made.prune(options, end);
  assert.deepEqual([third.packsRemoved, third.packsRepacked], [0, 0]);
}

test('trap 1: prune killed at each write and each removal leaves a repository that is whole, also for the next backup', (t) =>
  killedAtEveryStep(t, { maxUnused: { share: 0 } }));

test('trap 1: the same with prune --now', (t) => killedAtEveryStep(t, { maxUnused: { share: 0 }, now: true }));
