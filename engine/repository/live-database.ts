/** Whether the files of a live database are what its capture saw: the main file, its `-wal` and its `-journal`. */

import { STAT_BYTES, STAT_OFFSET } from '../base/stat.ts';
import { sqliteSideFiles } from '../databases/sqlite-names.ts';
import { indexOfName } from '../filesystem/listing.ts';
import type { Listing } from '../filesystem/types.ts';
import { EXTENSION_DATABASE, type Node } from '../format/row.ts';
import { type ChangeRules, isUnchanged } from './change-rules.ts';

export const HAS_WAL = 1;
export const HAS_JOURNAL = 2;

/** What a capture saw (FORMAT.md, "Extensions"); undefined for a row that is not of a captured database. */
export function livePayload(node: Node): Buffer | undefined {
  return node.extensions.find((extension) => extension.tag === EXTENSION_DATABASE)?.payload;
}

/** As root, SQLite sets the owner of a `-wal` whenever it opens one, readers too: its change time says nothing. */
function sideFileRules(rules: ChangeRules): ChangeRules {
  return { ...rules, ignoreCtime: true };
}

/** True where the file is what it was, as far as size, times and inode tell. */
function isUnchangedStamp(stat: Buffer, seen: Buffer, rules: ChangeRules): boolean {
  // A stamp is a stat block without type bits; a row begins with its length, so it is looked at as if a row began 4 bytes earlier.
  const row = Buffer.concat([Buffer.alloc(4), seen.subarray(0, STAT_BYTES)]);
  const copy = Buffer.from(stat);
  copy.writeUInt16LE(seen.readUInt16LE(STAT_OFFSET.mode), STAT_OFFSET.mode);
  return isUnchanged(copy, 0, { bytes: row, at: 0 }, rules);
}

export type LiveFile = 'main' | 'wal' | 'journal';

/** True where `look` finds the files as the capture saw them. It gives a stat block, or undefined where there is no such file. */
export function isUnchangedLive(
  payload: Buffer,
  look: (file: LiveFile) => Buffer | undefined,
  rules: ChangeRules,
): boolean {
  const mask = payload[0] ?? 0;
  let at = 1;
  for (const { file, bit } of [
    { file: 'main', bit: 0 },
    { file: 'wal', bit: HAS_WAL },
    { file: 'journal', bit: HAS_JOURNAL },
  ] as const) {
    const stat = look(file);
    const wasThere = file === 'main' || (mask & bit) !== 0;
    if ((stat !== undefined) !== wasThere) return false;
    if (stat === undefined) continue;
    const stamp = payload.subarray(at, at + STAT_BYTES);
    at += STAT_BYTES;
    if (stamp.length < STAT_BYTES) return false;
    if (!isUnchangedStamp(stat, stamp, file === 'main' ? rules : sideFileRules(rules))) return false;
  }
  return at === payload.length;
}

/** The same for files in a listing, in which `index` is the main file's. */
export function isUnchangedDatabase(node: Node, listing: Listing, index: number, rules: ChangeRules): boolean {
  const payload = livePayload(node);
  const name = listing.names[index];
  if (payload === undefined || name === undefined || node.unstable) return false;
  const sides = sqliteSideFiles(name);
  const look = (file: LiveFile): Buffer | undefined => {
    const at = file === 'main' ? index : indexOfName(listing.names, sides[file]);
    return at === undefined ? undefined : listing.stats.subarray(at * STAT_BYTES, (at + 1) * STAT_BYTES);
  };
  return isUnchangedLive(payload, look, rules);
}
