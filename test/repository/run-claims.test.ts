/** Claims of a run: who stores what, in memory and beyond it. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { BlobId } from '../../engine/base/ids.ts';
import { ChunkIndex } from '../../engine/repository/chunk-index.ts';
import { RunClaims } from '../../engine/repository/run-claims.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { testFolder } from '../support/build-repository.ts';
import type { ClaimReply } from '../support/claim-worker.ts';
import { paperPack, randomBlobId, saveSegment, testStore } from '../support/index-segments.ts';
import { randomFor } from '../support/random.ts';

async function indexWith(t: TestContext, ids: readonly BlobId[], youngBlobs: number): Promise<ChunkIndex> {
  const cacheDirectory = testFolder(t);
  const store = await testStore(new MemoryBackend());
  const random = randomFor(t);
  for (let at = 0; at < ids.length; at += 100) {
    await saveSegment(store, [paperPack(random, ids.slice(at, at + 100))]);
  }
  const index = new ChunkIndex(store, { cacheDirectory, limits: { youngBlobs } });
  await index.refresh();
  t.after(() => index.close());
  return index;
}

/** Lets the move of claims to LevelDB come to its end. */
async function settled(claims: RunClaims): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (claims.grow()) return;
  }
}

for (const youngBlobs of [1000, 10]) {
  test(`what is known is never claimed, what is new is claimed once (${youngBlobs} young blobs)`, async (t) => {
    const random = randomFor(t);
    const known = Array.from({ length: 500 }, () => randomBlobId(random));
    const index = await indexWith(t, known, youngBlobs);
    const claims = RunClaims.begin(index.known(), { claimsMax: 1_000_000 });
    const fresh = Array.from({ length: 500 }, () => randomBlobId(random));
    for (const id of known) assert.equal(claims.claim(id), false);
    for (const id of fresh) assert.equal(claims.claim(id), true);
    for (const id of [...known, ...fresh]) assert.equal(claims.claim(id), false);
    for (const id of known) assert.equal(claims.isKnown(id), true);
    for (const id of fresh) assert.equal(claims.isKnown(id), false);
    await claims.close();
  });
}

test('claims beyond the bound of memory are still exact, and leave nothing behind', async (t) => {
  const random = randomFor(t);
  const index = await indexWith(t, [], 1000);
  const claims = RunClaims.begin(index.known(), { claimsMax: 1000 });
  const ids: BlobId[] = [];
  let most = 0;
  for (let round = 0; round < 50; round++) {
    const some = Array.from({ length: 100 }, () => randomBlobId(random));
    for (const id of some) assert.equal(claims.claim(id), true);
    ids.push(...some);
    if (claims.grow()) await settled(claims);
    most = Math.max(most, claims.countInMemory);
    for (const id of some) assert.equal(claims.claim(id), false);
  }
  assert.equal(claims.count, ids.length);
  assert.ok(most < 3000, `${most} claims were in memory`);
  for (const id of ids) assert.equal(claims.claim(id), false);
  const joined = await RunClaims.join(structuredClone(claims.shared()));
  for (const id of ids) assert.equal(joined.claim(id), false);
  for (let count = 0; count < 1000; count++) assert.equal(joined.isKnown(randomBlobId(random)), false);
  await claims.close();
  await index.close();
  const work = join(index.directory, 'work');
  assert.deepEqual(existsSync(work) ? readdirSync(work) : [], []);
});

test('of several threads exactly one claims a blob; while claims move, at least one', {
  timeout: 60_000,
}, async (t) => {
  for (const { claimsMax, exact } of [
    { claimsMax: 1_000_000, exact: true },
    { claimsMax: 8000, exact: false },
  ]) {
    const random = randomFor(t);
    const known = Array.from({ length: 300 }, () => randomBlobId(random));
    const index = await indexWith(t, known, 10);
    const claims = RunClaims.begin(index.known(), { claimsMax });
    const count = exact ? 15_000 : 30_000;
    const fresh = Array.from({ length: count }, () => randomBlobId(random));
    const ids = Buffer.concat([...fresh, ...known]);
    const claimed = new Uint8Array(ids.length / 16);
    const timer = setInterval(() => {
      if (!claims.grow()) return;
      for (const worker of workers) worker.postMessage(claims.shared());
    }, 1);
    const workers = [1, 2, 3].map(
      (number) =>
        new Worker(new URL('../support/claim-worker.js', import.meta.url), {
          workerData: { shared: claims.shared(), ids, number },
        }),
    );
    await Promise.all(
      workers.map(
        (worker) =>
          new Promise<void>((resolve, reject) => {
            worker.on('error', reject);
            worker.on('message', (reply: ClaimReply) => {
              for (const at of reply.claimed) claimed[at] = (claimed[at] ?? 0) + 1;
              if (reply.done) resolve();
            });
          }),
      ),
    );
    clearInterval(timer);
    for (const worker of workers) await worker.terminate();
    const twice = claimed.filter((times) => times > 1).length;
    claimed.forEach((times, at) => {
      if (at >= count) assert.equal(times, 0, 'a known blob was claimed');
      else assert.ok(times >= 1, 'a new blob was claimed by nobody');
    });
    if (exact) assert.equal(twice, 0);
    t.diagnostic(`${twice} of ${count} claimed by more than one`);
    await claims.close();
  }
});
