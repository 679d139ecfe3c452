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
 *
 * sqlite-moment.ts copies several as of one moment.
 */

import { closeSync, fstatSync } from 'node:fs';
import {
  DATABASE_IDLE_ATTEMPTS_MAX,
  DATABASE_LOCKED_ATTEMPTS_MAX,
  DATABASE_PRIVATE_ATTEMPTS_MAX,
  DATABASE_UNLOCKED_ATTEMPTS_MAX,
} from '../base/limits.ts';
import { parentPath } from '../base/paths.ts';
import type { LiveFiles } from './sqlite-capture.ts';
import {
  begin,
  type Connection,
  type Copied,
  type CopyLimits,
  type CopyOutcome,
  cannotOpenInPlace,
  copyBytes,
  copyPages,
  copyWithin,
  type FileCopier,
  HoldBudget,
  hasLog,
  isIdleLog,
  isLarge,
  isProbablyHot,
  Moved,
  type OpenSubject,
  openConnection,
  recoverImage,
  removeImage,
  requireSame,
  type Subject,
} from './sqlite-copy-steps.ts';
import { liveFiles, openOrSay, readHeader, sameStamp, stampOf } from './sqlite-files.ts';
import { detachJournal, SuperJournals } from './sqlite-super-journal.ts';

const WRITERS_TOO_BUSY =
  'writers came between each time it was copied, and holding them off for longer could make their server fail; ' +
  'stop the server for the time of the backup';

const OTHER = { kind: 'other' } as const;
const VANISHED = { kind: 'vanished' } as const;

interface Task extends OpenSubject {
  readonly limits: CopyLimits;
  /** Folders in which a super-journal may lie. */
  readonly folders: readonly Buffer[];
}

export class DatabaseCopier {
  readonly #copier: FileCopier;

  constructor(copier: FileCopier) {
    this.#copier = copier;
  }

  /** `folders`: those of databases that may be in one transaction with this one. */
  async copy(subject: Subject, limits: CopyLimits, folders: readonly Buffer[] = []): Promise<CopyOutcome> {
    const { main } = subject.files;
    for (let attempt = 1; ; attempt++) {
      const fd = openOrSay(main);
      if (typeof fd === 'string') return { kind: fd };
      try {
        const header = readHeader(fd);
        if (header === undefined) return OTHER;
        const task = { ...subject, fd, limits, folders: [parentPath(main), ...folders] };
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
    if (isIdleLog(task, before)) {
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
    if (isProbablyHot(before)) {
      const copied = await this.#copyPrivately(task, DATABASE_IDLE_ATTEMPTS_MAX);
      if (copied !== undefined) return copied;
    }
    try {
      if (isLarge(task)) await copyBytes(task.fd, undefined, () => true);
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
    return pinned(task, connection, (live, budget) => {
      // It drops the lock, when everything is done.
      if (!this.#copier.clone(task.files.main, task.image, task.fd)) return undefined;
      return { kind: 'copied', method: 'reflink', holdMs: budget.heldMs, wal: false, live };
    });
  }

  async #mustCopyPrivately(task: Task): Promise<Copied> {
    const copied = await this.#copyPrivately(task, DATABASE_PRIVATE_ATTEMPTS_MAX);
    if (copied !== undefined) return copied;
    throw new Error('it cannot be opened where it is, and its files changed each time they were copied');
  }

  async #copyPrivately(task: Task, attemptsMax: number): Promise<Copied | undefined> {
    const { image, folders } = task;
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const detach = (): void => detachJournal(image, new SuperJournals(folders));
      const live = await this.#copier.copyTogether(task, detach);
      if (live === undefined) continue;
      const wal = recoverImage(image, live);
      return { kind: 'copied', method: 'private-copy', holdMs: 0, wal, live };
    }
    removeImage(image);
    return undefined;
  }
}

/** Only for WAL mode: in rollback mode writers would wait for it all. */
async function copyInTransaction(task: Task, connection: Connection): Promise<Copied> {
  const live = liveFiles(task.files);
  if (live === undefined) throw new Moved('it vanished');
  begin(connection);
  requireSame(task, true);
  await copyPages(connection, task.image);
  connection.exec('COMMIT');
  return { kind: 'copied', method: 'wal-transaction', holdMs: 0, wal: true, live };
}

/** Copies the main file while a read transaction keeps it as it is; undefined where that takes longer than the budget. */
function copyUnderLock(task: Task, connection: Connection): Copied | undefined {
  return pinned(task, connection, (live, budget) => {
    budget.expect(fstatSync(task.fd).size);
    if (!copyWithin(budget, task)) return undefined;
    return { kind: 'copied', method: 'under-lock', holdMs: budget.heldMs, wal: false, live };
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

async function withConnection<T>(task: Task, act: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = openConnection(task, task.limits.busyTimeoutMs);
  try {
    return await act(connection);
  } finally {
    connection.close();
  }
}

/** Runs `act` while nobody can write to the main file. */
function pinned<T>(task: Task, connection: Connection, act: (live: LiveFiles, budget: HoldBudget) => T): T {
  begin(connection);
  const budget = new HoldBudget(task.limits.holdMsMax);
  try {
    const live = liveFiles(task.files);
    if (live === undefined) throw new Moved('it vanished');
    requireSame(task, false);
    return act(live, budget);
  } finally {
    connection.exec('COMMIT');
  }
}
