/** What a prune is asked for, and what it answers. */

import type { SnapshotId } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { PrunePlan, UnusedLimit } from './plan.ts';

export const MAX_UNUSED_DEFAULT: UnusedLimit = { share: 0.05 };

export interface PruneOptions {
  /** What may stay in packs without being needed: a share of what is kept, or bytes. Default: 5 percent. */
  readonly maxUnused?: UnusedLimit | undefined;
  /** Bytes of packs whose live blobs are copied to new packs at most. Default: as much as `maxUnused` asks for. */
  readonly maxRepackBytes?: number | undefined;
  /** How long a marked pack stays, in milliseconds: for stores that list late. Default: 0. */
  readonly graceMs?: number | undefined;
  /** Locks the repository exclusively, and frees before it writes: for a disk that is full. */
  readonly now?: boolean | undefined;
  /** Only the plan. Nothing is written. */
  readonly dryRun?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes are those of pack files. Of a dry run: what would be, as far as it can be told, with nobody else there. */
export interface PruneResult {
  readonly plan: PrunePlan;
  /** Forgotten snapshots that are gone now. */
  readonly snapshotsRemoved: readonly SnapshotId[];
  readonly packsKept: number;
  readonly packsRepacked: number;
  /** Packs that wait until runs are over which may refer to them. */
  readonly packsMarked: number;
  readonly packsRemoved: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly bytesFreed: number;
}
