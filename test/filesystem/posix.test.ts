import assert from 'node:assert/strict';
import { chmodSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readStat, S_IFCHR, S_IFIFO, S_IFSOCK } from '../../engine/base/stat.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { PortableFileSystem } from '../../engine/filesystem/portable.ts';
import { PosixFileSystem } from '../../engine/filesystem/posix.ts';
import { testFolder } from '../support/build-repository.ts';
import { makeZoo } from '../support/zoo.ts';
import { b, isRoot, newTarget, opened, sameStat, throwsErrno } from './expectations.ts';

const NOBODY = 65_534;
const zooFolder = testFolder({ after });
const zoo = join(zooFolder, 'zoo');
before(() => void makeZoo(zoo));

test('posix: data and holes are found at the front, in between and at the end', (t) => {
  const fileSystem = new PosixFileSystem();
  const root = opened(t, fileSystem, zoo);
  const pieces = (name: string): string[] => {
    const file = fileSystem.openFileAt(root, b(name));
    const { size } = lstatSync(join(zoo, name));
    const found: string[] = [];
    for (let at = 0; at < size; ) {
      const data = fileSystem.nextData(file, at);
      if (data < 0) break;
      const hole = fileSystem.nextHole(file, data, size);
      found.push(`${data}-${hole}`);
      at = hole;
    }
    fileSystem.close(file);
    return found;
  };
  const mib = 1024 * 1024;
  assert.deepEqual(pieces('all hole'), []);
  assert.deepEqual(pieces('hole in front'), [`${4 * mib}-${4 * mib + 100}`]);
  assert.deepEqual(pieces('hole behind').length, 1);
  assert.deepEqual(
    pieces('holes between').map((piece) => piece.split('-')[0]),
    ['0', `${33 * mib}`, `${80 * mib}`],
  );
});

test('posix: attributes and access control lists of files, folders and links are read and set, sorted by name', (t) => {
  const fileSystem = new PosixFileSystem();
  const folder = testFolder(t);
  const directory = opened(t, fileSystem, folder);
  writeFileSync(join(folder, 'file'), 'x');
  symlinkSync('file', join(folder, 'link'));
  const file = fileSystem.openWritableAt(directory, b('file'));
  assert.deepEqual(fileSystem.fileAttributes(file), []);
  const attributes = ['user.z', 'user.a', 'user.large'].map((name, index) => ({
    name: b(name),
    value: Buffer.alloc([0, 5, 3000][index] ?? 0, index),
  }));
  for (const attribute of attributes) fileSystem.setFileAttribute(file, attribute);
  const sorted = [...attributes].sort((one, other) => one.name.compare(other.name));
  assert.deepEqual(fileSystem.fileAttributes(file), sorted);
  assert.deepEqual(fileSystem.attributesAt(directory, b('file')), sorted);
  fileSystem.setAttributeAt(directory, b('file'), { name: b('user.a'), value: b('other') });
  assert.equal(fileSystem.fileAttributes(file)[0]?.value.toString(), 'other');
  fileSystem.setDirectoryAttribute(directory, { name: b('user.folder'), value: b('x') });
  assert.equal(fileSystem.directoryAttributes(directory)[0]?.name.toString(), 'user.folder');
  assert.deepEqual(fileSystem.attributesAt(directory, b('link')), []);
  throwsErrno(() => fileSystem.setAttributeAt(directory, b('link'), { name: b('user.a'), value: b('x') }), 'EPERM');
  throwsErrno(() => fileSystem.setFileAttribute(file, { name: b('nonsense'), value: b('x') }), 'EOPNOTSUPP', 'ENOTSUP');
  throwsErrno(() => fileSystem.setFileAttribute(file, { name: b('system.posix_acl_access'), value: b('x') }), 'EINVAL');
  throwsErrno(() => fileSystem.attributesAt(directory, b('none')), 'ENOENT');
  if (isRoot) {
    fileSystem.setAttributeAt(directory, b('link'), { name: b('trusted.of.link'), value: b('its own') });
    assert.equal(fileSystem.attributesAt(directory, b('link'))[0]?.value.toString(), 'its own');
    assert.equal(fileSystem.fileAttributes(file).length, 3);
  }
  fileSystem.close(file);
});

test('posix: fifos, sockets and, as root, devices with large numbers are made', (t) => {
  const fileSystem = new PosixFileSystem();
  const folder = testFolder(t);
  const directory = opened(t, fileSystem, folder);
  fileSystem.makeNodeAt(directory, b('fifo'), { mode: S_IFIFO | 0o777, major: 0, minor: 0 });
  fileSystem.makeNodeAt(directory, b('socket'), { mode: S_IFSOCK | 0o777, major: 0, minor: 0 });
  assert.ok(lstatSync(join(folder, 'fifo')).isFIFO());
  assert.ok(lstatSync(join(folder, 'socket')).isSocket());
  throwsErrno(() => fileSystem.makeNodeAt(directory, b('fifo'), { mode: S_IFIFO, major: 0, minor: 0 }), 'EEXIST');
  if (!isRoot) return;
  for (const [major, minor] of [
    [1, 3],
    [259, 70_000],
    [4095, 1_048_575],
  ] as const) {
    const name = b(`${major} ${minor}`);
    fileSystem.makeNodeAt(directory, name, { mode: S_IFCHR | 0o777, major, minor });
    const target = newTarget();
    fileSystem.statAt(directory, name, target);
    assert.deepEqual([...target.extras.subarray(2, 4)], [major, minor]);
    sameStat(target, 0, b(join(folder, name.toString())));
    assert.equal(readStat(target.block, 0).mode, S_IFCHR | 0o600);
  }
});

test('trap 18, posix: names that may be listed but not looked at are told one by one, and others’ files are read', (t) => {
  if (!isRoot) return t.skip('only root becomes another user');
  const folder = testFolder(t);
  writeFileSync(join(folder, 'file'), 'content');
  const fileSystem = new PosixFileSystem();
  const directory = opened(t, fileSystem, folder);
  const asNobody = (act: () => void): void => {
    process.seteuid?.(NOBODY);
    try {
      act();
    } finally {
      process.seteuid?.(0);
    }
  };
  chmodSync(folder, 0o744);
  asNobody(() => {
    const { names, failed } = fileSystem.list(directory);
    assert.deepEqual([names, failed.map((each) => `${each.name} ${each.code}`)], [[], ['file EACCES']]);
  });
  chmodSync(folder, 0o711);
  asNobody(() => {
    throwsErrno(() => fileSystem.openDirectory(b(folder)), 'EACCES');
    const passage = fileSystem.openDirectory(b(folder), 'search');
    fileSystem.statAt(passage, b('file'), newTarget());
    fileSystem.statDirectory(passage, newTarget());
    fileSystem.close(fileSystem.openFileAt(passage, b('file')));
    throwsErrno(() => fileSystem.list(passage), 'EBADF');
    fileSystem.close(passage);
    throwsErrno(() => fileSystem.createFileAt(directory, b('new')), 'EACCES');
    throwsErrno(() => fileSystem.setTimesAt(directory, b('file'), { seconds: 0, nanoseconds: 0 }), 'EPERM');
    throwsErrno(() => fileSystem.setModeAt(directory, b('file'), 0o777), 'EPERM');
    throwsErrno(() => fileSystem.setOwnerAt(directory, b('file'), NOBODY, NOBODY), 'EPERM');
    // The kernel refuses O_NOATIME for files of others: they are read without it.
    const file = fileSystem.openFileAt(directory, b('file'));
    assert.equal(fileSystem.read(file, Buffer.alloc(100), { offset: 0, length: 100, position: 0 }), 7);
    fileSystem.close(file);
  });
});

test('portable: what it cannot do is said in words, and fails as not supported', (t) => {
  const fileSystem = new PortableFileSystem();
  const directory = opened(t, fileSystem, zoo);
  assert.equal(fileSystem.limits.length, 4);
  assert.deepEqual(new PosixFileSystem().limits, []);
  throwsErrno(() => fileSystem.makeNodeAt(), 'ENOTSUP');
  for (const act of ['setFileAttribute', 'setDirectoryAttribute', 'setAttributeAt'] as const) {
    throwsErrno(() => fileSystem[act](), 'ENOTSUP');
  }
  const file = fileSystem.openFileAt(directory, b('all hole'));
  assert.equal(fileSystem.nextData(file, 5), 5);
  assert.equal(fileSystem.nextHole(file, 5, 100), 100);
  fileSystem.close(file);
  for (const act of ['fileAttributes', 'directoryAttributes', 'attributesAt'] as const) {
    assert.deepEqual(fileSystem[act](), []);
  }
});

test('createFileSystem() takes the C library on Linux, and Node alone where it is told to', () => {
  if (process.platform === 'linux') assert.ok(createFileSystem() instanceof PosixFileSystem);
  assert.ok(createFileSystem({ portable: true }) instanceof PortableFileSystem);
});
