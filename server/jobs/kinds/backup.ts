/** A backup, with the commands that stand around it. */

import {
  aroundHooks,
  type BackupOptions,
  type BackupResult,
  backup,
  describeHook,
  type Hook,
  runHook,
} from '../../../engine/index.ts';
import { worstOutcome } from '../job.ts';
import type { JobAnswer } from '../messages.ts';
import { backupAnswer, backupOutcome } from '../results.ts';
import { HOOK_OUTPUT, type JobSurroundings } from '../surroundings.ts';

export interface BackupRequest {
  readonly options: Omit<BackupOptions, 'monitor' | 'signal' | 'stdin'>;
  readonly hooks: readonly Hook[];
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
}

export async function run(surroundings: JobSurroundings, request: BackupRequest): Promise<JobAnswer> {
  const { monitor, signal } = surroundings;
  let failedCommands = 0;
  const result = await aroundHooks<BackupResult>(
    {
      hooks: request.hooks,
      run: runHook,
      environment: request.hookEnvironment,
      output: HOOK_OUTPUT,
      signal,
      onReport: ({ status, hook, message }) => {
        if (status === 'done') return;
        failedCommands++;
        const words = `${describeHook(hook)} ${message}`;
        monitor.problem?.({ path: hook.command[0] ?? '', during: 'command', code: 'COMMAND_FAILED', message: words });
      },
    },
    'backup',
    {
      action: async () =>
        backup(await surroundings.open(), { ...request.options, countSources: true, monitor, signal }),
      succeeded: () => true,
    },
  );
  const outcome = worstOutcome([backupOutcome(result), failedCommands > 0 ? 'problems' : 'done']);
  return { outcome, result: backupAnswer(result) };
}
