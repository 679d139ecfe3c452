/** The directories that a restore writes into: found, opened, and refused where they must not be touched. */

import { lstatSync, realpathSync, statSync } from 'node:fs';
import { EngineError, errnoCode, errorMessage } from '../../base/errors.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import { baseName, isWithin, joinPath, parentPath } from '../../base/paths.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import { JOURNAL_NAME } from '../../repository/restore-names.ts';
import { findJournal } from './journal.ts';
import type { Place } from './places.ts';
import { sideFileNames } from './side-files.ts';
import type { Subject } from './subject.ts';
import { targetFailure } from './target-failure.ts';

/** A part of the snapshot, and the directory that it goes into. */
export interface Located {
  readonly subject: Subject;
  /** Absolute. */
  readonly target: Buffer;
  /** The target is that very folder, and gets its metadata, too; else only what is in it. */
  readonly isItself: boolean;
  /** The target, or a folder above it: links are followed on the way to it, and none below. */
  readonly anchor: Buffer;
}

export interface OpenTarget {
  /** Absolute, without links. */
  readonly path: Buffer;
  /** Undefined in a dry run whose target does not exist. */
  readonly handle: DirectoryHandle | undefined;
  /** Made by this run. */
  readonly made: boolean;
}

/** Where a place goes. INVALID_ARGUMENT for an entry that would get another name. */
export function locate(place: Place, subject: Subject): Located {
  const { destination, anchor } = place;
  if (subject.content.type === 'tree') return { subject, target: destination, isItself: true, anchor };
  const { name } = subject.content.node;
  if (!baseName(destination).equals(name)) {
    const [from, to] = [place.path.toString('utf8'), destination.toString('utf8')];
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${from} is a single file, which keeps its name: map its folder, or map it to a path that ends in ` +
        `${name.toString('utf8')}, not to ${to}`,
    );
  }
  const target = parentPath(destination);
  return { subject, target, isItself: false, anchor: isWithin(target, anchor) ? anchor : target };
}

/** TARGET_UNSAFE for a link below the anchor, TARGET_FAILED, INVALID_ARGUMENT for what is no directory. */
export function openTarget(fileSystem: FileSystem, located: Located, dryRun: boolean): OpenTarget {
  const { target, anchor } = located;
  const text = target.toString('utf8');
  try {
    refuseLinks(target, anchor);
    const exists = statSync(target, { throwIfNoEntry: false });
    if (exists !== undefined && !exists.isDirectory()) {
      throw new EngineError('INVALID_ARGUMENT', `The target ${text} is not a directory`);
    }
    if (exists === undefined) {
      if (dryRun) return { path: target, handle: undefined, made: true };
      makeDirectories(target);
    }
    // Node's own realpath makes text of the bytes.
    const path = realpathSync.native(target, 'buffer');
    return { path, handle: fileSystem.openDirectory(path), made: exists === undefined };
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    throw (
      targetFailure(error, target) ??
      new EngineError('TARGET_FAILED', `Cannot open the target ${text}: ${errorMessage(error)}`, error)
    );
  }
}

/** What lies below a source is the snapshot's: a link there was planted, or is not what the snapshot holds (trap 11). */
function refuseLinks(target: Buffer, anchor: Buffer): void {
  for (let path = target; path.length > anchor.length && isWithin(path, anchor); path = parentPath(path)) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue;
    const text = path.toString('utf8');
    throw new EngineError(
      'TARGET_UNSAFE',
      `${text} is a symbolic link, and was a folder when the snapshot was taken: it is not followed. Take the link away, or map the folder to where it leads`,
    );
  }
}

/** A target that holds something is only written to when that was said, or when this very restore left it: true then. */
export function refuseUnlessEmpty(
  fileSystem: FileSystem,
  target: OpenTarget,
  of: { readonly subject: Subject; readonly subjectHash: Buffer },
): boolean {
  const { handle, path } = target;
  if (handle === undefined) return false;
  const { subject, subjectHash } = of;
  if (findJournal(fileSystem, handle)?.subject.equals(subjectHash) === true) return true;
  const text = path.toString('utf8');
  if (subject.content.type === 'entry') {
    const { name } = subject.content.node;
    // The logs of a database count as the database: what they hold would be played into the file that is restored.
    const names = subject.content.node.type === 'file' ? [name, ...sideFileNames(name)] : [name];
    const there = names.find((candidate) => exists(fileSystem, handle, candidate));
    if (there === undefined) return false;
    throw new EngineError(
      'TARGET_NOT_EMPTY',
      `${there.toString('utf8')} exists in ${text}. Name another target, or say with --overwrite what shall happen`,
    );
  }
  const { names, failed } = fileSystem.list(handle);
  const others = names.filter((name) => !name.equals(JOURNAL_NAME)).length + failed.length;
  if (others === 0) return false;
  throw new EngineError(
    'TARGET_NOT_EMPTY',
    `The target ${text} is not empty (${others} entries). Name another one, or say with --overwrite what shall happen`,
  );
}

function exists(fileSystem: FileSystem, directory: DirectoryHandle, name: Buffer): boolean {
  const stat = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  try {
    fileSystem.statAt(directory, name, stat);
    return true;
  } catch (error) {
    if (error instanceof FileSystemError && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** What stands at a place on the disk before a restore. */
export function placeExists(located: Located): boolean {
  const { subject, target } = located;
  const path = subject.content.type === 'tree' ? target : joinPath(target, subject.content.node.name);
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}
