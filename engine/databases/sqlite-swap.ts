/**
 * Puts an image in the place of a live SQLite database, in a child process as captures are (sqlite.ts says why). Each swap
 * has a child of its own, which is ended with SIGKILL as soon as it has answered: SQLite would tidy up when it closes the
 * old database, by names that may be those of a newcomer's files by then.
 *
 * sqlite-swap-steps.ts has the steps and why each of them may be the last one.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EngineError, throwIfAborted } from '../base/errors.ts';
import { parentPath } from '../base/paths.ts';
import type { Holder } from './open-holders.ts';

/**
 * `locked`: the old database was held exclusively, and its commits were all in its main file.
 * `renamed`: the old one could not be opened, is no database, or is empty; its side files have other names now.
 * `created`: there was no main file; side files without one have other names now.
 * `written`: programs had the old one open and `force` was given; the image was written into it in one transaction of
 * SQLite, so that it keeps its inode, mode and owner, and programs see the new content.
 */
export type SwapMethod = 'locked' | 'renamed' | 'created' | 'written';

export interface SwapOutcome {
  readonly method: SwapMethod;
  /** What the side files that were kept are called now, `x.db-wal.before-restore` for instance. */
  readonly moved: readonly Buffer[];
  /**
   * Programs to be restarted. After `written`, those that had the database open: they may have old rows in their memory.
   * Else those that still have the old file, which they opened just before it was replaced, or were not to stop for (force
   * on a broken one): they must not go on with it. Empty where /proc does not show them.
   */
  readonly holders: readonly Holder[];
}

/** What a child has just done, in the order of the steps; each method has some of them. */
export type SwapStep =
  | 'started'
  | 'image-synced'
  | 'opened'
  | 'locked'
  | 'checkpointed'
  | 'side-files-removed'
  | 'side-files-aside'
  | 'side-files-durable'
  | 'linked'
  | 'renamed'
  | 'written'
  | 'durable'
  | 'image-removed';

export interface SqliteSwapperOptions {
  /** Private to this run: links to odd names are made in it. */
  readonly scratchDirectory: string;
  /** How long a lock of somebody else is waited for. */
  readonly busyTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For tests: the child waits after each step until this is done. */
  readonly onStep?: ((step: SwapStep, pid: number) => void | Promise<void>) | undefined;
}

export interface SwapRequest {
  /** A file beside the target that nobody else knows. It is synced, and gone afterwards. */
  readonly image: Buffer;
  readonly target: Buffer;
  /** Goes on although a program has the database open, or it may not be opened here; never beside a transaction of others. */
  readonly force: boolean;
}

export type ImageCheck = 'ok' | 'partly-checked' | 'schema-unparsable';

export interface SqliteSwapper {
  /**
   * Opens the image and looks at every page. A schema that this SQLite cannot parse is not damage. Leaves nothing beside
   * it. DATABASE_FAILED where it is damaged or no database; INTERRUPTED after the signal.
   */
  check(image: Buffer): Promise<ImageCheck>;
  /**
   * Killed at any moment, it leaves the old database with all its commits or the new one, never one with side files of the
   * other. DATABASE_FAILED names the path, what failed and what can be done; the old database is in place then with all its
   * commits, and the image where it was. INTERRUPTED after the signal: then either of the two may be there.
   */
  swap(request: SwapRequest): Promise<SwapOutcome>;
  /** Afterwards no child is left; what was under way is INTERRUPTED. */
  close(): Promise<void>;
}

interface ChildOptions {
  readonly scratchDirectory: string;
  readonly busyTimeoutMs: number;
  readonly traced: boolean;
}

export type SwapOrder = ChildOptions &
  (
    | { readonly kind: 'check'; readonly image: Uint8Array }
    | { readonly kind: 'swap'; readonly image: Uint8Array; readonly target: Uint8Array; readonly force: boolean }
  );

export type SwapReply =
  | { readonly kind: 'step'; readonly step: SwapStep }
  | { readonly kind: 'checked'; readonly check: ImageCheck }
  | { readonly kind: 'swapped'; readonly outcome: SwapOutcome }
  | { readonly kind: 'failed'; readonly message: string };

const BUSY_TIMEOUT_MS = 10_000;

class ChildSwapper implements SqliteSwapper {
  readonly #options: SqliteSwapperOptions;
  readonly #children = new Set<ChildProcess>();
  #closed = false;
  readonly #onAbort = (): void => this.#killAll();

  constructor(options: SqliteSwapperOptions) {
    this.#options = options;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  async check(image: Buffer): Promise<ImageCheck> {
    const action = `Cannot use the image ${image.toString('utf8')}`;
    const reply = await this.#ask({ ...this.#childOptions(), kind: 'check', image }, action);
    if (reply.kind === 'checked') return reply.check;
    throw new EngineError('INTERNAL', `${action}: its check answered with "${reply.kind}"`);
  }

  async swap({ image, target, force }: SwapRequest): Promise<SwapOutcome> {
    const action = `Cannot put a database in the place of ${target.toString('utf8')}`;
    if (!parentPath(image).equals(parentPath(target)))
      throw new EngineError('INVALID_ARGUMENT', `${action}: its image ${image.toString('utf8')} is not beside it`);
    const reply = await this.#ask({ ...this.#childOptions(), kind: 'swap', image, target, force }, action);
    if (reply.kind !== 'swapped') throw new EngineError('INTERNAL', `${action}: it answered with "${reply.kind}"`);
    const { method, moved, holders } = reply.outcome;
    return {
      method,
      moved: moved.map((path) => Buffer.from(path)),
      holders: holders.map((holder) => ({ ...holder, path: target })),
    };
  }

  #childOptions(): ChildOptions {
    const { scratchDirectory, busyTimeoutMs, onStep } = this.#options;
    return { scratchDirectory, busyTimeoutMs: busyTimeoutMs ?? BUSY_TIMEOUT_MS, traced: onStep !== undefined };
  }

  /** The answer of a child that is gone afterwards. */
  async #ask(order: SwapOrder, action: string): Promise<SwapReply> {
    throwIfAborted(this.#options.signal);
    if (this.#closed) throw new EngineError('INTERNAL', `${action}: the swapper was closed`);
    const child = fork(fileURLToPath(new URL('./sqlite-swap-child.js', import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
    });
    this.#children.add(child);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(`${signal ?? code}`));
    });
    try {
      const reply = await Promise.race([this.#converse(child, order), ended]);
      if (typeof reply !== 'string') {
        if (reply.kind === 'failed') throw new EngineError('DATABASE_FAILED', `${action}: ${reply.message}`);
        return reply;
      }
      if (this.#closed || this.#options.signal?.aborted === true)
        throw new EngineError('INTERRUPTED', `${action}: it was interrupted`);
      const state = order.kind === 'swap' ? '; the old database or the new one is there, and whole; try again' : '';
      throw new EngineError('DATABASE_FAILED', `${action}: the process that does it ended (${reply})${state}`);
    } finally {
      child.kill('SIGKILL');
      await ended;
      this.#children.delete(child);
    }
  }

  #converse(child: ChildProcess, order: SwapOrder): Promise<SwapReply> {
    return new Promise((resolve, reject) => {
      child.on('message', (reply: SwapReply) => {
        if (reply.kind === 'step') this.#tell(child, reply.step).catch(reject);
        else resolve(reply);
      });
      // What goes wrong with sending is seen when the process ends.
      child.send(order, () => undefined);
    });
  }

  async #tell(child: ChildProcess, step: SwapStep): Promise<void> {
    await this.#options.onStep?.(step, child.pid ?? 0);
    if (child.connected) child.send('go on', () => undefined);
  }

  #killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    const exits = [...this.#children].map((child) => (child.exitCode === null ? once(child, 'exit') : undefined));
    this.#killAll();
    await Promise.all(exits);
  }
}

export function createSqliteSwapper(options: SqliteSwapperOptions): SqliteSwapper {
  return new ChildSwapper(options);
}
