import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import { OVERWRITE_POLICIES } from '../../engine/operations/restore/options.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import {
  dir,
  file,
  reopened,
  SnapshotBuilder,
  symlink,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

test('trap 11: links that somebody planted in the target lead no restore out of it', async (t) => {
  const library = await Library.make(t);
  mkdirSync(join(library.source, 'folder', 'inner'), { recursive: true });
  writeFileSync(join(library.source, 'folder', 'inner', 'file'), 'content');
  writeFileSync(join(library.source, 'plain'), 'content');
  await library.backup();
  for (const overwrite of OVERWRITE_POLICIES) {
    const outside = join(library.folder, `outside ${overwrite}`);
    mkdirSync(join(outside, 'inner'), { recursive: true });
    writeFileSync(join(outside, 'victim'), 'precious');
    const target = join(library.folder, `target ${overwrite}`);
    mkdirSync(target);
    symlinkSync(outside, join(target, 'folder'));
    symlinkSync(join(outside, 'victim'), join(target, 'plain'));
    const before = treeState(outside);
    const result = await library.restore('latest', { target: Buffer.from(target), overwrite });
    assert.deepEqual(treeState(outside), before, overwrite);
    if (result.problemCount === 0 && overwrite === 'always') {
      assert.equal(lstatSync(join(target, 'plain')).isFile(), true);
      assert.equal(readFileSync(join(target, 'plain'), 'utf8'), 'content');
    }
  }
});

test('trap 11: a crafted snapshot with names that lead out is damage, and nothing is written outside', async (t) => {
  for (const name of ['..', '.', 'a/b', '../outside', '/etc/outside', 'nul\0inside', '']) {
    const folder = testFolder(t);
    const repository = await testRepository({ folder });
    let isWritten = true;
    try {
      await new SnapshotBuilder(repository).save([
        ['before', file('x')],
        [name, dir([['outside', file('out')]])],
      ]);
    } catch (error) {
      assert.ok(error instanceof EngineError, String(error));
      isWritten = false;
    }
    if (!isWritten) continue;
    const target = join(folder, 'deep', 'target');
    mkdirSync(join(folder, 'deep'));
    const outcome = await restore(await reopened(repository), { snapshot: 'latest', target: Buffer.from(target) }).then(
      ({ problems }) => problems.map(({ code }) => code),
      (error: unknown) => [error instanceof EngineError ? error.code : String(error)],
    );
    assert.deepEqual([...new Set(outcome)], ['OBJECT_CORRUPT'], JSON.stringify(name));
    assert.deepEqual(
      readdirSync(join(folder, 'deep')).filter((entry) => entry !== 'target'),
      [],
    );
    assert.equal(existsSync(join(folder, 'outside')), false);
  }
});

test('trap 11: a symbolic link of the snapshot is restored as a link, and never written through', async (t) => {
  const folder = testFolder(t);
  const repository = await testRepository({ folder });
  mkdirSync(join(folder, 'outside'));
  await new SnapshotBuilder(repository).save([
    ['a link', symlink(join(folder, 'outside'))],
    ['same inode', file('first', { inode: 7n, links: 2 })],
    ['same inode too', file('first', { inode: 7n, links: 2 })],
  ]);
  await new SnapshotBuilder(await reopened(repository)).save([['a link', dir([['file', file('inside')]])]]);
  const opened = await reopened(repository);
  const target = Buffer.from(join(folder, 'target'));
  await restore(opened, { snapshot: 'latest~1', target });
  // The second snapshot has a folder where the first one put a link.
  await restore(opened, { snapshot: 'latest', target, overwrite: 'always' });
  assert.deepEqual(readdirSync(join(folder, 'outside')), []);
});

test('invariant 9: a dry run of a restore shows the very plan that the run then carries out', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (let number = 0; number < 20; number++) writeFileSync(join(library.source, `${number}`), `content ${number}`);
  await library.backup();
  const target = join(library.folder, 'target');
  const options = { target: Buffer.from(target), overwrite: 'always' } as const;
  const plan = (await library.restore('latest', { ...options, dryRun: true })).plan;
  assert.deepEqual([plan?.filesToCreate, plan?.filesToReplace], [20, 0]);
  const done = await library.restore('latest', options);
  assert.equal(done.filesRestored, plan?.filesToCreate);
  assert.equal(done.bytesRestored, plan?.bytesToWrite);
  writeFileSync(join(target, '3'), 'another length');
  const second = (await library.restore('latest', { ...options, overwrite: 'if-changed', dryRun: true })).plan;
  assert.deepEqual([second?.filesToReplace, second?.filesToSkip], [1, 19]);
  const mended = await library.restore('latest', { ...options, overwrite: 'if-changed' });
  assert.deepEqual([mended.filesRestored, mended.filesSkipped], [second?.filesToReplace, second?.filesToSkip]);
});

test('trap 3: blobs that are stored twice, and long runs of zeros, come back whole', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const zeros = Buffer.alloc(3_000_000);
  const random = new Random(1).bytes(2_000_000);
  writeFileSync(join(library.source, 'zeros'), zeros);
  writeFileSync(join(library.source, 'zeros again'), zeros);
  writeFileSync(join(library.source, 'random'), random);
  await library.backup();
  // Written by somebody who had not read the index: the same blobs once more.
  await new SnapshotBuilder(await library.reopen()).save([['random', file(random, { chunkBytes: 500_000 })]]);
  await library.backup({ force: true });
  const { target, problemCount } = await library.restore('latest', { verify: true });
  assert.equal(problemCount, 0);
  assert.deepEqual(treeState(target), treeState(library.source));
});
