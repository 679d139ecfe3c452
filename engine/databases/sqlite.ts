/**
 * Captures live SQLite databases as images of one moment. All of it happens in a child process, because in one process a
 * plain open and close of a database file drops SQLite's own locks on it; this process never opens one.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';
import { DATABASE_HOLD_MS_MAX } from '../base/limits.ts';
import type { CaptureOutcome, CaptureReply, CaptureRequest, MemberReply } from './sqlite-capture.ts';

export type { CaptureOutcome, LiveFiles, SqliteCapture, Stamp } from './sqlite-capture.ts';

export { isSqliteHeader, type SqliteSideFiles, sideFileBase, sqliteSideFiles } from './sqlite-names.ts';

export interface SqliteCapturerOptions {
  /** Private to this run: images, copies and links to odd names are made in it. */
  readonly scratchDirectory: string;
  /** How long a lock of somebody else is waited for. */
  readonly busyTimeoutMs?: number | undefined;
  /** Longest time for which writers may be kept waiting. */
  readonly holdMsMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What became of one of several. The error is DATABASE_FAILED. */
export type MemberOutcome = CaptureOutcome | { readonly kind: 'failed'; readonly error: EngineError };

export interface MomentCapture {
  /** In the order of the paths. */
  readonly members: readonly MemberOutcome[];
  /** Why what was captured is not of one moment, but each of its own; undefined where it is of one. */
  readonly apart: string | undefined;
}

export interface SqliteCapturer {
  /** DATABASE_FAILED names the file, what failed and what can be done; INTERRUPTED after the signal. */
  capture(path: Buffer): Promise<CaptureOutcome>;
  /**
   * Captures several as of one moment, or where that cannot be had each of its own, in this order. DATABASE_FAILED only
   * where the capturing process ended; INTERRUPTED after the signal.
   */
  captureTogether(paths: readonly Buffer[]): Promise<MomentCapture>;
  /** Afterwards the child is gone. */
  close(): Promise<void>;
}

const BUSY_TIMEOUT_MS = 10_000;

interface Waiting {
  readonly resolve: (reply: CaptureReply) => void;
  readonly reject: (error: EngineError) => void;
}

class ChildCapturer implements SqliteCapturer {
  readonly #options: SqliteCapturerOptions;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #next = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onAbort = (): void =>
    this.#end(new EngineError('INTERRUPTED', 'The capture of a database was interrupted'));

  constructor(options: SqliteCapturerOptions) {
    this.#options = options;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = fork(fileURLToPath(new URL('./sqlite-child.js', import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#child = child;
    this.#ended = once(child, 'exit').catch(() => undefined);
    child.on('message', (reply: CaptureReply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    const onEnd = (how: string): void => {
      if (this.#child !== child) return;
      this.#end(new EngineError('DATABASE_FAILED', `The process that captures databases ended (${how})`));
    };
    child.on('error', (error) => onEnd(error.message));
    child.on('exit', (code, signal) => onEnd(`${signal ?? code}`));
    return child;
  }

  #end(error: EngineError): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  async capture(path: Buffer): Promise<CaptureOutcome> {
    const { members } = await this.#ask([path]);
    const outcome = outcomeOf(path, members[0]);
    if (outcome.kind === 'failed') throw outcome.error;
    return outcome;
  }

  async captureTogether(paths: readonly Buffer[]): Promise<MomentCapture> {
    const { members, apart } = await this.#ask(paths);
    return { members: paths.map((path, index) => outcomeOf(path, members[index])), apart };
  }

  #ask(paths: readonly Buffer[]): Promise<CaptureReply> {
    const { scratchDirectory, busyTimeoutMs, holdMsMax, signal } = this.#options;
    const request: CaptureRequest = {
      id: this.#next++,
      paths,
      scratchDirectory,
      busyTimeoutMs: busyTimeoutMs ?? BUSY_TIMEOUT_MS,
      holdMsMax: holdMsMax ?? DATABASE_HOLD_MS_MAX,
    };
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(new EngineError('INTERRUPTED', 'The capture of a database was interrupted'));
        return;
      }
      this.#waiting.set(request.id, { resolve, reject });
      // What goes wrong with sending is seen when the process ends.
      this.#start().send(request, () => undefined);
    });
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#end(new EngineError('INTERRUPTED', 'The capture of databases was closed'));
    await this.#ended;
  }
}

function outcomeOf(path: Buffer, reply: MemberReply | undefined): MemberOutcome {
  if (reply !== undefined && reply.kind !== 'failed') return reply;
  const why = reply?.message ?? 'no reason was given';
  const error = new EngineError('DATABASE_FAILED', `Cannot capture the database ${path.toString('utf8')}: ${why}`);
  return { kind: 'failed', error };
}

export function createSqliteCapturer(options: SqliteCapturerOptions): SqliteCapturer {
  return new ChildCapturer(options);
}
