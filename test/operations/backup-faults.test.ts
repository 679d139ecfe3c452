import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError, type Problem } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { check } from '../../engine/operations/check/check.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { Library } from '../support/library.ts';

function makeSource(source: string): void {
  for (let number = 0; number < 40; number++) {
    mkdirSync(join(source, `folder ${number % 5}`), { recursive: true });
    writeFileSync(join(source, `folder ${number % 5}`, `${number}`), randomBytes(3000));
  }
  writeFileSync(join(source, 'large'), randomBytes(60 * MIB));
}

test('trap 2: on a disk that is full, with worker threads, no snapshot is listed; with space the next run succeeds', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root mounts');
  const library = await Library.make(t);
  makeSource(library.source);
  const disk = join(library.folder, 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return t.skip('mounting is not allowed here');
  }
  try {
    await fillUp(library, disk);
  } finally {
    execFileSync('umount', [disk]);
  }
});

/** Backups into a disk that grows from run to run, until one has room enough. */
async function fillUp(library: Library, disk: string): Promise<void> {
  const options = { credential: { type: 'none' as const }, cacheDirectory: join(library.folder, 'cache 2') };
  const backend = await createLocation(join(disk, 'repository'));
  await Repository.init({ ...options, backend });
  let failures = 0;
  for (let megabytes = 4; ; megabytes += 9) {
    assert.ok(megabytes < 200, 'it comes to an end');
    execFileSync('mount', ['-o', `remount,size=${megabytes}m`, disk]);
    const repository = await Repository.open({ ...options, backend });
    const problems: Problem[] = [];
    const monitor = { problem: (problem: Problem) => void problems.push(problem) };
    const result = await backup(repository, { paths: [Buffer.from(library.source)], monitor, workers: 3 }).catch(
      (error: unknown) => {
        assert.ok(isEngineError(error, 'STORAGE_FAILED'), String(error));
      },
    );
    assert.deepEqual(problems, []);
    const listed = (await repository.snapshots.list()).length;
    if (result !== undefined) {
      assert.equal(listed, 1);
      assert.deepEqual((await check(repository, { readData: true })).errors, []);
      break;
    }
    failures++;
    assert.equal(listed, 0);
    assert.deepEqual(readdirSync(join(disk, 'repository', 'tmp')), [], 'nothing half written stays');
  }
  assert.ok(failures > 2);
}

test('--strict saves no snapshot where a problem was met, and the next run reads nothing twice', async (t) => {
  const library = await Library.make(t);
  makeSource(library.source);
  const paths = [Buffer.from(library.source), Buffer.from(join(library.folder, 'nowhere'))];
  await new Promise((resolve) => setTimeout(resolve, 60));
  await assert.rejects(library.backup({ paths, strict: true }), { code: 'PROBLEMS_FOUND' });
  assert.deepEqual(await library.repository.snapshots.list(), []);
  const next = await library.backup({ paths });
  assert.equal(next.bytesRead, 0, 'the journal of the strict run has them all');
  assert.equal(next.problemCount, 1);
  rmSync(join(library.source, 'large'));
});
