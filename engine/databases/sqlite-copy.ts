/**
 * Copies a live database as it is at one moment. Which way is taken depends on its journal mode and on who uses it:
 *
 * - private-copy: files that nobody writes to are copied as they lie there, main file, `-wal` and `-journal`, and
 *   recovered in the copy; that their stamps did not move proves that they belong together. The source is not even
 *   opened by SQLite, which would make `-shm` and `-wal` beside an idle database. Also the way for what cannot be
 *   opened in place: a read-only folder, a hot journal. Never `immutable`.
 * - wal-transaction: a read transaction is pinned, and the backup API copies all pages on the same connection. Nobody waits.
 * - reflink, under-lock: in rollback mode a pinned read transaction keeps the main file as it is, so its bytes are the
 *   copy. Writers wait meanwhile, so this has a budget; the file is read once before, so that the disk is not waited for.
 * - between-writers: where the budget is too small, the file is copied without a lock, and again if a commit came between,
 *   which stamps and change counter show, both looked at under short locks.
 */

import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import Database from 'better-sqlite3';
import {
  DATABASE_IDLE_ATTEMPTS_MAX,
  DATABASE_LOCKED_ATTEMPTS_MAX,
  DATABASE_PRIVATE_ATTEMPTS_MAX,
  DATABASE_UNLOCKED_ATTEMPTS_MAX,
  MIB,
} from '../base/limits.ts';
import type { CaptureMethod, CaptureRequest, LiveFiles } from './sqlite-capture.ts';
import {
  codeOf,
  type DatabaseFiles,
  type DatabaseHeader,
  liveFiles,
  openRegular,
  quietMs,
  readHeader,
  sameFiles,
  sameStamp,
  settledFiles,
  stampOf,
} from './sqlite-files.ts';

type Connection = Database.Database;

const STEP_BYTES = 4 * MIB;
/** Smaller files are read in no time, whatever the disk. */
const WARM_BYTES_MIN = 16 * MIB;
/** After this much of the budget it is foreseen whether the rest suffices. */
const FORESEE_MS = 100;
/** Files that moved less long ago than this belong to a process that is at work. */
const IDLE_MS_MIN = 500;

const WRITERS_TOO_BUSY =
  'writers came between each time it was copied, and holding them off for longer could make their server fail; ' +
  'stop the server for the time of the backup';

export interface Copied {
  readonly kind: 'copied';
  readonly method: CaptureMethod;
  readonly holdMs: number;
  readonly wal: boolean;
  readonly live: LiveFiles;
}

export type CopyOutcome = Copied | { readonly kind: 'other' } | { readonly kind: 'vanished' };

const OTHER = { kind: 'other' } as const;
const VANISHED = { kind: 'vanished' } as const;

/** Thrown and caught in this file: what the copy began with does not hold any more. */
class Moved extends Error {}

interface Task {
  readonly files: DatabaseFiles;
  readonly image: string;
  readonly request: CaptureRequest;
  /** Of the main file. It is opened before SQLite opens it and closed after, because closing drops SQLite's locks. */
  readonly fd: number;
}

export class DatabaseCopier {
  /** Devices from which no reflink to the scratch folder can be made. */
  readonly #withoutReflink = new Set<number>();

  async copy(files: DatabaseFiles, image: string, request: CaptureRequest): Promise<CopyOutcome> {
    for (let attempt = 1; ; attempt++) {
      const fd = openRegular(files.main);
      if (fd === undefined) return stampOf(files.main) === undefined ? VANISHED : OTHER;
      try {
        const header = readHeader(fd);
        if (header === undefined) return OTHER;
        const task = { files, image, request, fd };
        return hasLog(task, header) ? await this.#copyWal(task) : await this.#copyRollback(task);
      } catch (error) {
        if (!(error instanceof Moved) || attempt >= DATABASE_PRIVATE_ATTEMPTS_MAX) throw error;
      } finally {
        closeSync(fd);
      }
    }
  }

  async #copyWal(task: Task): Promise<CopyOutcome> {
    const before = liveFiles(task.files);
    if (before === undefined) return VANISHED;
    const inUse = (before.wal?.size ?? 0) > 0 && stampOf(task.files.shm) !== undefined;
    if (!inUse || quietMs(before) > IDLE_MS_MIN) {
      const copied = await this.#copyPrivately(task, DATABASE_IDLE_ATTEMPTS_MAX);
      if (copied !== undefined) return copied;
    }
    try {
      return await withConnection(task, (connection) => copyInTransaction(task, connection));
    } catch (error) {
      if (!cannotOpenInPlace(error)) throw error;
    }
    return this.#mustCopyPrivately(task);
  }

  async #copyRollback(task: Task): Promise<CopyOutcome> {
    const before = liveFiles(task.files);
    if (before === undefined) return VANISHED;
    // Probably hot. SQLite would only find that out, and move the journal's change time.
    if ((before.journal?.size ?? 0) > 0 && quietMs(before) > IDLE_MS_MIN) {
      const copied = await this.#copyPrivately(task, DATABASE_IDLE_ATTEMPTS_MAX);
      if (copied !== undefined) return copied;
    }
    try {
      if (fstatSync(task.fd).size >= WARM_BYTES_MIN) await copyBytes(task.fd, undefined, () => true);
      return await withConnection(task, async (connection) => {
        for (let attempt = 1; attempt <= DATABASE_LOCKED_ATTEMPTS_MAX; attempt++) {
          const copied = this.#copyReflinked(task, connection) ?? copyUnderLock(task, connection);
          if (copied !== undefined) return copied;
        }
        return copyBetweenWriters(task, connection);
      });
    } catch (error) {
      if (!cannotOpenInPlace(error)) throw error;
    }
    return this.#mustCopyPrivately(task);
  }

  #copyReflinked(task: Task, connection: Connection): Copied | undefined {
    const { dev } = fstatSync(task.fd);
    if (this.#withoutReflink.has(dev)) return undefined;
    return pinned(task, connection, (live, held) => {
      try {
        // Its own close drops the lock, when everything is done.
        copyFileSync(task.files.main, task.image, constants.COPYFILE_FICLONE_FORCE);
        return { kind: 'copied', method: 'reflink', holdMs: performance.now() - held, wal: false, live };
      } catch {
        this.#withoutReflink.add(dev);
        rmSync(task.image, { force: true });
        return undefined;
      }
    });
  }

  async #mustCopyPrivately(task: Task): Promise<Copied> {
    const copied = await this.#copyPrivately(task, DATABASE_PRIVATE_ATTEMPTS_MAX);
    if (copied !== undefined) return copied;
    throw new Error('it cannot be opened where it is, and its files changed each time they were copied');
  }

  async #copyPrivately(task: Task, attemptsMax: number): Promise<Copied | undefined> {
    const { files, image } = task;
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      removeImage(image);
      const live = await settledFiles(files);
      if (live === undefined) throw new Moved('it vanished');
      const isSame = (): boolean => sameFiles(live, liveFiles(files));
      const pairs = [
        { from: files.main, to: image, is: live.main },
        { from: files.wal, to: `${image}-wal`, is: live.wal },
        { from: files.journal, to: `${image}-journal`, is: live.journal },
      ];
      let complete = true;
      for (const { from, to, is } of pairs) {
        if (is !== undefined && complete) complete = await this.#copyFile(from, to, isSame);
      }
      if (!complete || !isSame()) continue;
      const wal = recoverImage(image, live);
      return { kind: 'copied', method: 'private-copy', holdMs: 0, wal, live };
    }
    removeImage(image);
    return undefined;
  }

  /** False where the file is gone, or `goOn` said so. */
  async #copyFile(from: Buffer, to: string, goOn: () => boolean): Promise<boolean> {
    const fd = openRegular(from);
    if (fd === undefined) return false;
    try {
      const { dev } = fstatSync(fd);
      if (!this.#withoutReflink.has(dev)) {
        try {
          copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
          return true;
        } catch {
          this.#withoutReflink.add(dev);
        }
      }
      return await copyBytes(fd, to, goOn);
    } finally {
      closeSync(fd);
    }
  }
}

/** Copies pages of one read transaction. Only for WAL mode: in rollback mode writers would wait for it all. */
async function copyInTransaction(task: Task, connection: Connection): Promise<Copied> {
  const live = liveFiles(task.files);
  if (live === undefined) throw new Moved('it vanished');
  begin(connection);
  const header = readHeader(task.fd);
  if (header === undefined || !hasLog(task, header) || !isOpenFile(task))
    throw new Moved('it was replaced, or changed its journal mode');
  const pageSize = Number(connection.pragma('page_size', { simple: true }));
  const pages = Math.max(1, Math.floor(STEP_BYTES / pageSize));
  const { totalPages, remainingPages } = await connection.backup(task.image, { progress: () => pages });
  connection.exec('COMMIT');
  if (totalPages === 0 || remainingPages > 0) throw new Error('its pages could not be read');
  return { kind: 'copied', method: 'wal-transaction', holdMs: 0, wal: true, live };
}

/** Copies the main file while a read transaction keeps it as it is; undefined where that takes longer than the budget. */
function copyUnderLock(task: Task, connection: Connection): Copied | undefined {
  return pinned(task, connection, (live, held) => {
    const { holdMsMax } = task.request;
    const { size } = fstatSync(task.fd);
    const fd = openSync(task.image, 'w', 0o600);
    try {
      const buffer = Buffer.allocUnsafe(Math.min(STEP_BYTES, size));
      for (let position = 0; position < size; ) {
        position += copyStep(task.fd, fd, buffer, position, size);
        const elapsed = performance.now() - held;
        const foreseen = elapsed > FORESEE_MS ? (elapsed * size) / position : elapsed;
        if (Math.max(elapsed, foreseen) > holdMsMax) return undefined;
      }
    } finally {
      closeSync(fd);
    }
    return { kind: 'copied', method: 'under-lock', holdMs: performance.now() - held, wal: false, live };
  });
}

async function copyBetweenWriters(task: Task, connection: Connection): Promise<Copied> {
  const look = (): { live: LiveFiles; changeCounter: number | undefined } | undefined =>
    pinned(task, connection, (live) => ({ live, changeCounter: readHeader(task.fd)?.changeCounter }));
  for (let attempt = 1; attempt <= DATABASE_UNLOCKED_ATTEMPTS_MAX; attempt++) {
    const before = look();
    if (before === undefined) break;
    const isSame = (): boolean => sameStamp(before.live.main, stampOf(task.files.main));
    if (!(await copyBytes(task.fd, task.image, isSame))) continue;
    const after = look();
    if (after?.changeCounter !== before.changeCounter || !sameStamp(before.live.main, after?.live.main)) continue;
    return { kind: 'copied', method: 'between-writers', holdMs: 0, wal: false, live: before.live };
  }
  throw new Error(WRITERS_TOO_BUSY);
}

/** Rolls back what was not committed, and takes the WAL's commits into the main file. True for WAL mode. */
function recoverImage(image: string, live: LiveFiles): boolean {
  const fd = openSync(image, 'r');
  let wal: boolean;
  try {
    wal = readHeader(fd)?.wal === true;
  } finally {
    closeSync(fd);
  }
  if ((live.wal?.size ?? 0) === 0 && (live.journal?.size ?? 0) === 0) {
    removeSideFiles(image);
    return wal;
  }
  const connection = new Database(image, { fileMustExist: true });
  try {
    // These statements read the schema, which this SQLite may be too old for.
    connection.unsafeMode(true);
    connection.pragma('writable_schema = ON');
    connection.pragma('synchronous = OFF');
    begin(connection);
    connection.exec('COMMIT');
    if (wal) connection.pragma('wal_checkpoint(TRUNCATE)');
  } finally {
    connection.close();
  }
  removeSideFiles(image);
  return wal;
}

async function withConnection<T>(task: Task, act: (connection: Connection) => Promise<T>): Promise<T> {
  const { files, request } = task;
  const connection = new Database(files.open, { readonly: true, fileMustExist: true, timeout: request.busyTimeoutMs });
  try {
    return await act(connection);
  } finally {
    connection.close();
  }
}

/** Pins a read transaction without parsing the schema, which this SQLite may be too old for. */
function begin(connection: Connection): void {
  connection.exec('BEGIN');
  connection.pragma('user_version', { simple: true });
}

/** Runs `act` while nobody can write to the main file. `held`: since when, as performance.now() tells. */
function pinned<T>(task: Task, connection: Connection, act: (live: LiveFiles, held: number) => T): T {
  begin(connection);
  const held = performance.now();
  try {
    const live = liveFiles(task.files);
    const header = readHeader(task.fd);
    if (live === undefined || header === undefined || hasLog(task, header) || !isOpenFile(task)) {
      throw new Moved('it was replaced, or changed its journal mode');
    }
    return act(live, held);
  } finally {
    connection.exec('COMMIT');
  }
}

/** True where SQLite takes commits from a `-wal`: it does whenever there is one, whatever the header says. */
function hasLog({ files }: Task, header: DatabaseHeader): boolean {
  return header.wal || stampOf(files.wal) !== undefined;
}

/** True where the path still names the file that was opened. */
function isOpenFile({ files, fd }: Task): boolean {
  const now = lstatSync(files.main, { throwIfNoEntry: false, bigint: true });
  const open = fstatSync(fd, { bigint: true });
  return now?.ino === open.ino && now.dev === open.dev;
}

function copyStep(from: number, to: number | undefined, buffer: Buffer, position: number, size: number): number {
  const count = readSync(from, buffer, 0, Math.min(buffer.length, size - position), position);
  if (count === 0) throw new Moved('it was truncated');
  for (let written = 0; to !== undefined && written < count; ) {
    written += writeSync(to, buffer, written, count - written, position + written);
  }
  return count;
}

/** Copies, or only reads where `to` is undefined. False where `goOn` said no. */
async function copyBytes(from: number, to: string | undefined, goOn: () => boolean): Promise<boolean> {
  const { size } = fstatSync(from);
  const buffer = Buffer.allocUnsafe(Math.min(STEP_BYTES, Math.max(1, size)));
  const fd = to === undefined ? undefined : openSync(to, 'w', 0o600);
  try {
    for (let position = 0; position < size; ) {
      position += copyStep(from, fd, buffer, position, size);
      if (!goOn()) return false;
      // The end of the parent process is heard of in between.
      await nextTurn();
    }
    return true;
  } catch (error) {
    if (error instanceof Moved) return false;
    throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** A hot journal, a read-only folder, a file system without the locks or the shared memory that SQLite needs. */
function cannotOpenInPlace(error: unknown): boolean {
  return /^SQLITE_(?:CANTOPEN|READONLY|PROTOCOL|NOLFS|IOERR_(?:RDLOCK|LOCK|CHECKRESERVEDLOCK|SHM))/.test(codeOf(error));
}

export function removeSideFiles(image: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${image}${suffix}`, { force: true });
}

export function removeImage(image: string): void {
  rmSync(image, { force: true });
  removeSideFiles(image);
}
