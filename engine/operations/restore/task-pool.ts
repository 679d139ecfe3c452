/** Gives tasks to worker threads, or does them here where the store cannot be reached from threads or there is little to do. */

import { Worker } from 'node:worker_threads';
import { EngineError } from '../../base/errors.ts';
import type { Time } from '../../base/stat.ts';
import { endThread, type LoadedMark, newLoadedMark } from '../../base/threads.ts';
import type { DirectoryHandle, FileSystem } from '../../filesystem/types.ts';
import type { Repository } from '../../repository/repository.ts';
import { type FileTask, type FileTaskResult, transfers, type WorkerReply, type WorkerRequest } from './messages.ts';
import { TaskRunner, temporaryPrefix } from './task-runner.ts';
import type { RestoreWorkerData } from './worker.ts';

/** One at work, one whose frames are being read. */
const TASKS_PER_WORKER = 2;

/** A worker makes short-lived objects only; the default lets 48 MiB of them lie about. */
const WORKER_YOUNG_MIB = 6;

interface Pending {
  readonly resolve: (result: FileTaskResult | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Seat {
  readonly worker: Worker;
  readonly loaded: LoadedMark;
  readonly pending: Map<number, Pending>;
}

export interface TaskPoolOptions {
  readonly repository: Repository;
  readonly fileSystem: FileSystem;
  readonly workers: number;
  readonly token: string;
  readonly plannedAt: Time | undefined;
}

export class TaskPool {
  readonly #options: TaskPoolOptions;
  readonly #seats: Seat[] = [];
  readonly #cancel = new Int32Array(new SharedArrayBuffer(4));
  readonly #here: TaskRunner;
  #waiting: (() => void)[] = [];
  #nextId = 0;
  #failure: unknown;

  constructor(options: TaskPoolOptions) {
    this.#options = options;
    this.#here = new TaskRunner(options.repository, options.fileSystem, {
      temporaryPrefix: temporaryPrefix(options.token, 'm'),
      plannedAt: options.plannedAt,
      cancelled: () => Atomics.load(this.#cancel, 0) !== 0,
    });
  }

  /** Starts the threads, once. */
  start(): void {
    const { address } = this.#options.repository;
    if (address === undefined || this.#seats.length > 0) return;
    for (let number = 0; number < this.#options.workers; number++) {
      const data: RestoreWorkerData = {
        address,
        temporaryPrefix: temporaryPrefix(this.#options.token, number.toString(36)),
        plannedAt: this.#options.plannedAt,
        cancel: this.#cancel.buffer as SharedArrayBuffer,
        loaded: newLoadedMark(),
      };
      const worker = new Worker(new URL('./worker.js', import.meta.url), {
        workerData: data,
        resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_MIB },
      });
      const seat: Seat = { worker, loaded: data.loaded, pending: new Map() };
      worker.on('message', (reply: WorkerReply) => this.#settle(seat, reply));
      worker.on('error', (error) => this.#fail(error));
      this.#seats.push(seat);
    }
  }

  get taskLimit(): number {
    return Math.max(1, this.#options.workers) * TASKS_PER_WORKER;
  }

  /** Makes all runners stop at the next file. */
  cancel(): void {
    Atomics.store(this.#cancel, 0, 1);
  }

  #settle(seat: Seat, reply: WorkerReply): void {
    const pending = seat.pending.get(reply.id);
    seat.pending.delete(reply.id);
    if (pending === undefined) return;
    if ('error' in reply) pending.reject(new EngineError(reply.error.code, reply.error.message));
    else pending.resolve(reply.result);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #fail(error: unknown): void {
    this.#failure = new EngineError('INTERNAL', 'A worker of the restore broke down', error);
    for (const seat of this.#seats) {
      for (const pending of seat.pending.values()) pending.reject(this.#failure);
      seat.pending.clear();
    }
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #freeSeat(): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.#seats) {
      if (seat.pending.size >= TASKS_PER_WORKER) continue;
      if (best === undefined || seat.pending.size < best.pending.size) best = seat;
    }
    return best;
  }

  /** Settles once a task can be taken at once. */
  async ready(): Promise<void> {
    while (this.#seats.length > 0 && this.#failure === undefined && this.#freeSeat() === undefined) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async run(task: FileTask): Promise<FileTaskResult> {
    const seat = this.#freeSeat();
    if (seat === undefined) return this.#here.run(task, await this.#here.load(task));
    const result = await this.#send(seat, (id) => ({ id, task }), transfers(task));
    if (result === undefined) throw new EngineError('INTERNAL', 'A worker answered without a result');
    return result;
  }

  #send(
    seat: Seat,
    request: (id: number) => WorkerRequest,
    transferred: ArrayBuffer[],
  ): Promise<FileTaskResult | undefined> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      seat.pending.set(id, { resolve, reject });
      seat.worker.postMessage(request(id), transferred);
    });
  }

  /** Puts the target on disk, in a thread if there is one: it may take long. */
  async sync(root: DirectoryHandle): Promise<void> {
    const seat = this.#freeSeat();
    if (seat === undefined) this.#options.fileSystem.syncFileSystem(root);
    else await this.#send(seat, (id) => ({ id, sync: { fd: root.fd, path: Uint8Array.from(root.path) } }), []);
  }

  async close(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => endThread(seat.worker, seat.loaded)));
    this.#seats.length = 0;
  }
}
