/**
 * The stat block: what is kept of an entry's inode, in the very bytes that a tree row holds (FORMAT.md, "Rows"). The scan
 * writes it, the tree stores it, and "unchanged" is a comparison of two of them: no objects are made for it.
 *
 * Times are seconds since 1970 (signed) and nanoseconds. The change time is stored as the exclusive or with the
 * modification time, because the two are mostly equal and zeros compress to nothing.
 */

import { DATE_SECONDS_MAX } from './limits.ts';

export const STAT_BYTES = 56;

/** Offsets inside the block; all integers little-endian. */
export const STAT_OFFSET = {
  /** u16: st_mode, type bits included. */
  mode: 0,
  /** u16: row flags, zero in a stat block that comes from the scan. */
  flags: 2,
  /** u32 */
  uid: 4,
  /** u32 */
  gid: 8,
  /** u32 */
  links: 12,
  /** u64 */
  inode: 16,
  /** u64; zero for all but regular files and symbolic links. */
  size: 24,
  /** s64 */
  mtimeSeconds: 32,
  /** s64, exclusive or with mtimeSeconds. */
  ctimeSeconds: 40,
  /** u32 */
  mtimeNanoseconds: 48,
  /** u32, exclusive or with mtimeNanoseconds. */
  ctimeNanoseconds: 52,
} as const;

/** What st_mode says of the type. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export type NodeType = 'file' | 'dir' | 'symlink' | 'fifo' | 'socket' | 'chardev' | 'dev';

/** The word for the type bits of a mode, or undefined for bits that no system uses. */
export function nodeTypeOfMode(mode: number): NodeType | undefined {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return 'file';
    case S_IFDIR:
      return 'dir';
    case S_IFLNK:
      return 'symlink';
    case S_IFIFO:
      return 'fifo';
    case S_IFSOCK:
      return 'socket';
    case S_IFCHR:
      return 'chardev';
    case S_IFBLK:
      return 'dev';
    default:
      return undefined;
  }
}

/** A point in time: whole seconds since 1970, negative before, and 0 to 999,999,999 nanoseconds after them. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** ISO 8601 in UTC with nanoseconds; `@` and seconds since 1970 for what no calendar reaches. */
export function formatTime({ seconds, nanoseconds }: Time): string {
  const fraction = String(nanoseconds).padStart(9, '0');
  if (Math.abs(seconds) > DATE_SECONDS_MAX) return `@${seconds}.${fraction}`;
  return `${new Date(seconds * 1000).toISOString().slice(0, -5)}.${fraction}Z`;
}

export function compareTimes(a: Time, b: Time): number {
  return a.seconds !== b.seconds ? a.seconds - b.seconds : a.nanoseconds - b.nanoseconds;
}

const TWO_32 = 0x1_0000_0000;

export function readU64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * TWO_32;
}

export function readInode(block: Buffer, at: number): bigint {
  return block.readBigUInt64LE(at + STAT_OFFSET.inode);
}

export function readMode(block: Buffer, at: number): number {
  return block.readUInt16LE(at + STAT_OFFSET.mode);
}

export function readSize(block: Buffer, at: number): number {
  return readU64(block, at + STAT_OFFSET.size);
}

export function readLinks(block: Buffer, at: number): number {
  return block.readUInt32LE(at + STAT_OFFSET.links);
}

export function readMtime(block: Buffer, at: number): Time {
  const seconds =
    block.readUInt32LE(at + STAT_OFFSET.mtimeSeconds) + block.readInt32LE(at + STAT_OFFSET.mtimeSeconds + 4) * TWO_32;
  return { seconds, nanoseconds: block.readUInt32LE(at + STAT_OFFSET.mtimeNanoseconds) };
}

export function readCtime(block: Buffer, at: number): Time {
  const low = block.readUInt32LE(at + STAT_OFFSET.mtimeSeconds) ^ block.readUInt32LE(at + STAT_OFFSET.ctimeSeconds);
  const high =
    block.readInt32LE(at + STAT_OFFSET.mtimeSeconds + 4) ^ block.readInt32LE(at + STAT_OFFSET.ctimeSeconds + 4);
  const nanoseconds =
    block.readUInt32LE(at + STAT_OFFSET.mtimeNanoseconds) ^ block.readUInt32LE(at + STAT_OFFSET.ctimeNanoseconds);
  return { seconds: (low >>> 0) + high * TWO_32, nanoseconds: nanoseconds >>> 0 };
}

function writeS64(block: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  block.writeUInt32LE(value - high * TWO_32, at);
  block.writeInt32LE(high, at + 4);
}

export interface StatFields {
  /** st_mode, type bits included. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly inode: bigint;
  readonly size: number;
  readonly mtime: Time;
  readonly ctime: Time;
}

export function writeStat(block: Buffer, at: number, fields: StatFields): void {
  block.writeUInt16LE(fields.mode, at + STAT_OFFSET.mode);
  block.writeUInt16LE(0, at + STAT_OFFSET.flags);
  block.writeUInt32LE(fields.uid, at + STAT_OFFSET.uid);
  block.writeUInt32LE(fields.gid, at + STAT_OFFSET.gid);
  block.writeUInt32LE(fields.links, at + STAT_OFFSET.links);
  block.writeBigUInt64LE(fields.inode, at + STAT_OFFSET.inode);
  block.writeUInt32LE(fields.size % TWO_32, at + STAT_OFFSET.size);
  block.writeUInt32LE(Math.floor(fields.size / TWO_32), at + STAT_OFFSET.size + 4);
  writeS64(block, at + STAT_OFFSET.mtimeSeconds, fields.mtime.seconds);
  writeS64(block, at + STAT_OFFSET.ctimeSeconds, fields.ctime.seconds);
  block.writeUInt32LE(fields.mtime.nanoseconds, at + STAT_OFFSET.mtimeNanoseconds);
  for (let word = 0; word < 8; word += 4) {
    const mixed =
      block.readUInt32LE(at + STAT_OFFSET.ctimeSeconds + word) ^
      block.readUInt32LE(at + STAT_OFFSET.mtimeSeconds + word);
    block.writeUInt32LE(mixed >>> 0, at + STAT_OFFSET.ctimeSeconds + word);
  }
  block.writeUInt32LE((fields.ctime.nanoseconds ^ fields.mtime.nanoseconds) >>> 0, at + STAT_OFFSET.ctimeNanoseconds);
}

export function readStat(block: Buffer, at: number): StatFields {
  return {
    mode: readMode(block, at),
    uid: block.readUInt32LE(at + STAT_OFFSET.uid),
    gid: block.readUInt32LE(at + STAT_OFFSET.gid),
    links: readLinks(block, at),
    inode: readInode(block, at),
    size: readSize(block, at),
    mtime: readMtime(block, at),
    ctime: readCtime(block, at),
  };
}
