/** Retention, or snapshots that were named. */

import { type ForgetOptions, forget } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { forgetAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface ForgetRequest {
  readonly options: Omit<ForgetOptions, 'signal' | 'dryRun' | 'now'>;
}

export async function run(surroundings: JobSurroundings, request: ForgetRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await forget(await surroundings.open(), { ...request.options, signal });
  for (const warning of result.warnings) monitor.note?.(warning);
  return { outcome: 'done', result: forgetAnswer(result) };
}
