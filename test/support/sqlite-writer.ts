/**
 * Databases with an invariant, and processes that write to them. An amount goes from one table to the other in each
 * transaction and a sequence grows by one, so that pages of two moments in one image show.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';

export type WriterOrder = 'work' | 'lock' | 'unlock' | 'spill' | 'hold-open' | 'commit' | 'stop';

export interface WriterReport {
  readonly done: WriterOrder | 'start';
  readonly commits: number;
  readonly failures: readonly string[];
  readonly longestMs: number;
}

export interface ShelfOptions {
  readonly journalMode?: 'wal' | 'delete' | 'truncate' | 'persist';
  readonly pageBytes?: number;
  readonly rows?: number;
  /** Length of each row's text. */
  readonly noteBytes?: number;
  readonly userVersion?: number;
  readonly applicationId?: number;
}

const AMOUNT = 1000;

/** Makes a database that keeps the invariant, and closes it. */
export function makeShelf(path: string, options: ShelfOptions = {}): void {
  const { journalMode = 'delete', pageBytes = 4096, rows = 500, noteBytes = 100 } = options;
  const database = new Database(path);
  database.pragma(`page_size = ${pageBytes}`);
  database.pragma('synchronous = OFF');
  database.pragma(`journal_mode = ${journalMode}`);
  database.pragma(`user_version = ${options.userVersion ?? 26}`);
  database.pragma(`application_id = ${options.applicationId ?? 0x534e4150}`);
  database.exec('CREATE TABLE left_side (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, note TEXT)');
  database.exec('CREATE TABLE sequence (number INTEGER PRIMARY KEY)');
  database.exec('INSERT INTO sequence VALUES (1)');
  database.exec('CREATE TABLE right_side (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL, note TEXT)');
  database.transaction(() => {
    for (const table of ['left_side', 'right_side']) {
      const insert = database.prepare(`INSERT INTO ${table} VALUES (?, ${AMOUNT}, ?)`);
      for (let id = 1; id <= rows; id++) insert.run(id, `${table} ${id} `.padEnd(noteBytes, `${id * 31}x`));
    }
  })();
  database.close();
}

export interface ShelfState {
  readonly commits: number;
  readonly pageBytes: number;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly journalMode: string;
}

/** Opens a restored copy and asserts that it is whole, and of one moment. */
export function readShelf(path: string): ShelfState {
  const database = new Database(path, { fileMustExist: true });
  try {
    assert.equal(database.pragma('integrity_check', { simple: true }), 'ok');
    const value = (sql: string): number => Number(database.prepare(sql).pluck().get());
    const rows = value('SELECT count(*) FROM left_side');
    const amounts = value('SELECT (SELECT sum(amount) FROM left_side) + (SELECT sum(amount) FROM right_side)');
    assert.equal(amounts, 2 * AMOUNT * rows, 'what was taken from one table is in the other');
    const last = value('SELECT max(number) FROM sequence');
    assert.equal(value('SELECT count(*) FROM sequence'), last, 'the sequence has no gap');
    const pragma = (name: string): number => Number(database.pragma(name, { simple: true }));
    return {
      commits: last - 1,
      pageBytes: pragma('page_size'),
      userVersion: pragma('user_version'),
      applicationId: pragma('application_id'),
      journalMode: String(database.pragma('journal_mode', { simple: true })),
    };
  } finally {
    database.close();
  }
}

export interface WriterOptions {
  readonly pauseMs?: number;
  /** How long the writer waits for a lock before its commit fails. */
  readonly busyMs?: number;
  /** Without it SQLite does without a super-journal, too. */
  readonly synchronous?: 'OFF' | 'NORMAL' | 'FULL';
  /** A second database, which each commit changes as the first: in one transaction, or in one of its own just after. */
  readonly pair?: { readonly path: string; readonly how: 'attached' | 'in-turn' };
}

/** A process that has the database open. */
export class SqliteWriter {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  static async start(
    t: { after(act: () => Promise<void>): void },
    path: string,
    options: WriterOptions = {},
  ): Promise<SqliteWriter> {
    const program = fileURLToPath(new URL('./sqlite-writer-process.js', import.meta.url));
    const { pauseMs = 2, busyMs = 5000, synchronous = 'OFF', pair } = options;
    const numbers = [String(pauseMs), String(busyMs)];
    const child = fork(program, [path, ...numbers, synchronous, pair?.how ?? '', pair?.path ?? '']);
    const writer = new SqliteWriter(child);
    t.after(() => writer.kill());
    await once(child, 'message');
    return writer;
  }

  /** Orders, and waits until it is done ('work': begun). */
  async order(order: WriterOrder): Promise<WriterReport> {
    const answered = once(this.#child, 'message');
    this.#child.send(order);
    const [report] = (await answered) as [WriterReport];
    assert.equal(report.done, order);
    return report;
  }

  async stop(): Promise<WriterReport> {
    const report = await this.order('stop');
    await this.#exited;
    return report;
  }

  /** SIGKILL: nothing is tidied up. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
