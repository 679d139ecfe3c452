/** What a copy is asked for, and what it answers. */

import type { EngineError } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { Snapshot, SnapshotFilter } from '../../repository/snapshots.ts';

export interface CopyOptions {
  /** `latest`, ids, prefixes; default: all that fit the filter. */
  readonly snapshots?: readonly string[] | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** zstd level of what is stored, 1 to COMPRESSION_LEVEL_MAX. */
  readonly compression?: number | 'off' | undefined;
  /** Decide what would be copied, write nothing. */
  readonly dryRun?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One snapshot in both repositories. */
export interface SnapshotPair {
  readonly source: Snapshot;
  readonly target: Snapshot;
}

export interface CopyResult {
  /** Oldest first. */
  readonly copied: readonly SnapshotPair[];
  /** Those that the target had already. */
  readonly present: readonly SnapshotPair[];
  /** Those that could not be copied, because something in the source is damaged. */
  readonly failed: readonly { readonly id: SnapshotId; readonly error: EngineError }[];
  /** For a dry run: those that would be copied. */
  readonly planned: readonly Snapshot[];
  /** True where both repositories name content alike, so that blobs keep their ids. */
  readonly keepsIds: boolean;
  /** Plaintext bytes of the data blobs that were read. */
  readonly bytesRead: number;
  /** Plaintext bytes that were new to the target. */
  readonly dataAdded: number;
  /** Bytes by which the target's packs and index segments grew. */
  readonly dataAddedPacked: number;
  /** Seconds. */
  readonly totalDuration: number;
}
