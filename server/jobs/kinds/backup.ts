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
import { countsView } from '../../views.ts';
import type { JobOutcome } from '../job.ts';
import type { JobAnswer } from '../messages.ts';
import type { JobSurroundings } from '../surroundings.ts';

export interface BackupRequest {
  readonly options: Omit<BackupOptions, 'monitor' | 'signal' | 'stdin'>;
  readonly hooks: readonly Hook[];
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
}

/** Standard error of the process, which the server writes into its log. */
const HOOK_OUTPUT = 2;

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
        monitor.problem?.({
          path: hook.command[0] ?? '',
          during: 'command',
          code: 'COMMAND_FAILED',
          message: `${describeHook(hook)} ${message}`,
        });
      },
    },
    'backup',
    {
      action: async () =>
        backup(await surroundings.open(), { ...request.options, countSources: true, monitor, signal }),
      succeeded: () => true,
    },
  );
  return { outcome: outcomeOf(result, failedCommands), result: resultOf(result) };
}

function outcomeOf(result: BackupResult, failedCommands: number): JobOutcome {
  if (result.damage.length > 0) return 'damage';
  if (result.suspicion !== undefined) return 'suspect';
  return result.problemCount + failedCommands > 0 ? 'problems' : 'done';
}

function resultOf({ snapshot, parent, counts, databases, suspicion, skipped }: BackupResult): object {
  return {
    snapshot_id: snapshot?.id ?? null,
    parent: parent ?? null,
    ...countsView(counts),
    databases: databases.length,
    suspicion: suspicion ?? null,
    skipped,
  };
}
