/**
 * The child process that captures databases. Ways to copy, the first that fits is taken and recorded:
 *
 * - single-step: a read transaction is pinned and all pages are copied by the backup API in one step on the same
 *   connection. In WAL mode nobody waits; in rollback mode writers wait, so it is taken only where it fits the budget.
 * - reflink: the file system clones the file under the lock, which takes no time.
 * - bounded-steps: pages are copied a few at a time without a held lock; a writer in between starts it over.
 * - private-copy: where the database cannot be opened in place (read-only folder, hot journal), main file, `-wal` and
 *   `-journal` are copied together, again if they moved meanwhile, and opened and recovered there. Never `immutable`.
 */

import { createHash, randomBytes } from 'node:crypto';
import { constants, copyFileSync, existsSync, lstatSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { MIB } from '../base/limits.ts';
import type { CaptureReply, CaptureRequest, SqliteCapture, Stamp } from './sqlite-capture.ts';
import { sqliteSideFiles } from './sqlite-names.ts';

type Connection = Database.Database;
type Method = SqliteCapture['method'];

/** What copying is taken to manage at least, until it was measured. */
const COPY_BYTES_PER_MS = 100 * 1024;
const ALL_PAGES = 0x7fff_fffe;
const STEP_BYTES = 16 * MIB;
const RESTARTS_MAX = 5;
const PRIVATE_COPIES_MAX = 5;
const COUNT_BUDGET_MS = 2000;
const COUNTED_TABLES_MAX = 1000;

interface Files {
  /** What SQLite opens: the path itself, or a link to one that is not UTF-8. */
  readonly open: string;
  readonly main: Buffer;
  readonly wal: Buffer;
  readonly shm: Buffer;
  readonly journal: Buffer;
}

function stampOf(path: Buffer): Stamp | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const split = (ns: bigint): [number, number] => {
    const nanoseconds = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    return [Number((ns - nanoseconds) / 1_000_000_000n), Number(nanoseconds)];
  };
  const [mtimeSeconds, mtimeNanoseconds] = split(stat.mtimeNs);
  const [ctimeSeconds, ctimeNanoseconds] = split(stat.ctimeNs);
  return { size: Number(stat.size), mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds, inode: stat.ino };
}

function liveStamps(files: Files): SqliteCapture['live'] {
  const main = stampOf(files.main);
  if (main === undefined) throw new Error('it vanished');
  return { main, wal: stampOf(files.wal), journal: stampOf(files.journal) };
}

function sameStamps(a: SqliteCapture['live'], b: SqliteCapture['live']): boolean {
  const text = (live: SqliteCapture['live']): string =>
    JSON.stringify(live, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  return text(a) === text(b);
}

function filesOf(path: Buffer, scratch: string): { files: Files; dispose: () => void } {
  const side = sqliteSideFiles(path);
  const text = path.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(path);
  if (isText) return { files: { open: text, main: path, ...side }, dispose: () => undefined };
  // SQLite follows the link itself and finds the side files at the real place.
  const link = join(scratch, `link-${randomBytes(6).toString('hex')}`);
  symlinkSync(path, link);
  return { files: { open: link, main: path, ...side }, dispose: () => unlinkSync(link) };
}

function isWal(connection: Connection): boolean {
  return connection.pragma('journal_mode', { simple: true }) === 'wal';
}

async function copyInOneStep(connection: Connection, image: string): Promise<void> {
  await connection.backup(image, { progress: () => ALL_PAGES });
}

/** Copies a few pages at a time; SQLite starts over by itself when another process wrote, and that is bounded here. */
async function copyInSteps(connection: Connection, image: string, pageSize: number): Promise<void> {
  const pages = Math.max(1, Math.floor(STEP_BYTES / pageSize));
  let restarts = 0;
  let before = Number.POSITIVE_INFINITY;
  await connection.backup(image, {
    progress: ({ remainingPages }) => {
      if (remainingPages > before && ++restarts > RESTARTS_MAX) {
        throw new Error(
          'writers came between each time, and holding them off for longer could make their server fail; stop the server for the time of the backup (commands: before/after)',
        );
      }
      before = remainingPages;
      return pages;
    },
  });
}

async function copyLive(
  files: Files,
  image: string,
  request: CaptureRequest,
): Promise<{ method: Method; holdMs: number; wal: boolean }> {
  const connection = new Database(files.open, { readonly: true, fileMustExist: true, timeout: request.busyTimeoutMs });
  try {
    connection.exec('BEGIN');
    connection.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get();
    const held = performance.now();
    const wal = isWal(connection);
    const pageSize = Number(connection.pragma('page_size', { simple: true }));
    const pageCount = Number(connection.pragma('page_count', { simple: true }));
    if (wal || (pageSize * pageCount) / COPY_BYTES_PER_MS <= request.holdMsMax) {
      await copyInOneStep(connection, image);
      const holdMs = wal ? 0 : performance.now() - held;
      connection.exec('COMMIT');
      return { method: 'single-step', holdMs, wal };
    }
    try {
      copyFileSync(files.open, image, constants.COPYFILE_FICLONE_FORCE);
      const holdMs = performance.now() - held;
      connection.exec('COMMIT');
      return { method: 'reflink', holdMs, wal };
    } catch {
      rmSync(image, { force: true });
    }
    connection.exec('COMMIT');
    await copyInSteps(connection, image, pageSize);
    return { method: 'bounded-steps', holdMs: 0, wal };
  } finally {
    connection.close();
  }
}

/** Copies the files themselves and recovers the copy; only where the database cannot be opened where it is. */
async function copyPrivately(files: Files, image: string): Promise<{ method: Method; holdMs: number; wal: boolean }> {
  const copy = `${image}-private`;
  const remove = (): void => {
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${copy}${suffix}`, { force: true });
  };
  try {
    for (let attempt = 1; ; attempt++) {
      remove();
      const before = liveStamps(files);
      copyFileSync(files.main, copy, constants.COPYFILE_FICLONE);
      if (before.wal !== undefined) copyFileSync(files.wal, `${copy}-wal`, constants.COPYFILE_FICLONE);
      if (before.journal !== undefined) copyFileSync(files.journal, `${copy}-journal`, constants.COPYFILE_FICLONE);
      if (sameStamps(before, liveStamps(files))) break;
      if (attempt >= PRIVATE_COPIES_MAX) throw new Error('its files changed each time they were copied');
    }
    const connection = new Database(copy, { fileMustExist: true });
    try {
      connection.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get();
      const wal = isWal(connection);
      await copyInOneStep(connection, image);
      return { method: 'private-copy', holdMs: 0, wal };
    } finally {
      connection.close();
    }
  } finally {
    remove();
  }
}

function sqliteCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** Side files that were not there before and that our own look at the database made. */
function removeOwnSideFiles(files: Files, before: SqliteCapture['live'], shmBefore: boolean): void {
  if (before.wal !== undefined || shmBefore) return;
  const wal = stampOf(files.wal);
  if (wal === undefined || wal.size > 0) return;
  // An exclusive lock proves that nobody else has the database open; then SQLite removes both files itself at close.
  try {
    const connection = new Database(files.open, { fileMustExist: true, timeout: 0 });
    try {
      connection.pragma('locking_mode = EXCLUSIVE');
      connection.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get();
    } finally {
      connection.close();
    }
  } catch {
    // Somebody uses it: the files are theirs now.
  }
}

interface Inspection {
  readonly pageSize: number;
  readonly pageCount: number;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly schemaHash: string;
  readonly sqliteVersion: string;
  readonly check: SqliteCapture['check'];
  readonly checkMessages: readonly string[];
  readonly rowCounts: readonly { readonly table: string; readonly rows: number }[];
}

/** Checks the image; throws where it is damaged. */
function inspect(image: string): Inspection {
  const connection = new Database(image, { fileMustExist: true });
  try {
    const number = (pragma: string): number => Number(connection.pragma(pragma, { simple: true }));
    const facts = {
      pageSize: number('page_size'),
      pageCount: number('page_count'),
      userVersion: number('user_version'),
      applicationId: number('application_id'),
      sqliteVersion: String(connection.prepare('SELECT sqlite_version() AS v').pluck().get()),
    };
    let schema: { type: string; name: string; sql: string | null }[];
    try {
      schema = connection
        .prepare('SELECT type, name, sql FROM sqlite_master ORDER BY type, name')
        .all() as typeof schema;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!/malformed database schema/.test(message)) throw error;
      return { ...facts, schemaHash: '', check: 'schema-unparsable', checkMessages: [message], rowCounts: [] };
    }
    const hash = createHash('sha256');
    for (const item of schema) hash.update(`${item.type}\0${item.name}\0${item.sql ?? ''}\0`);
    const lines = connection.prepare('PRAGMA quick_check(10)').pluck().all().map(String);
    if (lines.length !== 1 || lines[0] !== 'ok') throw new Error(`it is damaged: ${lines.join('; ')}`);
    return {
      ...facts,
      schemaHash: hash.digest('hex'),
      check: 'ok',
      checkMessages: [],
      rowCounts: countRows(connection, schema),
    };
  } finally {
    connection.close();
    for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${image}${suffix}`, { force: true });
  }
}

function countRows(
  connection: Connection,
  schema: readonly { type: string; name: string }[],
): { table: string; rows: number }[] {
  const counts: { table: string; rows: number }[] = [];
  const end = performance.now() + COUNT_BUDGET_MS;
  for (const { type, name } of schema) {
    if (type !== 'table' || counts.length >= COUNTED_TABLES_MAX || performance.now() > end) continue;
    try {
      const rows = Number(
        connection
          .prepare(`SELECT count(*) FROM "${name.replaceAll('"', '""')}"`)
          .pluck()
          .get(),
      );
      counts.push({ table: name, rows });
    } catch {
      // A virtual table whose module is not here: its rows are in other tables.
    }
  }
  return counts;
}

async function capture(request: CaptureRequest): Promise<SqliteCapture> {
  const started = performance.now();
  const { files, dispose } = filesOf(Buffer.from(request.path), request.scratchDirectory);
  const image = join(request.scratchDirectory, `image-${randomBytes(8).toString('hex')}`);
  try {
    const before = liveStamps(files);
    const shmBefore = existsSync(files.shm);
    let copied: { method: Method; holdMs: number; wal: boolean };
    try {
      copied = await copyLive(files, image, request);
    } catch (error) {
      const code = sqliteCode(error);
      if (!code.startsWith('SQLITE_CANTOPEN') && !code.startsWith('SQLITE_READONLY')) throw error;
      rmSync(image, { force: true });
      copied = await copyPrivately(files, image);
    }
    removeOwnSideFiles(files, before, shmBefore);
    const inspection = inspect(image);
    const after = liveStamps(files);
    return {
      ...inspection,
      imagePath: image,
      bytes: inspection.pageSize * inspection.pageCount,
      journalMode: copied.wal ? 'wal' : 'rollback',
      method: copied.method,
      holdMs: Math.round(copied.holdMs),
      durationSeconds: (performance.now() - started) / 1000,
      // Stamps of before: whatever a writer did since then makes the database changed for the next run. An idle one
      // whose side files came and went with our look is recorded as it stands now.
      live: sameStamps({ ...before, wal: undefined }, { ...after, wal: undefined })
        ? { ...after, main: before.main }
        : before,
    };
  } catch (error) {
    rmSync(image, { force: true });
    throw error;
  } finally {
    dispose();
  }
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const code = sqliteCode(error);
  if (code.startsWith('SQLITE_BUSY'))
    return 'somebody kept it locked for longer than the timeout; the rest was stored, try again later';
  if (code.startsWith('SQLITE_NOTADB'))
    return 'it is encrypted, or no database; its files are stored as they are, unverified';
  if (code.startsWith('SQLITE_CORRUPT'))
    return `it is damaged (${message}); its files are stored as they are, unverified`;
  return message;
}

let last = Promise.resolve();
process.on('message', (request: CaptureRequest) => {
  last = last.then(async () => {
    let reply: CaptureReply;
    try {
      reply = { id: request.id, capture: await capture(request) };
    } catch (error) {
      reply = { id: request.id, message: explain(error) };
    }
    process.send?.(reply);
  });
});
