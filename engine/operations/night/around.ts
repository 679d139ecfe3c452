/** Commands around an action: those before it decide whether it runs, those after it run whatever happened. */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import type { Hook, HookPoint, HookReport } from './options.ts';
import type { HookSurroundings } from './run-hook.ts';

export interface HookContext {
  readonly hooks: readonly Hook[];
  readonly run: (hook: Hook, surroundings: HookSurroundings) => Promise<HookReport>;
  readonly environment: HookSurroundings['environment'];
  readonly output: HookSurroundings['output'];
  readonly onReport: (report: HookReport) => void;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs what stands before `point`, then `action`, then what stands after it, also where one of the former failed, the
 * action threw, or the signal fired: a server that was stopped is started again. COMMAND_FAILED where a command before it
 * failed and says `stop`; INTERRUPTED; and what the action throws.
 */
export async function aroundHooks<Result>(
  context: HookContext,
  point: HookPoint,
  { action, succeeded }: { readonly action: () => Promise<Result>; readonly succeeded: (result: Result) => boolean },
): Promise<Result> {
  throwIfAborted(context.signal);
  let success = false;
  try {
    await runBefore(context, point);
    const result = await action();
    success = succeeded(result);
    return result;
  } finally {
    await runAfter(context, point, success);
  }
}

async function runBefore(context: HookContext, point: HookPoint): Promise<void> {
  for (const hook of context.hooks) {
    if (hook.when !== 'before' || hook.point !== point) continue;
    const report = await context.run(hook, {
      environment: { ...context.environment, SNAP_HOOK: `before ${point}` },
      output: context.output,
      signal: context.signal,
    });
    context.onReport(report);
    throwIfAborted(context.signal);
    if (report.status === 'done' || hook.onFailure === 'continue') continue;
    throw new EngineError('COMMAND_FAILED', `${describeHook(hook)} ${report.message}: ${point} did not run`);
  }
}

async function runAfter(context: HookContext, point: HookPoint, success: boolean): Promise<void> {
  const outcome = success ? 'success' : 'failure';
  for (const hook of context.hooks) {
    if (hook.when !== 'after' || hook.point !== point) continue;
    if (hook.on !== 'always' && hook.on !== outcome) continue;
    // Its own time is its only limit: an interruption does not end what has to be done after one.
    context.onReport(
      await context.run(hook, {
        environment: { ...context.environment, SNAP_HOOK: `after ${point}`, SNAP_OUTCOME: outcome },
        output: context.output,
      }),
    );
  }
}

/** `The command before backup (systemctl stop server)`. */
export function describeHook({ when, point, command }: Hook): string {
  return `The command ${when} ${point} (${command.join(' ')})`;
}
