/**
 * The steps of a swap. It may be killed, or the power may fail, after each of them:
 *
 * - locked. The old database is opened and held exclusively, which rolls back what a crash left half done. A full checkpoint
 *   takes all commits into the main file, which is synced: from here on it is complete alone. Then `-wal`, `-shm` and
 *   `-journal` are removed, in any order, since nothing is in them; the folder is synced, so that none comes back; the
 *   image is renamed over the main file, and the folder is synced. Newcomers that open the old file meanwhile get no lock
 *   on it and touch nothing beside it. So there is never a new main file beside an old log.
 * - renamed. What cannot be opened cannot be checkpointed either: its side files get other names, the folder is synced,
 *   the image is renamed over it. Before that rename all that was there is there still; nobody can commit into it. With
 *   force also beneath programs that have it open, since nothing can be written into it; they are told of.
 * - created. Side files without a main file get other names; the image gets the main file's name as a second one, which
 *   fails where somebody made a database meanwhile; the folder is synced before the image's first name goes.
 * - written. Only with force, and programs have the database open. A rename beneath them would not be safe for the new
 *   one, since side files are found by name and not by inode: a connection of theirs that has not read yet would open the
 *   new `-wal` with the index of the old one, and one in rollback mode would take the journal of a newcomer for a hot one,
 *   play it back into its old file, and remove it. So the image is written into the old file, by SQLite, in one transaction
 *   that is as crash-proof as any other, and that waits for the transactions of others like any other.
 *
 * A connection that opened the old file and had not locked it yet when it was replaced is seen by no lock. Such holders are
 * looked for after the rename while the lock still keeps them out, given time to give up, and told of.
 */

import { type BigIntStats, fstatSync, fsyncSync, renameSync, unlinkSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { DATABASE_HOLDERS_WAIT_MS_MAX, DATABASE_LINGER_MS_MAX, DATABASE_SWAP_ATTEMPTS_MAX } from '../base/limits.ts';
import { describeHolders, findInodeHolders, type Holder, inodeKey } from './open-holders.ts';
import { codeOf, databaseFiles, openRegular, readHeader } from './sqlite-files.ts';
import type { SwapMethod, SwapOutcome, SwapStep } from './sqlite-swap.ts';
import {
  type Aside,
  filesOf,
  isSameFile,
  nameWithoutReplacing,
  putBack,
  putSideFilesAside,
  removeSpentSideFiles,
  type SwapPlace,
  statOf,
  syncFile,
  syncFolder,
} from './sqlite-swap-files.ts';
import { writeThrough } from './sqlite-swap-write.ts';

type Connection = Database.Database;

const POLL_MS = 100;

/** Its message is whole: what failed, and what can be done. */
export class Refused extends Error {}

/** Thrown and caught in this file: another file has the name now. */
class Moved extends Error {}

export interface SwapOptions {
  readonly scratchDirectory: string;
  readonly busyTimeoutMs: number;
  readonly force: boolean;
  /** Told after each step. */
  readonly step: (step: SwapStep) => Promise<void>;
}

export class DatabaseSwap {
  readonly #place: SwapPlace;
  readonly #options: SwapOptions;
  /** Never closed: the close of one would drop the locks of all, or tidy up by names that are others' by then. */
  readonly #connections: Connection[] = [];
  /** Side files that have other names now, and those of them that go back after a failure. */
  readonly #aside: Aside[] = [];
  #undo: { readonly files: readonly Aside[]; readonly old: BigIntStats | undefined } | undefined;
  /** From then on the files at these names are the new database's. */
  #isReplaced = false;

  constructor(place: SwapPlace, options: SwapOptions) {
    this.#place = place;
    this.#options = options;
  }

  async run(): Promise<SwapOutcome> {
    const { image } = this.#place;
    if (!syncFile(image)) throw new Refused(`its image ${image.toString('utf8')} is not there; restore again`);
    await this.#options.step('image-synced');
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt();
      } catch (error) {
        this.#putBack();
        if (!(error instanceof Moved)) throw error;
        if (attempt >= DATABASE_SWAP_ATTEMPTS_MAX)
          throw new Refused('other files took its place meanwhile; stop the program that makes them and try again');
      }
    }
  }

  async #attempt(): Promise<SwapOutcome> {
    const { main, image } = this.#place;
    const old = statOf(main);
    if (old?.isDirectory() === true) throw new Refused('a folder lies there; move it away and try again');
    if (isSameFile(old, statOf(image))) return this.#finishCreation();
    const holders = await this.#awaitNoHolders();
    if (old === undefined) return this.#create();
    // A link is replaced, as any other file; the database that it leads to stays as it is.
    if (!old.isFile()) return this.#replaceBroken();
    return this.#replaceFile(holders);
  }

  #holders(): readonly Holder[] {
    const wanted = new Map(filesOf(this.#place).map((stat) => [inodeKey(stat), this.#place.main]));
    return findInodeHolders(wanted, new Set([process.pid, process.ppid])).holders;
  }

  /** Who has the database open, before anything is locked: a server that waits for a lock for long may fail. */
  async #awaitNoHolders(): Promise<readonly Holder[]> {
    const { force, busyTimeoutMs } = this.#options;
    const end = performance.now() + Math.min(busyTimeoutMs, DATABASE_HOLDERS_WAIT_MS_MAX);
    for (;;) {
      const holders = this.#holders();
      if (holders.length === 0 || force) return holders;
      if (performance.now() >= end) throw inUse(holders);
      await sleep(POLL_MS);
    }
  }

  async #replaceFile(holders: readonly Holder[]): Promise<SwapOutcome> {
    let fd: number | undefined;
    try {
      fd = openRegular(this.#place.main);
    } catch (error) {
      return this.#replaceUnopened(error);
    }
    if (fd === undefined) throw new Moved();
    const { size } = fstatSync(fd);
    if (size > 0 && readHeader(fd) === undefined) return this.#replaceBroken(holders);
    if (holders.length > 0) return this.#write(fd, holders);
    // SQLite would remove what lies beside an empty file, and it may be all that is left of a database.
    if (size === 0) await this.#putAside();
    return this.#replaceLocked(fd);
  }

  async #replaceLocked(fd: number): Promise<SwapOutcome> {
    const place = this.#place;
    const { force, step } = this.#options;
    let connection: Connection;
    try {
      connection = await this.#lock();
    } catch (error) {
      if (!isBusy(error)) return this.#replaceUnopened(error);
      if (force) return this.#write(fd, this.#holders());
      throw locked(this.#options.busyTimeoutMs);
    }
    const newcomers = this.#holders();
    if (newcomers.length > 0) {
      connection.close();
      if (force) return this.#write(fd, newcomers);
      throw inUse(newcomers);
    }
    this.#assertSame(fd);
    checkpoint(connection, this.#options.busyTimeoutMs);
    fsyncSync(fd);
    await step('checkpointed');
    removeSpentSideFiles(place);
    await step('side-files-removed');
    syncFolder(place.folder);
    await step('side-files-durable');
    this.#assertSame(fd);
    await this.#renameOver();
    const late = await this.#linger(fd);
    return this.#outcome(this.#aside.length > 0 ? 'renamed' : 'locked', late);
  }

  #assertSame(fd: number): void {
    if (!isSameFile(statOf(this.#place.main), fstatSync(fd, { bigint: true }))) throw new Moved();
  }

  /** Holds the old database so that nobody else can even read it; its hot journal, if it has one, was played back. */
  async #lock(): Promise<Connection> {
    const { scratchDirectory, busyTimeoutMs, step } = this.#options;
    const { files, dispose } = databaseFiles(this.#place.main, scratchDirectory);
    let connection: Connection;
    try {
      connection = new Database(files.open, { fileMustExist: true, timeout: busyTimeoutMs });
    } finally {
      dispose();
    }
    this.#connections.push(connection);
    await step('opened');
    try {
      connection.pragma('locking_mode = EXCLUSIVE');
      connection.exec('BEGIN EXCLUSIVE');
      // The lock stays; a commit would write into an empty file.
      connection.exec('ROLLBACK');
    } catch (error) {
      // What it holds would be in the way of another connection of this process.
      if (isBusy(error)) connection.close();
      throw error;
    }
    await step('locked');
    return connection;
  }

  #replaceUnopened(error: unknown): Promise<SwapOutcome> {
    if (!(error instanceof Error) || this.#isReplaced || error instanceof Moved || error instanceof Refused)
      throw error;
    if (isBroken(error) || (this.#options.force && mayNotOpen(error))) return this.#replaceBroken();
    if (!mayNotOpen(error)) throw error;
    throw new Refused(
      `the database there may be whole, but it cannot be opened by this user or in this place (${error.message}); ` +
        'mend that and try again, or force it: then its side files are put aside',
    );
  }

  async #replaceBroken(holders: readonly Holder[] = []): Promise<SwapOutcome> {
    await this.#putAside();
    await this.#renameOver();
    return this.#outcome('renamed', holders);
  }

  async #putAside(): Promise<void> {
    const old = statOf(this.#place.main);
    const files = putSideFilesAside(this.#place);
    this.#aside.push(...files);
    this.#undo = { files: [...(this.#undo?.files ?? []), ...files], old };
    await this.#options.step('side-files-aside');
  }

  /** Only beside the file that they lay beside: with another one, SQLite would play them into that. */
  #putBack(): void {
    const { main, folder } = this.#place;
    const undo = this.#undo;
    if (undo === undefined || this.#isReplaced) return;
    const now = statOf(main);
    if ((now !== undefined || undo.old !== undefined) && !isSameFile(now, undo.old)) return;
    const back = new Set(putBack(undo.files, folder));
    this.#aside.splice(0, this.#aside.length, ...this.#aside.filter((one) => !back.has(one)));
    this.#undo = undefined;
  }

  #outcome(method: SwapMethod, holders: readonly Holder[] = []): SwapOutcome {
    return { method, moved: this.#aside.map(({ to }) => to), holders };
  }

  async #renameOver(): Promise<void> {
    const { image, main } = this.#place;
    renameSync(image, main);
    this.#isReplaced = true;
    await this.#options.step('renamed');
    await this.#makeDurable();
  }

  async #makeDurable(): Promise<void> {
    try {
      syncFolder(this.#place.folder);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Refused(`the new database is in place, but may not survive a power cut (${message}); look at the disk`);
    }
    await this.#options.step('durable');
  }

  async #create(): Promise<SwapOutcome> {
    const { image, main } = this.#place;
    await this.#putAside();
    const how = nameWithoutReplacing(image, main);
    if (how === 'exists') throw new Moved();
    this.#isReplaced = true;
    await this.#options.step(how);
    await this.#makeDurable();
    if (how === 'linked') await this.#removeImage();
    return this.#outcome('created');
  }

  /** An earlier swap was killed when the image had both names. */
  async #finishCreation(): Promise<SwapOutcome> {
    this.#isReplaced = true;
    await this.#makeDurable();
    await this.#removeImage();
    return this.#outcome('created');
  }

  async #removeImage(): Promise<void> {
    unlinkSync(this.#place.image);
    await this.#options.step('image-removed');
    syncFolder(this.#place.folder);
  }

  async #write(fd: number, holders: readonly Holder[]): Promise<SwapOutcome> {
    const { busyTimeoutMs } = this.#options;
    this.#assertSame(fd);
    try {
      await writeThrough(this.#place, this.#options);
    } catch (error) {
      if (isBroken(error)) return this.#replaceBroken(holders);
      if (isBusy(error)) throw holders.length > 0 ? inTransaction(holders, busyTimeoutMs) : locked(busyTimeoutMs);
      if (!codeOf(error).startsWith('SQLITE_READONLY')) throw error;
      const programs = holders.length > 0 ? describeHolders(holders) : 'a program';
      throw new Refused(
        `it cannot be written into while ${programs} uses it, as its page size differs; stop that first`,
      );
    }
    // The lock that the image was written under is gone, and who came meanwhile sees the new content anyway.
    fsyncSync(fd);
    syncFile(this.#place.side.wal);
    await this.#options.step('written');
    this.#isReplaced = true;
    await this.#makeDurable();
    await this.#removeImage();
    return this.#outcome('written', holders);
  }

  /** Waits for programs that opened the old file before the rename to give it up; answers who did not. */
  async #linger(fd: number): Promise<readonly Holder[]> {
    const wanted = new Map([[inodeKey(fstatSync(fd, { bigint: true })), this.#place.main]]);
    const end = performance.now() + DATABASE_LINGER_MS_MAX;
    for (;;) {
      const { holders } = findInodeHolders(wanted, new Set([process.pid, process.ppid]));
      if (holders.length === 0 || performance.now() >= end) return holders;
      await sleep(POLL_MS);
    }
  }
}

/** All commits are in the main file afterwards. In rollback mode they are there already. */
function checkpoint(connection: Connection, busyTimeoutMs: number): void {
  // The statement reads the schema, which this SQLite may be too old for.
  connection.unsafeMode(true);
  connection.pragma('writable_schema = ON');
  const rows = connection.pragma('wal_checkpoint(TRUNCATE)') as readonly { readonly busy?: unknown }[];
  if (Number(rows[0]?.busy ?? 1) !== 0) throw locked(busyTimeoutMs);
}

function inUse(holders: readonly Holder[]): Refused {
  const it = holders.length > 1 ? 'them' : 'it';
  return new Refused(
    `${describeHolders(holders)} ${holders.length > 1 ? 'have' : 'has'} it open; stop ${it} and try again`,
  );
}

function inTransaction(holders: readonly Holder[], busyTimeoutMs: number): Refused {
  return new Refused(
    `${describeHolders(holders)} kept it locked for longer than ${busyTimeoutMs / 1000} s, and nothing can be put ` +
      'beneath a transaction, forced or not; stop that first and try again',
  );
}

function locked(busyTimeoutMs: number): Refused {
  return new Refused(
    `a program uses it and kept it locked for longer than ${busyTimeoutMs / 1000} s; stop that program and try again`,
  );
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test(codeOf(error));
}

function isBroken(error: unknown): boolean {
  return /^SQLITE_(?:NOTADB|CORRUPT|IOERR_(?:READ|SHORT_READ|DATA|CORRUPTFS))/.test(codeOf(error));
}

/** Rights, a file system without locks, side files that are none, a path that SQLite finds too long, a bad disk. */
function mayNotOpen(error: unknown): boolean {
  return /^(?:EACCES|EPERM|EIO|SQLITE_(?:CANTOPEN|READONLY|PERM|AUTH|IOERR|PROTOCOL|NOLFS))/.test(codeOf(error));
}
