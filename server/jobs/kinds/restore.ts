/** A restore. One that was cut off is found again by its journal in the target: the same request goes on. */

import { type RestoreOptions, restore } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { restoreAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface RestoreRequest {
  /** With `force` where somebody confirmed what it removes: a job has nobody to ask. */
  readonly options: Omit<RestoreOptions, 'monitor' | 'signal' | 'confirm' | 'onPlanned' | 'dryRun'>;
}

export async function run(surroundings: JobSurroundings, request: RestoreRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await restore(await surroundings.open(), { ...request.options, monitor, signal });
  return { outcome: result.problemCount > 0 ? 'problems' : 'done', result: restoreAnswer(result) };
}
