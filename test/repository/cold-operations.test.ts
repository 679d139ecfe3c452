/** Whole operations, and several processes at once, over an index that is nearly all in LevelDB. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backup } from '../../engine/operations/backup/backup.ts';
import { check } from '../../engine/operations/check/check.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { stats } from '../../engine/operations/stats.ts';
import { ChunkIndex, type IndexLimits } from '../../engine/repository/chunk-index.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { createLocation, openLocation } from '../../engine/storage/open.ts';
import { testFolder, testRepository } from '../support/build-repository.ts';
import { testStore } from '../support/index-segments.ts';
import { randomFor } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const TINY: IndexLimits = { youngBlobs: 30, coldRuns: 2, runClaims: 50 };

test('backup, restore, check and stats give the same with nearly all of the index in LevelDB', async (t) => {
  const random = randomFor(t);
  const folder = testFolder(t);
  const source = join(folder, 'source');
  for (let number = 0; number < 400; number++) {
    const directory = join(source, `folder ${number % 7}`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `file ${number}`), random.bytes(random.below(6000)));
  }
  const large = random.bytes(3_000_000);
  writeFileSync(join(source, 'large'), large);
  await (await testRepository({ folder })).close();
  const backend = await openLocation(join(folder, 'repository'));
  const caches = { tiny: join(folder, 'cache'), usual: join(folder, 'another cache') };
  const open = (limits: IndexLimits | undefined, cacheDirectory: string): Promise<Repository> =>
    Repository.open({ backend, credential: { type: 'none' }, cacheDirectory, indexLimits: limits });
  for (let night = 0; night < 5; night++) {
    const repository = await open(TINY, caches.tiny);
    const result = await backup(repository, { paths: [Buffer.from(source)], workers: 2, databases: false });
    assert.equal(result.problemCount, 0);
    await repository.index.close();
    if (night === 2) rmSync(join(caches.tiny, 'index'), { recursive: true });
    // Most of this is known already.
    mkdirSync(join(source, `copy ${night}`));
    for (let number = 0; number < 60; number++) {
      const bytes = number % 4 === 0 ? random.bytes(3000) : large.subarray(0, 4000 + number);
      writeFileSync(join(source, `copy ${night}`, String(number)), bytes);
    }
    writeFileSync(join(source, 'large again'), Buffer.concat([random.bytes(1000 + night), large]));
  }
  const seen: unknown[] = [];
  for (const [limits, cache] of [
    [TINY, caches.tiny],
    [undefined, caches.usual],
  ] as const) {
    const repository = await open(limits, cache);
    const audit = await check(repository, { readData: true });
    assert.deepEqual(audit.errors, []);
    seen.push(await stats(repository));
    if (limits === TINY) assert.ok(repository.index.blobCount > 5 * repository.index.youngBlobCount);
    for (const back of [4, 0]) {
      const target = join(folder, `restored ${back} ${limits === undefined}`);
      const snapshot = `latest~${back}`;
      await restore(repository, { snapshot, path: Buffer.from(source), target: Buffer.from(target), verify: true });
      seen.push(treeState(target));
    }
    await repository.index.close();
  }
  assert.deepEqual(seen.slice(0, 3), seen.slice(3));
});

function ended(child: ChildProcess): Promise<{ status: number | null; output: string }> {
  let output = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, output })));
}

test('several processes use one index at once: while they add to it, are killed, and lose the cache directory', {
  timeout: 120_000,
}, async (t) => {
  const random = randomFor(t);
  const folder = testFolder(t);
  const location = join(folder, 'repository');
  const cacheDirectory = join(folder, 'cache');
  const secret = randomBytes(32);
  await (await createLocation(location)).close();
  const program = fileURLToPath(new URL('../support/index-process.js', import.meta.url));
  const start = (rounds: number): ChildProcess => {
    const words = [location, cacheDirectory, secret.toString('hex'), String(random.below(2 ** 31)), String(rounds)];
    return spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  };
  const lasting = [1, 2, 3].map(() => ended(start(12)));
  for (let kill = 0; kill < 4; kill++) {
    const child = start(1000);
    const end = ended(child);
    await new Promise((resolve) => setTimeout(resolve, 150 + random.below(400)));
    child.kill('SIGKILL');
    await end;
    // The others go on making files there meanwhile, so not all of it may go.
    if (kill === 2) spawnSync('rm', ['-rf', join(cacheDirectory, 'index')]);
  }
  for (const { status, output } of await Promise.all(lasting)) assert.equal(status, 0, output);
  const { status, output } = await ended(start(2));
  assert.equal(status, 0, output);
  const index = new ChunkIndex(await testStore(await openLocation(location), secret), { cacheDirectory });
  await index.refresh();
  const names = readdirSync(index.directory).filter((name) => name !== 'work');
  assert.ok(names.length <= 2, names.join(' '));
  await index.close();
  assert.deepEqual(readdirSync(join(index.directory, 'work')), []);
});
