/** What a kind of job has at hand, in its own process. */

import type { CommandRunner, Monitor, Repository } from '../../engine/index.ts';
import type { RepositoryPlace } from './messages.ts';

export interface JobSurroundings {
  readonly place: RepositoryPlace;
  /** Opens the repository; closed when the job is over. */
  readonly open: () => Promise<Repository>;
  /** Progress, problems and notes go to the server, and from there to whoever watches. */
  readonly monitor: Monitor;
  /** Says which part of a job of several parts begins. */
  readonly beginPart: (part: string) => void;
  /** With the priority that the server has, which the job itself gives up. */
  readonly runCommand: CommandRunner;
  /** Fires when the job is to stop: somebody cancelled it, or the server ends. */
  readonly signal: AbortSignal;
}

/** Where commands write to: standard error of the process, which the server takes into the job's log. */
export const HOOK_OUTPUT = 2;
