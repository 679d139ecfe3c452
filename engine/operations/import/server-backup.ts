/**
 * Reads Audiobookshelf's own backup file (trap 33). The server applies whatever it is given; here nothing counts unless all
 * of it is sound. First all names are judged and the database is put into a private folder, opened and checked; only then
 * is anything stored. A part that is refused refuses the backup.
 */

import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { CLOCK_AHEAD_MS_MAX, MIB, SERVER_DETAILS_BYTES_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { inspectServerDatabase, type ServerDatabase } from '../../databases/audiobookshelf.ts';
import { isSqliteHeader } from '../../databases/sqlite-names.ts';
import {
  decodeServerDetails,
  judgeServerVersion,
  SERVER_DATABASE,
  SERVER_DETAILS,
  SERVER_VERSION_KNOWN,
  type ServerDetails,
  timeOfServerDetails,
} from '../../format/audiobookshelf.ts';
import { EXTENSION_DATABASE } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { isoWithZone } from '../../repository/run-facts.ts';
import { writeAt } from '../../repository/write-image.ts';
import type { ArchiveItem, ReadItem } from './archive-item.ts';
import { livePayloadOf } from './layout.ts';
import { SERVER_DATABASE_PLACE, serverEntry } from './server-entry.ts';
import type { ZipReader } from './zip-reader.ts';

function invalid(why: string): never {
  throw new EngineError('ARCHIVE_INVALID', `This is no backup of Audiobookshelf that can be taken: ${why}`);
}

/** True for a zip that has what marks such a backup, be it whole or not. */
export async function looksLikeServerBackup(zip: ZipReader): Promise<boolean> {
  // Reading every entry of a large archive for this would take seconds.
  const may = (name: string): boolean => zip.mayName(Buffer.from(name));
  if (!may(SERVER_DATABASE) && !(may(SERVER_DETAILS) && may('metadata-'))) return false;
  const found = new Set<string>();
  for await (const item of zip.items()) {
    const path = 'why' in item ? item.path : item.entry.path;
    const [first = ''] = path.toString('latin1').split('/');
    if (path.length === first.length && (first === SERVER_DATABASE || first === SERVER_DETAILS)) found.add(first);
    if (path.length > first.length && first.startsWith('metadata-')) found.add('metadata');
    if (found.has(SERVER_DATABASE) && found.size > 1) return true;
  }
  // The database is missing, which the server would find out too late.
  return found.size > 1;
}

export interface ServerBackupOptions {
  readonly zip: ZipReader;
  /** Private; the caller removes it. */
  readonly scratchFolder: string;
  readonly monitor: Monitor | undefined;
  readonly signal: AbortSignal | undefined;
}

interface Parts {
  readonly details: ArchiveItem;
  readonly database: ArchiveItem;
}

export class ServerBackup {
  readonly #options: ServerBackupOptions;
  readonly #database: ServerDatabase;
  readonly #item: ArchiveItem;
  /** The snapshot's time, in the server's zone. */
  readonly time: string;

  private constructor(
    options: ServerBackupOptions,
    found: { readonly database: ServerDatabase; readonly item: ArchiveItem; readonly time: string },
  ) {
    this.#options = options;
    this.#database = found.database;
    this.#item = found.item;
    this.time = found.time;
  }

  /** ARCHIVE_INVALID says what is wrong with it; LIMIT_EXCEEDED, DATABASE_FAILED. `time` replaces the one that it names. */
  static async open(options: ServerBackupOptions, time: Date | undefined): Promise<ServerBackup> {
    const { monitor, signal } = options;
    const parts = await findParts(options.zip, signal);
    const details = await readDetails(parts.details);
    const database = await checkDatabase(parts.database, options);
    tellVersions(details, database, monitor);
    const named = time === undefined ? timeOf(details, monitor) : isoWithZone(time);
    return new ServerBackup(options, { database, item: parts.database, time: named });
  }

  /** As the server has them: below `config` and `metadata`. What the server ignores is read to its end, and not taken. */
  async *items(): AsyncGenerator<ReadItem> {
    let ignored = 0;
    for await (const item of this.#options.zip.items()) {
      const { entry, content } = sound(item);
      const part = serverEntry(entry);
      if ('refused' in part) refuse(entry.path, part.refused);
      if (part.kind === 'metadata') yield { entry: { ...entry, path: part.path }, content };
      else if (part.kind === 'database') yield this.#databaseItem();
      else {
        if (part.kind === 'other') ignored++;
        for await (const _ of content()) throwIfAborted(this.#options.signal);
      }
    }
    if (ignored > 0)
      this.#options.monitor?.note?.(`${ignored} entries of the backup are none of the server's: they are not taken`);
  }

  /** The very bytes that were checked. */
  #databaseItem(): ArchiveItem {
    const { entry } = this.#item;
    const path = imagePath(this.#options.scratchFolder);
    return {
      entry: { ...entry, path: Buffer.from(SERVER_DATABASE_PLACE) },
      content: () => contentOf(path),
      extensions: [{ tag: EXTENSION_DATABASE, payload: this.#live() }],
    };
  }

  #live(): Buffer {
    return livePayloadOf(this.#item.entry);
  }

  /** `path`: where the snapshot has it. */
  record(path: Buffer): DatabaseRecord {
    const { inspection, journalMode, serverVersion } = this.#database;
    return {
      path,
      kind: 'sqlite',
      bytes: this.#item.entry.size,
      check: inspection.check,
      durationSeconds: 0,
      details: {
        method: 'imported',
        holdMs: 0,
        pageSize: inspection.pageSize,
        pageCount: inspection.pageCount,
        userVersion: inspection.userVersion,
        applicationId: inspection.applicationId,
        journalMode,
        schemaHash: inspection.schemaHash,
        sqliteVersion: inspection.sqliteVersion,
        checkMessages: inspection.checkMessages,
        rowCounts: inspection.rowCounts.map(({ table, rows }) => ({ table, rows })),
        live: this.#live().toString('base64'),
        ...(serverVersion === undefined ? {} : { serverVersion }),
      },
    };
  }
}

function refuse(path: Buffer, why: string): never {
  return invalid(`the entry ${JSON.stringify(path.toString('utf8'))} is refused: ${why}`);
}

function sound(item: ReadItem): ArchiveItem {
  return 'why' in item ? refuse(item.path, item.why) : item;
}

async function findParts(zip: ZipReader, signal: AbortSignal | undefined): Promise<Parts> {
  const found: { details?: ArchiveItem; database?: ArchiveItem } = {};
  for await (const read of zip.items()) {
    throwIfAborted(signal);
    const item = sound(read);
    const part = serverEntry(item.entry);
    if ('refused' in part) refuse(item.entry.path, part.refused);
    if (part.kind !== 'details' && part.kind !== 'database') continue;
    if (found[part.kind] !== undefined) refuse(item.entry.path, 'it is there twice');
    found[part.kind] = item;
  }
  const { details, database } = found;
  if (details === undefined) return invalid(`it has no "${SERVER_DETAILS}"`);
  if (database === undefined) return invalid(`it has no "${SERVER_DATABASE}"`);
  return { details, database };
}

async function readDetails({ entry, content }: ArchiveItem): Promise<ServerDetails> {
  if (entry.size > SERVER_DETAILS_BYTES_MAX) invalid(`"${SERVER_DETAILS}" has ${entry.size} bytes instead of a few`);
  const pieces: Buffer[] = [];
  for await (const piece of content()) pieces.push(Buffer.from(piece));
  return decodeServerDetails(Buffer.concat(pieces));
}

function imagePath(folder: string): string {
  return join(folder, 'image');
}

async function checkDatabase(item: ArchiveItem, options: ServerBackupOptions): Promise<ServerDatabase> {
  const { scratchFolder, signal } = options;
  if (item.entry.size === 0) invalid(`its database "${SERVER_DATABASE}" is empty`);
  const path = imagePath(scratchFolder);
  const file = await open(path, 'wx', 0o600);
  try {
    await unpack(item, file, signal);
  } finally {
    await file.close();
  }
  const reply = await inspectServerDatabase({ path, isStructureNeeded: true }, signal);
  return 'why' in reply ? invalid(`its database "${SERVER_DATABASE}" is refused: ${reply.why}`) : reply.database;
}

async function unpack({ content }: ArchiveItem, file: FileHandle, signal: AbortSignal | undefined): Promise<void> {
  let position = 0;
  for await (const piece of content()) {
    throwIfAborted(signal);
    // Gigabytes of something else are not unfolded first.
    if (position === 0 && !isSqliteHeader(piece)) invalid(`"${SERVER_DATABASE}" is no SQLite database`);
    await writeAt(file, piece, position);
    position += piece.length;
  }
}

async function* contentOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(MIB);
    for (let position = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function tellVersions(details: ServerDetails, database: ServerDatabase, monitor: Monitor | undefined): void {
  const { serverVersion } = details;
  if (judgeServerVersion(serverVersion) === 'newer') {
    monitor?.note?.(
      `The backup was made by Audiobookshelf ${serverVersion}; what is known here ends with ${SERVER_VERSION_KNOWN}. Its database is sound and has the tables that every server has`,
    );
  }
  if (database.serverVersion !== undefined && database.serverVersion !== serverVersion) {
    monitor?.note?.(`The backup names version ${serverVersion}, its database ${database.serverVersion}`);
  }
}

function timeOf(details: ServerDetails, monitor: Monitor | undefined): string {
  const { id, createdAtMs } = details;
  const date = new Date(createdAtMs);
  if (createdAtMs > Date.now() + CLOCK_AHEAD_MS_MAX) {
    invalid(`it says that it was made at ${date.toISOString()}, which is still to come; give its time with --time`);
  }
  const time = timeOfServerDetails(details);
  if (time !== undefined) return time;
  monitor?.note?.(
    `The backup is called ${id}, but was made at ${date.toISOString()}: the latter is the snapshot's time`,
  );
  return isoWithZone(date);
}

/** Removes what was unpacked. */
export async function removeScratch(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
