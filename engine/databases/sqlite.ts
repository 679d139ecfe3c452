/**
 * Captures live SQLite databases as images of one moment. All of it happens in a child process, because in one process a
 * plain open and close of a database file drops SQLite's own locks on it; this process never opens one.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { EngineError } from '../base/errors.ts';
import type { CaptureReply, CaptureRequest, SqliteCapture } from './sqlite-capture.ts';

export type { SqliteCapture, Stamp } from './sqlite-capture.ts';

export { isSqliteHeader, type SqliteSideFiles, sideFileBase, sqliteSideFiles } from './sqlite-names.ts';

export interface SqliteCapturerOptions {
  /** Private to this run: images, copies and links to odd names are made in it. */
  readonly scratchDirectory: string;
  readonly busyTimeoutMs?: number;
  /** Longest time for which writers may be kept waiting. */
  readonly holdMsMax?: number;
  readonly signal?: AbortSignal;
}

export interface SqliteCapturer {
  /** DATABASE_FAILED names the file, what failed and what can be done; INTERRUPTED after the signal. */
  capture(path: Buffer): Promise<SqliteCapture>;
  close(): Promise<void>;
}

const BUSY_TIMEOUT_MS = 10_000;
const HOLD_MS_MAX = 1000;

class ChildCapturer implements SqliteCapturer {
  readonly #options: SqliteCapturerOptions;
  #child: ChildProcess | undefined;
  #next = 0;
  readonly #waiting = new Map<
    number,
    { resolve: (reply: CaptureReply) => void; reject: (error: EngineError) => void }
  >();
  readonly #onAbort = (): void =>
    this.#fail(new EngineError('INTERRUPTED', 'The capture of a database was interrupted'));

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
    child.on('message', (reply: CaptureReply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    child.on('exit', (code, signal) => {
      if (this.#child === child) this.#child = undefined;
      this.#fail(new EngineError('DATABASE_FAILED', `The process that captures databases ended (${signal ?? code})`));
    });
    this.#child = child;
    return child;
  }

  #fail(error: EngineError): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  async capture(path: Buffer): Promise<SqliteCapture> {
    if (this.#options.signal?.aborted === true) throw new EngineError('INTERRUPTED', 'The capture was interrupted');
    const id = this.#next++;
    const request: CaptureRequest = {
      id,
      path,
      scratchDirectory: this.#options.scratchDirectory,
      busyTimeoutMs: this.#options.busyTimeoutMs ?? BUSY_TIMEOUT_MS,
      holdMsMax: this.#options.holdMsMax ?? HOLD_MS_MAX,
    };
    const reply = await new Promise<CaptureReply>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#start().send(request);
    });
    if (reply.capture !== undefined) return reply.capture;
    throw new EngineError(
      'DATABASE_FAILED',
      `Cannot capture the database ${path.toString('utf8')}: ${reply.message ?? ''}`,
    );
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const child = this.#child;
    this.#child = undefined;
    child?.removeAllListeners();
    child?.kill('SIGKILL');
  }
}

export function createSqliteCapturer(options: SqliteCapturerOptions): SqliteCapturer {
  return new ChildCapturer(options);
}
