/** A directory of the snapshot on its way into the target. */

import { STAT_BYTES } from '../../base/stat.ts';
import { sideFileBase } from '../../databases/sqlite-names.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import type { Listing } from '../../filesystem/types.ts';
import type { Node } from '../../format/row.ts';
import type { ExistingEntry } from './decisions.ts';
import type { TargetDirectory } from './target-directories.ts';

export interface WalkDirectory {
  readonly parent: WalkDirectory | undefined;
  readonly target: TargetDirectory;
  /** Undefined for the target itself when it stays as it is. */
  readonly node: Node | undefined;
  /** Absolute path in the snapshot. */
  readonly path: Buffer;
  /** Device that the nearest mount above gave it. */
  readonly device: string;
  /** It, or a directory above it, is included. */
  readonly included: boolean;
  /** `waiting`: not looked at in the target yet. `absent`: a dry run would make it. `blocked`: nothing below it is restored. */
  state: 'waiting' | 'ready' | 'absent' | 'blocked';
  /** Made by this restore, also when that was before an interruption. */
  created: boolean;
  /** The target's entry is the one that an earlier restore left. */
  known: boolean;
  /** Its mode was widened so that something can be written in it. */
  widened: boolean;
  /** What it held when it was met; undefined where it was made. */
  listing: Listing | undefined;
  /** Something in the listing is called like a log of a database. */
  hasSideNames: boolean;
  /** All its rows were seen. */
  walked: boolean;
}

/** Notes what a directory holds. */
export function setListing(directory: WalkDirectory, listing: Listing): void {
  directory.listing = listing;
  directory.hasSideNames = listing.names.some((name) => sideFileBase(name) !== undefined);
}

/** The entry of that name which was there when the directory was met. */
export function findExisting(directory: WalkDirectory, name: Buffer): ExistingEntry | undefined {
  const { listing } = directory;
  if (listing === undefined) return undefined;
  const number = indexOfName(listing.names, name);
  return number === undefined ? undefined : { stats: listing.stats, at: number * STAT_BYTES, number };
}
