/** The files of a swap, handled without SQLite: what may be removed, what is put aside, and what must be durable when. */

import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
} from 'node:fs';
import { DATABASE_ASIDE_NAMES_MAX } from '../base/limits.ts';
import { parentPath } from '../base/paths.ts';
import { codeOf, isMissing, openRegular } from './sqlite-files.ts';
import { type SqliteSideFiles, sqliteSideFiles } from './sqlite-names.ts';

export interface SwapPlace {
  readonly image: Buffer;
  readonly main: Buffer;
  readonly side: SqliteSideFiles;
  readonly folder: Buffer;
}

/** Some network shares cannot sync a folder, and some folders may be written but not opened: nothing more can be done. */
const CANNOT_SYNC = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EACCES']);
/** Answers of a file system without hard links, and of a kernel that forbids them on files of others. */
const CANNOT_LINK = new Set(['EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

export function placeOf(image: Buffer, main: Buffer): SwapPlace {
  return { image, main, side: sqliteSideFiles(main), folder: parentPath(main) };
}

/** Main file and side files, whichever are there. */
export function filesOf({ main, side }: SwapPlace): BigIntStats[] {
  return [main, side.wal, side.shm, side.journal].flatMap((path) => statOf(path) ?? []);
}

/** Of the name itself, if it is a link. */
export function statOf(path: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export function isSameFile(a: BigIntStats | undefined, b: BigIntStats | undefined): boolean {
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

export function syncFolder(folder: Buffer): void {
  let fd: number | undefined;
  try {
    fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY);
    fsyncSync(fd);
  } catch (error) {
    if (!CANNOT_SYNC.has(codeOf(error))) throw error;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Syncs a regular file, if it is there. False where it is not. Its descriptor's close drops locks on the file. */
export function syncFile(path: Buffer): boolean {
  const fd = openRegular(path);
  if (fd === undefined) return false;
  try {
    fsyncSync(fd);
    return true;
  } finally {
    closeSync(fd);
  }
}

/**
 * Removes side files in which nothing is left that SQLite would use, under a lock that keeps everybody out. Throws before
 * anything is removed where one has content after all.
 */
export function removeSpentSideFiles({ side }: SwapPlace): void {
  if ((statOf(side.wal)?.size ?? 0n) > 0n) throw new Error('commits are left in its -wal after a full checkpoint');
  if (isHot(side.journal)) throw new Error('its -journal would still be played back after a recovery');
  for (const path of [side.wal, side.shm, side.journal]) removeIfThere(path);
}

/** SQLite plays a journal back unless it is empty or begins with a zero. */
function isHot(journal: Buffer): boolean {
  const fd = openRegular(journal);
  if (fd === undefined) return statOf(journal) !== undefined;
  try {
    const first = Buffer.alloc(1);
    return fstatSync(fd).size > 0 && readSync(fd, first, 0, 1, 0) === 1 && first[0] !== 0;
  } finally {
    closeSync(fd);
  }
}

export function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

export interface Aside {
  readonly from: Buffer;
  readonly to: Buffer;
}

/** Gives side files other names, durably, so that nobody takes them for those of a new main file. */
export function putSideFilesAside({ side, folder }: SwapPlace): Aside[] {
  const moved: Aside[] = [];
  try {
    for (const from of [side.wal, side.journal, side.shm]) {
      if (statOf(from) !== undefined) moved.push({ from, to: moveToFreeName(from) });
    }
    if (moved.length > 0) syncFolder(folder);
    return moved;
  } catch (error) {
    putBack(moved, folder);
    throw error;
  }
}

/** What went back after a failure: a database that cannot be opened here may be mended by other means. */
export function putBack(moved: readonly Aside[], folder: Buffer): Aside[] {
  const back: Aside[] = [];
  try {
    for (const one of [...moved].reverse()) {
      if (statOf(one.from) !== undefined) continue;
      renameSync(one.to, one.from);
      back.push(one);
    }
    if (moved.length > 0) syncFolder(folder);
  } catch {
    // The failure that led here is the one to tell of; nothing is lost under the other names.
  }
  return back;
}

function moveToFreeName(from: Buffer): Buffer {
  for (let attempt = 1; attempt <= DATABASE_ASIDE_NAMES_MAX; attempt++) {
    const to = Buffer.concat([from, Buffer.from(attempt === 1 ? '.before-restore' : `.before-restore-${attempt}`)]);
    const outcome = nameWithoutReplacing(from, to);
    if (outcome === 'exists') continue;
    if (outcome === 'linked') unlinkSync(from);
    return to;
  }
  throw new Error(`there is no free name to put ${from.toString('utf8')} aside`);
}

/**
 * Gives a file another name, never one that is taken: a second one, where the file system has hard links (the caller
 * removes the first), else by a look and a rename.
 */
export function nameWithoutReplacing(from: Buffer, to: Buffer): 'linked' | 'renamed' | 'exists' {
  try {
    linkSync(from, to);
    return 'linked';
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'exists';
    if (!CANNOT_LINK.has(codeOf(error))) throw error;
  }
  if (statOf(to) !== undefined) return 'exists';
  renameSync(from, to);
  return 'renamed';
}
