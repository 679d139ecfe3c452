/** Sizes: what snapshots would restore to, what is stored for them, and what one of them alone holds. */

import { type StatsOptions, stats } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { statsAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface StatsRequest {
  readonly options: Omit<StatsOptions, 'signal'>;
}

export async function run({ open, signal }: JobSurroundings, request: StatsRequest): Promise<JobAnswer> {
  const result = await stats(await open(), { ...request.options, signal });
  return { outcome: result.damaged.length > 0 ? 'damage' : 'done', result: statsAnswer(result) };
}
