/** Runs one command without a shell, in a process group of its own, which ends with it where it does not end in time. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../../base/errors.ts';
import { HOOK_GRACE_MS_MAX } from '../../base/limits.ts';
import type { Hook, HookReport } from './options.ts';

export interface HookSurroundings {
  readonly environment: { readonly [name: string]: string | undefined };
  /** File descriptor that the command's output and errors go to. */
  readonly output: number | 'ignore';
  /** Ends the command. */
  readonly signal?: AbortSignal | undefined;
}

const LOOK_MS = 20;

/** Never throws: what went wrong is in the report. */
export async function runHook(hook: Hook, { environment, output, signal }: HookSurroundings): Promise<HookReport> {
  const startedMs = performance.now();
  const [program = '', ...parameters] = hook.command;
  const report = (status: HookReport['status'], message: string, exitCode?: number): HookReport => ({
    hook,
    status,
    exitCode,
    message,
    durationSeconds: (performance.now() - startedMs) / 1000,
  });
  if (signal?.aborted === true) return report('interrupted', 'interrupted before it began');
  let child: ChildProcess;
  try {
    // A group of its own: a terminal's Ctrl-C is ours to pass on, and all that it started can be ended.
    child = spawn(program, parameters, { detached: true, stdio: ['ignore', output, output], env: environment });
  } catch (error) {
    return report('failed', `cannot be run: ${errorMessage(error)}`);
  }
  const end = new Promise<'timeout' | 'interrupted'>((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), hook.timeoutMs);
    child.once('exit', () => clearTimeout(timer));
    child.once('error', () => clearTimeout(timer));
    signal?.addEventListener('abort', () => resolve('interrupted'), { once: true });
  });
  // Its exit counts, not the end of its output: what it leaves running, such as a server, keeps that open.
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  try {
    const first = await Promise.race([exit, end]);
    if (first === 'timeout' || first === 'interrupted') {
      await endGroup(child);
      const seconds = hook.timeoutMs / 1000;
      return report(first, first === 'timeout' ? `did not end within ${seconds} s and was ended` : 'interrupted');
    }
    const [code, by] = first;
    if (code === 0) return report('done', '', 0);
    if (code === null) return report('failed', `was ended by ${by}`);
    return report('failed', `ended with exit code ${code}`, code);
  } catch (error) {
    return report('failed', `cannot be run: ${errorMessage(error)}`);
  }
}

/** Asks the group to end, and ends it if it does not within its grace. */
async function endGroup({ pid }: ChildProcess): Promise<void> {
  if (pid === undefined) return;
  if (!signalGroup(pid, 'SIGTERM')) return;
  for (let waitedMs = 0; waitedMs < HOOK_GRACE_MS_MAX; waitedMs += LOOK_MS) {
    await sleep(LOOK_MS);
    if (!signalGroup(pid, 0)) return;
  }
  signalGroup(pid, 'SIGKILL');
}

/** False where nobody is left in the group. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
