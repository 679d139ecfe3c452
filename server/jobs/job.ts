/** What a job is: long work in a process of its own. */

import type { ErrorCode, Problem, Progress } from '../../engine/index.ts';

export const JOB_STATUSES = ['QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** How a job ended, from the best to the worst. `suspect`: the snapshot is kept and not trusted. */
export const JOB_OUTCOMES = ['done', 'problems', 'suspect', 'damage', 'failed'] as const;
export type JobOutcome = (typeof JOB_OUTCOMES)[number];

export const JOB_TRIGGERS = ['manual', 'schedule'] as const;
export type JobTrigger = (typeof JOB_TRIGGERS)[number];

export interface JobError {
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Job {
  readonly id: number;
  readonly kind: string;
  readonly status: JobStatus;
  readonly trigger: JobTrigger;
  /** The name of a user or token, or `schedule`. */
  readonly createdBy: string;
  readonly createdMs: number;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
  /** One line for people. */
  readonly title: string;
  readonly outcome: JobOutcome | undefined;
  /** What the kind answers, as JSON. */
  readonly result: unknown;
  /** Why it failed. */
  readonly error: JobError | undefined;
  /** At most JOB_PROBLEMS_MAX of problemCount. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** At most JOB_LINES_MAX, the newest. */
  readonly lines: readonly string[];
  /** It was cut off, and the same request would go on where it stopped. */
  readonly canGoOn: boolean;
}

/** Of a job that runs. */
export interface JobProgress extends Progress {
  /** Of a job of several parts. */
  readonly part: string | undefined;
}

export function worstOutcome(outcomes: readonly JobOutcome[]): JobOutcome {
  return outcomes.reduce(
    (worst, one) => (JOB_OUTCOMES.indexOf(one) > JOB_OUTCOMES.indexOf(worst) ? one : worst),
    'done',
  );
}

export function isOver({ status }: Pick<Job, 'status'>): boolean {
  return status !== 'QUEUED' && status !== 'RUNNING';
}
