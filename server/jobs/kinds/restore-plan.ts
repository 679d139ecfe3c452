/** What a restore would do. Nothing is changed. */

import { type RestoreOptions, restore } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { PlanSample } from '../plan-sample.ts';
import { planAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface RestorePlanRequest {
  readonly options: Omit<RestoreOptions, 'monitor' | 'signal' | 'confirm' | 'onPlanned' | 'dryRun'>;
  /** Names some of what it would touch. */
  readonly withEntries?: boolean;
}

export async function run(
  surroundings: JobSurroundings,
  { options, withEntries = false }: RestorePlanRequest,
): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const sample = withEntries ? new PlanSample() : undefined;
  const result = await restore(await surroundings.open(), {
    ...options,
    dryRun: true,
    onPlanned: sample?.told,
    monitor,
    signal,
  });
  return { outcome: result.problemCount > 0 ? 'problems' : 'done', result: planAnswer(result, sample?.entries) };
}
