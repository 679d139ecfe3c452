/** An audit of the repository. It only reads, and runs beside everything else. */

import { type CheckOptions, check } from '../../../engine/index.ts';
import { JOB_PROBLEMS_MAX } from '../../limits.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface CheckRequest {
  readonly options: Omit<CheckOptions, 'monitor' | 'signal'>;
}

export async function run(surroundings: JobSurroundings, request: CheckRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await check(await surroundings.open(), { ...request.options, monitor, signal });
  return {
    outcome: result.errors.length > 0 ? 'damage' : 'done',
    result: {
      snapshots_checked: result.snapshotsChecked,
      packs_checked: result.packsChecked,
      blobs_checked: result.blobsChecked,
      bytes_read: result.bytesRead,
      error_count: result.errors.length,
      errors: result.errors.slice(0, JOB_PROBLEMS_MAX),
    },
  };
}
