/** A zoo of files: everything that a file system can hold, made with real calls, and a description to compare by. */

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Time } from '../../engine/base/stat.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError } from '../../engine/filesystem/types.ts';

const S_IFIFO = 0o010000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const DEEP_LEVELS = 60;

export interface Zoo {
  /** What this user or file system could not make. */
  readonly missing: readonly string[];
}

function bytes(path: string, ...rest: readonly (string | readonly number[])[]): Buffer {
  return Buffer.concat([Buffer.from(path), ...rest.map((part) => Buffer.from(part as string))]);
}

/** Fills a folder that does not exist yet. As root it holds devices and foreign owners too. */
export function makeZoo(folder: string): Zoo {
  const isRoot = process.geteuid?.() === 0;
  const missing: string[] = [];
  const attempt = (what: string, act: () => void): void => {
    try {
      act();
    } catch (error) {
      missing.push(`${what}: ${String(error)}`);
    }
  };
  mkdirSync(folder);
  const fileSystem = createFileSystem();
  const root = fileSystem.openDirectory(Buffer.from(folder));
  makePlain(folder);
  makeSparse(folder);
  makeNames(folder);
  makeLinks(folder);
  makeModes(folder);
  makeTimes(folder, fileSystem, root);
  fileSystem.makeNodeAt(root, Buffer.from('fifo'), { mode: S_IFIFO | 0o640, major: 0, minor: 0 });
  makeSocket(`${folder}/socket`);
  if (isRoot) {
    attempt('devices', () => {
      fileSystem.makeNodeAt(root, Buffer.from('null'), { mode: S_IFCHR | 0o666, major: 1, minor: 3 });
      fileSystem.makeNodeAt(root, Buffer.from('loop'), { mode: S_IFBLK | 0o660, major: 7, minor: 250 });
    });
    attempt('owners', () => {
      chownSync(`${folder}/plain/text`, 1234, 5678);
      lchownSync(`${folder}/links/relative`, 4_000_000_000, 33);
      chmodSync(`${folder}/plain/text`, 0o6755);
    });
  }
  attempt('attributes', () => {
    fileSystem.setDirectoryAttribute(root, { name: Buffer.from('user.colour'), value: Buffer.from('green') });
    const file = fileSystem.openWritableAt(root, Buffer.from('attributes'));
    fileSystem.setFileAttribute(file, { name: Buffer.from('user.empty'), value: Buffer.alloc(0) });
    fileSystem.setFileAttribute(file, { name: Buffer.from('user.binary'), value: Buffer.from([0, 255, 10, 0]) });
    fileSystem.close(file);
  });
  attempt('access control lists', () => {
    const file = fileSystem.openWritableAt(root, Buffer.from('attributes'));
    fileSystem.setFileAttribute(file, { name: Buffer.from('system.posix_acl_access'), value: accessList() });
    fileSystem.close(file);
  });
  attempt('default access control lists', () => {
    const inner = fileSystem.openDirectoryAt(root, Buffer.from('empty folder'));
    fileSystem.setDirectoryAttribute(inner, { name: Buffer.from('system.posix_acl_default'), value: accessList() });
    fileSystem.close(inner);
  });
  if (isRoot) {
    attempt('attributes of links', () => {
      const links = fileSystem.openDirectoryAt(root, Buffer.from('links'));
      const attribute = { name: Buffer.from('trusted.of.link'), value: Buffer.from('its own') };
      fileSystem.setAttributeAt(links, Buffer.from('dangling'), attribute);
      fileSystem.close(links);
    });
  }
  makeDeep(fileSystem, root);
  fileSystem.close(root);
  return { missing };
}

function makePlain(folder: string): void {
  mkdirSync(`${folder}/plain`);
  writeFileSync(`${folder}/plain/text`, 'a text '.repeat(1000));
  writeFileSync(`${folder}/plain/one byte`, 'x');
  writeFileSync(`${folder}/plain/random`, randomBytes(300_000));
  writeFileSync(`${folder}/plain/large`, randomBytes(9 * 1024 * 1024 + 17));
  writeFileSync(`${folder}/plain/empty`, '');
  writeFileSync(`${folder}/attributes`, 'has attributes');
  mkdirSync(`${folder}/empty folder`);
  mkdirSync(`${folder}/many`);
  for (let number = 0; number < 400; number++) writeFileSync(`${folder}/many/${number}`, `number ${number}`);
}

function makeSparse(folder: string): void {
  const make = (name: string, size: number, pieces: readonly (readonly [number, Buffer])[]): void => {
    const file = openSync(`${folder}/${name}`, 'w');
    for (const [position, piece] of pieces) writeSync(file, piece, 0, piece.length, position);
    ftruncateSync(file, size);
    closeSync(file);
  };
  const mib = 1024 * 1024;
  make('all hole', 5 * mib, []);
  make('hole in front', 4 * mib + 100, [[4 * mib, Buffer.from('at the end')]]);
  make('hole behind', 4 * mib, [[0, randomBytes(70_000)]]);
  make('holes between', 100 * mib, [
    [0, Buffer.from('first')],
    [33 * mib, randomBytes(200_000)],
    [80 * mib, randomBytes(2 * mib)],
  ]);
}

function makeNames(folder: string): void {
  mkdirSync(`${folder}/names`);
  const names: (string | readonly number[])[] = [
    [0xff, 0xfe, 0x80],
    'new\nline',
    'per%cent %s %2F',
    'tab\tand "quotes" and \'more\'',
    '-rf',
    ' ',
    '\\',
    '*?[',
    'ümläut',
    'u\u0308 decomposed',
    '名前',
    'x'.repeat(255),
    '.hidden',
    '~',
  ];
  for (const name of names) writeFileSync(bytes(`${folder}/names/`, name), 'named');
}

function makeLinks(folder: string): void {
  mkdirSync(`${folder}/links`);
  symlinkSync('../plain/text', `${folder}/links/relative`);
  symlinkSync('/nowhere/at/all', `${folder}/links/dangling`);
  symlinkSync('x/'.repeat(1500), `${folder}/links/long`);
  symlinkSync(bytes('not ', [0xff], ' UTF-8'), `${folder}/links/bytes`);
  linkSync(`${folder}/plain/random`, `${folder}/links/hard`);
  linkSync(`${folder}/plain/random`, `${folder}/hard too`);
  linkSync(`${folder}/plain/large`, `${folder}/links/hard and large`);
  linkSync(`${folder}/plain/empty`, `${folder}/links/hard and empty`);
}

function makeModes(folder: string): void {
  mkdirSync(`${folder}/modes`);
  for (const mode of [0o600, 0o4755, 0o2755, 0o1644, 0o777, 0o400]) {
    const path = `${folder}/modes/${mode.toString(8)}`;
    writeFileSync(path, path);
    chmodSync(path, mode);
  }
  mkdirSync(`${folder}/modes/sticky`);
  chmodSync(`${folder}/modes/sticky`, 0o1777);
  mkdirSync(`${folder}/modes/set group`);
  chmodSync(`${folder}/modes/set group`, 0o2750);
}

function makeTimes(folder: string, fileSystem: FileSystem, root: DirectoryHandle): void {
  mkdirSync(`${folder}/times`);
  const times: readonly Time[] = [
    { seconds: 0, nanoseconds: 1 },
    { seconds: -1_000_000_000, nanoseconds: 999_999_999 },
    { seconds: 1_234_567_890, nanoseconds: 123_456_789 },
    { seconds: 4_294_967_296, nanoseconds: 7 },
    { seconds: 9_000_000_000, nanoseconds: 999_999_999 },
    // The years -249 and 33658; a file system that cannot keep them takes the nearest it can.
    { seconds: -70_000_000_000, nanoseconds: 5 },
    { seconds: 1_000_000_000_000, nanoseconds: 0 },
  ];
  const directory = fileSystem.openDirectoryAt(root, Buffer.from('times'));
  for (const time of times) {
    const name = Buffer.from(String(time.seconds));
    writeFileSync(`${folder}/times/${time.seconds}`, 'timed');
    fileSystem.setTimesAt(directory, name, time);
  }
  fileSystem.setDirectoryTimes(directory, { seconds: 1, nanoseconds: 2 });
  fileSystem.close(directory);
}

function makeSocket(path: string): void {
  // A server that closes removes its socket; one that is killed leaves it.
  const program = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))`;
  try {
    execFileSync(process.execPath, ['-e', program, path], { stdio: 'ignore' });
  } catch {
    // It was killed, as it should be.
  }
}

/** Folders below each other until the path is longer than PATH_MAX; only openat gets there. */
function makeDeep(fileSystem: FileSystem, root: DirectoryHandle): void {
  let directory = root;
  for (let level = 0; level < DEEP_LEVELS; level++) {
    const name = Buffer.from(`level ${level} ${'d'.repeat(80)}`);
    fileSystem.makeDirectoryAt(directory, name);
    const next = fileSystem.openDirectoryAt(directory, name);
    if (directory !== root) fileSystem.close(directory);
    directory = next;
  }
  const file = fileSystem.createFileAt(directory, Buffer.from('at the bottom'));
  const content = Buffer.from('very deep');
  fileSystem.write(file, content, { offset: 0, length: content.length, position: 0 });
  fileSystem.close(file);
  fileSystem.close(directory);
}

/** As the kernel keeps it: version 2, then tag, permissions and id of each entry. */
function accessList(): Buffer {
  const entries: readonly (readonly [number, number, number])[] = [
    [0x01, 6, 0xffffffff],
    [0x02, 4, 1000],
    [0x04, 4, 0xffffffff],
    [0x10, 4, 0xffffffff],
    [0x20, 0, 0xffffffff],
  ];
  const list = Buffer.alloc(4 + entries.length * 8);
  list.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id], index) => {
    list.writeUInt16LE(tag, 4 + index * 8);
    list.writeUInt16LE(permissions, 6 + index * 8);
    list.writeUInt32LE(id, 8 + index * 8);
  });
  return list;
}

/** Plain facts, so that two descriptions can be compared, or what a system forbids be left out of both. */
export interface EntryFacts {
  /** Type and permission bits. */
  readonly mode: number;
  readonly owner: string;
  readonly mtimeNs: bigint;
  /** The first name of the same inode, where there are several. */
  readonly sameInodeAs?: string;
  /** Of a file: length and digest. */
  readonly content?: string;
  readonly holes?: string;
  /** Of a symbolic link, as latin1. */
  readonly target?: string;
  readonly device?: bigint;
  readonly attributes: string;
}

/** Everything about every entry below a folder, by path (latin1). Equal descriptions mean equal trees. */
export function describeTree(folder: string): Map<string, EntryFacts> {
  const described = new Map<string, EntryFacts>();
  const inodes = new Map<bigint, string>();
  const fileSystem = createFileSystem();
  const root = fileSystem.openDirectory(Buffer.from(folder));
  // Through /proc every directory is reachable by a short path, however deep it lies.
  const walk = (directory: DirectoryHandle, below: string): void => {
    const place = `/proc/self/fd/${directory.fd}`;
    for (const name of readdirSync(place, { encoding: 'buffer' }).sort(Buffer.compare)) {
      const path = Buffer.concat([Buffer.from(`${place}/`), name]);
      const key = below + name.toString('latin1');
      const stat = lstatSync(path, { bigint: true });
      const isNamed = !stat.isDirectory() && stat.nlink > 1n;
      if (isNamed && !inodes.has(stat.ino)) inodes.set(stat.ino, key);
      described.set(key, {
        mode: Number(stat.mode),
        owner: `${stat.uid}:${stat.gid}`,
        mtimeNs: stat.mtimeNs,
        ...(isNamed ? { sameInodeAs: inodes.get(stat.ino) ?? key } : {}),
        ...(stat.isFile() ? describeFile(fileSystem, path) : {}),
        ...(stat.isSymbolicLink() ? { target: readlinkSync(path, { encoding: 'latin1' }) } : {}),
        ...(stat.isCharacterDevice() || stat.isBlockDevice() ? { device: stat.rdev } : {}),
        attributes: attributesOf(fileSystem, directory, name),
      });
      if (!stat.isDirectory()) continue;
      const inner = fileSystem.openDirectoryAt(directory, name);
      walk(inner, `${key}/`);
      fileSystem.close(inner);
    }
  };
  walk(root, '');
  fileSystem.close(root);
  return described;
}

function attributesOf(fileSystem: FileSystem, directory: DirectoryHandle, name: Buffer): string {
  try {
    const attributes = fileSystem.attributesAt(directory, name);
    return attributes.map((attribute) => `${attribute.name.toString()}=${attribute.value.toString('hex')}`).join();
  } catch (error) {
    if (error instanceof FileSystemError) return error.code;
    throw error;
  }
}

function describeFile(fileSystem: FileSystem, path: Buffer): Pick<EntryFacts, 'content' | 'holes'> {
  const fd = openSync(path, 'r');
  try {
    const size = fstatSync(fd).size;
    const hash = createHash('sha256');
    const holes: string[] = [];
    const buffer = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < size; ) {
      const count = readSync(fd, buffer, 0, buffer.length, at);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      at += count;
    }
    for (let at = 0; at < size; ) {
      const hole = fileSystem.nextHole({ fd }, at, size);
      if (hole >= size) break;
      const data = fileSystem.nextData({ fd }, hole);
      holes.push(`${hole}-${data < 0 ? size : data}`);
      at = data < 0 ? size : data;
    }
    return { content: `${size} bytes ${hash.digest('hex')}`, holes: holes.join() };
  } finally {
    closeSync(fd);
  }
}
