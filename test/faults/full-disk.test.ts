import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import { check } from '../../engine/operations/check/check.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { CliFixture } from '../support/cli.ts';
import { FailingListing, FailingWrites, RecordingBackend } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

/** A small file system of its own, or undefined where this user may not mount one. */
function mountSmall(t: TestContext, folder: string, bytes: number): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    t.diagnostic('mounting is not allowed here');
    return false;
  }
  return true;
}

function unmount(folder: string): void {
  execFileSync('umount', ['-l', folder]);
}

test('trap 2: a full repository disk ends the run with 1 and no snapshot; with space the next one succeeds', async (t) => {
  const cli = new CliFixture(t);
  const random = new Random(7);
  mkdirSync(cli.source);
  for (let number = 0; number < 30; number++) writeFileSync(join(cli.source, `${number}`), random.bytes(400_000));
  const repository = join(cli.folder, 'small disk', 'repository');
  if (!mountSmall(t, join(cli.folder, 'small disk'), 64 * MIB)) return t.skip('only root mounts');
  const env = { SNAP_REPOSITORY: repository };
  try {
    await cli.ok(['init', '--insecure-no-password'], { env });
    // The disk gets a little more room each time, until the backup fits.
    let fitted = 0;
    for (let roomKiB = 50; fitted === 0 && roomKiB < 40_000; roomKiB = Math.ceil(roomKiB * 1.6)) {
      const filler = join(cli.folder, 'small disk', 'filler');
      rmSync(filler, { force: true });
      const free = Number(
        execFileSync('df', ['--output=avail', '-k', repository], { encoding: 'utf8' }).split('\n')[1],
      );
      execFileSync('fallocate', ['-l', `${Math.max(1, free - roomKiB)}K`, filler]);
      const run = await cli.run(['backup', cli.source, '--insecure-no-password'], { env });
      if (run.code === 0) fitted = roomKiB;
      else {
        assert.equal(run.code, 1, `${roomKiB} KiB: ${run.stderr}`);
        assert.match(run.stderr, /disk is full \(make room there, or let "snap prune --now" free/);
        assert.deepEqual(await cli.json(['snapshots', '--insecure-no-password'], { env }), []);
      }
    }
    assert.ok(fitted > 0, 'it fitted at last');
    await cli.ok(['check', '--read-data', '--insecure-no-password'], { env });
    const target = join(cli.folder, 'target');
    await cli.ok(['restore', `latest:${cli.source}`, '--target', target, '--insecure-no-password'], { env });
    assert.deepEqual(treeState(target), treeState(cli.source));
  } finally {
    unmount(join(cli.folder, 'small disk'));
  }
});

test('a full target ends the restore with 1; with space the same command goes on', async (t) => {
  const cli = new CliFixture(t);
  const random = new Random(8);
  mkdirSync(cli.source);
  for (let number = 0; number < 20; number++) writeFileSync(join(cli.source, `${number}`), random.bytes(500_000));
  await cli.ok(['init', '--insecure-no-password']);
  await cli.ok(['backup', cli.source, '--insecure-no-password']);
  const disk = join(cli.folder, 'target disk');
  if (!mountSmall(t, disk, 5 * MIB)) return t.skip('only root mounts');
  try {
    const restore = ['restore', `latest:${cli.source}`, '--target', join(disk, 'target'), '--insecure-no-password'];
    const full = await cli.run(restore);
    assert.equal(full.code, 1, full.stderr);
    assert.match(full.stderr, /full|space/i);
    execFileSync('mount', ['-o', `remount,size=${64 * MIB}`, disk]);
    await cli.ok(restore);
    assert.deepEqual(treeState(join(disk, 'target')), treeState(cli.source));
  } finally {
    unmount(disk);
  }
});

test('a read-only repository can be read and restored; a backup into it fails with 1', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'file'), 'content');
  const disk = join(cli.folder, 'disk');
  if (!mountSmall(t, disk, 8 * MIB)) return t.skip('only root mounts');
  const env = { SNAP_REPOSITORY: join(disk, 'repository') };
  try {
    await cli.ok(['init', '--insecure-no-password'], { env });
    await cli.ok(['backup', cli.source, '--insecure-no-password'], { env });
    execFileSync('mount', ['-o', 'remount,ro', disk]);
    const refused = await cli.run(['backup', cli.source, '--insecure-no-password'], { env });
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /read-only/);
    await cli.ok(['snapshots', '--insecure-no-password'], { env });
    await cli.ok(['check', '--read-data', '--insecure-no-password'], { env });
    await cli.ok(['restore', 'latest', '--target', join(cli.folder, 'target'), '--insecure-no-password'], { env });
  } finally {
    unmount(disk);
  }
});

test('invariant 8: a store that fails at the n-th write is no problem of a source file, and no snapshot is listed', async (t) => {
  const inner = new MemoryBackend();
  const library = await Library.make(t, { backend: inner });
  const random = new Random(9);
  mkdirSync(library.source);
  for (let number = 0; number < 300; number++) writeFileSync(join(library.source, `${number}`), random.bytes(150_000));
  for (let writes = 0; ; writes++) {
    assert.ok(writes < 30, 'it succeeds in the end');
    await library.reopen(new FailingWrites(inner, writes));
    try {
      await library.backup();
      assert.ok(writes > 3);
      break;
    } catch (error) {
      assert.ok(isEngineError(error, 'STORAGE_FAILED'), String(error));
      assert.equal((await (await library.reopen(inner)).snapshots.list()).length, 0);
    }
  }
  await library.reopen(inner);
  const { target } = await library.restore();
  assert.deepEqual(treeState(target), treeState(library.source));
});

test('invariant 2: packs are written before index segments, those before the snapshot, and the lease before the index is read', async (t) => {
  const backend = new RecordingBackend(new MemoryBackend());
  const library = await Library.make(t, { backend });
  mkdirSync(library.source);
  writeFileSync(join(library.source, 'file'), 'content');
  backend.calls.length = 0;
  await library.backup();
  const writes = backend.calls.filter((call) => call.startsWith('write') || call === 'list index');
  const order = writes.filter((call, index) => call !== writes[index - 1]);
  assert.deepEqual(order, ['write lock', 'list index', 'write pack', 'write index', 'write snapshot']);
  assert.deepEqual(backend.calls.at(-1), 'remove lock');
});

test('trap 12: a listing that fails is an error, never an empty repository', async (t) => {
  const inner = new MemoryBackend();
  const library = await Library.make(t, { backend: inner });
  mkdirSync(library.source);
  writeFileSync(join(library.source, 'file'), 'content');
  await library.backup();
  const fails = (error: unknown): boolean => isEngineError(error, 'STORAGE_FAILED');
  for (const kind of ['snapshot', 'index'] as const) {
    const repository = await library.reopen(new FailingListing(inner, kind));
    await assert.rejects(library.backup(), fails, kind);
    await assert.rejects(library.restore(), fails, kind);
    await assert.rejects(check(repository), fails, kind);
  }
  await assert.rejects(check(await library.reopen(new FailingListing(inner, 'pack'))), fails);
});

test('files in the target that cannot be written are named with 3, and the rest is restored', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'folder'), { recursive: true });
  writeFileSync(join(cli.source, 'folder', 'file'), 'content');
  writeFileSync(join(cli.source, 'other'), 'other');
  await cli.ok(['init', '--insecure-no-password']);
  await cli.ok(['backup', cli.source, '--insecure-no-password']);
  const target = join(cli.folder, 'target');
  mkdirSync(join(target, 'other'), { recursive: true });
  writeFileSync(join(target, 'other', 'in the way'), 'x');
  const parameters = ['restore', `latest:${cli.source}`, '--target', target, '--overwrite', 'always'];
  const run = await cli.run([...parameters, '--insecure-no-password', '--json']);
  assert.equal(run.code, 3, run.stderr);
  assert.match(run.stdout, /"path":"[^"]*target\/other"/);
  assert.deepEqual(readdirSync(join(target, 'folder')), ['file']);
  chmodSync(target, 0o755);
});
