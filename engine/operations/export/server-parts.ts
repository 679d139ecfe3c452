/** Where a snapshot has what belongs into a backup of Audiobookshelf: the database, and the folder of its metadata. */

import { EngineError, isEngineError } from '../../base/errors.ts';
import { SERVER_DATABASES_NAMED_MAX } from '../../base/limits.ts';
import { baseName, isWithin, joinPath, parentPath, ROOT_PATH } from '../../base/paths.ts';
import { SERVER_CONFIG, SERVER_DATABASE, SERVER_FOLDERS, SERVER_METADATA } from '../../format/audiobookshelf.ts';
import type { Node } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { type FoundPath, findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { ArchiveWalk } from './walk.ts';

const DATABASE_NAME = Buffer.from(SERVER_DATABASE);

export interface FoundFile {
  readonly path: Buffer;
  readonly node: Node;
}

export interface SearchOptions {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  /** The database, or a folder somewhere above it. */
  readonly path: Buffer;
  readonly signal: AbortSignal | undefined;
}

async function lookAt({ repository, snapshot }: SearchOptions, path: Buffer): Promise<FoundPath | undefined> {
  try {
    return await findPath(repository.blobs, snapshot, path);
  } catch (error) {
    if (isEngineError(error, 'PATH_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function fileAt(options: SearchOptions, path: Buffer): Promise<FoundFile | undefined> {
  const found = await lookAt(options, path);
  return found?.kind === 'node' && found.node.type === 'file' ? found : undefined;
}

async function isFolder(options: SearchOptions, path: Buffer): Promise<boolean> {
  const found = await lookAt(options, path);
  return found?.kind === 'root' || found?.node.type === 'dir';
}

/** PATH_NOT_FOUND where there is none, INVALID_ARGUMENT where there are several. */
export async function findServerDatabase(options: SearchOptions): Promise<FoundFile> {
  const { repository, snapshot, path } = options;
  const start = await findPath(repository.blobs, snapshot, path);
  if (start.kind === 'node' && start.node.type !== 'dir') {
    if (start.node.type === 'file') return start;
    throw new EngineError('INVALID_ARGUMENT', `${path.toString('utf8')} in the snapshot is no file`);
  }
  const near = [
    joinPath(start.path, DATABASE_NAME),
    joinPath(start.path, Buffer.from(`${SERVER_CONFIG}/${SERVER_DATABASE}`)),
  ];
  for (const candidate of near) {
    // The whole snapshot may hold another one somewhere else.
    const found = start.kind === 'root' ? undefined : await fileAt(options, candidate);
    if (found !== undefined) return found;
  }
  const recorded = recordedBelow(snapshot.databases, start.path);
  const paths = recorded.length > 0 ? recorded : await walkFor(options, start.path);
  const [first] = paths;
  if (first === undefined) {
    throw new EngineError(
      'PATH_NOT_FOUND',
      `Snapshot ${snapshot.id.slice(0, 8)} holds no database of Audiobookshelf below ${start.path.toString('utf8')}: a file called ${SERVER_DATABASE} is looked for`,
    );
  }
  if (paths.length > 1) throw several(paths, 'databases of Audiobookshelf', 'name one as SNAP:PATH');
  const file = await fileAt(options, first);
  if (file !== undefined) return file;
  throw new EngineError('PATH_NOT_FOUND', `${first.toString('utf8')} in the snapshot is no file`);
}

function several(paths: readonly Buffer[], what: string, advice: string): EngineError {
  const named = paths.slice(0, SERVER_DATABASES_NAMED_MAX).map((path) => path.toString('utf8'));
  const more = paths.length > named.length ? ', ...' : '';
  return new EngineError(
    'INVALID_ARGUMENT',
    `The snapshot holds several ${what} (${named.join(', ')}${more}): ${advice}`,
  );
}

function recordedBelow(databases: readonly DatabaseRecord[], above: Buffer): Buffer[] {
  return databases
    .map(({ path }) => path)
    .filter((path) => baseName(path).equals(DATABASE_NAME) && isWithin(path, above));
}

/** A snapshot that was taken without a look at databases, or imported, has no records: every name is looked at. */
async function walkFor(options: SearchOptions, above: Buffer): Promise<Buffer[]> {
  const { repository, snapshot, signal } = options;
  const walk = new ArchiveWalk({
    repository,
    snapshot,
    path: above,
    types: new Set(['file', 'dir']),
    hardLinks: false,
    ownEntry: false,
    onLeftOut: () => undefined,
    signal,
  });
  const paths: Buffer[] = [];
  for await (const { entry } of walk.entries()) {
    if (entry.type === 'file' && baseName(entry.path).equals(DATABASE_NAME)) paths.push(joinPath(above, entry.path));
    if (paths.length > SERVER_DATABASES_NAMED_MAX) break;
  }
  return paths;
}

/**
 * The folder that holds `items` and `authors`: beside the database's folder or in it, as the server itself has it, else a
 * source (in containers it is one of its own) that looks like it. Undefined where there is none, INVALID_ARGUMENT where
 * there are several.
 */
export async function findServerMetadata(options: SearchOptions, database: Buffer): Promise<Buffer | undefined> {
  const config = parentPath(database);
  const name = Buffer.from(SERVER_METADATA);
  for (const candidate of [joinPath(parentPath(config), name), joinPath(config, name)]) {
    if (await isFolder(options, candidate)) return candidate;
  }
  const found = new Map<string, Buffer>();
  for (const source of options.snapshot.paths) {
    const places = source.equals(ROOT_PATH) ? [] : [source];
    for (const place of [...places, joinPath(source, name)]) {
      if (await looksLikeMetadata(options, place)) found.set(place.toString('latin1'), place);
    }
  }
  const [only, ...others] = found.values();
  if (others.length > 0)
    throw several([...found.values()], 'folders that may be the metadata', 'name one with --metadata');
  return only;
}

/** A library may have a folder called `authors`: one of the two counts only where the name speaks for it. */
async function looksLikeMetadata(options: SearchOptions, path: Buffer): Promise<boolean> {
  let folders = 0;
  for (const { folder } of SERVER_FOLDERS) {
    if (await isFolder(options, joinPath(path, Buffer.from(folder)))) folders++;
  }
  const isNamed = baseName(path).toString('latin1').toLowerCase().includes(SERVER_METADATA);
  return folders === SERVER_FOLDERS.length || (folders > 0 && isNamed);
}

/** Which of the folders that belong into a backup are there. */
export async function serverFolders(
  options: SearchOptions,
  metadata: Buffer,
): Promise<
  { readonly folder: string; readonly inArchive: string; readonly path: Buffer; readonly isThere: boolean }[]
> {
  const folders = [];
  for (const { folder, inArchive } of SERVER_FOLDERS) {
    const path = joinPath(metadata, Buffer.from(folder));
    folders.push({ folder, inArchive, path, isThere: await isFolder(options, path) });
  }
  return folders;
}

/** Side files that hold commits of a database which was stored as it lay there. */
export async function hasCommitsBeside(options: SearchOptions, database: Buffer): Promise<boolean> {
  for (const suffix of ['-wal', '-journal']) {
    const side = await fileAt(options, Buffer.concat([database, Buffer.from(suffix)]));
    if (side !== undefined && side.node.size > 0) return true;
  }
  return false;
}
