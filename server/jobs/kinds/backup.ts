/** A backup, with the commands that stand around it. */

import { type BackupOptions, backup } from '../../../engine/index.ts';
import { aroundCommands, type Commands } from '../around.ts';
import { worstOutcome } from '../job.ts';
import type { JobAnswer } from '../messages.ts';
import { backupAnswer, backupOutcome } from '../results.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface BackupRequest extends Commands {
  readonly options: Omit<BackupOptions, 'monitor' | 'signal' | 'stdin'>;
}

export async function run(surroundings: JobSurroundings, request: BackupRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  const { result, failedCommands } = await aroundCommands(surroundings, request, {
    point: 'backup',
    action: async () => backup(await surroundings.open(), { ...request.options, countSources: true, monitor, signal }),
  });
  const outcome = worstOutcome([backupOutcome(result), failedCommands > 0 ? 'problems' : 'done']);
  return { outcome, result: backupAnswer(result) };
}
