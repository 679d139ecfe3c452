/** The files of a live database, looked at without SQLite: what it is by its header, and whether anything moved. */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLOCK_TICK_MS_MAX, COARSE_NANOSECONDS, COARSE_TICK_SECONDS_MAX } from '../base/limits.ts';
import type { LiveFiles, Stamp } from './sqlite-capture.ts';
import { isSqliteHeader, sqliteSideFiles } from './sqlite-names.ts';

const HEADER_BYTES = 100;
/** No database is smaller than one page of the smallest size. */
const DATABASE_BYTES_MIN = 512;
export interface DatabaseFiles {
  /** What SQLite opens: the path itself, or a link to one that cannot be said in its way. */
  readonly open: string;
  readonly main: Buffer;
  readonly wal: Buffer;
  readonly shm: Buffer;
  readonly journal: Buffer;
}

/** `dispose` takes away the link, if one was needed. */
export function databaseFiles(
  path: Buffer,
  scratchDirectory: string,
): { readonly files: DatabaseFiles; readonly dispose: () => void } {
  const side = sqliteSideFiles(path);
  const text = path.toString('utf8');
  // better-sqlite3 takes strings, and trims them.
  if (Buffer.from(text, 'utf8').equals(path) && text.trim() === text) {
    return { files: { open: text, main: path, ...side }, dispose: () => undefined };
  }
  // SQLite follows the link itself and finds the side files at the real place.
  const link = join(scratchDirectory, `link-${randomBytes(6).toString('hex')}`);
  symlinkSync(path, link);
  return { files: { open: link, main: path, ...side }, dispose: () => unlinkSync(link) };
}

export interface DatabaseHeader {
  readonly wal: boolean;
  /** Moves with every commit, except those into a WAL. */
  readonly changeCounter: number;
}

/** Undefined where the file is too short for a database, or begins otherwise. */
export function readHeader(fd: number): DatabaseHeader | undefined {
  const header = Buffer.alloc(HEADER_BYTES);
  if (readSync(fd, header, 0, HEADER_BYTES, 0) < HEADER_BYTES) return undefined;
  if (!isSqliteHeader(header) || fstatSync(fd).size < DATABASE_BYTES_MIN) return undefined;
  return { wal: header[19] === 2, changeCounter: header.readUInt32BE(24) };
}

/** A regular file, open for reading; undefined where there is none. */
export function openRegular(path: Buffer): number | undefined {
  const opened = openOrSay(path);
  return typeof opened === 'number' ? opened : undefined;
}

/** The same; else whether there is nothing, or something else. */
export function openOrSay(path: Buffer): number | 'vanished' | 'other' {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return 'vanished';
    if (codeOf(error) === 'ELOOP') return 'other';
    throw error;
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  return 'other';
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}

function split(ns: bigint): readonly [seconds: number, nanoseconds: number] {
  const nanoseconds = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return [Number((ns - nanoseconds) / 1_000_000_000n), Number(nanoseconds)];
}

export function stampOf(path: Buffer): Stamp | undefined {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const [mtimeSeconds, mtimeNanoseconds] = split(stat.mtimeNs);
  const [ctimeSeconds, ctimeNanoseconds] = split(stat.ctimeNs);
  return { size: Number(stat.size), mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds, inode: stat.ino };
}

/** Undefined where the database itself is not there. */
export function liveFiles(files: DatabaseFiles): LiveFiles | undefined {
  const main = stampOf(files.main);
  return main === undefined ? undefined : { main, wal: stampOf(files.wal), journal: stampOf(files.journal) };
}

export function sameStamp(a: Stamp | undefined, b: Stamp | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.size === b.size &&
    a.inode === b.inode &&
    a.mtimeSeconds === b.mtimeSeconds &&
    a.mtimeNanoseconds === b.mtimeNanoseconds &&
    a.ctimeSeconds === b.ctimeSeconds &&
    a.ctimeNanoseconds === b.ctimeNanoseconds
  );
}

export function sameFiles(a: LiveFiles, b: LiveFiles | undefined): boolean {
  return b !== undefined && sameStamp(a.main, b.main) && sameStamp(a.wal, b.wal) && sameStamp(a.journal, b.journal);
}

/** How long ago the last of the files changed. */
export function quietMs(live: LiveFiles): number {
  const newest = Math.max(
    ...[live.main, live.wal, live.journal].map((stamp) => (stamp === undefined ? 0 : changeMs(stamp))),
  );
  return Date.now() - newest;
}

function changeMs(stamp: Stamp): number {
  const mtime = stamp.mtimeSeconds * 1000 + stamp.mtimeNanoseconds / 1e6;
  const ctime = stamp.ctimeSeconds * 1000 + stamp.ctimeNanoseconds / 1e6;
  return Math.max(mtime, ctime);
}

/** What is younger may change again without showing it. */
function tickMs(live: LiveFiles): number {
  const stamps = [live.main, live.wal, live.journal];
  const isFine = stamps.some((stamp) => stamp !== undefined && stamp.ctimeNanoseconds % COARSE_NANOSECONDS !== 0);
  return isFine ? CLOCK_TICK_MS_MAX : COARSE_TICK_SECONDS_MAX * 1000;
}

/**
 * The files as they are at a time from which on every change shows in their stamps. `moving` where they changed meanwhile:
 * so did their clock, and what it says next may be what it said before.
 */
export async function settledFiles(files: DatabaseFiles): Promise<LiveFiles | 'moving' | 'gone'> {
  const live = liveFiles(files);
  if (live === undefined) return 'gone';
  const tick = tickMs(live);
  if (quietMs(live) > tick) return live;
  await sleep(tick + 1);
  const later = liveFiles(files);
  if (later === undefined) return 'gone';
  return sameFiles(live, later) ? live : 'moving';
}
