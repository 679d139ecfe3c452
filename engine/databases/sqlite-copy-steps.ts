/** What ways of copying live databases have in common: pinning, copying bytes, recovering a copy. */

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
import { MIB } from '../base/limits.ts';
import type { CaptureMethod, LiveFiles } from './sqlite-capture.ts';
import {
  codeOf,
  type DatabaseFiles,
  type DatabaseHeader,
  liveFiles,
  openRegular,
  quietMs,
  readHeader,
  sameFiles,
  settledFiles,
  stampOf,
} from './sqlite-files.ts';

export type Connection = Database.Database;

const STEP_BYTES = 4 * MIB;
/** After this much of the budget it is foreseen whether the rest suffices. */
const FORESEE_MS = 100;
/** Files that moved less long ago than this belong to a process that is at work. */
const IDLE_MS_MIN = 500;
/** Smaller files are read in no time, whatever the disk. */
const WARM_BYTES_MIN = 16 * MIB;

export interface CopyLimits {
  readonly busyTimeoutMs: number;
  readonly holdMsMax: number;
}

export interface Copied {
  readonly kind: 'copied';
  readonly method: CaptureMethod;
  readonly holdMs: number;
  readonly wal: boolean;
  readonly live: LiveFiles;
}

export type CopyOutcome = Copied | { readonly kind: 'other' } | { readonly kind: 'vanished' };

/** What a copy began with does not hold any more. */
export class Moved extends Error {}

/** A database that is copied. */
export interface Subject {
  readonly files: DatabaseFiles;
  readonly image: string;
}

/** With its main file open, from before SQLite opens it until after it closed it, because closing drops SQLite's locks. */
export interface OpenSubject extends Subject {
  readonly fd: number;
}

// ---- looking

/** True where SQLite takes commits from a `-wal`: it does whenever there is one, whatever the header says. */
export function hasLog({ files }: Subject, header: DatabaseHeader): boolean {
  return header.wal || stampOf(files.wal) !== undefined;
}

/** True where the path still names the file that was opened. */
function isOpenFile({ files, fd }: OpenSubject): boolean {
  const now = lstatSync(files.main, { throwIfNoEntry: false, bigint: true });
  const open = fstatSync(fd, { bigint: true });
  return now?.ino === open.ino && now.dev === open.dev;
}

/** Throws where what is pinned is not what was opened. */
export function requireSame(subject: OpenSubject, wal: boolean): void {
  const header = readHeader(subject.fd);
  if (header === undefined || hasLog(subject, header) !== wal || !isOpenFile(subject)) {
    throw new Moved('it was replaced, or changed its journal mode');
  }
}

/** True for a log that nobody is writing to: its files are better copied than opened. */
export function isIdleLog({ files }: Subject, live: LiveFiles): boolean {
  const inUse = (live.wal?.size ?? 0) > 0 && stampOf(files.shm) !== undefined;
  return !inUse || quietMs(live) > IDLE_MS_MIN;
}

/** True for a journal that is probably hot. SQLite would only find that out, and move its change time. */
export function isProbablyHot(live: LiveFiles): boolean {
  return (live.journal?.size ?? 0) > 0 && quietMs(live) > IDLE_MS_MIN;
}

/** True where a disk may take its time to read it. */
export function isLarge({ fd }: OpenSubject): boolean {
  return fstatSync(fd).size >= WARM_BYTES_MIN;
}

/** A hot journal, a read-only folder, a file system without the locks or the shared memory that SQLite needs. */
export function cannotOpenInPlace(error: unknown): boolean {
  return /^SQLITE_(?:CANTOPEN|READONLY|PROTOCOL|NOLFS|IOERR_(?:RDLOCK|LOCK|CHECKRESERVEDLOCK|SHM))/.test(codeOf(error));
}

export function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test(codeOf(error));
}

// ---- SQLite

export function openConnection({ files }: Subject, busyTimeoutMs: number): Connection {
  return new Database(files.open, { readonly: true, fileMustExist: true, timeout: busyTimeoutMs });
}

/** Pins a read transaction without parsing the schema, which this SQLite may be too old for. */
export function begin(connection: Connection): void {
  connection.exec('BEGIN');
  connection.pragma('user_version', { simple: true });
}

/** Copies the pages of a connection's read transaction. In rollback mode writers would wait for it all. */
export async function copyPages(connection: Connection, image: string): Promise<void> {
  const pageSize = Number(connection.pragma('page_size', { simple: true }));
  const pages = Math.max(1, Math.floor(STEP_BYTES / pageSize));
  const { totalPages, remainingPages } = await connection.backup(image, { progress: () => pages });
  if (totalPages === 0 || remainingPages > 0) throw new Error('its pages could not be read');
}

// ---- bytes

/** How long writers may be held off, and how much is to be copied meanwhile. */
export class HoldBudget {
  readonly #begun = performance.now();
  readonly #msMax: number;
  #bytes = 0;
  #copied = 0;

  /** Begins at once. */
  constructor(msMax: number) {
    this.#msMax = msMax;
  }

  /** So much will be copied. */
  expect(bytes: number): void {
    this.#bytes = bytes;
  }

  get heldMs(): number {
    return performance.now() - this.#begun;
  }

  /** False where the rest will not fit. */
  take(bytes: number): boolean {
    this.#copied += bytes;
    const elapsed = this.heldMs;
    const foreseen = elapsed > FORESEE_MS ? (elapsed * this.#bytes) / this.#copied : elapsed;
    return Math.max(elapsed, foreseen) <= this.#msMax;
  }
}

/** Copies a main file that a read transaction keeps as it is; false where that takes longer than the budget. */
export function copyWithin(budget: HoldBudget, { fd, image }: OpenSubject): boolean {
  const { size } = fstatSync(fd);
  const to = openSync(image, 'w', 0o600);
  try {
    const buffer = Buffer.allocUnsafe(Math.min(STEP_BYTES, size));
    for (let position = 0; position < size; ) {
      const count = copyStep({ from: fd, to, buffer }, position, size);
      position += count;
      if (!budget.take(count)) return false;
    }
  } finally {
    closeSync(to);
  }
  return true;
}

interface Step {
  readonly from: number;
  readonly to: number | undefined;
  readonly buffer: Buffer;
}

function copyStep({ from, to, buffer }: Step, position: number, size: number): number {
  const count = readSync(from, buffer, 0, Math.min(buffer.length, size - position), position);
  if (count === 0) throw new Moved('it was truncated');
  for (let written = 0; to !== undefined && written < count; ) {
    written += writeSync(to, buffer, written, count - written, position + written);
  }
  return count;
}

/** Copies, or only reads where `to` is undefined. False where `goOn` said no. */
export async function copyBytes(from: number, to: string | undefined, goOn: () => boolean): Promise<boolean> {
  const { size } = fstatSync(from);
  const buffer = Buffer.allocUnsafe(Math.min(STEP_BYTES, Math.max(1, size)));
  const fd = to === undefined ? undefined : openSync(to, 'w', 0o600);
  try {
    for (let position = 0; position < size; ) {
      position += copyStep({ from, to: fd, buffer }, position, size);
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

/** Copies files, by reflink where the file system can. */
export class FileCopier {
  /** Devices from which no reflink to the scratch folder can be made. */
  readonly #withoutReflink = new Set<number>();

  /** Drops the locks of SQLite on the file: it opens and closes it. */
  clone(from: Buffer, to: string, fd: number): boolean {
    const { dev } = fstatSync(fd);
    if (this.#withoutReflink.has(dev)) return false;
    try {
      copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE);
      return true;
    } catch {
      this.#withoutReflink.add(dev);
      rmSync(to, { force: true });
      return false;
    }
  }

  /**
   * Copies main file, `-wal` and `-journal` as they lie there. What it answers was so all the time, and every change since
   * shows; undefined where something moved. A copy is to be recovered. `onCopied` is called before the last look.
   */
  async copyTogether({ files, image }: Subject, onCopied?: () => void): Promise<LiveFiles | undefined> {
    removeImage(image);
    const live = await settledFiles(files);
    if (live === 'gone') throw new Moved('it vanished');
    if (live === 'moving') return undefined;
    const isSame = (): boolean => sameFiles(live, liveFiles(files));
    const pairs = [
      { from: files.main, to: image, is: live.main },
      { from: files.wal, to: `${image}-wal`, is: live.wal },
      { from: files.journal, to: `${image}-journal`, is: live.journal },
    ];
    for (const { from, to, is } of pairs) {
      if (is !== undefined && !(await this.#copyFile(from, to, isSame))) return undefined;
    }
    onCopied?.();
    return isSame() ? live : undefined;
  }

  /** False where the file is gone, or `goOn` said so. */
  async #copyFile(from: Buffer, to: string, goOn: () => boolean): Promise<boolean> {
    const fd = openRegular(from);
    if (fd === undefined) return false;
    try {
      return this.clone(from, to, fd) || (await copyBytes(fd, to, goOn));
    } finally {
      closeSync(fd);
    }
  }
}

// ---- the copy

/** Rolls back what was not committed, and takes the WAL's commits into the main file. True for WAL mode. */
export function recoverImage(image: string, live: LiveFiles): boolean {
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

export function removeSideFiles(image: string): void {
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${image}${suffix}`, { force: true });
}

export function removeImage(image: string): void {
  rmSync(image, { force: true });
  removeSideFiles(image);
}
