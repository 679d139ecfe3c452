/** From the kernel's struct statx to a stat block, word by word: it runs once for each file of a library. */

import { S_IFLNK, S_IFMT, S_IFREG, STAT_BYTES, STAT_OFFSET } from '../base/stat.ts';
import { LISTING_EXTRA_WORDS, type StatTarget } from './types.ts';

export const STATX_BYTES = 256;
/** Offsets in struct statx. */
const STATX = {
  links: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  inode: 32,
  size: 40,
  blocks: 48,
  ctime: 96,
  mtime: 112,
  rdevMajor: 128,
  rdevMinor: 132,
  devMajor: 136,
  devMinor: 140,
} as const;

/** Copies a struct statx into the stat block and the extras of entry `index`. */
export function takeStatx(from: Buffer, target: StatTarget, index: number): void {
  const { block, extras } = target;
  const at = index * STAT_BYTES;
  const mode = from.readUInt16LE(STATX.mode);
  const type = mode & S_IFMT;
  block.writeUInt32LE(mode, at + STAT_OFFSET.mode);
  from.copy(block, at + STAT_OFFSET.uid, STATX.uid, STATX.uid + 8);
  from.copy(block, at + STAT_OFFSET.links, STATX.links, STATX.links + 4);
  from.copy(block, at + STAT_OFFSET.inode, STATX.inode, STATX.inode + 8);
  if (type === S_IFREG || type === S_IFLNK) from.copy(block, at + STAT_OFFSET.size, STATX.size, STATX.size + 8);
  else block.fill(0, at + STAT_OFFSET.size, at + STAT_OFFSET.size + 8);
  const low = from.readInt32LE(STATX.mtime);
  const high = from.readInt32LE(STATX.mtime + 4);
  const nanoseconds = from.readInt32LE(STATX.mtime + 8);
  block.writeInt32LE(low, at + STAT_OFFSET.mtimeSeconds);
  block.writeInt32LE(high, at + STAT_OFFSET.mtimeSeconds + 4);
  block.writeInt32LE(low ^ from.readInt32LE(STATX.ctime), at + STAT_OFFSET.ctimeSeconds);
  block.writeInt32LE(high ^ from.readInt32LE(STATX.ctime + 4), at + STAT_OFFSET.ctimeSeconds + 4);
  block.writeInt32LE(nanoseconds, at + STAT_OFFSET.mtimeNanoseconds);
  block.writeInt32LE(nanoseconds ^ from.readInt32LE(STATX.ctime + 8), at + STAT_OFFSET.ctimeNanoseconds);
  const word = index * LISTING_EXTRA_WORDS;
  extras[word] = from.readUInt32LE(STATX.devMajor);
  extras[word + 1] = from.readUInt32LE(STATX.devMinor);
  extras[word + 2] = from.readUInt32LE(STATX.rdevMajor);
  extras[word + 3] = from.readUInt32LE(STATX.rdevMinor);
  extras[word + 4] = from.readUInt32LE(STATX.blocks);
  extras[word + 5] = from.readUInt32LE(STATX.blocks + 4);
}
