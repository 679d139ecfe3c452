/** What the tests of file systems share: what lstat says without the engine's help, and how failures are told. */

import assert from 'node:assert/strict';
import { lstatSync, readdirSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { readStat, STAT_BYTES, type StatFields } from '../../engine/base/stat.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type StatTarget,
} from '../../engine/filesystem/types.ts';

export const isRoot = process.geteuid?.() === 0;

export const b = (text: string): Buffer => Buffer.from(text);

export function newTarget(): StatTarget {
  return { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
}

export function throwsErrno(act: () => unknown, ...codes: string[]): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof FileSystemError, String(error));
    assert.ok(codes.includes(error.code), `${error.code} instead of ${codes.join(' or ')}`);
    return true;
  });
}

/** What lstat says, without the engine's help. */
function expectedStat(path: Buffer): StatFields & { readonly rdev: bigint; readonly dev: bigint; blocks: bigint } {
  const stat = lstatSync(path, { bigint: true });
  const time = (ns: bigint): StatFields['mtime'] => {
    const seconds = ns / 1_000_000_000n - (ns % 1_000_000_000n < 0n ? 1n : 0n);
    return { seconds: Number(seconds), nanoseconds: Number(ns - seconds * 1_000_000_000n) };
  };
  return {
    mode: Number(stat.mode),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    links: Number(stat.nlink),
    inode: stat.ino,
    size: stat.isFile() || stat.isSymbolicLink() ? Number(stat.size) : 0,
    mtime: time(stat.mtimeNs),
    ctime: time(stat.ctimeNs),
    rdev: stat.rdev,
    dev: stat.dev,
    blocks: stat.blocks,
  };
}

function packed(major = 0, minor = 0): bigint {
  return (
    (BigInt(major & ~0xfff) << 32n) |
    BigInt((major & 0xfff) << 8) |
    (BigInt(minor & ~0xff) << 12n) |
    BigInt(minor & 0xff)
  );
}

export function sameStat(target: StatTarget, index: number, path: Buffer): void {
  const { rdev, dev, blocks, ...fields } = expectedStat(path);
  assert.deepEqual(readStat(target.block, index * STAT_BYTES), fields, path.toString('latin1'));
  const [devMajor, devMinor, rdevMajor, rdevMinor, low = 0, high = 0] = target.extras.subarray(
    index * LISTING_EXTRA_WORDS,
  );
  assert.deepEqual([packed(devMajor, devMinor), packed(rdevMajor, rdevMinor)], [dev, rdev]);
  assert.equal(BigInt(low) + BigInt(high) * 2n ** 32n, blocks);
}

/** Depth first; each directory while it is open. */
export function walk(
  fileSystem: FileSystem,
  directory: DirectoryHandle,
  visit: (directory: DirectoryHandle) => void,
): void {
  visit(directory);
  for (const entry of readdirSync(`/proc/self/fd/${directory.fd}`, { withFileTypes: true, encoding: 'buffer' })) {
    if (!entry.isDirectory()) continue;
    const inner = fileSystem.openDirectoryAt(directory, entry.name as unknown as Buffer);
    walk(fileSystem, inner, visit);
    fileSystem.close(inner);
  }
}

export function opened(t: TestContext, fileSystem: FileSystem, path: string): DirectoryHandle {
  const directory = fileSystem.openDirectory(b(path));
  t.after(() => fileSystem.close(directory));
  return directory;
}
