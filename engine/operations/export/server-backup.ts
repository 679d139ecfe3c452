/**
 * A snapshot as a backup file of Audiobookshelf, which its own "apply backup" takes. The server checks nothing of what it
 * applies, so the database is opened and checked here before the first byte is given out.
 */

import { join } from 'node:path';
import { EngineError, type Problem } from '../../base/errors.ts';
import { isWithin, ROOT_PATH } from '../../base/paths.ts';
import type { NodeType } from '../../base/stat.ts';
import { inspectServerDatabase, type ServerDatabase } from '../../databases/audiobookshelf.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import {
  encodeServerDetails,
  isServerVersion,
  SERVER_DATABASE,
  SERVER_DETAILS,
  serverDetails,
} from '../../format/audiobookshelf.ts';
import type { Node } from '../../format/row.ts';
import { readContent } from '../../repository/content-pieces.ts';
import { loadLeftOutPaths } from '../../repository/left-out-paths.ts';
import { livePayload } from '../../repository/live-database.ts';
import type { Repository } from '../../repository/repository.ts';
import { inScratchFolder } from '../../repository/scratch-folders.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { writeImage } from '../../repository/write-image.ts';
import type { ServerExportOptions } from './options.ts';
import {
  type FoundFile,
  findServerDatabase,
  findServerMetadata,
  hasCommitsBeside,
  type SearchOptions,
  serverFolders,
} from './server-parts.ts';
import { ArchiveWalk } from './walk.ts';

const TYPES: ReadonlySet<NodeType> = new Set(['file', 'dir']);
const DETAILS_MODE = 0o644;

/** An entry of the archive, with what it is made of. */
export interface ServerItem {
  readonly entry: ArchiveEntry;
  readonly content: Node | Buffer;
}

export interface ServerBackupOptions extends ServerExportOptions {
  readonly repository: Repository;
  readonly snapshot: Snapshot;
  /** The database, or a folder somewhere above it; default: the whole snapshot. */
  readonly path: Buffer | undefined;
  readonly problem: (problem: Problem) => void;
  readonly signal: AbortSignal | undefined;
}

interface Folder {
  readonly inArchive: Buffer;
  readonly path: Buffer;
}

export class ServerBackup {
  readonly #options: ServerBackupOptions;
  readonly #database: FoundFile;
  readonly #folders: readonly Folder[];
  readonly #details: Buffer;

  private constructor(
    options: ServerBackupOptions,
    parts: { readonly database: FoundFile; readonly folders: readonly Folder[]; readonly details: Buffer },
  ) {
    this.#options = options;
    this.#database = parts.database;
    this.#folders = parts.folders;
    this.#details = parts.details;
  }

  /**
   * Finds the parts, checks the database, and tells what is missing. PATH_NOT_FOUND, INVALID_ARGUMENT; DATABASE_FAILED for
   * a database that is not sound.
   */
  static async prepare(options: ServerBackupOptions): Promise<ServerBackup> {
    const { repository, snapshot, path = ROOT_PATH, signal } = options;
    if (options.version !== undefined && !isServerVersion(options.version)) {
      throw new EngineError('INVALID_ARGUMENT', `"${options.version}" is no version of a server, such as 2.36.0`);
    }
    const search: SearchOptions = { repository, snapshot, path, signal };
    const database = await findServerDatabase(search);
    const found = await inspect(options, search, database);
    const metadata = options.metadata ?? (await findServerMetadata(search, database.path));
    const folders = metadata === undefined ? [] : await serverFolders(search, metadata);
    const version = options.version ?? found?.serverVersion;
    if (version === undefined || !isServerVersion(version)) {
      throw new EngineError(
        'DATABASE_FAILED',
        `${database.path.toString('utf8')} does not tell the server's version, without which the server refuses a backup: give it with --server-version`,
      );
    }
    const there = folders.filter(({ isThere }) => isThere);
    const backup = new ServerBackup(options, {
      database,
      folders: there.map(({ path: at, inArchive }) => ({ path: at, inArchive: Buffer.from(inArchive) })),
      details: encodeServerDetails(serverDetails(snapshot.time, version)),
    });
    if (metadata === undefined) {
      backup.#missing(
        database.path,
        'the folder of the metadata (covers, authors) was not found in the snapshot; name it with --metadata',
      );
    }
    for (const { folder, path: at, isThere } of folders) {
      // A server without such files may never have made the folder.
      const isNeeded = found === undefined || (folder === 'items' ? found.libraryItems : found.authorImages) > 0;
      if (!isThere && isNeeded) backup.#missing(at, 'the snapshot does not hold this folder of the metadata');
    }
    await backup.#tellLost();
    return backup;
  }

  #missing(path: Buffer, why: string): void {
    const text = path.toString('utf8');
    const isText = Buffer.from(text, 'utf8').equals(path);
    this.#options.problem({
      path: text,
      during: 'export',
      code: 'NOT_IN_BACKUP',
      message: `${text}: ${why}`,
      ...(isText ? {} : { pathBase64: path.toString('base64') }),
    });
  }

  /** What the snapshot itself lacks of the folders: it was left out, or could not be read. */
  async #tellLost(): Promise<void> {
    const { repository, snapshot } = this.#options;
    const isPart = (path: Buffer): boolean => this.#folders.some((folder) => isWithin(path, folder.path));
    const told = new Set<string>();
    for (const { path, pathBase64, message } of snapshot.problems) {
      const bytes = pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64');
      if (!isPart(bytes)) continue;
      told.add(bytes.toString('latin1'));
      this.#missing(bytes, `a problem of the snapshot (${message})`);
    }
    for (const text of await loadLeftOutPaths(repository.blobs, snapshot)) {
      const path = Buffer.from(text, 'latin1');
      if (!told.has(text) && isPart(path)) this.#missing(path, 'the snapshot left it out');
    }
  }

  /** In the order in which the server writes them. */
  async *items(tells: boolean): AsyncGenerator<ServerItem> {
    yield* this.#walk(this.#database.path, Buffer.from(SERVER_DATABASE), tells);
    for (const { path, inArchive } of this.#folders) yield* this.#walk(path, inArchive, tells);
    yield { entry: this.#detailsEntry(), content: this.#details };
  }

  async *#walk(path: Buffer, as: Buffer, tells: boolean): AsyncGenerator<ServerItem> {
    const { repository, snapshot, signal } = this.#options;
    const walk = new ArchiveWalk({
      repository,
      snapshot,
      path,
      as,
      types: TYPES,
      hardLinks: false,
      ownEntry: false,
      onLeftOut: ({ type }, at) => {
        if (tells) this.#missing(at, `a backup of the server has no place for a ${type}`);
      },
      signal,
    });
    for await (const { entry, node } of walk.entries()) yield { entry, content: node };
  }

  #detailsEntry(): ArchiveEntry {
    const { mtime, uid, gid } = this.#database.node;
    return {
      path: Buffer.from(SERVER_DETAILS),
      type: 'file',
      mode: DETAILS_MODE,
      uid,
      gid,
      user: undefined,
      group: undefined,
      size: this.#details.length,
      mtime,
      linkTarget: undefined,
      device: undefined,
      attributes: [],
      regions: undefined,
    };
  }

  async *content({ content }: ServerItem): AsyncGenerator<Buffer> {
    if (Buffer.isBuffer(content)) yield content;
    else yield* readContent(this.#options.repository.blobs, content, { signal: this.#options.signal });
  }
}

/** Opens a copy of the database. Undefined where it is not sound and was asked for all the same. */
async function inspect(
  options: ServerBackupOptions,
  search: SearchOptions,
  database: FoundFile,
): Promise<ServerDatabase | undefined> {
  const { repository, snapshot, signal } = options;
  const record = snapshot.databases.find(({ path }) => path.equals(database.path));
  let found: ServerDatabase | undefined;
  let why =
    record === undefined || record.check === 'ok' ? undefined : `its check in the snapshot is "${record.check}"`;
  if (
    why === undefined &&
    livePayload(database.node) === undefined &&
    (await hasCommitsBeside(search, database.path))
  ) {
    why = 'it was stored as it lay there, beside a log whose commits would be lost';
  }
  if (why === undefined || options.allowUnverified === true) {
    const reply = await inScratchFolder(repository.cacheDirectory, async (folder) => {
      const image = join(folder, 'image');
      await writeImage(repository, database.node, image, signal);
      return inspectServerDatabase({ path: image, isStructureNeeded: false }, signal);
    });
    if ('why' in reply) why ??= reply.why;
    else found = reply.database;
  }
  if (why === undefined) return found;
  const name = database.path.toString('utf8');
  if (options.allowUnverified !== true) {
    throw new EngineError(
      'DATABASE_FAILED',
      `${name} is not fit for a backup: ${why}. The server would apply it without a check; --allow-unverified takes it all the same`,
    );
  }
  options.problem({ path: name, during: 'export', code: 'UNVERIFIED', message: `${name} is not sound: ${why}` });
  return found;
}
