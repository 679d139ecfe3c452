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
}

/** What a kind of job answers. */
export interface JobAnswer {
  readonly outcome: JobOutcome;
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
