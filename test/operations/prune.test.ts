import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHUNK_LARGE_BYTES_MIN, FRAME_ALONE_BYTES_MIN } from '../../engine/base/limits.ts';
import { loadPackHeader } from '../../engine/repository/pack-headers.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import { Prunable } from '../support/prunable.ts';
import { randomFor } from '../support/random.ts';

test('prune removes what only forgotten snapshots needed, at once, and what others need stays', async (t) => {
  const made = await Prunable.make(t, randomFor(t));
  made.write('stays', 300_000);
  for (let file = 0; file < 50; file++) made.write(`small ${file}`, 3000);
  const first = await made.backup();
  made.write('goes', 2_000_000);
  const second = await made.backup();
  made.remove('goes');
  made.write('small 3', 4000);
  await made.backup();
  await made.forget(second);
  const before = await made.packBytes();
  const planned = await made.prune({ dryRun: true });
  assert.equal(await made.packBytes(), before, 'a dry run changes nothing');
  const result = await made.prune();
  assert.deepEqual(result.plan, planned.plan);
  assert.deepEqual(result.snapshotsRemoved, [second]);
  assert.ok(result.bytesFreed > 1_900_000, String(result.bytesFreed));
  assert.equal(await made.packBytes(), result.bytesAfter);
  assert.equal(result.bytesBefore, before);
  assert.equal(result.packsMarked, 0);
  await made.isWhole();
  for (const kind of ['mark', 'lock', 'annotation'] as const) assert.deepEqual(await made.files(kind), [], kind);
  const again = await made.prune();
  assert.deepEqual([again.packsRemoved, again.bytesFreed], [0, 0]);
  await made.forget(first);
  await made.prune({ maxUnused: { share: 0 } });
  await made.isWhole();
});

/** How each frame of data was coded, and how long it is without that, in some order. */
async function dataFrames(repository: Repository): Promise<{ plain: number; coded: number; codec: number }[]> {
  await repository.loadIndex();
  const frames: { plain: number; coded: number; codec: number }[] = [];
  for (const { packId, kind } of [...repository.index.packs()]) {
    if (kind !== 'data') continue;
    const { table } = await loadPackHeader(repository, packId);
    for (let frame = 0; frame < table.frameCount; frame++) {
      const plain = table.framePlainLength[frame] ?? 0;
      frames.push({ plain, coded: table.frameCodedLength[frame] ?? 0, codec: table.frameCodec[frame] ?? 0 });
    }
  }
  return frames;
}

test('a frame that is needed whole is taken over as it was compressed, unless it is small', async (t) => {
  for (const compression of ['off', 19] as const) {
    const made = await Prunable.make(t, randomFor(t));
    const words = (number: number): Buffer =>
      Buffer.from(Array.from({ length: 12_000 }, (_, word) => `w${(word * word * (number + 7)) % 5003}`).join(' '));
    for (let file = 0; file < 40; file++) made.write(`text ${file}`, words(file));
    made.write('goes.jpg', 5_000_000);
    const stored = await made.library.backup({ databases: false, workers: 1, compression });
    const before = (await dataFrames(made.library.repository)).filter(({ plain }) => plain < CHUNK_LARGE_BYTES_MIN);
    made.remove('goes.jpg');
    await made.backup();
    assert.ok(stored.snapshot !== undefined);
    await made.forget(stored.snapshot.id);
    assert.ok((await made.prune({ maxUnused: { share: 0 } })).packsRepacked > 0);
    await made.isWhole();
    const after = await dataFrames(await made.library.reopen());
    const whole = before.filter(({ plain }) => plain >= FRAME_ALONE_BYTES_MIN);
    assert.ok(whole.length > 5, `${whole.length} frames`);
    const found = whole.filter((frame) => {
      const at = after.findIndex(({ plain, coded, codec }) => {
        return plain === frame.plain && coded === frame.coded && codec === frame.codec;
      });
      if (at >= 0) after.splice(at, 1);
      return at >= 0;
    });
    // The end of the file that is gone lay in one of them.
    assert.ok(found.length >= whole.length - 1, `${found.length} of ${whole.length} frames`);
  }
});
