/** Where things lie in the file of a backup: which folder of the archive a path of the snapshot has. Pure. */

import type { Snapshot } from '../../engine/index.ts';
import type { LibraryPaths } from './library.ts';
import { isWithin } from './uncovered.ts';

export const ARCHIVE_FOLDERS = ['database', 'covers', 'books', 'other'] as const;
export type ArchiveFolder = (typeof ARCHIVE_FOLDERS)[number];

/** A source of the snapshot, and its name in the archive. */
export interface ArchiveRoot {
  readonly path: Buffer;
  readonly as: Buffer;
}

/** Where a snapshot has the dumps of database servers, which never lay on the disk. */
export const DUMPS = Buffer.from('/.snap-databases');

/** One for each source that lies in no other one, in the order of their names in the archive. */
export function archiveRoots(snapshot: Pick<Snapshot, 'paths' | 'databases'>, library: LibraryPaths): ArchiveRoot[] {
  const { databases } = snapshot;
  // Dumps of database servers lie beside all sources.
  const hasDumps = databases.some(({ path }) => isWithin(path, DUMPS));
  const paths = hasDumps ? [...snapshot.paths, DUMPS] : snapshot.paths;
  const outer = paths.filter((path) => !paths.some((other) => !other.equals(path) && isWithin(path, other)));
  return outer
    .map((path) => ({ path, as: nameInArchive(path, folderOf(path, snapshot, library)) }))
    .sort((one, other) => archiveKey(one.as).compare(archiveKey(other.as)));
}

function nameInArchive(path: Buffer, folder: ArchiveFolder): Buffer {
  return path.length <= 1 ? Buffer.from(folder) : Buffer.concat([Buffer.from(folder), path]);
}

/** As the library is set now; a snapshot of another one is told apart by its databases. */
function folderOf(
  path: Buffer,
  { databases }: Pick<Snapshot, 'databases'>,
  { database_paths, cover_paths, book_paths, other_paths }: LibraryPaths,
): ArchiveFolder {
  const isOf = (list: readonly string[]): boolean => list.some((one) => Buffer.from(one).equals(path));
  if (isOf(database_paths)) return 'database';
  if (isOf(cover_paths)) return 'covers';
  if (isOf(book_paths)) return 'books';
  if (isOf(other_paths)) return 'other';
  return databases.some((database) => isWithin(database.path, path)) ? 'database' : 'books';
}

/** The name in the archive of a path of the snapshot, or undefined. */
export function archiveNameOf(path: Buffer, roots: readonly ArchiveRoot[]): Buffer | undefined {
  const root = roots.find((one) => isWithin(path, one.path));
  if (root === undefined) return undefined;
  const rest = root.path.length <= 1 ? path : path.subarray(root.path.length);
  return Buffer.concat([root.as, rest]);
}

/** The path in the snapshot of a name in the archive, or undefined: the inverse. */
export function snapshotPathOf(name: Buffer, roots: readonly ArchiveRoot[]): Buffer | undefined {
  const root = roots.find((one) => isWithin(name, one.as));
  if (root === undefined) return undefined;
  const rest = name.subarray(root.as.length);
  return root.path.length <= 1 ? (rest.length === 0 ? root.path : rest) : Buffer.concat([root.path, rest]);
}

/** Names in the order of trees: a folder, then what it holds, then what comes after it. */
export function archiveKey(name: Buffer): Buffer {
  return Buffer.from(name.toString('latin1').replaceAll('/', '\0'), 'latin1');
}

/** Why somebody else's roots cannot be taken; undefined where they can. */
export function requireRoots(roots: readonly ArchiveRoot[]): string | undefined {
  for (const { path, as } of roots) {
    const text = path.toString('utf8');
    const parts = path.toString('latin1').split('/').slice(1);
    const isPlain = path[0] === 0x2f && !path.includes(0) && parts.every((part) => !['', '.', '..'].includes(part));
    if (path.length > 1 && !isPlain) return `${JSON.stringify(text)} is no absolute path`;
    if (!ARCHIVE_FOLDERS.some((folder) => nameInArchive(path, folder).equals(as))) {
      return `${JSON.stringify(text)} is called ${JSON.stringify(as.toString('utf8'))} in the archive`;
    }
    const isIn = (other: ArchiveRoot): boolean =>
      (other.path !== path && isWithin(path, other.path)) || (other.as !== as && isWithin(as, other.as));
    if (roots.some(isIn)) return `${JSON.stringify(text)} lies in another one of its folders`;
  }
  return undefined;
}
