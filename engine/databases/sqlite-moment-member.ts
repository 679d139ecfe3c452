/** A database that is copied together with others: what is open of it, what was copied before the moment, what became of it. */

import { closeSync, fstatSync } from 'node:fs';
import type { LiveFiles } from './sqlite-capture.ts';
import {
  begin,
  type Connection,
  type CopyOutcome,
  hasLog,
  Moved,
  requireSame,
  type Subject,
} from './sqlite-copy-steps.ts';
import { liveFiles, openOrSay, readHeader, sameFiles, sameStamp, stampOf } from './sqlite-files.ts';

export type MemberOutcome = CopyOutcome | { readonly kind: 'failed'; readonly error: unknown };

export interface Draft {
  readonly live: LiveFiles;
  readonly superJournal: Buffer | undefined;
  /** Its main file alone: it counts while a read transaction is pinned. */
  readonly isOfMain: boolean;
}

/** A database on its way. */
export class Member implements Subject {
  readonly files: Subject['files'];
  readonly image: string;
  /** From before SQLite opens the file until after it closed it. */
  fd = -1;
  wal = false;
  connection: Connection | undefined;
  /** Tells whether there were commits. Only for those in WAL mode. */
  witness: Connection | undefined;
  version = 0;
  live: LiveFiles | undefined;
  draft: Draft | undefined;
  /** It cannot be opened where it is. */
  isPrivate = false;
  /** The hold budget is too small for it. */
  isTooLarge = false;
  /** It is not idle after all. */
  isInUse = false;
  wasRead = false;
  outcome: MemberOutcome | undefined;

  constructor({ files, image }: Subject) {
    this.files = files;
    this.image = image;
  }

  /** False where there is no database, which is its outcome then. */
  open(): boolean {
    const fd = openOrSay(this.files.main);
    if (typeof fd === 'string') {
      this.outcome = { kind: fd };
      return false;
    }
    this.fd = fd;
    const header = readHeader(fd);
    if (header === undefined) {
      this.outcome = { kind: 'other' };
      return false;
    }
    this.wal = hasLog(this, header);
    return true;
  }

  pin(): void {
    if (this.connection === undefined) return;
    // What a log got since then counts as a change the next time.
    if (this.wal) this.live = liveFiles(this.files);
    if (this.witness !== undefined) this.version = versionOf(this.witness);
    begin(this.connection);
    if (!this.wal) this.live = liveFiles(this.files);
    if (this.live === undefined) throw new Moved('it vanished');
    requireSame(this, this.wal);
  }

  unpin(): void {
    if (this.connection?.inTransaction === true) this.connection.exec('ROLLBACK');
  }

  isDraftGood(): boolean {
    if (this.draft === undefined) return false;
    const { live, isOfMain } = this.draft;
    if (isOfMain && this.wal) return false;
    return isOfMain ? sameStamp(live.main, stampOf(this.files.main)) : sameFiles(live, liveFiles(this.files));
  }

  closeConnections(): void {
    this.connection?.close();
    this.witness?.close();
    this.connection = undefined;
    this.witness = undefined;
  }

  closeFile(): void {
    if (this.fd >= 0) closeSync(this.fd);
    this.fd = -1;
  }
}

/** Moves with every commit of others. */
export function versionOf(connection: Connection): number {
  return Number(connection.pragma('data_version', { simple: true }));
}

/** What went wrong with one of them. */
export class MemberError extends Error {
  readonly member: Member;

  constructor(member: Member, cause: unknown) {
    super('a database failed', { cause });
    this.member = member;
  }
}

/** Says whose error it is. */
export function blaming<T>(member: Member, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof Moved ? error : new MemberError(member, error);
  }
}

export async function blamingLater<T>(member: Member, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof Moved ? error : new MemberError(member, error);
  }
}

export function currentVersion({ witness, version }: Member): number {
  return witness === undefined ? version : versionOf(witness);
}

/** SQLite's locks are those of a file: closing it under one name drops those that it has under the other. */
export function haveTwins(members: readonly Member[]): boolean {
  const keys = members.map(({ fd }) => {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}/${ino}`;
  });
  return new Set(keys).size < keys.length;
}
