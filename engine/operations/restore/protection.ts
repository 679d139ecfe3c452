/**
 * What a restore may not overwrite or remove, though the plan says so: what changed after the plan was made, since nobody
 * agreed to its end, and what the safety snapshot does not hold.
 */

import {
  compareTimes,
  readCtime,
  readLinks,
  readMode,
  readMtime,
  S_IFDIR,
  S_IFMT,
  type Time,
} from '../../base/stat.ts';

export interface Protection {
  /** Since when the plan holds. Undefined where there is none. */
  readonly plannedAt: Time | undefined;
  /** Paths of the disk, as latin1 text, that the safety snapshot could not hold. */
  readonly unsaved: ReadonlySet<string>;
}

export const NO_PROTECTION: Protection = { plannedAt: undefined, unsaved: new Set() };

/**
 * True for an entry that changed since. `hasMoreNames`: it is, or was, one of several names of an inode; its change time
 * moves when another of them goes, and only its time of modification tells.
 */
export function isYoung(
  plannedAt: Time | undefined,
  entry: { readonly stats: Buffer; readonly at: number; readonly hasMoreNames: boolean },
): boolean {
  if (plannedAt === undefined) return false;
  const { stats, at } = entry;
  if (compareTimes(readMtime(stats, at), plannedAt) >= 0) return true;
  const isDirectory = (readMode(stats, at) & S_IFMT) === S_IFDIR;
  if (entry.hasMoreNames || (!isDirectory && readLinks(stats, at) > 1)) return false;
  return compareTimes(readCtime(stats, at), plannedAt) >= 0;
}

const SLASH = 0x2f;

/** True for a path that is in the set, or lies below one that is. */
export function isUnsaved(unsaved: ReadonlySet<string>, path: Buffer): boolean {
  if (unsaved.size === 0) return false;
  for (let end = path.length; end > 0; end = path.lastIndexOf(SLASH, end - 1)) {
    if (unsaved.has(path.toString('latin1', 0, end))) return true;
  }
  return false;
}

export const CHANGED_MESSAGE =
  'It changed while the restore was under way: it was left as it is. Run the same command again to restore it all the same';
export const UNSAVED_MESSAGE =
  'It could not be read for the snapshot of what was there, so it was left as it is. --no-safety-snapshot restores it all the same';
