/**
 * Logs of SQLite beside a file that is restored (trap 25). A `-wal` or `-journal` that lies in the target and is not the
 * snapshot's would be played into the file when it is next opened, whether or not the file's older self is still there.
 */

import { nodeTypeOfMode, readMode, STAT_BYTES } from '../../base/stat.ts';
import { isSqliteHeader, SQLITE_MAGIC_BYTES } from '../../databases/sqlite-names.ts';
import { FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import { EXTENSION_DATABASE, type Node } from '../../format/row.ts';
import type { RestoreContext } from './context.ts';
import type { TargetDirectory } from './target-directories.ts';
import { findExisting, type WalkDirectory } from './walk-directory.ts';

const SUFFIXES = ['-wal', '-shm', '-journal'].map((suffix) => Buffer.from(suffix));
/** How logs of SQLite begin that it would play back: both byte orders of a write-ahead log, and a rollback journal. */
const LOG_BEGINNINGS = ['377f0682', '377f0683', 'd9d505f9'].map((digits) => Buffer.from(digits, 'hex'));
const LOG_BEGINNING_BYTES = 4;
/** What a log is called whose database was gone: it may hold the only copy of something. */
const MOVED_SUFFIX = Buffer.from('.before-restore');

export function isDatabase(node: Node): boolean {
  return node.extensions.some((extension) => extension.tag === EXTENSION_DATABASE);
}

/** Whether a file on the disk calls itself a database; undefined for one that is empty, or cannot be read. */
export function hasDatabaseHeader(
  context: RestoreContext,
  directory: TargetDirectory,
  name: Buffer,
): boolean | undefined {
  const { fileSystem, directories } = context.parts;
  try {
    const file = fileSystem.openFileAt(directories.use(directory), name);
    try {
      const head = Buffer.alloc(SQLITE_MAGIC_BYTES);
      const length = fileSystem.read(file, head, { offset: 0, length: head.length, position: 0 });
      return length === 0 ? undefined : isSqliteHeader(head);
    } finally {
      fileSystem.close(file);
    }
  } catch (error) {
    if (error instanceof FileSystemError) return undefined;
    throw error;
  }
}

/** What SQLite would call the logs of a database of this name. */
export function sideFileNames(name: Buffer): Buffer[] {
  return SUFFIXES.map((suffix) => Buffer.concat([name, suffix]));
}

/** Names of logs, or of what is called like them, that lie in the target beside a file of this name. */
export function namesBeside(directory: WalkDirectory, name: Buffer): Buffer[] {
  if (!directory.hasSideNames) return [];
  return sideFileNames(name).filter((side) => findExisting(directory, side) !== undefined);
}

/** True where SQLite would play this file back, or might. */
export function isLog(context: RestoreContext, directory: WalkDirectory, name: Buffer): boolean {
  const existing = findExisting(directory, name);
  if (existing === undefined) return false;
  const type = nodeTypeOfMode(readMode(existing.stats, existing.at));
  if (type !== 'file') return type === 'symlink';
  const { fileSystem, directories } = context.parts;
  try {
    const handle = fileSystem.openFileAt(directories.use(directory.target), name);
    try {
      const bytes = Buffer.alloc(LOG_BEGINNING_BYTES);
      const count = fileSystem.read(handle, bytes, { offset: 0, length: bytes.length, position: 0 });
      return LOG_BEGINNINGS.some((beginning) => beginning.equals(bytes.subarray(0, count)));
    } finally {
      fileSystem.close(handle);
    }
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
    return true;
  }
}

/**
 * Takes logs away before the file comes that they are not of. Beside the database that is replaced they go with it; where
 * that is gone they are only renamed.
 */
export function removeSideFiles(
  context: RestoreContext,
  file: { readonly directory: TargetDirectory; readonly name: Buffer; readonly sideFiles: readonly Buffer[] },
): void {
  if (file.sideFiles.length === 0) return;
  const { fileSystem, directories, monitor } = context.parts;
  const handle = directories.use(file.directory);
  const isReplaced = exists(context, file.directory, file.name);
  for (const name of file.sideFiles) {
    try {
      if (isReplaced) {
        fileSystem.unlinkAt(handle, name);
        continue;
      }
      const moved = Buffer.concat([name, MOVED_SUFFIX]);
      fileSystem.renameAt(handle, name, handle, moved);
      const path = directories.path(file.directory, name).toString('utf8');
      monitor?.note?.(`${path} was renamed to ${moved.toString('utf8')}: it is not of the database that is restored`);
    } catch (error) {
      if (!(error instanceof FileSystemError) || error.code !== 'ENOENT') throw error;
    }
  }
}

function exists(context: RestoreContext, directory: TargetDirectory, name: Buffer): boolean {
  const stat = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  try {
    context.parts.fileSystem.statAt(context.parts.directories.use(directory), name, stat);
    return true;
  } catch (error) {
    if (error instanceof FileSystemError && error.code === 'ENOENT') return false;
    throw error;
  }
}
