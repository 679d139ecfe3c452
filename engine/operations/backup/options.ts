/** What a backup is asked for, and what it answers. */

import { EngineError, type Problem } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import { COMPRESSION_LEVEL_MAX, WORKERS_MAX } from '../../base/limits.ts';
import type { Damage, Monitor } from '../../base/monitor.ts';
import type { DatabaseServer } from '../../databases/server-address.ts';
import type { BackupCounts, DatabaseRecord } from '../../format/snapshot.ts';
import type { ServerCheck } from '../../repository/server-check.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { ExclusionOptions } from './exclusions.ts';
import type { StreamSource } from './stream-store.ts';

export interface BackupOptions extends ExclusionOptions {
  /** Absolute paths; none where `stdin` is the source. */
  readonly paths: readonly Buffer[];
  /** One streamed file instead of paths. */
  readonly stdin?: StreamSource | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Default: the machine's name. */
  readonly host?: string | undefined;
  /** The snapshot's time; default: now. */
  readonly time?: Date | undefined;
  readonly ignoreInode?: boolean | undefined;
  readonly ignoreCtime?: boolean | undefined;
  /** zstd level, 1 to COMPRESSION_LEVEL_MAX. */
  readonly compression?: number | 'off' | undefined;
  /** Default: the cores, up to WORKERS_DEFAULT_MAX. */
  readonly workers?: number | undefined;
  readonly readBytesPerSecond?: number | undefined;
  /** Names of profiles of the servers whose folders the sources are: what they know is applied. */
  readonly profiles?: readonly string[] | undefined;
  /** False: SQLite files are stored like any other file. */
  readonly databases?: boolean | undefined;
  /** Database servers whose dumps go into the snapshot, before its files. */
  readonly databaseServers?: readonly DatabaseServer[] | undefined;
  /** How long another process's lock on a database is waited for. */
  readonly databaseBusyMsMax?: number | undefined;
  /** For how long the writers of a database may be kept waiting. */
  readonly databaseHoldMsMax?: number | undefined;
  /** Snapshot to compare with; default: the newest of the same paths. */
  readonly parent?: string | undefined;
  /** Read every file again. */
  readonly force?: boolean | undefined;
  /** Save no snapshot when nothing changed. */
  readonly skipIfUnchanged?: boolean | undefined;
  /**
   * Percentage of files or bytes that the sources may lose since the last trusted snapshot of the same paths and rules;
   * default: SHRINK_PERCENT_DEFAULT. A run that lost more, or found a source empty, is kept and marked suspect.
   */
  readonly maxShrink?: number | undefined;
  /** Throw PROBLEMS_FOUND instead of saving a snapshot with problems or a suspicion. */
  readonly strict?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  /** Count the sources beside the run where no parent tells how much there is, so that progress has its totals. */
  readonly countSources?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly program?: string | undefined;
}

/** A profile that was applied. */
export interface AppliedProfile {
  readonly name: string;
  /** The server's folder. */
  readonly folder: Buffer;
  /** Where each of its parts lies. */
  readonly parts: readonly { readonly name: string; readonly folder: Buffer }[];
  /** Folders that its database names: as the server sees them, and where they lie here. */
  readonly folders: readonly { readonly said: string; readonly path: Buffer | undefined }[];
  /** Patterns of what it leaves out. */
  readonly excludes: readonly string[];
  /** Those of them that count only where the dumps are in the snapshot that were asked for. */
  readonly dumpExcludes: readonly string[];
  /** Captured in this order, before any file; those with the same word as one moment. */
  readonly databases: readonly { readonly path: Buffer; readonly moment: string | undefined }[];
  readonly warnings: readonly string[];
}

/** The options of a run with what the profiles make of them. */
export interface RunOptions extends BackupOptions {
  readonly applied: readonly AppliedProfile[];
}

export interface BackupResult {
  /** Undefined for a dry run, and where nothing changed and that was asked for. */
  readonly snapshot: Snapshot | undefined;
  readonly parent: SnapshotId | undefined;
  readonly counts: BackupCounts;
  readonly databases: readonly DatabaseRecord[];
  readonly profiles: readonly AppliedProfile[];
  /** What the profiles checked once the snapshot was saved: rows of the servers' databases against its files. */
  readonly checks: readonly ServerCheck[];
  /** Why not all was checked: INTERRUPTED, say. The snapshot is saved all the same. */
  readonly checksError: EngineError | undefined;
  /** Bytes of the sources' files that were read: none where nothing changed. */
  readonly bytesRead: number;
  /** At most SNAPSHOT_PROBLEMS_MAX of problemCount. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** What the repository lacks, or has damaged; the snapshot refers to none of it, earlier ones may. */
  readonly damage: readonly Damage[];
  /** Why the snapshot is suspect and does not count for retention until somebody trusts it. */
  readonly suspicion: string | undefined;
  /** True where nothing changed and no snapshot was saved for that reason. */
  readonly skipped: boolean;
}

/** INVALID_ARGUMENT for values that no run can have. */
export function requireOptions(options: BackupOptions): void {
  const { compression, workers, paths } = options;
  if (
    compression !== undefined &&
    compression !== 'off' &&
    !(compression >= 1 && compression <= COMPRESSION_LEVEL_MAX)
  ) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `Compression is "off" or a level from 1 to ${COMPRESSION_LEVEL_MAX}, not ${compression}`,
    );
  }
  if (workers !== undefined && !(Number.isInteger(workers) && workers >= 1 && workers <= WORKERS_MAX)) {
    throw new EngineError('INVALID_ARGUMENT', `Workers are a number from 1 to ${WORKERS_MAX}, not ${workers}`);
  }
  const { maxShrink } = options;
  if (maxShrink !== undefined && !(maxShrink >= 0 && maxShrink <= 100)) {
    throw new EngineError('INVALID_ARGUMENT', `The largest shrinkage is a percentage, not ${maxShrink}`);
  }
  if (options.stdin !== undefined) {
    if (options.databaseServers !== undefined && options.databaseServers.length > 0) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        'A stream is the only source of its snapshot: name no database beside it',
      );
    }
    if (paths.length === 0) return;
    throw new EngineError('INVALID_ARGUMENT', 'A stream is the only source of its snapshot: name no paths beside it');
  }
  if (paths.length === 0) throw new EngineError('INVALID_ARGUMENT', 'No source was named');
  for (const path of paths) {
    if (path[0] !== 0x2f)
      throw new EngineError('INVALID_ARGUMENT', `The source "${path.toString('utf8')}" is not an absolute path`);
  }
}
