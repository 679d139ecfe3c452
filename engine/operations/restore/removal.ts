/**
 * Takes away what the snapshot does not hold (`--delete`), and counts that in a dry run by the very same decisions. What
 * the snapshot left out, what its rules would leave out today, the repository and the cache, whatever is mounted, logs of
 * databases that stay, and what changed since the plan was made are let be, with all directories on the way to them.
 */

import { isWithin, joinPath } from '../../base/paths.ts';
import {
  nodeTypeOfMode,
  readInode,
  readLinks,
  readMode,
  readSize,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  STAT_BYTES,
} from '../../base/stat.ts';
import { sideFileBase, sqliteSideFiles } from '../../databases/sqlite-names.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import type { PatternSet } from '../../filesystem/patterns.ts';
import { LISTING_EXTRA_WORDS, type Listing, type StatTarget } from '../../filesystem/types.ts';
import type { LiveRules } from '../../repository/live-rules.ts';
import { isRestoreName, JOURNAL_NAME, TEMPORARY_PREFIX } from '../../repository/restore-names.ts';
import type { RestoreContext } from './context.ts';
import { hasDatabaseHeader } from './side-files.ts';
import { TargetDirectory } from './target-directories.ts';
import type { WalkDirectory } from './walk-directory.ts';

export interface RemovalRules {
  /** Sources of the snapshot, none in another: nothing beside them is touched. */
  readonly sources: readonly Buffer[];
  /** Where file systems were mounted when the snapshot was taken. */
  readonly mounts: readonly Buffer[];
  /** Where they are now, as latin1 text of paths on the disk. */
  readonly mountPoints: ReadonlySet<string>;
  readonly live: LiveRules;
  readonly exclude: PatternSet;
  /** Paths of the snapshot, as latin1 text, that this restore leaves out. */
  readonly leftOut: ReadonlySet<string>;
  /** Directories of our own, by `major:minor/inode`. */
  readonly own: ReadonlySet<string>;
}

/** A directory of the target, and what it is called in the snapshot. */
interface Place {
  readonly target: TargetDirectory;
  readonly path: Buffer;
  readonly source: Buffer;
}

interface Found {
  readonly number: number;
  readonly name: Buffer;
  readonly isDirectory: boolean;
  /** It lies beside a database, and is part of it. */
  readonly isLog: boolean;
}

const NO_NAME = Buffer.alloc(0);

export class Removal {
  readonly #context: RestoreContext;
  readonly #rules: RemovalRules;
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  readonly #foreign = new WeakMap<WalkDirectory, boolean>();
  readonly #temporary: Buffer;
  /** Inodes of which this run took a name away, and that have more: their change times moved. */
  readonly #unlinked = new Set<string>();

  constructor(context: RestoreContext, rules: RemovalRules) {
    this.#context = context;
    this.#rules = rules;
    this.#temporary = Buffer.from(`${TEMPORARY_PREFIX}${context.parts.journal.token}-`);
  }

  /** True where something may be removed in the directory: it is, or lies in, a source, and all of it was asked for. */
  covers(directory: WalkDirectory): boolean {
    return directory.included && this.#sourceOf(directory.path) !== undefined && !this.#isForeign(directory);
  }

  #sourceOf(path: Buffer): Buffer | undefined {
    return this.#rules.sources.find((source) => isWithin(path, source));
  }

  /** True below what was mounted since: it is another file system's, or another folder's, and no snapshot holds it. */
  #isForeign(directory: WalkDirectory): boolean {
    const { parent, target, path } = directory;
    if (parent === undefined) return false;
    const known = this.#foreign.get(directory);
    if (known !== undefined) return known;
    const isMounted = this.#isMountPoint(target) && !this.#rules.mounts.some((mount) => mount.equals(path));
    const isForeign = isMounted || this.#isForeign(parent);
    this.#foreign.set(directory, isForeign);
    return isForeign;
  }

  #isMountPoint(directory: TargetDirectory, name?: Buffer): boolean {
    const { mountPoints } = this.#rules;
    return mountPoints.has(this.#context.parts.directories.path(directory, name).toString('latin1'));
  }

  /** Counts what lies there, for the share that goes. */
  see(directory: WalkDirectory, listing: Listing): void {
    this.#see(this.#sourceOf(directory.path) ?? NO_NAME, listing);
  }

  #see(source: Buffer, listing: Listing): void {
    const share = this.#share(source);
    for (let at = 0; at < listing.stats.length; at += STAT_BYTES) {
      if ((readMode(listing.stats, at) & S_IFMT) !== S_IFDIR) share.present++;
    }
  }

  #share(source: Buffer): { present: number; deleted: number } {
    const key = source.toString('latin1');
    const known = this.#context.shares.get(key);
    const share = known ?? { present: 0, deleted: 0 };
    if (known === undefined) this.#context.shares.set(key, share);
    return share;
  }

  /** Counts the entries of a listing that would go, by their numbers, with all below. */
  async plan(directory: WalkDirectory, listing: Listing, numbers: readonly number[]): Promise<void> {
    await this.#visit(this.#placeOf(directory), listing, numbers);
  }

  /** Removes entries by their names, which are in order, with all below. What is there is looked at anew. */
  async remove(directory: WalkDirectory, names: readonly Buffer[]): Promise<void> {
    const { directories, fileSystem } = this.#context.parts;
    const listing = this.#context.attempt({ directory: directory.target, during: 'list' }, () =>
      fileSystem.list(directories.use(directory.target)),
    );
    if (listing === undefined) return;
    const numbers = names.map((name) => indexOfName(listing.names, name)).filter((number) => number !== undefined);
    await this.#visit(this.#placeOf(directory), listing, numbers);
  }

  /** Removes one entry with all below; true where it is gone. */
  async clear(directory: WalkDirectory, listing: Listing, number: number): Promise<boolean> {
    return (await this.#visit(this.#placeOf(directory), listing, [number])) === 0;
  }

  #placeOf(directory: WalkDirectory): Place {
    return { target: directory.target, path: directory.path, source: this.#sourceOf(directory.path) ?? NO_NAME };
  }

  /** Returns how many of the entries stay. */
  async #visit(place: Place, listing: Listing, numbers: readonly number[]): Promise<number> {
    const stays = this.#judge(place, listing, numbers);
    const kept = new Set<number>();
    for (const number of numbers) {
      if (!this.#context.fresh) await this.#context.breathe();
      const name = listing.names[number];
      // Its name begins that of its logs, so it was gone through before them.
      const base = this.#databaseOf(place, listing, number);
      if (name === undefined || stays(number) || (base !== undefined && kept.has(base))) kept.add(number);
      else {
        const isDirectory = (readMode(listing.stats, number * STAT_BYTES) & S_IFMT) === S_IFDIR;
        const found = { number, name, isDirectory, isLog: base !== undefined };
        if (!(await this.#removeEntry(place, listing, found))) kept.add(number);
      }
    }
    return kept.size;
  }

  /** True, and a problem, for what changed after the plan was made, or is in no safety snapshot. */
  #isProtected(place: Place, found: Found, hasMoreNames: boolean): boolean {
    const { name, isLog } = found;
    const entry = { directory: place.target, name };
    // What a dead restore left is in no snapshot. Logs go with their database, and SQLite itself touches them.
    if (isLog || isRestoreName(name)) return false;
    if (this.#context.isUnsaved(entry, 'remove') || this.#context.isChanged(entry, hasMoreNames, 'remove')) return true;
    const { wal, journal } = sqliteSideFiles(name);
    const isCommitted = (log: Buffer): boolean =>
      this.#context.isChanged({ directory: place.target, name: log }, true, 'remove');
    return !found.isDirectory && (isCommitted(wal) || isCommitted(journal));
  }

  async #removeEntry(place: Place, listing: Listing, found: Found): Promise<boolean> {
    const { name, number, isDirectory } = found;
    const { counters, parts } = this.#context;
    const at = number * STAT_BYTES;
    const inode = `${deviceOf(listing, number)}/${readInode(listing.stats, at)}`;
    if (!parts.dryRun && this.#isProtected(place, found, this.#unlinked.has(inode))) return false;
    if (isDirectory && !(await this.#empty(place, name))) return false;
    const bytes = isDirectory ? 0 : readSize(listing.stats, at);
    if (parts.dryRun) {
      if (isDirectory) counters.directoriesToDelete++;
      else {
        counters.filesToDelete++;
        counters.bytesToDelete += bytes;
        this.#share(place.source).deleted++;
      }
      const type = nodeTypeOfMode(readMode(listing.stats, at)) ?? 'file';
      this.#context.plannedRemoval({ directory: place.target, name, type, bytes });
      return true;
    }
    const entry = { directory: place.target, name, during: 'remove' };
    const done = this.#context.attempt(entry, () => {
      this.#context.changing(place.target);
      const handle = parts.directories.use(place.target);
      if (isDirectory) parts.fileSystem.removeDirectoryAt(handle, name);
      else parts.fileSystem.unlinkAt(handle, name);
      return true;
    });
    if (done !== true) return false;
    if (!isDirectory && readLinks(listing.stats, at) > 1) this.#unlinked.add(inode);
    if (isDirectory) counters.directoriesDeleted++;
    else counters.filesDeleted++;
    return true;
  }

  /** Empties a directory; true where nothing is left in it. */
  async #empty(place: Place, name: Buffer): Promise<boolean> {
    const target = new TargetDirectory(place.target, Buffer.from(name));
    const below = { target, path: joinPath(place.path, name), source: place.source };
    const { directories, fileSystem } = this.#context.parts;
    const listing = this.#context.attempt({ directory: place.target, name, during: 'list' }, () =>
      fileSystem.list(directories.use(target)),
    );
    if (listing === undefined) return false;
    if (this.#context.parts.dryRun) this.#see(place.source, listing);
    const kept = await this.#visit(
      below,
      listing,
      listing.names.map((_, number) => number),
    );
    return kept + listing.failed.length === 0;
  }

  /** Tells of each entry whether it stays, whatever is below it. */
  #judge(place: Place, listing: Listing, numbers: readonly number[]): (number: number) => boolean {
    if (numbers.length === 0) return () => true;
    const { fileSystem, directories } = this.#context.parts;
    const looked = this.#context.attempt({ directory: place.target, during: 'look at' }, () => {
      const handle = directories.use(place.target);
      fileSystem.statDirectory(handle, this.#stat);
      return { marker: this.#rules.live.markerIn(fileSystem, handle, listing.names) };
    });
    if (looked === undefined) return () => true;
    const device = `${this.#stat.extras[0]}:${this.#stat.extras[1]}`;
    const going = new Set(numbers);
    const judged = new Map<number, boolean>();
    const stays = (number: number): boolean => {
      const known = judged.get(number) ?? decide(number);
      judged.set(number, known);
      return known;
    };
    const decide = (number: number): boolean => {
      const name = listing.names[number];
      if (name === undefined || (looked.marker !== undefined && !looked.marker.equals(name))) return true;
      if (this.#isOurs(place, listing, { number, name })) return true;
      // What a dead restore left is in no snapshot, and nobody's.
      if (isRestoreName(name) && (readMode(listing.stats, number * STAT_BYTES) & S_IFMT) === S_IFREG) return false;
      const base = this.#databaseOf(place, listing, number);
      // What lies beside a database is part of it: it goes with it, and stays with it.
      if (base !== undefined) return !going.has(base) || stays(base);
      return !this.#isWanted(place, listing, { number, name, device });
    };
    return stays;
  }

  #isOurs(place: Place, listing: Listing, entry: { readonly number: number; readonly name: Buffer }): boolean {
    const { number, name } = entry;
    if (place.target.parent === undefined && name.equals(JOURNAL_NAME)) return true;
    if (name.subarray(0, this.#temporary.length).equals(this.#temporary)) return true;
    const inode = readInode(listing.stats, number * STAT_BYTES);
    return this.#rules.own.has(`${deviceOf(listing, number)}/${inode}`);
  }

  /** Number of the database that this file is a log of. */
  #databaseOf(place: Place, listing: Listing, number: number): number | undefined {
    const base = sideFileBase(listing.names[number] ?? NO_NAME);
    if (base === undefined) return undefined;
    const at = indexOfName(listing.names, base);
    if (at === undefined) return undefined;
    const areFiles = [at, number].every((one) => (readMode(listing.stats, one * STAT_BYTES) & S_IFMT) === S_IFREG);
    // One that is empty, or cannot be read, may be one.
    return areFiles && hasDatabaseHeader(this.#context, place.target, base) !== false ? at : undefined;
  }

  /** True for what a snapshot by the same rules would have held, had it been there. */
  #isWanted(
    place: Place,
    listing: Listing,
    entry: { readonly number: number; readonly name: Buffer; readonly device: string },
  ): boolean {
    const at = entry.number * STAT_BYTES;
    const type = readMode(listing.stats, at) & S_IFMT;
    const mount = deviceOf(listing, entry.number);
    if (type === S_IFDIR && (mount !== entry.device || this.#isMountPoint(place.target, entry.name))) return false;
    const path = joinPath(place.path, entry.name);
    const { live, exclude, leftOut } = this.#rules;
    if (exclude.matches(path, type === S_IFDIR) || leftOut.has(path.toString('latin1'))) return false;
    const size = type === S_IFREG ? readSize(listing.stats, at) : 0;
    return live.wants(path, { type, size, mount, mountAbove: entry.device });
  }
}

function deviceOf(listing: Listing, number: number): string {
  const at = number * LISTING_EXTRA_WORDS;
  return `${listing.extras[at]}:${listing.extras[at + 1]}`;
}
