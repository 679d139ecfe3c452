/** From the kernel's struct statx to a stat block, word by word: it runs once for each file of a library. */

import { S_IFLNK, S_IFMT, S_IFREG, STAT_BYTES, STAT_OFFSET } from '../base/stat.ts';
import { LISTING_EXTRA_WORDS } from './types.ts';

export const STATX_BYTES = 256;
export const STAT_WORDS = STAT_BYTES / 4;
/** Offsets in struct statx, in words of 4 bytes; integers of 8 have their lower half first. */
const STATX = {
  links: 4,
  uid: 5,
  gid: 6,
  mode: 7,
  inode: 8,
  size: 10,
  blocks: 12,
  ctime: 24,
  mtime: 28,
  rdevMajor: 32,
  rdevMinor: 33,
  devMajor: 34,
  devMinor: 35,
} as const;
/** Offsets in a stat block, in words. The first word is the mode and, zero here, the flags. */
const BLOCK = {
  mode: STAT_OFFSET.mode / 4,
  uid: STAT_OFFSET.uid / 4,
  gid: STAT_OFFSET.gid / 4,
  links: STAT_OFFSET.links / 4,
  inode: STAT_OFFSET.inode / 4,
  size: STAT_OFFSET.size / 4,
  mtime: STAT_OFFSET.mtimeSeconds / 4,
  ctime: STAT_OFFSET.ctimeSeconds / 4,
  mtimeNanoseconds: STAT_OFFSET.mtimeNanoseconds / 4,
  ctimeNanoseconds: STAT_OFFSET.ctimeNanoseconds / 4,
} as const;

/** Words of stat blocks and of their extras. */
export interface StatWords {
  readonly blocks: Uint32Array;
  readonly extras: Uint32Array;
}

/** Copies a struct statx into the stat block and the extras of entry `index`. */
export function takeStatx(from: Uint32Array, target: StatWords, index: number): void {
  const { blocks, extras } = target;
  const at = index * STAT_WORDS;
  const mode = (from[STATX.mode] ?? 0) & 0xffff;
  const type = mode & S_IFMT;
  const hasSize = type === S_IFREG || type === S_IFLNK;
  const low = from[STATX.mtime] ?? 0;
  const high = from[STATX.mtime + 1] ?? 0;
  const nanoseconds = from[STATX.mtime + 2] ?? 0;
  blocks[at + BLOCK.mode] = mode;
  blocks[at + BLOCK.uid] = from[STATX.uid] ?? 0;
  blocks[at + BLOCK.gid] = from[STATX.gid] ?? 0;
  blocks[at + BLOCK.links] = from[STATX.links] ?? 0;
  blocks[at + BLOCK.inode] = from[STATX.inode] ?? 0;
  blocks[at + BLOCK.inode + 1] = from[STATX.inode + 1] ?? 0;
  blocks[at + BLOCK.size] = hasSize ? (from[STATX.size] ?? 0) : 0;
  blocks[at + BLOCK.size + 1] = hasSize ? (from[STATX.size + 1] ?? 0) : 0;
  blocks[at + BLOCK.mtime] = low;
  blocks[at + BLOCK.mtime + 1] = high;
  blocks[at + BLOCK.ctime] = low ^ (from[STATX.ctime] ?? 0);
  blocks[at + BLOCK.ctime + 1] = high ^ (from[STATX.ctime + 1] ?? 0);
  blocks[at + BLOCK.mtimeNanoseconds] = nanoseconds;
  blocks[at + BLOCK.ctimeNanoseconds] = nanoseconds ^ (from[STATX.ctime + 2] ?? 0);
  const word = index * LISTING_EXTRA_WORDS;
  extras[word] = from[STATX.devMajor] ?? 0;
  extras[word + 1] = from[STATX.devMinor] ?? 0;
  extras[word + 2] = from[STATX.rdevMajor] ?? 0;
  extras[word + 3] = from[STATX.rdevMinor] ?? 0;
  extras[word + 4] = from[STATX.blocks] ?? 0;
  extras[word + 5] = from[STATX.blocks + 1] ?? 0;
}
