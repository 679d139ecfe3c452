/**
 * The kinds of jobs. One more is a file of kinds/ that exports `run(surroundings, request)`, and a line here. Each is
 * loaded by the process that runs it, never by the server itself; what a request holds travels by structured clone.
 */

import { EngineError, type Hook, type HookPoint } from '../../engine/index.ts';
import type { JobAnswer } from './messages.ts';
import type { JobSurroundings } from './surroundings.ts';

interface Kind<Request> {
  /** Changes the repository or the disk: one such job runs at a time. */
  readonly writes: boolean;
  /** Its request is kept, so that one that was cut off can be started again and goes on where it stopped. */
  readonly canGoOn: boolean;
  /** At which point of a night commands of its request stand around it; all of them around a night. */
  readonly commandsAt?: HookPoint | 'all';
  readonly load: () => Promise<{
    readonly run: (surroundings: JobSurroundings, request: Request) => Promise<JobAnswer>;
  }>;
}

function kind<Request>(kind: Kind<Request>): Kind<Request> {
  return kind;
}

export const JOB_KINDS = {
  night: kind({ writes: true, canGoOn: false, commandsAt: 'all', load: () => import('./kinds/night.ts') }),
  backup: kind({ writes: true, canGoOn: false, commandsAt: 'backup', load: () => import('./kinds/backup.ts') }),
  restore: kind({ writes: true, canGoOn: true, commandsAt: 'restore', load: () => import('./kinds/restore.ts') }),
  'restore-upload': kind({
    writes: true,
    canGoOn: true,
    commandsAt: 'restore',
    load: () => import('./kinds/restore-upload.ts'),
  }),
  'restore-plan': kind({ writes: false, canGoOn: false, load: () => import('./kinds/restore-plan.ts') }),
  import: kind({ writes: true, canGoOn: false, load: () => import('./kinds/import.ts') }),
  forget: kind({ writes: true, canGoOn: false, load: () => import('./kinds/forget.ts') }),
  prune: kind({ writes: true, canGoOn: false, load: () => import('./kinds/prune.ts') }),
  judge: kind({ writes: false, canGoOn: false, load: () => import('./kinds/judge.ts') }),
  detect: kind({ writes: false, canGoOn: false, load: () => import('./kinds/detect.ts') }),
  'damage-search': kind({ writes: false, canGoOn: false, load: () => import('./kinds/damage-search.ts') }),
  check: kind({ writes: false, canGoOn: false, load: () => import('./kinds/check.ts') }),
  stats: kind({ writes: false, canGoOn: false, load: () => import('./kinds/stats.ts') }),
} as const;

export type JobKind = keyof typeof JOB_KINDS;
export const JOB_KIND_NAMES = Object.keys(JOB_KINDS) as readonly JobKind[];

/** What a job of a kind is asked for. */
export type JobRequest<Name extends JobKind> = (typeof JOB_KINDS)[Name] extends Kind<infer Request> ? Request : never;

export function isJobKind(name: string): name is JobKind {
  return JOB_KIND_NAMES.some((known) => known === name);
}

/** True where a command has to run after it whatever happens: it gets the time for that when it is told to stop. */
export function hasCommandsAfter(name: JobKind, request: unknown): boolean {
  const { commandsAt }: Kind<never> = JOB_KINDS[name];
  const { hooks = [] } = request as { readonly hooks?: readonly Hook[] };
  return hooks.some(({ when, point }) => when === 'after' && (commandsAt === 'all' || commandsAt === point));
}

/** In the job's own process. */
export async function runKind(name: string, surroundings: JobSurroundings, request: unknown): Promise<JobAnswer> {
  if (!isJobKind(name)) throw new EngineError('INTERNAL', `There is no job of the kind ${name}`);
  const { run } = await JOB_KINDS[name].load();
  // The runner took the request for this very kind.
  return (run as (surroundings: JobSurroundings, request: unknown) => Promise<JobAnswer>)(surroundings, request);
}
