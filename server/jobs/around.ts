/** The commands that stand around a job's action. */

import { aroundHooks, describeHook, type Hook, type HookPoint } from '../../engine/index.ts';
import { HOOK_OUTPUT, type JobSurroundings } from './surroundings.ts';

export interface Commands {
  readonly hooks: readonly Hook[];
  readonly hookEnvironment: { readonly [name: string]: string | undefined };
}

/** A command that failed is a problem of the job; COMMAND_FAILED where one before it says that nothing is to be done then. */
export async function aroundCommands<Result>(
  { monitor, signal, runCommand }: JobSurroundings,
  { hooks, hookEnvironment }: Commands,
  { point, action }: { readonly point: HookPoint; readonly action: () => Promise<Result> },
): Promise<{ readonly result: Result; readonly failedCommands: number }> {
  let failedCommands = 0;
  const result = await aroundHooks<Result>(
    {
      hooks,
      run: runCommand,
      environment: hookEnvironment,
      output: HOOK_OUTPUT,
      signal,
      onReport: ({ status, hook, message }) => {
        if (status === 'done') return;
        failedCommands++;
        const words = `${describeHook(hook)} ${message}`;
        monitor.problem?.({ path: hook.command[0] ?? '', during: 'command', code: 'COMMAND_FAILED', message: words });
      },
    },
    point,
    { action, succeeded: () => true },
  );
  return { result, failedCommands };
}
