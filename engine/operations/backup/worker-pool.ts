/**
 * Hands tasks to workers: threads where the store can be reached from them, else one worker in this thread. This file
 * alone decides how much goes on at the same time.
 */

import { Worker } from 'node:worker_threads';
import { EngineError, ERROR_CODES, type ErrorCode, errorMessage } from '../../base/errors.ts';
import { DRAIN_INTERRUPTED_MS_MAX, DRAIN_MS_MAX } from '../../base/limits.ts';
import { endThread, newLoadedMark } from '../../base/threads.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import type { StoredPack } from '../../repository/blob-writer.ts';
import type { Repository } from '../../repository/repository.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import { FileStore } from './file-store.ts';
import type { Baton, Task, TaskEffects, TaskResult, WorkerReply, WorkerRequest } from './messages.ts';
import type { BackupWorkerData } from './worker.ts';

/** Tasks that a worker holds: one at work, one that waits, so that it is never idle for a message's length. */
const TASKS_PER_WORKER = 2;
/** Tasks that may wait for a worker, for each of them, before submit() makes the scan wait. */
const TASKS_WAITING_PER_WORKER = 2;

/** A worker makes short-lived objects only; the default lets 48 MiB of them lie about. */
const WORKER_YOUNG_MIB = 6;

export interface PoolOptions {
  readonly workers: number;
  readonly claims: RunClaims;
  readonly compressionLevel: number | 'off';
  readonly sniffDatabases: boolean;
  readonly dryRun: boolean;
  readonly readBytesPerSecond: number | undefined;
  /** `worker` counts from 0. */
  readonly onStored: (pack: StoredPack, worker: number) => void;
}

export interface TaskOutcome {
  readonly result: TaskResult;
  readonly effects: TaskEffects;
  readonly worker: number;
}

interface Job {
  readonly id: number;
  readonly task: Task;
  readonly onBaton: ((baton: Baton) => void) | undefined;
  readonly resolve: (outcome: TaskOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** One worker as the pool sees it. */
interface Seat {
  readonly number: number;
  readonly jobs: Map<number, Job>;
  readonly send: (request: WorkerRequest) => void;
  readonly stop: () => Promise<void>;
  readonly flushes: Map<number, () => void>;
  /** True once its thread is over: it answers nothing any more. */
  isOver: boolean;
}

export class WorkerPool {
  readonly #repository: Repository;
  readonly #options: PoolOptions;
  readonly #seats: Seat[] = [];
  readonly #waiting: Job[] = [];
  #resume: (() => void)[] = [];
  #nextId = 0;
  #failure: unknown;
  #onFailure: (() => void) | undefined;
  #readBytes = 0;
  #readSinceMs = 0;
  #throttle: NodeJS.Timeout | undefined;
  #closing = false;

  constructor(repository: Repository, options: PoolOptions) {
    this.#repository = repository;
    this.#options = options;
  }

  /** Starts the workers, if they were not started yet. They are started by the first task otherwise. */
  start(): void {
    if (this.#seats.length > 0) return;
    const address = this.#repository.address;
    if (address === undefined) {
      this.#seats.push(this.#inlineSeat());
      return;
    }
    const { compressionLevel, sniffDatabases, dryRun } = this.#options;
    const data: Omit<BackupWorkerData, 'loaded'> = {
      address,
      claims: this.#options.claims.shared(),
      compressionLevel,
      sniffDatabases,
      dryRun,
    };
    for (let number = 0; number < this.#options.workers; number++) this.#seats.push(this.#threadSeat(number, data));
  }

  /** Number of workers that work. */
  get size(): number {
    return this.#seats.length;
  }

  #threadSeat(number: number, common: Omit<BackupWorkerData, 'loaded'>): Seat {
    const data: BackupWorkerData = { ...common, loaded: newLoadedMark() };
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_MIB },
    });
    const seat: Seat = {
      number,
      jobs: new Map(),
      flushes: new Map(),
      isOver: false,
      send: (request) => {
        // The bytes of a batch change hands instead of being copied.
        const batch = request.type === 'task' && request.task.type === 'batch' ? request.task.files : undefined;
        worker.postMessage(request, batch === undefined ? [] : [batch.buffer as ArrayBuffer]);
      },
      stop: () => endThread(worker, data.loaded),
    };
    worker.on('message', (reply: WorkerReply) => {
      try {
        this.#receive(seat, reply);
      } catch (error) {
        this.fail(error);
      }
    });
    worker.on('error', (error) => this.fail(error));
    worker.on('exit', () => {
      seat.isOver = true;
      for (const done of seat.flushes.values()) done();
      if (!this.#closing) this.fail(new EngineError('INTERNAL', 'A backup worker ended before its work was done'));
    });
    return seat;
  }

  #inlineSeat(): Seat {
    const { claims, compressionLevel, sniffDatabases, dryRun } = this.#options;
    const receive = (reply: WorkerReply): void => this.#receive(seat, reply);
    const files = new FileStore(this.#repository, createFileSystem(), {
      claims,
      compressionLevel,
      sniffDatabases,
      dryRun,
      onStored: (pack) => receive({ type: 'pack', pack }),
    });
    const run = async (request: WorkerRequest): Promise<void> => {
      // These are the claims of this very thread.
      if (request.type === 'claims') return;
      if (request.type === 'flush') {
        await files.flush().catch((error: unknown) => this.fail(error));
        return receive({ type: 'flushed', id: request.id });
      }
      if (this.#failure !== undefined) return;
      const { id, task } = request;
      const onBaton = (baton: Baton): void => receive({ type: 'baton', id, baton });
      const result = task.type === 'batch' ? files.runBatch(task) : await files.runStep(task, onBaton);
      receive({ type: 'result', id, result, effects: await files.settle() });
    };
    let last = Promise.resolve();
    const seat: Seat = {
      number: 0,
      jobs: new Map(),
      flushes: new Map(),
      isOver: false,
      send: (request) => {
        last = last.then(() => run(request)).catch((error: unknown) => this.fail(error));
      },
      stop: () => last,
    };
    return seat;
  }

  #receive(seat: Seat, reply: WorkerReply): void {
    switch (reply.type) {
      case 'ready':
        return;
      case 'pack':
        // Buffers arrive from a thread as plain byte arrays.
        this.#options.onStored({ ...reply.pack, headerRecord: Buffer.from(reply.pack.headerRecord) }, seat.number);
        return;
      case 'baton':
        seat.jobs.get(reply.id)?.onBaton?.(reply.baton);
        return;
      case 'flushed':
        seat.flushes.get(reply.id)?.();
        seat.flushes.delete(reply.id);
        return;
      case 'failed':
        this.fail(new EngineError(asErrorCode(reply.code), reply.message));
        return;
      case 'result': {
        const job = seat.jobs.get(reply.id);
        seat.jobs.delete(reply.id);
        this.#readBytes += reply.effects.bytesRead;
        job?.resolve({ result: reply.result, effects: reply.effects, worker: seat.number });
        this.shareClaims();
        this.#dispatch();
      }
    }
  }

  /** To be called now and then by whoever claims blobs beside the workers. */
  shareClaims(): void {
    if (!this.#options.claims.grow()) return;
    const claims = this.#options.claims.shared();
    for (const seat of this.#seats) seat.send({ type: 'claims', claims });
  }

  /**
   * Runs a task. Tasks with a baton come first, because a large file's next step depends on them. Waits for room only
   * through ready().
   */
  submit(task: Task, onBaton?: (baton: Baton) => void): Promise<TaskOutcome> {
    this.start();
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      const job: Job = { id: this.#nextId++, task, onBaton, resolve, reject };
      if (task.type === 'step' && task.position > 0) this.#waiting.unshift(job);
      else this.#waiting.push(job);
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#mustWaitForRate()) return;
    for (;;) {
      const job = this.#waiting[0];
      if (job === undefined) break;
      let best: Seat | undefined;
      for (const seat of this.#seats) if (best === undefined || seat.jobs.size < best.jobs.size) best = seat;
      if (best === undefined || best.jobs.size >= TASKS_PER_WORKER) break;
      this.#waiting.shift();
      best.jobs.set(job.id, job);
      best.send({ type: 'task', id: job.id, task: job.task });
    }
    if (this.#hasRoom()) {
      const resume = this.#resume;
      this.#resume = [];
      for (const go of resume) go();
    }
  }

  /** --limit-read: nothing is handed out while more was read than the rate allows since the run began. */
  #mustWaitForRate(): boolean {
    const rate = this.#options.readBytesPerSecond;
    if (rate === undefined) return false;
    if (this.#throttle !== undefined) return true;
    const now = performance.now();
    if (this.#readSinceMs === 0) this.#readSinceMs = now;
    const waitMs = (this.#readBytes / rate) * 1000 - (now - this.#readSinceMs);
    if (waitMs <= 1) return false;
    this.#throttle = setTimeout(() => {
      this.#throttle = undefined;
      this.#dispatch();
    }, waitMs);
    return true;
  }

  #hasRoom(): boolean {
    return this.#waiting.length < TASKS_WAITING_PER_WORKER * Math.max(1, this.#seats.length);
  }

  /** What to wait for until a task may be submitted without piling up, if anything; throws what the pool failed with. */
  ready(): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#hasRoom() ? undefined : this.#room();
  }

  async #room(): Promise<void> {
    while (!this.#hasRoom() && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#resume.push(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** True where a worker has nothing to do. */
  get hungry(): boolean {
    return this.#waiting.length === 0 && this.#seats.some((seat) => seat.jobs.size === 0);
  }

  /** Makes everything durable that was stored. All tasks must have been answered. */
  async flush(): Promise<void> {
    const flushed = this.#requestFlush();
    const failed = new Promise<void>((resolve) => {
      this.#onFailure = resolve;
    });
    if (this.#failure === undefined) await Promise.race([Promise.all(flushed), failed]);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * After a failure or an interruption: what workers have stored becomes durable where that is possible, and nothing is
   * being written any more, as far as that does not take too long.
   */
  async drain(isInterrupted: boolean): Promise<void> {
    const ms = isInterrupted ? DRAIN_INTERRUPTED_MS_MAX : DRAIN_MS_MAX;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([Promise.all(this.#requestFlush()), late]);
    clearTimeout(timer);
  }

  #requestFlush(): Promise<void>[] {
    return this.#seats.map(
      (seat) =>
        new Promise<void>((resolve) => {
          const id = this.#nextId++;
          if (seat.isOver) return resolve();
          seat.flushes.set(id, resolve);
          seat.send({ type: 'flush', id });
        }),
    );
  }

  /** Ends everything under way with `error`. */
  fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new EngineError('INTERNAL', errorMessage(error));
    this.#onFailure?.();
    for (const job of this.#waiting.splice(0)) job.reject(this.#failure);
    for (const seat of this.#seats) {
      for (const job of seat.jobs.values()) job.reject(this.#failure);
      seat.jobs.clear();
    }
    const resume = this.#resume;
    this.#resume = [];
    for (const go of resume) go();
  }

  async close(): Promise<void> {
    clearTimeout(this.#throttle);
    this.#closing = true;
    await Promise.all(this.#seats.map((seat) => seat.stop()));
  }
}

function asErrorCode(text: string): ErrorCode {
  return ERROR_CODES.find((code) => code === text) ?? 'INTERNAL';
}
