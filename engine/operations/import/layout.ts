/** An archive that was made of a snapshot goes back to the places that it has in that snapshot. */

import { STAT_BYTES, type Time, writeStat } from '../../base/stat.ts';
import { EXTENSION_DATABASE } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { ReadItem } from './archive-item.ts';
import type { ImportedDatabase, ImportLayout } from './options.ts';

/** Undefined for an entry that is not taken. What its reader refused stays refused. */
export function placedItem(item: ReadItem, { placeOf, databases }: ImportLayout): ReadItem | undefined {
  if ('why' in item) return item;
  const { entry } = item;
  const path = placeOf(entry.path);
  if (path === undefined) return undefined;
  const placed = { ...item, entry: { ...entry, path: withoutRoot(path) } };
  if (entry.type !== 'file' || !databases.some((database) => database.path.equals(path))) return placed;
  return { ...placed, extensions: [{ tag: EXTENSION_DATABASE, payload: livePayloadOf(entry) }] };
}

/** Absolute names in archives are worth a note; this one is meant. */
function withoutRoot(path: Buffer): Buffer {
  return path[0] === 0x2f ? path.subarray(1) : path;
}

/** There is no live file, and none has inode 0: a backup of the same path captures anew. */
export function livePayloadOf({ size, mtime }: { readonly size: number; readonly mtime: Time }): Buffer {
  const block = Buffer.alloc(STAT_BYTES);
  const none = { seconds: 0, nanoseconds: 0 };
  writeStat(block, 0, { mode: 0, uid: 0, gid: 0, links: 0, inode: 0n, size, mtime, ctime: none });
  return Buffer.concat([Buffer.from([0]), block]);
}

export function databaseRecord({ path, bytes, check }: ImportedDatabase): DatabaseRecord {
  return { path, kind: 'sqlite', bytes, check, durationSeconds: 0, details: { method: 'imported', holdMs: 0 } };
}
