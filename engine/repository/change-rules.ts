/** What counts as unchanged: an entry of the disk against the row that a snapshot has of it (traps 6 and 7). */

import { CLOCK_TICK_MS_MAX, COARSE_NANOSECONDS, COARSE_TICK_SECONDS_MAX } from '../base/limits.ts';
import { STAT_OFFSET, type Time } from '../base/stat.ts';
import { isUnstableRow, ROW_STAT_OFFSET } from '../format/row.ts';

/** A row in place: bytes and where it begins. */
export interface RowReference {
  readonly bytes: Buffer;
  readonly at: number;
}

export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreCtime: boolean;
  /** Entries whose times are not before this are not trusted (trap 7): they may have changed again in the same tick. */
  readonly trustedBefore: Time;
}

const { inode, size, mtimeSeconds, ctimeSeconds, mtimeNanoseconds, ctimeNanoseconds } = STAT_OFFSET;
const FIRST = inode;
const END = ctimeNanoseconds + 4;

function sameField(a: Buffer, aAt: number, b: Buffer, bAt: number, field: { offset: number; bytes: number }): boolean {
  const aStart = aAt + field.offset;
  const bStart = bAt + field.offset;
  return a.compare(b, bStart, bStart + field.bytes, aStart, aStart + field.bytes) === 0;
}

/** True where two stat blocks are the same from the field at `first` on. A call of Buffer.compare would cost more. */
export function sameBytes(a: Buffer, aAt: number, b: Buffer, bAt: number, first: number): boolean {
  for (let index = first; index < END; index++) if (a[aAt + index] !== b[bAt + index]) return false;
  return true;
}

/** True where type, size, mtime, ctime and inode are those of the row (`--ignore-inode` and `--ignore-ctime` leave theirs out). */
export function isUnchanged(stats: Buffer, at: number, row: RowReference, rules: ChangeRules): boolean {
  const rowAt = row.at + ROW_STAT_OFFSET;
  // The type bits are the upper half of the mode's second byte.
  if (((stats[at + 1] ?? 0) ^ (row.bytes[rowAt + 1] ?? 0)) & 0xf0) return false;
  if (!rules.ignoreInode && !rules.ignoreCtime) {
    if (!sameBytes(stats, at, row.bytes, rowAt, FIRST)) return false;
  } else {
    const fields: { offset: number; bytes: number }[] = [
      { offset: size, bytes: 8 },
      { offset: mtimeSeconds, bytes: 8 },
      { offset: mtimeNanoseconds, bytes: 4 },
    ];
    if (!rules.ignoreInode) fields.push({ offset: inode, bytes: 8 });
    if (!rules.ignoreCtime) fields.push({ offset: ctimeSeconds, bytes: 8 }, { offset: ctimeNanoseconds, bytes: 4 });
    if (!fields.every((field) => sameField(stats, at, row.bytes, rowAt, field))) return false;
  }
  return isTrusted(stats, at, rules) && !isUnstableRow(row.bytes, row.at);
}

const TWO_32 = 0x1_0000_0000;

function isTrusted(stats: Buffer, at: number, rules: ChangeRules): boolean {
  const low = stats.readUInt32LE(at + mtimeSeconds);
  const high = stats.readInt32LE(at + mtimeSeconds + 4);
  const nanoseconds = stats.readUInt32LE(at + mtimeNanoseconds);
  const changedLow = (low ^ stats.readUInt32LE(at + ctimeSeconds)) >>> 0;
  const changedHigh = high ^ stats.readInt32LE(at + ctimeSeconds + 4);
  const changedNanoseconds = (nanoseconds ^ stats.readUInt32LE(at + ctimeNanoseconds)) >>> 0;
  // Of the two the change time tells how fine the file system's times are: nobody can set it.
  const isCoarse = (rules.ignoreCtime ? nanoseconds : changedNanoseconds) % COARSE_NANOSECONDS === 0;
  const { trustedBefore } = rules;
  const before = isCoarse
    ? { seconds: trustedBefore.seconds - COARSE_TICK_SECONDS_MAX, nanoseconds: trustedBefore.nanoseconds }
    : trustedBefore;
  if (!isBefore(high * TWO_32 + low, nanoseconds, before)) return false;
  return rules.ignoreCtime || isBefore(changedHigh * TWO_32 + changedLow, changedNanoseconds, before);
}

function isBefore(seconds: number, nanoseconds: number, time: Time): boolean {
  return seconds < time.seconds || (seconds === time.seconds && nanoseconds < time.nanoseconds);
}

/** Entries whose times are not well before `startedNs` may have changed again in the same tick (trap 7). */
export function rulesSince(
  startedNs: bigint,
  ignore: { readonly ignoreInode: boolean; readonly ignoreCtime: boolean },
): ChangeRules {
  const trusted = startedNs - BigInt(CLOCK_TICK_MS_MAX) * 1_000_000n;
  const { ignoreInode, ignoreCtime } = ignore;
  const trustedBefore = { seconds: Number(trusted / 1_000_000_000n), nanoseconds: Number(trusted % 1_000_000_000n) };
  return { ignoreInode, ignoreCtime, trustedBefore };
}
