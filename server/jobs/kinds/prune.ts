/** Frees the space of what no snapshot needs. */

import { type PruneOptions, prune } from '../../../engine/index.ts';
import type { JobAnswer } from '../messages.ts';
import { pruneAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface PruneRequest {
  readonly options: Omit<PruneOptions, 'monitor' | 'signal' | 'dryRun'>;
}

export async function run(surroundings: JobSurroundings, request: PruneRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const result = await prune(await surroundings.open(), { ...request.options, monitor, signal });
  return { outcome: 'done', result: pruneAnswer(result) };
}
