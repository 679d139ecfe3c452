/** What a chunk index is made and refreshed with. */

import { COLD_RUNS_MAX, RUN_CLAIMS_MAX, YOUNG_BLOBS_MAX } from '../base/limits.ts';

/** When the index moves to LevelDB. Tests set small ones. */
export interface IndexLimits {
  /** Blobs in memory. */
  readonly youngBlobs: number;
  /** Runs in LevelDB; more are merged into one. */
  readonly coldRuns: number;
  /** New blobs of a backup in memory. */
  readonly runClaims: number;
}

export const INDEX_LIMITS_DEFAULT: IndexLimits = {
  youngBlobs: YOUNG_BLOBS_MAX,
  coldRuns: COLD_RUNS_MAX,
  runClaims: RUN_CLAIMS_MAX,
};

export interface RefreshOptions {
  /**
   * Packs that are not in the store are left out (trap 1): a run that would refer to them stores their blobs again.
   */
  readonly onlyExisting?: boolean;
  /** Segments that LevelDB stands for are read too, so that damage to them is found. */
  readonly readsAll?: boolean;
}

export interface ChunkIndexOptions {
  readonly cacheDirectory: string;
  readonly limits?: Partial<IndexLimits> | undefined;
}
