/**
 * A restore, with the commands that stand around it: those that stop the server whose database it is, and start it again. One
 * that was cut off is found again by its journal in the target: the same request goes on.
 */

import { type RestoreOptions, restore } from '../../../engine/index.ts';
import { aroundCommands, type Commands } from '../around.ts';
import type { JobAnswer } from '../messages.ts';
import { restoreAnswer } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface RestoreRequest extends Partial<Commands> {
  readonly options: Omit<RestoreOptions, 'monitor' | 'signal' | 'confirm' | 'onPlanned' | 'dryRun'>;
  /** Somebody confirmed what it removes: a job has nobody to ask. */
  readonly confirmed?: boolean;
}

export async function run(surroundings: JobSurroundings, request: RestoreRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const { options, confirmed = false, hooks = [], hookEnvironment = {} } = request;
  const { result, failedCommands } = await aroundCommands(
    surroundings,
    { hooks, hookEnvironment },
    {
      point: 'restore',
      action: async () =>
        restore(await surroundings.open(), { ...options, confirm: async () => confirmed, monitor, signal }),
    },
  );
  const hasProblems = result.problemCount + failedCommands > 0;
  return { outcome: hasProblems ? 'problems' : 'done', result: restoreAnswer(result) };
}
