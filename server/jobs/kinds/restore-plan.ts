/** What a restore would do. Nothing is changed. */

import { type RestoreOptions, restore } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { planAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface RestorePlanRequest {
  readonly options: Omit<RestoreOptions, 'monitor' | 'signal' | 'confirm' | 'onPlanned' | 'dryRun'>;
}

export async function run(surroundings: JobSurroundings, { options }: RestorePlanRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await restore(await surroundings.open(), { ...options, dryRun: true, monitor, signal });
  return { outcome: result.problemCount > 0 ? 'problems' : 'done', result: planAnswer(result) };
}
