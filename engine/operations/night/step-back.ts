/** A process that works for others while somebody waits for them: it steps back, and what it starts does not. */

import { yieldToOthers } from '../../filesystem/machine.ts';
import { HookThread } from './hook-thread.ts';
import type { Hook, HookReport } from './options.ts';
import type { HookSurroundings } from './run-hook.ts';

/** Runs a command with the priority that this process had before. Never throws, as runHook. */
export type CommandRunner = (hook: Hook, surroundings: HookSurroundings) => Promise<HookReport>;

/** Lets others go first from now on, as far as the system has it; what cannot be done is no reason to do nothing. */
export async function stepBack(hooks: readonly Hook[]): Promise<CommandRunner> {
  const thread = hooks.length === 0 ? undefined : await HookThread.start();
  yieldToOthers(thread?.threadId, 'low');
  return async (hook, surroundings) => (thread ?? (await HookThread.start())).run(hook, surroundings);
}
