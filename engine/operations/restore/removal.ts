/**
 * Takes away what the snapshot does not hold (`--delete`), and counts that in a dry run by the very same decisions. What
 * the snapshot left out, what its rules would leave out today, the repository and the cache, other file systems, logs of
 * databases that stay, and what changed since the plan was made are let be, with all directories on the way to them.
 */

import { isWithin, joinPath } from '../../base/paths.ts';
import {
  compareTimes,
  nodeTypeOfMode,
  readCtime,
  readInode,
  readMode,
  readSize,
  S_IFDIR,
  S_IFMT,
  S_IFREG,
  STAT_BYTES,
  type Time,
} from '../../base/stat.ts';
import { sideFileBase } from '../../databases/sqlite-names.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import type { PatternSet } from '../../filesystem/patterns.ts';
import { LISTING_EXTRA_WORDS, type Listing, type StatTarget } from '../../filesystem/types.ts';
import type { LiveRules } from '../../repository/live-rules.ts';
import type { RestoreContext } from './context.ts';
import { JOURNAL_NAME, TEMPORARY_PREFIX } from './journal.ts';
import { TargetDirectory } from './target-directories.ts';
import type { WalkDirectory } from './walk-directory.ts';

export interface RemovalRules {
  /** Sources of the snapshot: nothing beside them is touched. */
  readonly sources: readonly Buffer[];
  readonly live: LiveRules;
  readonly exclude: PatternSet;
  /** Paths of the snapshot, as latin1 text, that this restore leaves out. */
  readonly leftOut: ReadonlySet<string>;
  /** Directories of our own, by `major:minor/inode`. */
  readonly own: ReadonlySet<string>;
  /** What is younger than the plan was not in it. Undefined while the plan is made. */
  readonly plannedAt: Time | undefined;
}

/** A directory of the target, and what it is called in the snapshot. */
interface Place {
  readonly target: TargetDirectory;
  readonly path: Buffer;
}

const TEMPORARY = Buffer.from(TEMPORARY_PREFIX);

export class Removal {
  readonly #context: RestoreContext;
  readonly #rules: RemovalRules;
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };

  constructor(context: RestoreContext, rules: RemovalRules) {
    this.#context = context;
    this.#rules = rules;
  }

  /** True where something may be removed in the directory: it is, or lies in, a source, and all of it was asked for. */
  covers(directory: WalkDirectory): boolean {
    return directory.included && this.#rules.sources.some((source) => isWithin(directory.path, source));
  }

  /** Counts what lies there, for the share that goes. */
  see(listing: Listing): void {
    for (let at = 0; at < listing.stats.length; at += STAT_BYTES) {
      if ((readMode(listing.stats, at) & S_IFMT) !== S_IFDIR) this.#context.counters.filesPresent++;
    }
  }

  /** Removes entries of a listing, by their numbers, with all below; in a dry run, counts. */
  async remove(directory: WalkDirectory, listing: Listing, numbers: readonly number[]): Promise<void> {
    await this.#visit({ target: directory.target, path: directory.path }, listing, numbers);
  }

  /** Removes one entry with all below; true where it is gone. */
  async clear(directory: WalkDirectory, listing: Listing, number: number): Promise<boolean> {
    return (await this.#visit({ target: directory.target, path: directory.path }, listing, [number])) === 0;
  }

  /** Returns how many of the entries stay. */
  async #visit(place: Place, listing: Listing, numbers: readonly number[]): Promise<number> {
    const stays = this.#judge(place, listing, numbers);
    let kept = 0;
    for (const number of numbers) {
      if (!this.#context.fresh) await this.#context.breathe();
      if (stays(number)) kept++;
      else if (!(await this.#removeEntry(place, listing, number))) kept++;
    }
    return kept;
  }

  async #removeEntry(place: Place, listing: Listing, number: number): Promise<boolean> {
    const name = listing.names[number] ?? Buffer.alloc(0);
    const at = number * STAT_BYTES;
    const isDirectory = (readMode(listing.stats, at) & S_IFMT) === S_IFDIR;
    if (isDirectory && !(await this.#empty(place, name))) return false;
    const { counters, parts } = this.#context;
    const bytes = isDirectory ? 0 : readSize(listing.stats, at);
    if (parts.dryRun) {
      if (isDirectory) counters.directoriesToDelete++;
      else {
        counters.filesToDelete++;
        counters.bytesToDelete += bytes;
      }
      const type = nodeTypeOfMode(readMode(listing.stats, at)) ?? 'file';
      this.#context.planned('delete', { directory: place.target, name, type, bytes });
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
    if (isDirectory) counters.directoriesDeleted++;
    else counters.filesDeleted++;
    return true;
  }

  /** Empties a directory; true where nothing is left in it. */
  async #empty(place: Place, name: Buffer): Promise<boolean> {
    const below = {
      target: new TargetDirectory(place.target, Buffer.from(name)),
      path: joinPath(place.path, name),
    };
    const { directories, fileSystem } = this.#context.parts;
    const listing = this.#context.attempt({ directory: place.target, name, during: 'list' }, () =>
      fileSystem.list(directories.use(below.target)),
    );
    if (listing === undefined) return false;
    if (this.#context.parts.dryRun) this.see(listing);
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
      if (this.#isOurs(listing, number, name)) return true;
      const base = sideFileBase(name);
      const baseNumber = base === undefined ? undefined : indexOfName(listing.names, base);
      // What lies beside a database is part of it: it goes with it, and stays with it.
      if (baseNumber !== undefined) return !going.has(baseNumber) || stays(baseNumber);
      return !this.#isWanted(place, listing, { number, name, device }) || this.#isYoung(place, listing, number);
    };
    return stays;
  }

  #isOurs(listing: Listing, number: number, name: Buffer): boolean {
    if (name.equals(JOURNAL_NAME) || name.subarray(0, TEMPORARY.length).equals(TEMPORARY)) return true;
    const inode = readInode(listing.stats, number * STAT_BYTES);
    return this.#rules.own.has(`${deviceOf(listing, number)}/${inode}`);
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
    if (type === S_IFDIR && mount !== entry.device) return false;
    const path = joinPath(place.path, entry.name);
    const { live, exclude, leftOut } = this.#rules;
    if (exclude.matches(path, type === S_IFDIR) || leftOut.has(path.toString('latin1'))) return false;
    const size = type === S_IFREG ? readSize(listing.stats, at) : 0;
    return live.wants(path, { type, size, mount, mountAbove: entry.device });
  }

  /** True for what came, or changed, after the plan: nobody agreed to its end, and no safety snapshot holds it. */
  #isYoung(place: Place, listing: Listing, number: number): boolean {
    const { plannedAt } = this.#rules;
    const at = number * STAT_BYTES;
    if (plannedAt === undefined || (readMode(listing.stats, at) & S_IFMT) === S_IFDIR) return false;
    if (compareTimes(readCtime(listing.stats, at), plannedAt) < 0) return false;
    const entry = { directory: place.target, name: listing.names[number], during: 'remove' };
    const message = 'It changed while the restore was under way, and is not in the snapshot: it was left as it is';
    this.#context.problem(entry, 'CHANGED_MEANWHILE', message);
    return true;
  }
}

function deviceOf(listing: Listing, number: number): string {
  const at = number * LISTING_EXTRA_WORDS;
  return `${listing.extras[at]}:${listing.extras[at + 1]}`;
}
