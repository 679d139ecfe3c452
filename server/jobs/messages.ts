/** What the server and the process of a job tell each other. They travel by structured clone, so bytes stay bytes. */

import type { Credential, Problem } from '../../engine/index.ts';
import type { JobError, JobOutcome, JobProgress } from './job.ts';

/** What a job's process needs to open the repository. Never on a command line: lists of processes show those. */
export interface RepositoryPlace {
  readonly location: string;
  readonly cacheDirectory: string;
  readonly credential: Credential;
}

/** To the process, once. */
export interface StartMessage {
  readonly type: 'start';
  readonly kind: string;
  readonly request: unknown;
  readonly place: RepositoryPlace;
  /** How long it has from the moment at which it is told to stop. */
  readonly graceMs: number;
}

/** What a kind of job answers. */
export interface JobAnswer {
  readonly outcome: JobOutcome;
  /** Of one that failed and has something to tell all the same: a night does several things. */
  readonly error?: JobError | undefined;
  /** For the API: goes out as JSON. */
  readonly result: object;
}

/** From the process. */
export type JobMessage =
  | { readonly type: 'progress'; readonly progress: JobProgress }
  | { readonly type: 'line'; readonly text: string }
  | { readonly type: 'problem'; readonly problem: Problem }
  | { readonly type: 'done'; readonly answer: JobAnswer }
  | { readonly type: 'failed'; readonly error: JobError };
