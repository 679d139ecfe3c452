/** What the difference of two entries is called. */

import { compareTimes } from '../base/stat.ts';
import type { Attribute, Node } from '../format/row.ts';

/** What is known of an entry wherever it lies: in a snapshot or on the disk. */
export type Entry = Pick<
  Node,
  'name' | 'type' | 'mode' | 'uid' | 'gid' | 'links' | 'inode' | 'size' | 'mtime' | 'ctime' | 'linkTarget' | 'device'
>;

/** What of an entry may differ beside its content, named as `snap ls --json` names it. */
export const METADATA_FIELDS = ['mode', 'uid', 'gid', 'mtime', 'ctime', 'inode', 'links', 'device', 'xattrs'] as const;
export type MetadataField = (typeof METADATA_FIELDS)[number];

/** Kept by the file system itself: they move with every rename, copy or link, and say nothing by themselves. */
const KEPT_BY_SYSTEM: ReadonlySet<MetadataField> = new Set(['ctime', 'inode', 'links']);

export function sameAttributes(a: readonly Attribute[], b: readonly Attribute[]): boolean {
  return (
    a.length === b.length &&
    a.every((attribute, index) => {
      const other = b[index];
      return other !== undefined && attribute.name.equals(other.name) && attribute.value.equals(other.value);
    })
  );
}

/** Metadata that differ. */
export function changedFields(before: Entry, after: Entry, attributesDiffer: boolean): MetadataField[] {
  const fields: MetadataField[] = [];
  if ((before.mode & 0o7777) !== (after.mode & 0o7777)) fields.push('mode');
  if (before.uid !== after.uid) fields.push('uid');
  if (before.gid !== after.gid) fields.push('gid');
  if (compareTimes(before.mtime, after.mtime) !== 0) fields.push('mtime');
  if (compareTimes(before.ctime, after.ctime) !== 0) fields.push('ctime');
  if (before.inode !== after.inode) fields.push('inode');
  if (before.links !== after.links) fields.push('links');
  const [major, minor] = [before.device?.major, before.device?.minor];
  if (major !== after.device?.major || minor !== after.device?.minor) fields.push('device');
  if (attributesDiffer) fields.push('xattrs');
  return fields;
}

/** True where at least one of the fields was changed by somebody, not by the file system in passing. */
export function isWorthTelling(fields: readonly MetadataField[]): boolean {
  return fields.some((field) => !KEPT_BY_SYSTEM.has(field));
}

/** A directory whose entries changed has other times for that reason alone. */
export function withoutTimes(fields: readonly MetadataField[]): MetadataField[] {
  return fields.filter((field) => field !== 'mtime' && !KEPT_BY_SYSTEM.has(field));
}

/** True where size and times are the same, so that a difference of bytes is nobody's doing. */
export function looksUntouched(before: Entry, after: Entry): boolean {
  return (
    before.size === after.size &&
    compareTimes(before.mtime, after.mtime) === 0 &&
    compareTimes(before.ctime, after.ctime) === 0
  );
}
