/** An audit of the repository. It only reads, and runs beside everything else. */

import { type CheckOptions, check } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { checkAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface CheckRequest {
  readonly options: Omit<CheckOptions, 'monitor' | 'signal'>;
}

export async function run(surroundings: JobSurroundings, request: CheckRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await check(await surroundings.open(), { ...request.options, monitor, signal });
  return { outcome: result.errors.length > 0 ? 'damage' : 'done', result: checkAnswer(result) };
}
