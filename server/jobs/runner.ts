/**
 * Runs jobs: one that writes at a time, in the order in which they came, and some that only read beside it. Whatever ends
 * a job's process, the job ends with it and says why.
 */

import type { FastifyBaseLogger } from 'fastify';
import type { EventLog } from '../events.ts';
import { JOB_GRACE_MS_MAX, JOB_GRACE_WITH_COMMANDS_MS_MAX, JOBS_WAITING_MAX, READING_JOBS_MAX } from '../limits.ts';
import { ServerError } from '../problems.ts';
import type { JobPage, JobStore } from '../state/jobs.ts';
import { jobView, progressView } from '../views.ts';
import { isOver, type Job, type JobError, type JobProgress, type JobTrigger } from './job.ts';
import { type JobEnd, JobRun } from './job-run.ts';
import { hasCommandsAfter, isJobKind, JOB_KINDS, type JobKind, type JobRequest } from './kinds.ts';
import type { RepositoryPlace } from './messages.ts';

export interface NewJobRequest<Kind extends JobKind> {
  readonly kind: Kind;
  readonly request: JobRequest<Kind>;
  /** One line for people. */
  readonly title: string;
  readonly trigger: JobTrigger;
  readonly createdBy: string;
}

export interface JobRunnerParts {
  readonly store: JobStore;
  readonly events: EventLog;
  readonly log: FastifyBaseLogger;
  readonly place: RepositoryPlace;
  readonly nowMs: () => number;
}

/** A job as it is at this moment. */
export interface JobState {
  readonly job: Job;
  readonly progress: JobProgress | undefined;
}

interface Entry {
  readonly id: number;
  readonly kind: JobKind;
  readonly request: unknown;
  readonly graceMs: number;
  run: JobRun | undefined;
  /** Why it was told to stop. */
  stopped: 'cancelled' | 'server' | undefined;
}

export type JobEndListener = (job: Job) => void;

export class JobRunner {
  readonly #parts: JobRunnerParts;
  /** Those that wait and those that run, in the order in which they came. */
  readonly #entries: Entry[] = [];
  readonly #endListeners: JobEndListener[] = [];
  readonly #waiting = new Map<number, ((job: Job) => void)[]>();
  #isClosing = false;
  #wakeClosing: (() => void) | undefined;

  constructor(parts: JobRunnerParts) {
    this.#parts = parts;
  }

  /** What an earlier server left behind has failed, and says so. To be called once, before anything is started. */
  recover(): readonly Job[] {
    return this.#parts.store.listUnfinished().map((job) => {
      const began = job.status === 'RUNNING';
      const canGoOn = isJobKind(job.kind) && JOB_KINDS[job.kind].canGoOn;
      const hint = began && canGoOn ? '. The same request goes on where it stopped' : '';
      const message = began ? `The server ended while it ran${hint}` : 'The server ended before it began';
      return this.#finish(job, { status: 'FAILED', error: { code: 'INTERRUPTED', message } });
    });
  }

  /** Told of each job that is over, before anybody else. */
  onEnd(listener: JobEndListener): void {
    this.#endListeners.push(listener);
  }

  /** BUSY where too many wait, or where the server ends. */
  start<Kind extends JobKind>(given: NewJobRequest<Kind>): Job {
    if (this.#isClosing) throw new ServerError('BUSY', 'The server ends: it takes no more work');
    if (this.#entries.length >= JOBS_WAITING_MAX) {
      throw new ServerError('BUSY', `${this.#entries.length} jobs wait already: try again when some are over`);
    }
    const { kind, request, title, trigger, createdBy } = given;
    const kept = JOB_KINDS[kind].canGoOn ? { request } : {};
    const createdMs = this.#parts.nowMs();
    const job = this.#parts.store.add({ kind, title, trigger, createdBy, createdMs, ...kept });
    const graceMs = hasCommandsAfter(kind, request) ? JOB_GRACE_WITH_COMMANDS_MS_MAX : JOB_GRACE_MS_MAX;
    this.#entries.push({ id: job.id, kind, request, graceMs, run: undefined, stopped: undefined });
    this.#tell(job);
    this.#startWaiting();
    return this.#parts.store.get(job.id);
  }

  /** Starts what was cut off again; it goes on where it stopped. CONFLICT where that cannot be. */
  resume(id: number, createdBy: string): Job {
    const job = this.#parts.store.find(id);
    if (job === undefined) throw new ServerError('NOT_FOUND', `There is no job ${id}`);
    if (!job.canGoOn || !isJobKind(job.kind)) throw new ServerError('CONFLICT', `Job ${id} is none that can go on`);
    const request = this.#parts.store.findRequest(id) as JobRequest<JobKind>;
    const { kind, title } = job;
    const again = this.start({ kind, request, title, trigger: 'manual', createdBy });
    this.#parts.store.dropRequest(id);
    return again;
  }

  find(id: number): JobState | undefined {
    const entry = this.#entries.find((one) => one.id === id);
    const job = this.#parts.store.find(id);
    return job === undefined ? undefined : this.#stateOf(job, entry);
  }

  /** The job once it is over. NOT_FOUND. */
  async untilOver(id: number): Promise<Job> {
    const job = this.#parts.store.find(id);
    if (job === undefined) throw new ServerError('NOT_FOUND', `There is no job ${id}`);
    if (isOver(job)) return job;
    return new Promise((resolve) => this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]));
  }

  /** The newest first. */
  list(page: JobPage): JobState[] {
    const entries = new Map(this.#entries.map((entry) => [entry.id, entry]));
    return this.#parts.store.list(page).map((job) => this.#stateOf(job, entries.get(job.id)));
  }

  /** False where it is over already, or never was. One that runs is told to stop, and ends soon. */
  cancel(id: number): boolean {
    const entry = this.#entries.find((one) => one.id === id);
    if (entry === undefined) return false;
    this.#stop(entry, 'cancelled');
    return true;
  }

  /** True while a job of this kind waits or runs. */
  isUnderWay(kind: JobKind): boolean {
    return this.#entries.some((entry) => entry.kind === kind);
  }

  get runningCount(): number {
    return this.#entries.filter(({ run }) => run !== undefined).length;
  }

  get waitingCount(): number {
    return this.#entries.length - this.runningCount;
  }

  /** Tells all jobs to stop and waits until they are over. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const entry of [...this.#entries]) this.#stop(entry, 'server');
    if (this.#entries.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#wakeClosing = resolve;
    });
  }

  #stateOf(job: Job, entry: Entry | undefined): JobState {
    const { run } = entry ?? {};
    if (run === undefined || isOver(job)) return { job, progress: undefined };
    const { lines, problems, problemCount, progress } = run;
    return { job: { ...job, lines, problems, problemCount }, progress };
  }

  #stop(entry: Entry, why: 'cancelled' | 'server'): void {
    entry.stopped ??= why;
    if (entry.run !== undefined) {
      entry.run.stop();
      return;
    }
    this.#over(entry, { type: 'failed', error: { code: 'INTERRUPTED', message: 'It was taken back before it began' } });
  }

  #startWaiting(): void {
    for (const entry of [...this.#entries]) {
      if (entry.run === undefined && this.#hasRoom(entry)) this.#begin(entry);
    }
  }

  #hasRoom({ kind }: Entry): boolean {
    const { writes } = JOB_KINDS[kind];
    const running = this.#entries.filter((entry) => entry.run !== undefined && JOB_KINDS[entry.kind].writes === writes);
    return running.length < (writes ? 1 : READING_JOBS_MAX);
  }

  #begin(entry: Entry): void {
    const { store, events, place, log, nowMs } = this.#parts;
    const { id, kind, request, graceMs } = entry;
    const job: Job = { ...store.get(id), status: 'RUNNING', startedMs: nowMs() };
    store.save(job);
    log.info({ job: id, kind }, 'A job begins');
    const listener = {
      onProgress: (progress: JobProgress) =>
        events.publish('progress', { job_id: id, progress: progressView(progress) }, { isKept: false }),
      onLine: (line: string) => events.publish('line', { job_id: id, line }),
      onProblem: (problem: object) => events.publish('problem', { job_id: id, problem }, { isKept: false }),
    };
    const run = new JobRun({ type: 'start', kind, request, place, graceMs }, listener);
    entry.run = run;
    this.#tell(job);
    run.ended
      .then((end) => this.#over(entry, end))
      .catch((error: unknown) => log.error({ err: error, job: id }, 'The end of a job could not be written down'));
  }

  #over(entry: Entry, end: JobEnd): void {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return;
    this.#entries.splice(at, 1);
    try {
      this.#writeEnd(entry, end);
    } finally {
      this.#startWaiting();
      if (this.#entries.length === 0) this.#wakeClosing?.();
    }
  }

  #writeEnd({ id, run, stopped }: Entry, end: JobEnd): void {
    const stored = this.#parts.store.get(id);
    const told = run === undefined ? {} : { lines: run.lines, problems: run.problems, problemCount: run.problemCount };
    const job: Job = { ...stored, ...told };
    if (end.type === 'failed') {
      this.#finish(job, failureOf(end.error, stopped));
      return;
    }
    const { outcome, result, error } = end.answer;
    if (outcome === 'failed') {
      const failure = error ?? { code: 'INTERNAL', message: 'It failed' };
      this.#finish(job, { outcome, result, ...failureOf(failure, stopped) });
    } else this.#finish(job, { status: 'COMPLETED', outcome, result });
  }

  #finish(job: Job, end: Partial<Job>): Job {
    const { store, log, nowMs } = this.#parts;
    store.save({ ...job, ...end, endedMs: nowMs() });
    // A request is kept for one that can go on with it.
    if (end.status === 'COMPLETED') store.dropRequest(job.id);
    const over = store.get(job.id);
    const { id, kind, status, outcome, error } = over;
    const facts = { job: id, kind, status, outcome, code: error?.code, reason: error?.message };
    if (status === 'FAILED') log.warn(facts, 'A job failed');
    else log.info(facts, 'A job is over');
    for (const listener of this.#endListeners) listener(over);
    this.#tell(over);
    for (const wake of this.#waiting.get(over.id) ?? []) wake(over);
    this.#waiting.delete(over.id);
    return over;
  }

  #tell(job: Job): void {
    this.#parts.events.publish('job', jobView(job));
  }
}

/** What it told of its failure, seen from who stopped it. */
function failureOf(error: JobError, stopped: Entry['stopped']): Pick<Job, 'status' | 'error'> {
  if (error.code !== 'INTERRUPTED' || stopped === undefined) return { status: 'FAILED', error };
  if (stopped === 'cancelled')
    return { status: 'CANCELLED', error: { code: 'INTERRUPTED', message: 'It was cancelled' } };
  return { status: 'FAILED', error: { code: 'INTERRUPTED', message: 'The server was stopped while it ran' } };
}
