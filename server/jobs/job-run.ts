/** One job that runs: its process, what it told so far, and how it is ended. */

import { type ChildProcess, fork } from 'node:child_process';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Problem } from '../../engine/index.ts';
import { JOB_LINE_CHARACTERS_MAX, JOB_LINES_MAX, JOB_PROBLEMS_MAX } from '../limits.ts';
import type { JobError, JobProgress } from './job.ts';
import type { JobAnswer, JobMessage, StartMessage } from './messages.ts';

/** How a job's process ended. */
export type JobEnd =
  | { readonly type: 'done'; readonly answer: JobAnswer }
  | { readonly type: 'failed'; readonly error: JobError };

export interface JobListener {
  readonly onProgress: (progress: JobProgress) => void;
  readonly onLine: (line: string) => void;
  readonly onProblem: (problem: Problem) => void;
}

const LAST_WORDS_MS = 500;

export class JobRun {
  readonly #child: ChildProcess;
  readonly #listener: JobListener;
  readonly #graceMs: number;
  #progress: JobProgress | undefined;
  readonly #lines: string[] = [];
  readonly #problems: Problem[] = [];
  #problemCount = 0;
  #end: JobEnd | undefined;
  #killer: NodeJS.Timeout | undefined;
  /** When the process is gone. */
  readonly ended: Promise<JobEnd>;

  constructor(message: StartMessage, listener: JobListener) {
    this.#listener = listener;
    this.#graceMs = message.graceMs;
    // The password is not for the environment of a process that may start commands.
    const environment = Object.entries(process.env).filter(([name]) => !name.startsWith('SNAP_PASSWORD'));
    this.#child = fork(new URL('./job-process.js', import.meta.url), {
      serialization: 'advanced',
      execArgv: [],
      env: Object.fromEntries(environment),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.on('message', (told) => this.#told(told as JobMessage));
    this.#readLines();
    this.ended = this.#untilEnd();
    this.#child.send(message, () => undefined);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get progress(): JobProgress | undefined {
    return this.#progress;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get problemCount(): number {
    return this.#problemCount;
  }

  /** Asks it to stop; after its time it is killed. */
  stop(): void {
    if (this.#killer !== undefined) return;
    this.#child.kill('SIGINT');
    this.#killer = setTimeout(() => this.#child.kill('SIGKILL'), this.#graceMs);
  }

  #untilEnd(): Promise<JobEnd> {
    return new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#end ??= { type: 'failed', error: { code: 'INTERNAL', message: `Its process failed: ${error.message}` } };
        if (this.#child.pid === undefined) resolve(this.#end);
      });
      this.#child.once('exit', (code, signal) => {
        clearTimeout(this.#killer);
        const how = signal === null ? `exit code ${code}` : signal;
        const message = `Its process ended before it was done (${how})`;
        const end = (): void => resolve(this.#end ?? { type: 'failed', error: { code: 'INTERRUPTED', message } });
        // What it said last comes behind; but a command may have left a server running that still holds the pipe. The
        // timer alone may be what keeps a server alive that ends, until this end is written down.
        const lastWords = setTimeout(end, LAST_WORDS_MS);
        this.#child.once('close', () => {
          clearTimeout(lastWords);
          end();
        });
      });
    });
  }

  #told(message: JobMessage): void {
    switch (message.type) {
      case 'progress':
        this.#progress = message.progress;
        this.#listener.onProgress(message.progress);
        return;
      case 'line':
        this.#addLine(message.text);
        return;
      case 'problem': {
        this.#problemCount++;
        if (this.#problems.length < JOB_PROBLEMS_MAX) this.#problems.push(message.problem);
        this.#listener.onProblem(message.problem);
        return;
      }
      default:
        this.#end ??= message;
        // It has said its last word: one that stands still then is no reason to wait.
        this.#killer ??= setTimeout(() => this.#child.kill('SIGKILL'), LAST_WORDS_MS * 10);
    }
  }

  /** What the process, and commands that it runs, write to standard error. */
  #readLines(): void {
    const { stderr } = this.#child;
    if (stderr === null) return;
    // Read for as long as anybody writes: a server that a command started would die of a pipe that nobody reads.
    if (stderr instanceof Socket) stderr.unref();
    createInterface({ input: stderr, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => this.#addLine(line));
  }

  #addLine(text: string): void {
    const line = text.slice(0, JOB_LINE_CHARACTERS_MAX);
    this.#lines.push(line);
    if (this.#lines.length > JOB_LINES_MAX) this.#lines.shift();
    this.#listener.onLine(line);
  }
}
