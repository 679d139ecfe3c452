/** What a restore is asked for, and what it answers. */

import type { Problem } from '../../base/errors.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { Snapshot, SnapshotFilter } from '../../repository/snapshots.ts';

export const OVERWRITE_POLICIES = ['always', 'if-changed', 'if-newer', 'never'] as const;
/**
 * What happens to a file that exists. `always`: written anew. `if-changed`: left alone where size, times and inode show
 * that it is the snapshot's; else its content decides. `if-newer`: replaced where the snapshot's is newer. `never`: kept.
 */
export type OverwritePolicy = (typeof OVERWRITE_POLICIES)[number];

export interface RestoreOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Inside the snapshot: a folder (its content goes straight into the target) or a file. All of it without. */
  readonly path?: Buffer | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** Absolute; made where it does not exist. */
  readonly target: Buffer;
  /** Patterns over absolute paths of the snapshot (filesystem/patterns.ts). Only what fits one, or lies below it. */
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** False leaves out the databases that the snapshot exported; what a target holds in their places stays. */
  readonly databases?: boolean | undefined;
  /** Without one, a target that is not empty is refused. */
  readonly overwrite?: OverwritePolicy | undefined;
  /** Reads everything back and compares it with the ids. */
  readonly verify?: boolean | undefined;
  /** Counts, writes nothing. */
  readonly dryRun?: boolean | undefined;
  readonly workers?: number | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a dry run found: entries that are not directories, and bytes of files. */
export interface RestorePlan {
  readonly filesToCreate: number;
  readonly filesToReplace: number;
  /** Files that exist and whose content would decide. */
  readonly filesToCompare: number;
  readonly filesToSkip: number;
  readonly bytesToWrite: number;
}

export interface RestoreResult {
  readonly snapshot: Snapshot;
  /** Entries that are not directories. */
  readonly filesRestored: number;
  /** Left as they were: by policy, or since they were right already. */
  readonly filesSkipped: number;
  readonly filesDeleted: number;
  readonly bytesRestored: number;
  /** Of those, taken from the very files that were replaced, and not read from the repository. */
  readonly bytesReused: number;
  readonly bytesSkipped: number;
  readonly databases: readonly DatabaseRecord[];
  /** At most SNAPSHOT_PROBLEMS_MAX of them; those that only differ in the path are named once. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Seconds. */
  readonly totalDuration: number;
  readonly plan?: RestorePlan;
}
