/** The configuration's commands, and running them around a backup that is no part of a night. */

import {
  aroundHooks,
  describeHook,
  HOOK_TIMEOUT_MS_DEFAULT,
  type Hook,
  type HookReport,
  runHook,
} from '../engine/index.ts';
import type { Config } from './config/schema.ts';
import { EXIT_FAILED, EXIT_OK, EXIT_PROBLEMS, worstExitCode } from './exit-codes.ts';
import { printable } from './render.ts';
import type { Interruption } from './session.ts';

/** Standard output is for results, and may be JSON. */
export const HOOK_OUTPUT = 2;
const SHELL = '/bin/sh';

export function hooksOf({ commands = [] }: Config): Hook[] {
  return commands.flatMap(({ before, after, run, timeout, on_failure: onFailure, when: on }) => {
    const point = before ?? after;
    if (point === undefined) return [];
    const command = typeof run === 'string' ? [SHELL, '-c', run] : run;
    const when = before === undefined ? 'after' : 'before';
    return [
      {
        when,
        point,
        command,
        timeoutMs: timeout ?? HOOK_TIMEOUT_MS_DEFAULT,
        onFailure: onFailure ?? 'stop',
        on: on ?? 'always',
      } as const,
    ];
  });
}

/** What commands see: not the password, which is none of their business. */
export function hookEnvironment(): { readonly [name: string]: string | undefined } {
  const secret = /^SNAP_PASSWORD/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !secret.test(name)));
}

export function hookExitCode({ status, hook }: HookReport): number {
  if (status === 'done') return EXIT_OK;
  return hook.onFailure === 'stop' ? EXIT_FAILED : EXIT_PROBLEMS;
}

/** Runs `action` with the commands before and after a backup. */
export async function aroundBackup<Result>(
  hooks: readonly Hook[],
  interruption: Interruption,
  action: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly hookCode: number }> {
  if (!hooks.some(({ point }) => point === 'backup')) return { result: await action(), hookCode: EXIT_OK };
  interruption.bePatient();
  const reports: HookReport[] = [];
  const context = {
    hooks,
    run: runHook,
    environment: hookEnvironment(),
    output: HOOK_OUTPUT,
    signal: interruption.signal,
    onReport: (report: HookReport) => {
      reports.push(report);
      if (report.status === 'done') return;
      process.stderr.write(`snap: ${printable(`${describeHook(report.hook)} ${report.message}`)}\n`);
    },
  };
  const result = await aroundHooks(context, 'backup', { action, succeeded: () => true });
  return { result, hookCode: worstExitCode(reports.map(hookExitCode)) };
}
