import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import type { FileKind } from '../../engine/storage/backend.ts';
import { createLocalBackend, type FileOperations, LocalBackend } from '../../engine/storage/local.ts';
import { testFolder } from '../support/build-repository.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { listed, nameOf, throwsCode } from './contract.ts';
import { systemError, UnsafeDisk, withOperations } from './unsafe-disk.ts';

const isRoot = process.geteuid?.() === 0;
const PARTS = [Buffer.from('some '), Buffer.from('bytes')];

async function localBackend(t: TestContext, operations?: FileOperations): Promise<LocalBackend> {
  return createLocalBackend(join(testFolder(t), 'repository'), operations);
}

test('trap 5, invariant 1: write, length check, fsync, link, fsync of the directory, in this order', async (t) => {
  const root = join(testFolder(t), 'repository');
  await createLocalBackend(root);
  const disk = new UnsafeDisk(root);
  await new LocalBackend(root, disk).write('snapshot', nameOf('snapshot', 1), PARTS);
  const file = `snapshots/${nameOf('snapshot', 1)}`;
  const body = ['open tmp/*', 'write', 'size', 'fsync', `link ${file}`, 'unlink tmp/*', 'fsync of snapshots'];
  assert.deepEqual(disk.calls.slice(-body.length), body);
});

test('trap 5: a folder that is new is synced into the one above it before anything is written into it', async (t) => {
  const root = join(testFolder(t), 'repository');
  await createLocalBackend(root);
  const disk = new UnsafeDisk(root);
  const backend = new LocalBackend(root, disk);
  const name = nameOf('pack', 1);
  await backend.write('pack', name, PARTS);
  const folder = `packs/${name.slice(0, 2)}`;
  const made = disk.calls.indexOf(`mkdir ${folder}`);
  assert.equal(disk.calls[made + 1], 'fsync of packs');
  assert.ok(made + 1 < disk.calls.indexOf('open tmp/*'));
  const before = disk.calls.length;
  await backend.write('pack', `${name.slice(0, 2)}${'f'.repeat(30)}`, PARTS);
  assert.deepEqual(
    disk.calls.slice(before).filter((call) => call.startsWith('mkdir')),
    [],
  );
});

test('trap 5: all folders of a new repository are synced, and those above it that were made for it', async (t) => {
  const folder = testFolder(t);
  const root = join(folder, 'a', 'b', 'repository');
  const synced: string[] = [];
  await createLocalBackend(root, withOperations({ fsyncDirectory: async (path) => void synced.push(path) }));
  assert.deepEqual(synced.sort(), [folder, join(folder, 'a'), join(folder, 'a', 'b'), root].sort());
});

for (const kind of ['config', 'pack', 'snapshot'] as const satisfies readonly FileKind[]) {
  test(`trap 5: a ${kind} file that is cut off at any call is whole or not there, and one that was promised stays`, async (t) => {
    const name = nameOf(kind, 0);
    const complete = await callsOfWrite(t, kind);
    for (let calls = 0; calls <= complete; calls++) {
      for (const loss of ['a kill', 'lost bytes', 'lost bytes and names'] as const) {
        const root = join(testFolder(t), 'repository');
        await createLocalBackend(root);
        const disk = new UnsafeDisk(root, calls);
        const promised = await new LocalBackend(root, disk).write(kind, name, PARTS).then(
          () => true,
          (error: unknown) => {
            assert.ok(isEngineError(error, 'STORAGE_FAILED'), String(error));
            return false;
          },
        );
        if (loss !== 'a kill') disk.lose(loss === 'lost bytes and names');
        const after = new LocalBackend(root);
        const where = `${loss} after ${calls} of ${complete} calls (${disk.calls.at(-1)})`;
        assert.equal(promised, calls === complete, where);
        const size = await after.size(kind, name);
        assert.ok(size === undefined || size === 10, `${where}: ${size} bytes`);
        if (promised) assert.equal(size, 10, where);
        assert.equal((await listed(after, kind)).length, size === undefined ? 0 : 1, where);
        // The next run can write it, or finds it whole.
        if (size === undefined) await after.write(kind, name, PARTS);
        assert.equal((await after.read(kind, name)).toString(), 'some bytes', where);
      }
    }
  });
}

async function callsOfWrite(t: TestContext, kind: FileKind): Promise<number> {
  const root = join(testFolder(t), 'repository');
  await createLocalBackend(root);
  const disk = new UnsafeDisk(root);
  await new LocalBackend(root, disk).write(kind, nameOf(kind, 0), PARTS);
  return disk.calls.length;
}

test('a write that fails at any call leaves nothing under the name, and no temporary file', async (t) => {
  const failing: readonly (keyof FileOperations)[] = ['openNew', 'writev', 'size', 'fsync', 'link', 'fsyncDirectory'];
  for (const call of failing) {
    const folder = testFolder(t);
    const root = join(folder, 'repository');
    await createLocalBackend(root);
    const backend = new LocalBackend(root, withOperations({ [call]: () => Promise.reject(systemError('EIO')) }));
    await throwsCode(() => backend.write('snapshot', nameOf('snapshot', 1), PARTS), 'STORAGE_FAILED');
    assert.deepEqual(readdirSync(join(root, 'snapshots')), [], call);
    assert.deepEqual(readdirSync(join(root, 'tmp')), [], call);
  }
});

test('a file that is given up, or fails in a later piece, leaves no temporary file; one under way is touched now and then', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const root = join(testFolder(t), 'repository');
  await createLocalBackend(root);
  let writes = 0;
  const backend = new LocalBackend(
    root,
    withOperations({
      writev: async (handle, parts, position) => {
        if (++writes === 3) throw systemError('ENOSPC');
        return (await handle.writev(parts, position)).bytesWritten;
      },
    }),
  );
  const name = nameOf('pack', 1);
  const given = await backend.begin('pack', name);
  await given.append(PARTS);
  const [temporary = ''] = readdirSync(join(root, 'tmp'));
  utimesSync(join(root, 'tmp', temporary), 1, 1);
  t.mock.timers.tick(3600_000);
  for (let turn = 0; turn < 100 && statSync(join(root, 'tmp', temporary)).mtimeMs < 2000; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(statSync(join(root, 'tmp', temporary)).mtimeMs > 2000, 'so that nobody takes it for one left behind');
  await given.abandon();
  assert.deepEqual(readdirSync(join(root, 'tmp')), []);

  const failing = await backend.begin('pack', name);
  await failing.append(PARTS);
  await throwsCode(() => failing.append(PARTS), 'STORAGE_FAILED');
  assert.deepEqual(readdirSync(join(root, 'tmp')), []);
  await throwsCode(() => failing.finish(), 'STORAGE_FAILED');
  assert.equal(await backend.size('pack', name), undefined);
});

test('trap 31: a share that keeps fewer bytes than it took is found out before the file gets its name', async (t) => {
  for (const size of [9, 0, 11]) {
    const backend = await localBackend(t, withOperations({ size: async () => size }));
    await throwsCode(() => backend.write('pack', nameOf('pack', 1), PARTS), 'STORAGE_FAILED');
    assert.equal(await backend.size('pack', nameOf('pack', 1)), undefined);
  }
});

test('writes that are taken in pieces go on where they stopped; one that takes nothing fails', async (t) => {
  const system = withOperations({});
  const inPieces = await localBackend(
    t,
    withOperations({
      writev: (handle, parts, position) =>
        system.writev(handle, [(parts[0] ?? Buffer.alloc(0)).subarray(0, 3)], position),
    }),
  );
  await inPieces.write('pack', nameOf('pack', 1), PARTS);
  assert.equal((await inPieces.read('pack', nameOf('pack', 1))).toString(), 'some bytes');
  const taking = await localBackend(t, withOperations({ writev: async () => 0 }));
  await throwsCode(() => taking.write('pack', nameOf('pack', 1), PARTS), 'STORAGE_FAILED');
});

test('trap 31: without hard links a file gets its name by rename, and still never another one’s', async (t) => {
  for (const code of ['EPERM', 'ENOTSUP', 'EMLINK']) {
    const backend = await localBackend(t, withOperations({ link: () => Promise.reject(systemError(code)) }));
    await backend.write('pack', nameOf('pack', 1), PARTS);
    await throwsCode(() => backend.write('pack', nameOf('pack', 1), [Buffer.from('other')]), 'OBJECT_EXISTS');
    assert.equal((await backend.read('pack', nameOf('pack', 1))).toString(), 'some bytes');
  }
});

test('trap 31: a link that was made, but is reported as taken because the answer was lost, counts as made', async (t) => {
  const system = withOperations({});
  const backend = await localBackend(
    t,
    withOperations({
      link: async (from, to) => {
        await system.link(from, to);
        throw systemError('EEXIST');
      },
    }),
  );
  await backend.write('pack', nameOf('pack', 1), PARTS);
  assert.equal((await backend.read('pack', nameOf('pack', 1))).toString(), 'some bytes');
});

test('names that are not names of repository files are never listed', async (t) => {
  const root = join(testFolder(t), 'repository');
  const backend = await createLocalBackend(root);
  const pack = nameOf('pack', 1);
  await backend.write('pack', pack, PARTS);
  await backend.write('snapshot', nameOf('snapshot', 1), PARTS);
  for (const place of ['snapshots/.tmp-1', 'snapshots/notes.txt', 'packs/README', `packs/zz`, `packs/${pack}`]) {
    writeFileSync(join(root, place), 'not ours');
  }
  writeFileSync(join(root, 'tmp', nameOf('pack', 2)), 'half');
  mkdirSync(join(root, 'packs', 'ee'));
  // A pack in the folder of another one cannot be read by its name.
  writeFileSync(join(root, 'packs', 'ee', pack), 'misplaced');
  mkdirSync(join(root, 'snapshots', nameOf('snapshot', 9)));
  assert.deepEqual(
    (await listed(backend, 'pack')).map((file) => file.name),
    [pack],
  );
  assert.deepEqual(
    (await listed(backend, 'snapshot')).map((file) => file.name),
    [nameOf('snapshot', 1)],
  );
});

test('trap 12: a folder that cannot be listed, a missing store, missing snapshots or packs are errors, not emptiness', async (t) => {
  const root = join(testFolder(t), 'repository');
  const backend = await createLocalBackend(root);
  for (const [kind, folder] of [
    ['snapshot', 'snapshots'],
    ['pack', 'packs'],
    ['index', 'index'],
  ] as const) {
    rmdirSync(join(root, folder));
    writeFileSync(join(root, folder), 'a file, where a folder should be');
    await throwsCode(() => listed(backend, kind), 'STORAGE_FAILED');
    rmSync(join(root, folder));
    if (kind === 'index') assert.deepEqual(await listed(backend, kind), []);
    else await throwsCode(() => listed(backend, kind), 'STORAGE_FAILED');
  }
  rmSync(root, { recursive: true });
  for (const kind of ['index', 'lock', 'mark'] as const)
    await throwsCode(() => listed(backend, kind), 'STORAGE_FAILED');
});

test('folders that a copy left out are made again, but nothing is written where no repository lies any more', async (t) => {
  const root = join(testFolder(t), 'repository');
  await (await createLocalBackend(root)).write('config', 'config', [Buffer.from('a config')]);
  for (const folder of ['tmp', 'packs', 'index']) rmdirSync(join(root, folder));
  const copy = new LocalBackend(root);
  await copy.write('pack', nameOf('pack', 1), PARTS);
  await copy.write('index', nameOf('index', 1), PARTS);
  assert.equal((await copy.read('pack', nameOf('pack', 1))).toString(), 'some bytes');
  const mountPoint = testFolder(t);
  await throwsCode(() => new LocalBackend(mountPoint).write('pack', nameOf('pack', 1), PARTS), 'STORAGE_FAILED');
  assert.deepEqual(readdirSync(mountPoint), []);
});

test('what others may not see is made for the owner alone', async (t) => {
  const root = join(testFolder(t), 'repository');
  const backend = await createLocalBackend(root);
  await backend.write('pack', nameOf('pack', 1), PARTS);
  const modes = ['', 'packs', `packs/${nameOf('pack', 1).slice(0, 2)}`, 'tmp', 'keys'].map(
    (path) => statSync(join(root, path)).mode & 0o777,
  );
  assert.deepEqual(modes, [0o700, 0o700, 0o700, 0o700, 0o700]);
  const file = join(root, 'packs', nameOf('pack', 1).slice(0, 2), nameOf('pack', 1));
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('tidy() removes temporary files of a day ago, keeps younger ones, and never fails', async (t) => {
  const root = join(testFolder(t), 'repository');
  const backend = await createLocalBackend(root);
  const old = join(root, 'tmp', 'old');
  const young = join(root, 'tmp', 'young');
  writeFileSync(old, '');
  writeFileSync(young, '');
  utimesSync(old, Date.now() / 1000 - 25 * 3600, Date.now() / 1000 - 25 * 3600);
  await backend.tidy(Date.now());
  assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
  rmSync(join(root, 'tmp'), { recursive: true });
  await backend.tidy(Date.now());
});

test('a full disk is STORAGE_FAILED with ENOSPC as its cause, and leaves no trace', async (t) => {
  const disk = mountSmallDisk(t, 1024 * 1024);
  if (disk === undefined) return t.skip('mounting is not allowed here');
  const backend = await createLocalBackend(join(disk.folder, 'repository'));
  const free = (await backend.freeBytes()) ?? 0;
  assert.ok(free > 500_000 && free <= 1024 * 1024);
  await assert.rejects(backend.write('pack', nameOf('pack', 1), [Buffer.alloc(2 * 1024 * 1024)]), (error) => {
    assert.ok(isEngineError(error, 'STORAGE_FAILED'));
    assert.match(error.message, /the disk is full/);
    assert.equal((error.cause as { code?: string }).code, 'ENOSPC');
    return true;
  });
  assert.deepEqual(await listed(backend, 'pack'), []);
  assert.deepEqual(readdirSync(join(disk.folder, 'repository', 'tmp')), []);
  assert.ok(((await backend.freeBytes()) ?? 0) > free - 20_000);
  await backend.write('pack', nameOf('pack', 1), PARTS);
});

test('a read-only disk is STORAGE_FAILED for writes and removals, and can be read', async (t) => {
  const disk = mountSmallDisk(t, 1024 * 1024);
  if (disk === undefined) return t.skip('mounting is not allowed here');
  const backend = await createLocalBackend(join(disk.folder, 'repository'));
  await backend.write('pack', nameOf('pack', 1), PARTS);
  disk.remount('ro');
  await assert.rejects(backend.write('pack', nameOf('pack', 2), PARTS), /the disk is read-only/);
  await throwsCode(() => backend.write('snapshot', nameOf('snapshot', 2), PARTS), 'STORAGE_FAILED');
  await throwsCode(() => backend.remove('pack', nameOf('pack', 1)), 'STORAGE_FAILED');
  await backend.tidy(Date.now() + 1e9);
  assert.equal((await backend.read('pack', nameOf('pack', 1))).toString(), 'some bytes');
  await throwsCode(() => createLocalBackend(join(disk.folder, 'another')), 'STORAGE_FAILED');
});

test('a store that may not be read is STORAGE_FAILED, never OBJECT_MISSING', async (t) => {
  const root = join(testFolder(t), 'repository');
  const backend = await createLocalBackend(root);
  await backend.write('snapshot', nameOf('snapshot', 1), PARTS);
  chmodSync(root, 0);
  if (isRoot) process.seteuid?.(65_534);
  try {
    await throwsCode(() => backend.read('snapshot', nameOf('snapshot', 1)), 'STORAGE_FAILED');
    await throwsCode(() => backend.size('snapshot', nameOf('snapshot', 1)), 'STORAGE_FAILED');
    await throwsCode(() => backend.remove('snapshot', nameOf('snapshot', 1)), 'STORAGE_FAILED');
    await throwsCode(() => listed(backend, 'snapshot'), 'STORAGE_FAILED');
    await throwsCode(() => listed(backend, 'index'), 'STORAGE_FAILED');
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(root, 0o700);
  }
});
