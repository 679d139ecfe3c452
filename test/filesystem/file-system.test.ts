import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readStat } from '../../engine/base/stat.ts';
import { PortableFileSystem } from '../../engine/filesystem/portable.ts';
import { PosixFileSystem } from '../../engine/filesystem/posix.ts';
import type { FileSystem } from '../../engine/filesystem/types.ts';
import { testFolder } from '../support/build-repository.ts';
import { mountCloningDisk } from '../support/cloning-disk.ts';
import { makeZoo } from '../support/zoo.ts';
import { b, isRoot, newTarget, opened, sameStat, throwsErrno, walk } from './expectations.ts';

const zooFolder = testFolder({ after });
const zoo = join(zooFolder, 'zoo');
before(() => void makeZoo(zoo));

function suite(name: string, make: () => FileSystem, can: { everything: boolean }): void {
  test(`${name}: trap 28: a listing of each folder of the zoo has all names, sorted by their bytes, and what lstat says`, (t) => {
    const fileSystem = make();
    let entries = 0;
    let deepest = 0;
    walk(fileSystem, opened(t, fileSystem, zoo), (directory) => {
      const place = b(`/proc/self/fd/${directory.fd}/`);
      const { names, stats, extras, failed } = fileSystem.list(directory);
      const expected = readdirSync(place, { encoding: 'buffer' }).sort(Buffer.compare);
      assert.deepEqual(
        names.map((each) => each.toString('latin1')),
        expected.map((each) => each.toString('latin1')),
      );
      assert.deepEqual(failed, []);
      for (const [index, each] of names.entries())
        sameStat({ block: stats, extras }, index, Buffer.concat([place, each]));
      for (const each of names) {
        const target = newTarget();
        fileSystem.statAt(directory, each, target);
        sameStat(target, 0, Buffer.concat([place, each]));
      }
      const target = newTarget();
      fileSystem.statDirectory(directory, target);
      sameStat(target, 0, b(`/proc/self/fd/${directory.fd}/.`));
      assert.equal(fileSystem.list(directory).names.length, names.length);
      entries += names.length;
      deepest = Math.max(deepest, directory.path.length);
    });
    assert.ok(entries > 500);
    assert.ok(deepest > 4096, 'deeper than a path may be');
  });

  test(`${name}: targets of links come back to the byte, whatever they are`, (t) => {
    const fileSystem = make();
    const links = opened(t, fileSystem, join(zoo, 'links'));
    for (const link of ['relative', 'dangling', 'long', 'bytes']) {
      const expected = readlinkSync(join(zoo, 'links', link), { encoding: 'buffer' });
      assert.ok(fileSystem.readLinkAt(links, b(link)).equals(expected), link);
    }
    throwsErrno(() => fileSystem.readLinkAt(links, b('hard')), 'EINVAL');
    throwsErrno(() => fileSystem.readLinkAt(links, b('none')), 'ENOENT');
  });

  test(`${name}: a file is read at any position, at its own, and not past its end`, (t) => {
    const fileSystem = make();
    const directory = opened(t, fileSystem, join(zoo, 'plain'));
    const content = readFileSync(join(zoo, 'plain', 'random'));
    const file = fileSystem.openFileAt(directory, b('random'));
    const target = newTarget();
    fileSystem.statFile(file, target);
    sameStat(target, 0, b(join(zoo, 'plain', 'random')));
    const into = Buffer.alloc(1000, 7);
    assert.equal(fileSystem.read(file, into, { offset: 10, length: 500, position: 1234 }), 500);
    assert.ok(into.subarray(10, 510).equals(content.subarray(1234, 1734)));
    assert.ok(into[9] === 7 && into[510] === 7);
    assert.equal(fileSystem.read(file, into, { offset: 0, length: 100, position: -1 }), 100);
    assert.equal(fileSystem.read(file, into, { offset: 100, length: 100, position: -1 }), 100);
    assert.ok(into.subarray(0, 200).equals(content.subarray(0, 200)));
    assert.equal(fileSystem.read(file, into, { offset: 0, length: 1000, position: content.length - 1 }), 1);
    assert.equal(fileSystem.read(file, into, { offset: 0, length: 1000, position: content.length }), 0);
    fileSystem.forget(file);
    fileSystem.close(file);
    throwsErrno(() => fileSystem.read({ fd: directory.fd }, into, { offset: 0, length: 1, position: 0 }), 'EISDIR');
    throwsErrno(() => fileSystem.statFile({ fd: 99_999 }, newTarget()), 'EBADF');
  });

  test(`${name}: nothing is followed and nothing blocks when an entry is opened`, (t) => {
    const fileSystem = make();
    const root = opened(t, fileSystem, zoo);
    const links = opened(t, fileSystem, join(zoo, 'links'));
    throwsErrno(() => fileSystem.openFileAt(links, b('relative')), 'ELOOP');
    throwsErrno(() => fileSystem.openWritableAt(links, b('relative')), 'ELOOP');
    throwsErrno(() => fileSystem.openFileAt(links, b('none')), 'ENOENT');
    throwsErrno(() => fileSystem.openWritableAt(root, b('plain')), 'EISDIR');
    throwsErrno(() => fileSystem.openFileAt(root, b('socket')), 'ENXIO');
    throwsErrno(() => fileSystem.openDirectoryAt(root, b('attributes')), 'ENOTDIR');
    throwsErrno(() => fileSystem.openDirectoryAt(root, b('none')), 'ENOENT');
    throwsErrno(() => fileSystem.openDirectory(b(join(zoo, 'links', 'relative'))), 'ENOTDIR', 'ELOOP');
    symlinkSync('plain', join(zooFolder, `to a folder ${name}`));
    throwsErrno(() => fileSystem.openDirectory(b(join(zooFolder, `to a folder ${name}`))), 'ENOTDIR', 'ELOOP');
    throwsErrno(() => fileSystem.openFileAt(root, b('x'.repeat(256))), 'ENAMETOOLONG');
    const fifo = fileSystem.openFileAt(root, b('fifo'));
    assert.equal(fileSystem.read(fifo, Buffer.alloc(10), { offset: 0, length: 10, position: -1 }), 0);
    fileSystem.close(fifo);
  });

  test(`${name}: handles lead to the same folder after it was renamed, and in another instance`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    mkdirSync(join(folder, 'before'));
    writeFileSync(join(folder, 'before', 'file'), 'x');
    const directory = opened(t, fileSystem, join(folder, 'before'));
    renameSync(join(folder, 'before'), join(folder, 'after'));
    assert.equal(fileSystem.list(directory).names.length, 1);
    const adopted = make().adoptDirectory(directory.fd, directory.path);
    fileSystem.statAt(adopted, b('file'), newTarget());
  });

  test(`${name}: a new file has the mode it was asked to have, but for what the umask takes`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    const before = process.umask(0o027);
    t.after(() => process.umask(before));
    fileSystem.close(fileSystem.createFileAt(directory, b('new'), 0o666));
    assert.equal(lstatSync(join(folder, 'new')).mode & 0o777, 0o640);
  });

  test(`${name}: a new file is the owner’s, never replaces one and never follows a link`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    symlinkSync('elsewhere', join(folder, 'dangling'));
    throwsErrno(() => fileSystem.createFileAt(directory, b('dangling')), 'EEXIST');
    assert.equal(existsSync(join(folder, 'elsewhere')), false);
    const file = fileSystem.createFileAt(directory, b('new'));
    throwsErrno(() => fileSystem.createFileAt(directory, b('new')), 'EEXIST');
    assert.equal(lstatSync(join(folder, 'new')).mode & 0o777, 0o600);
    fileSystem.write(file, b('__hello__'), { offset: 2, length: 5, position: 3 });
    assert.equal(readFileSync(join(folder, 'new'), 'latin1'), '\0\0\0hello');
    fileSystem.truncate(file, 4);
    fileSystem.truncate(file, 6);
    assert.equal(readFileSync(join(folder, 'new'), 'latin1'), '\0\0\0h\0\0');
    fileSystem.close(file);
    const again = fileSystem.openWritableAt(directory, b('new'));
    fileSystem.write(again, b('abc'), { offset: 0, length: 3, position: 0 });
    fileSystem.close(again);
    const read = fileSystem.openFileAt(directory, b('new'));
    throwsErrno(() => fileSystem.write(read, b('x'), { offset: 0, length: 1, position: 0 }), 'EBADF');
    throwsErrno(() => fileSystem.truncate(read, 0), 'EINVAL', 'EBADF');
    fileSystem.close(read);
    assert.equal(readFileSync(join(folder, 'new'), 'latin1'), 'abch\0\0');
  });

  test(`${name}: what is punched out of a file reads as zeros, and the rest stays`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    const path = join(folder, 'file');
    const file = fileSystem.createFileAt(directory, b('file'));
    const bytes = Buffer.alloc(1_000_000, 7);
    fileSystem.write(file, bytes, { offset: 0, length: bytes.length, position: 0 });
    const blocks = lstatSync(path).blocks;
    fileSystem.punchHole(file, { position: 5000, length: 700_000 });
    bytes.fill(0, 5000, 705_000);
    assert.ok(readFileSync(path).equals(bytes));
    fileSystem.punchHole(file, { position: 705_000, length: 295_000 });
    bytes.fill(0, 705_000);
    assert.ok(readFileSync(path).equals(bytes));
    if (can.everything) assert.ok(lstatSync(path).blocks < blocks);
    fileSystem.close(file);
    throwsErrno(() => fileSystem.punchHole({ fd: 99_999 }, { position: 0, length: 1 }), 'EBADF');
  });

  test(`${name}: a file is cloned where that is possible, and nothing is thrown where it is not`, (t) => {
    const fileSystem = make();
    const disk = mountCloningDisk(t);
    if (typeof disk === 'string') t.diagnostic(`not tried on a file system that can: ${disk}`);
    const folder = typeof disk === 'string' ? testFolder(t) : disk.folder;
    const directory = opened(t, fileSystem, folder);
    const bytes = Buffer.alloc(300_001, 5);
    writeFileSync(join(folder, 'old'), bytes);
    const from = fileSystem.openFileAt(directory, b('old'));
    const to = fileSystem.createFileAt(directory, b('new'));
    const cloned = fileSystem.cloneFile(from, to);
    if (typeof disk !== 'string') assert.equal(cloned, can.everything);
    if (cloned) {
      assert.ok(readFileSync(join(folder, 'new')).equals(bytes));
      fileSystem.write(to, b('x'), { offset: 0, length: 1, position: 100_000 });
      assert.ok(readFileSync(join(folder, 'old')).equals(bytes), 'what one is given the other does not get');
    }
    assert.equal(fileSystem.cloneFile({ fd: 99_999 }, to), false);
    for (const handle of [from, to]) fileSystem.close(handle);
  });

  test(`${name}: folders, links and names are made, moved and removed`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    const strange = Buffer.from([0x6e, 0xff, 0x0a, 0x25]);
    fileSystem.makeDirectoryAt(directory, strange);
    throwsErrno(() => fileSystem.makeDirectoryAt(directory, strange), 'EEXIST');
    const inner = fileSystem.openDirectoryAt(directory, strange);
    assert.ok(inner.path.equals(Buffer.concat([b(`${folder}/`), strange])));
    assert.equal(lstatSync(inner.path).mode & 0o777, 0o700);
    writeFileSync(join(folder, 'file'), 'content');
    fileSystem.symlinkAt(inner, strange, Buffer.from([0xfe, 0x2f]));
    assert.ok(fileSystem.readLinkAt(inner, strange).equals(Buffer.from([0xfe, 0x2f])));
    throwsErrno(() => fileSystem.symlinkAt(inner, strange, b('x')), 'EEXIST');
    throwsErrno(() => fileSystem.removeDirectoryAt(directory, strange), 'ENOTEMPTY');
    fileSystem.linkAt(directory, b('file'), inner, b('hard'));
    assert.equal(lstatSync(join(folder, 'file')).nlink, 2);
    // A link to a symbolic link is one to the link itself.
    fileSystem.linkAt(inner, strange, directory, b('hard link of a link'));
    assert.ok(lstatSync(join(folder, 'hard link of a link')).isSymbolicLink());
    throwsErrno(() => fileSystem.linkAt(directory, b('none'), inner, b('x')), 'ENOENT');
    writeFileSync(join(folder, 'other'), 'other');
    fileSystem.renameAt(directory, b('other'), inner, b('hard'));
    assert.equal(readFileSync(Buffer.concat([inner.path, b('/hard')]), 'utf8'), 'other');
    throwsErrno(() => fileSystem.renameAt(directory, b('none'), inner, b('x')), 'ENOENT');
    throwsErrno(() => fileSystem.unlinkAt(directory, b('none')), 'ENOENT');
    throwsErrno(() => fileSystem.unlinkAt(directory, strange), 'EISDIR', 'EPERM');
    throwsErrno(() => fileSystem.removeDirectoryAt(directory, b('file')), 'ENOTDIR');
    fileSystem.unlinkAt(inner, strange);
    fileSystem.unlinkAt(inner, b('hard'));
    fileSystem.close(inner);
    fileSystem.removeDirectoryAt(directory, strange);
    assert.deepEqual(readdirSync(folder).sort(), ['file', 'hard link of a link']);
  });

  test(`${name}: owner, mode and times are set on what is named, never on what a link leads to`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    for (const each of ['file', 'victim']) writeFileSync(join(folder, each), 'x');
    mkdirSync(join(folder, 'folder'));
    symlinkSync('victim', join(folder, 'link'));
    utimesSync(join(folder, 'file'), 1000, 2000);
    const victim = lstatSync(join(folder, 'victim'), { bigint: true });
    const time = { seconds: 1_234_567_890, nanoseconds: 123_456_789 };
    const owner = isRoot
      ? ([1234, 4_000_000_000] as const)
      : ([process.getuid?.() ?? 0, process.getgid?.() ?? 0] as const);
    const check = (path: string, mode: number | undefined): void => {
      const stat = lstatSync(join(folder, path), { bigint: true });
      assert.deepEqual([Number(stat.uid), Number(stat.gid)], owner, path);
      if (mode !== undefined) assert.equal(Number(stat.mode) & 0o7777, mode, path);
      const off = Math.abs(Number(stat.mtimeNs - 1_234_567_890_123_456_789n));
      assert.ok(can.everything ? off === 0 : off < 2000, `${path}: ${off} ns`);
    };
    const file = fileSystem.openWritableAt(directory, b('file'));
    fileSystem.setFileOwner(file, ...owner);
    fileSystem.setFileMode(file, 0o4751);
    fileSystem.setFileTimes(file, time);
    fileSystem.close(file);
    check('file', 0o4751);
    assert.equal(lstatSync(join(folder, 'file')).atimeMs, 1_000_000, 'the access time stays');
    const inner = fileSystem.openDirectoryAt(directory, b('folder'));
    fileSystem.setDirectoryOwner(inner, ...owner);
    fileSystem.setDirectoryMode(inner, 0o3705);
    fileSystem.setDirectoryTimes(inner, time);
    fileSystem.close(inner);
    check('folder', isRoot ? 0o3705 : undefined);
    fileSystem.setOwnerAt(directory, b('link'), ...owner);
    fileSystem.setModeAt(directory, b('link'), 0o600);
    fileSystem.setTimesAt(directory, b('link'), time);
    check('link', undefined);
    const after = lstatSync(join(folder, 'victim'), { bigint: true });
    assert.deepEqual([after.ctimeNs, after.mode, after.uid], [victim.ctimeNs, victim.mode, victim.uid]);
    fileSystem.setModeAt(directory, b('victim'), 0o640);
    assert.equal(lstatSync(join(folder, 'victim')).mode & 0o7777, 0o640);
    for (const act of [
      () => fileSystem.setOwnerAt(directory, b('none'), 0, 0),
      () => fileSystem.setModeAt(directory, b('none'), 0),
      () => fileSystem.setTimesAt(directory, b('none'), time),
      () => fileSystem.statAt(directory, b('none'), newTarget()),
    ]) {
      throwsErrno(act, 'ENOENT');
    }
  });

  test(`${name}: times before 1970 and after 2106 are set as well as the file system keeps them`, (t) => {
    const folder = testFolder(t);
    const fileSystem = make();
    const directory = opened(t, fileSystem, folder);
    writeFileSync(join(folder, 'file'), 'x');
    for (const seconds of [-1_000_000_000, -1, 0, 4_294_967_296, 9_000_000_000]) {
      fileSystem.setTimesAt(directory, b('file'), { seconds, nanoseconds: 500_000_000 });
      const target = newTarget();
      fileSystem.statAt(directory, b('file'), target);
      sameStat(target, 0, b(join(folder, 'file')));
      const { mtime } = readStat(target.block, 0);
      assert.deepEqual(mtime, { seconds, nanoseconds: 500_000_000 });
    }
  });

  test(`${name}: free space is told, and a sync ends`, (t) => {
    const fileSystem = make();
    const directory = opened(t, fileSystem, testFolder(t));
    assert.ok(fileSystem.freeBytes(directory) > 0);
    fileSystem.syncFileSystem(directory);
  });
}

suite('posix', () => new PosixFileSystem(), { everything: true });
suite('portable', () => new PortableFileSystem(), { everything: false });
