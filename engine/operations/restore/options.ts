/** What a restore is asked for, and what it answers. */

import { EngineError, type Problem } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { NodeType } from '../../base/stat.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { Snapshot, SnapshotFilter } from '../../repository/snapshots.ts';
import type { PathMapping } from './places.ts';
import type { RestoredServer } from './server-result.ts';

export const OVERWRITE_POLICIES = ['always', 'if-changed', 'if-newer', 'never'] as const;
/**
 * What happens to a file that exists. `always`: written anew. `if-changed`: left alone where size, times and inode show
 * that it is the snapshot's; else its content decides. `if-newer`: replaced where the snapshot's is newer. `never`: kept.
 */
export type OverwritePolicy = (typeof OVERWRITE_POLICIES)[number];

export interface RestoreOptions {
  /** `latest`, `latest~N`, a moment, an id or a unique prefix. Not for a rollback. */
  readonly snapshot?: string | undefined;
  /**
   * Undoes the last restore in place: its safety snapshot comes back, and what it does not hold goes. That takes a safety
   * snapshot of its own, so that a second rollback undoes the first.
   */
  readonly rollback?: boolean | undefined;
  /** Inside the snapshot: a folder (its content goes straight into the target) or a file. All of it without. */
  readonly path?: Buffer | undefined;
  /**
   * Several of them instead; none in the list is all of it. In a target one comes as `path` does, several come below their
   * whole paths. Not with a profile.
   */
  readonly paths?: readonly Buffer[] | undefined;
  /**
   * Name of a profile: what belongs to that server and nothing else, its parts and the library folders that its database
   * names. `path` then only chooses among several servers. Paths in its databases follow `mappings`; a mapping may be for
   * them alone (what a container sees).
   */
  readonly profile?: string | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** Absolute; made where it does not exist. Without one, `inPlace` or `mappings` say where to. */
  readonly target?: Buffer | undefined;
  /** Back to where it came from, but for what a mapping covers. Means the policy `if-changed` unless told otherwise. */
  readonly inPlace?: boolean | undefined;
  /** Where it goes instead of where it came from. Without `inPlace` all of it has to be covered. */
  readonly mappings?: readonly PathMapping[] | undefined;
  /** Patterns over absolute paths of the snapshot (filesystem/patterns.ts). Only what fits one, or lies below it. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** False leaves out the databases that the snapshot exported; what a target holds in their places stays. */
  readonly databases?: boolean | undefined;
  /** Without one, a target that is not empty is refused. */
  readonly overwrite?: OverwritePolicy | undefined;
  /**
   * Removes what the snapshot does not hold, within its sources: never what it left out or could not read, nor what its
   * rules leave out, nor the repository, nor anything on another file system.
   */
  readonly delete?: boolean | undefined;
  /** Replaces databases that a process holds open, and removes more than half of the files that are there. */
  readonly force?: boolean | undefined;
  /** Asked before more than half of the files would be removed; without it, or with `false`, the restore is refused. */
  readonly confirm?: ((plan: RestorePlan) => Promise<boolean>) | undefined;
  /** What somebody saw that it removes: where the plan says something else, the restore is refused. */
  readonly agreedRemovals?: AgreedRemovals | undefined;
  /** False: no snapshot of what is there is taken before a restore in place changes anything. */
  readonly safetySnapshot?: boolean | undefined;
  /** Reads everything back and compares it with the ids. */
  readonly verify?: boolean | undefined;
  /** Counts, writes nothing. */
  readonly dryRun?: boolean | undefined;
  /** Told of all that a dry run would do, entry by entry. A promise is waited for, soon. */
  readonly onPlanned?: ((action: PlannedAction) => undefined | Promise<void>) | undefined;
  readonly workers?: number | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `mend`: a directory whose metadata differ. `compare`: a file whose content decides. `swap`: a database. */
export type PlannedKind = 'create' | 'replace' | 'compare' | 'mend' | 'delete' | 'swap';

export interface PlannedAction {
  readonly kind: PlannedKind;
  /** On the disk. */
  readonly path: Buffer;
  readonly type: NodeType;
  /** Of files; zero for all else. */
  readonly bytes: number;
}

/** What a plan removes, in figures: entries, directories among them, and a digest over paths, types and sizes. */
export interface Removals {
  readonly count: number;
  readonly digest: string;
}

/** Of a plan that somebody agreed to. One that was cut off goes on with what is left of it, which no digest fits. */
export interface AgreedRemovals {
  readonly count: number;
  readonly digest?: string | undefined;
}

/** Of a source: files where something may be removed, and those that would be. */
export interface DeletedShare {
  readonly source: Buffer;
  readonly present: number;
  readonly deleted: number;
}

/** What a dry run found: entries that are not directories, and bytes of files. */
export interface RestorePlan {
  readonly filesToCreate: number;
  readonly filesToReplace: number;
  /** Files that exist and whose content would decide. */
  readonly filesToCompare: number;
  readonly filesToSkip: number;
  readonly bytesToWrite: number;
  readonly filesToDelete: number;
  readonly bytesToDelete: number;
  readonly directoriesToDelete: number;
  /** All that goes. */
  readonly removals: Removals;
  /** Directories whose metadata differ. */
  readonly directoriesToMend: number;
  readonly directoriesToMake: number;
  /** Of the disk, that would be replaced; they count among the files, too. */
  readonly databasesToSwap: readonly Buffer[];
  /** Sources, with what lies there now and what of it would go: where that is more than half, it has to be confirmed. */
  readonly shares: readonly DeletedShare[];
  /** One of these: the run would be refused. */
  readonly mostlyDeleted: DeletedShare | undefined;
  /** Databases that are replaced as plain files, since the snapshot holds them as such. */
  readonly otherDatabases: readonly Buffer[];
}

export interface RestoreResult {
  readonly snapshot: Snapshot;
  /** Entries that are not directories. */
  readonly filesRestored: number;
  /** Left as they were: by policy, or since they were right already. */
  readonly filesSkipped: number;
  readonly filesDeleted: number;
  readonly directoriesDeleted: number;
  readonly bytesRestored: number;
  /** Of those, taken from the very files that were replaced, and not read from the repository. */
  readonly bytesReused: number;
  readonly bytesSkipped: number;
  readonly databases: readonly DatabaseRecord[];
  /** At most SNAPSHOT_PROBLEMS_MAX of them; those that only differ in the path are named once. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** What was there before a restore in place. */
  readonly safetySnapshot: SnapshotId | undefined;
  /** With a profile. */
  readonly server: RestoredServer | undefined;
  /** Absolute paths that were restored into. */
  readonly targets: readonly Buffer[];
  /** Seconds. */
  readonly totalDuration: number;
  readonly plan?: RestorePlan;
}

/** Takes a snapshot of folders before a restore changes them; `like` is the one whose files they mostly are. */
export type SaveFirst = (request: {
  readonly paths: readonly Buffer[];
  readonly like: Snapshot;
  /** The paths are those that `like` was taken of, so that its patterns fit. */
  readonly isOrigin: boolean;
}) => Promise<Snapshot | undefined>;

/** INVALID_ARGUMENT for options that contradict each other. */
export function requireOptions(options: RestoreOptions): void {
  const { target, inPlace, mappings } = options;
  const isMapped = mappings !== undefined && mappings.length > 0;
  if (options.rollback === true) {
    const { snapshot, path, paths, profile, overwrite, include, exclude } = options;
    const others = [snapshot, path, paths, profile, target, overwrite, include, exclude];
    if (!isMapped && others.every((other) => other === undefined)) return;
    throw new EngineError(
      'INVALID_ARGUMENT',
      'A rollback undoes all of the last restore in place: it takes no snapshot, path, profile, target, policy or pattern',
    );
  }
  if (options.snapshot === undefined) throw new EngineError('INVALID_ARGUMENT', 'Name the snapshot to restore');
  if (options.paths !== undefined && (options.path !== undefined || options.profile !== undefined)) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'Of a server all comes back, and one path only chooses among several: several paths go with no profile',
    );
  }
  if (target === undefined && inPlace !== true && !isMapped) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'Say where to restore to: a target, the place where it came from, or a mapping',
    );
  }
  if (target !== undefined && (inPlace === true || isMapped)) {
    throw new EngineError('INVALID_ARGUMENT', 'A target is not to be combined with a restore in place or a mapping');
  }
  if (target !== undefined && target[0] !== 0x2f) {
    throw new EngineError('INVALID_ARGUMENT', `The target "${target.toString('utf8')}" is not an absolute path`);
  }
  if (options.delete === true && inPlace !== true && options.overwrite === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'To remove what the snapshot does not hold, say with an overwrite policy that the target may hold something',
    );
  }
}
