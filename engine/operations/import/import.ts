/**
 * Imports an archive as a snapshot. Nothing is unpacked: content goes from the archive into the repository as a stream, rows
 * into a database of the run, and the trees are made at the end. The archive is trusted in nothing (trap 33): a name cannot
 * lead out, a link is never followed, lengths are bounded, and whatever is damaged or cut off makes no snapshot. Of a
 * server's backup (server-backup.ts) the database lies in a private folder until it is checked and stored.
 */

import { hostname } from 'node:os';
import { join } from 'node:path';
import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { IMPORT_EXPANSION_MAX, IMPORT_PATHS_MAX, PROGRESS_INTERVAL_MS } from '../../base/limits.ts';
import { looksLikeTar } from '../../format/archive-tar-reader.ts';
import type { BackupCounts } from '../../format/snapshot.ts';
import type { Repository } from '../../repository/repository.ts';
import { isoWithZone, nowNs, userName } from '../../repository/run-facts.ts';
import { makeScratchFolder, sweepScratchFolders } from '../../repository/scratch-folders.ts';
import { ScratchRows } from '../../repository/scratch-rows.ts';
import { WriteSession } from '../../repository/write-session.ts';
import type { ReadItem } from './archive-item.ts';
import { ByteSource } from './byte-source.ts';
import { entryPlace, pathOf } from './entry-path.ts';
import { EntryStore } from './entry-store.ts';
import { Expansion } from './expansion.ts';
import { databaseRecord, placedItem } from './layout.ts';
import type { ImportFormat, ImportOptions, ImportResult } from './options.ts';
import { looksLikeServerBackup, removeScratch, ServerBackup } from './server-backup.ts';
import { SERVER_DATABASE_PLACE } from './server-entry.ts';
import { TarReader } from './tar-reader.ts';
import { type BuiltTree, TreeBuilder } from './tree-builder.ts';
import { ArchiveFile, ZipReader } from './zip-reader.ts';

const HEAD_BYTES = 512;

/**
 * Saves the archive's content as a snapshot. Entries that are refused are problems in the result. Throws ARCHIVE_INVALID for
 * an archive that is damaged, cut off or not known here, LIMIT_EXCEEDED for a bomb, SOURCE_MISSING for one that holds
 * nothing, PROBLEMS_FOUND where `strict`, INVALID_ARGUMENT, STORAGE_FAILED, REPOSITORY_LOCKED, INTERRUPTED.
 */
export async function importArchive(repository: Repository, options: ImportOptions): Promise<ImportResult> {
  const prefix = entryPlace(options.prefix ?? Buffer.from('/'));
  if ('refused' in prefix) throw new EngineError('INVALID_ARGUMENT', `The prefix cannot be one: ${prefix.refused}`);
  const file = 'file' in options.source ? new ArchiveFile(options.source.file) : undefined;
  try {
    const session = await WriteSession.begin(repository, { verb: 'import', compression: options.compression });
    let rows: ScratchRows | undefined;
    let run: ImportRun | undefined;
    try {
      rows = await ScratchRows.open(repository.index.known().newWorkPath());
      run = new ImportRun({ session, rows, file, options, prefix: prefix.names });
      return await run.execute();
    } catch (error) {
      await session.keepWhatIsStored();
      if (options.signal?.aborted !== true) throw error;
      throw new EngineError('INTERRUPTED', 'Interrupted: no snapshot was made; what is stored is kept', error);
    } finally {
      await run?.close();
      await rows?.close();
      await session.close();
    }
  } finally {
    file?.close();
  }
}

interface ImportParts {
  readonly session: WriteSession;
  readonly rows: ScratchRows;
  readonly file: ArchiveFile | undefined;
  readonly options: ImportOptions;
  readonly prefix: readonly Buffer[];
}

class ImportRun {
  readonly #parts: ImportParts;
  readonly #store: EntryStore;
  readonly #expansion: Expansion;
  readonly #startedNs = nowNs();
  readonly #startedMs = performance.now();
  #server: ServerBackup | undefined;
  #scratchFolder: string | undefined;
  #lastProgressMs = 0;

  constructor(parts: ImportParts) {
    this.#parts = parts;
    const { session, rows, prefix, options } = parts;
    this.#store = new EntryStore({ session, rows, prefix, monitor: options.monitor });
    this.#expansion = new Expansion(options.expansionMax ?? IMPORT_EXPANSION_MAX);
  }

  async execute(): Promise<ImportResult> {
    const { options, session, rows } = this.#parts;
    const { format, items } = await this.#open();
    for await (const item of items) {
      throwIfAborted(options.signal);
      this.#progress(item);
      const placed = options.layout === undefined ? item : placedItem(item, options.layout);
      if (placed === undefined) continue;
      await this.#store.add(placed);
      await session.settle();
      this.#requireSound();
    }
    if (this.#store.entries === 0) {
      throw new EngineError('SOURCE_MISSING', 'The archive holds nothing that could be imported: no snapshot was made');
    }
    const store = this.#store;
    const tree = await new TreeBuilder({
      session,
      rows,
      hasLinks: store.inodes > 0n,
      onRefused: (path, code, why) => store.problem(path, code, why),
    }).build();
    this.#requireSound();
    throwIfAborted(options.signal);
    if (options.strict === true && store.problemCount > 0) {
      throw new EngineError(
        'PROBLEMS_FOUND',
        `${store.problemCount} entries were refused and --strict was asked for: no snapshot was saved`,
      );
    }
    return { format, ...(await this.#commit(tree, format)) };
  }

  /** Half of a server is worse than none: nothing of its backup may be refused or be there twice. */
  #requireSound(): void {
    if (this.#server === undefined) return;
    const { duplicates, problems } = this.#store;
    const [first] = problems;
    const why = first?.message ?? (duplicates > 0 ? 'a name is there twice' : undefined);
    if (why === undefined) return;
    throw new EngineError('ARCHIVE_INVALID', `This is no backup of Audiobookshelf that can be taken: ${why}`);
  }

  async close(): Promise<void> {
    if (this.#scratchFolder !== undefined) await removeScratch(this.#scratchFolder);
  }

  async #open(): Promise<{ format: ImportFormat; items: AsyncIterable<ReadItem> }> {
    const { options, file } = this.#parts;
    const stream = 'stream' in options.source ? options.source.stream : file?.stream();
    if (stream === undefined) throw new EngineError('INTERNAL', 'An import without a source');
    const source = new ByteSource(stream);
    const head = await source.peek(HEAD_BYTES);
    const format = formatOf(head);
    const wanted = options.format;
    if (wanted !== undefined && wanted !== format && !(wanted === 'audiobookshelf' && format === 'zip'))
      throw new EngineError('ARCHIVE_INVALID', `This is no ${wanted}: it looks like a ${format}`);
    if (format === 'zip') {
      if (file === undefined) {
        throw new EngineError(
          'INVALID_ARGUMENT',
          'A zip is read from its end: import it from a file, not from a stream',
        );
      }
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
      const zip = new ZipReader(file, this.#expansion, owner);
      const isServer = wanted === undefined ? await looksLikeServerBackup(zip) : wanted === 'audiobookshelf';
      return isServer ? this.#openServer(zip) : { format, items: zip.items() };
    }
    if (format === 'tar') return { format, items: new TarReader(source).items() };
    const plain = format === 'tar.zst' ? this.#expansion.unzstd(source.rest()) : this.#expansion.gunzip(source.rest());
    return { format, items: new TarReader(new ByteSource(plain)).items() };
  }

  async #openServer(zip: ZipReader): Promise<{ format: ImportFormat; items: AsyncIterable<ReadItem> }> {
    const { options, session } = this.#parts;
    const { monitor, signal, time } = options;
    const parent = join(session.repository.cacheDirectory, 'scratch');
    sweepScratchFolders(parent);
    this.#scratchFolder = makeScratchFolder(parent);
    this.#server = await ServerBackup.open({ zip, scratchFolder: this.#scratchFolder, monitor, signal }, time);
    return { format: 'audiobookshelf', items: this.#server.items() };
  }

  async #commit(tree: BuiltTree, format: ImportFormat): Promise<Omit<ImportResult, 'format'>> {
    const { options, session, prefix } = this.#parts;
    const { problems, problemCount, users, groups, duplicates } = this.#store;
    await session.flush();
    const counts = this.#counts(tree);
    const top = tree.topNames.map((name) => pathOf([name]));
    const place = Buffer.from(SERVER_DATABASE_PLACE);
    const databasePath = options.layout?.placeOf(place) ?? pathOf([...prefix, place]);
    const ownPaths = prefix.length > 0 ? [pathOf(prefix)] : top.length > IMPORT_PATHS_MAX ? [Buffer.from('/')] : top;
    const snapshot = await session.commit({
      time: this.#server?.time ?? isoWithZone(options.time ?? new Date(Number(this.#startedNs / 1_000_000n))),
      startedNs: this.#startedNs,
      host: options.host ?? hostname(),
      user: userName(),
      label: options.label ?? '',
      tags: [...new Set(options.tags ?? [])],
      paths: options.layout?.paths ?? ownPaths,
      parent: undefined,
      tree: tree.treeId,
      mounts: [{ path: Buffer.from('/'), device: '0:0' }],
      users: Object.fromEntries(users),
      groups: Object.fromEntries(groups),
      rules: { imported: format },
      leftOut: { count: 0, content: [] },
      problems,
      problemCount,
      databases:
        this.#server === undefined
          ? (options.layout?.databases ?? []).map(databaseRecord)
          : [this.#server.record(databasePath)],
      summary: counts,
      program: options.program ?? 'snap',
    });
    return { snapshot, counts, problems, problemCount, duplicates };
  }

  #counts(tree: BuiltTree): BackupCounts {
    const { session } = this.#parts;
    return {
      filesNew: tree.files,
      filesChanged: 0,
      filesUnmodified: 0,
      filesDeleted: 0,
      filesMoved: 0,
      dirsNew: tree.directories,
      dirsChanged: 0,
      dirsUnmodified: 0,
      totalFilesProcessed: tree.files,
      totalBytesProcessed: tree.bytes,
      dataAdded: session.bytesNew,
      dataAddedPacked: session.bytesWritten,
      backupStart: new Date(Number(this.#startedNs / 1_000_000n)).toISOString(),
      backupEnd: new Date().toISOString(),
      totalDuration: (performance.now() - this.#startedMs) / 1000,
    };
  }

  #progress(item: ReadItem): void {
    const now = performance.now();
    if (now - this.#lastProgressMs < PROGRESS_INTERVAL_MS) return;
    this.#lastProgressMs = now;
    const path = 'why' in item ? item.path : item.entry.path;
    this.#parts.options.monitor?.progress?.({
      filesDone: this.#store.entries,
      bytesDone: this.#store.bytes,
      filesTotal: undefined,
      bytesTotal: undefined,
      bytesNew: this.#parts.session.bytesNew,
      problems: this.#store.problemCount,
      currentPath: path.toString('utf8'),
    });
  }
}

const MAGICS: readonly { readonly format: ImportFormat; readonly bytes: Buffer }[] = [
  { format: 'zip', bytes: Buffer.from('PK\x03\x04', 'latin1') },
  { format: 'zip', bytes: Buffer.from('PK\x05\x06', 'latin1') },
  { format: 'tar.zst', bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { format: 'tar.gz', bytes: Buffer.from([0x1f, 0x8b]) },
];

/** By its first bytes, whatever its name says. */
function formatOf(head: Buffer): ImportFormat {
  const found = MAGICS.find(({ bytes }) => head.subarray(0, bytes.length).equals(bytes));
  if (found !== undefined) return found.format;
  if (looksLikeTar(head)) return 'tar';
  throw new EngineError(
    'ARCHIVE_INVALID',
    'This is no archive that can be imported: zip, tar, tar.zst and tar.gz are known',
  );
}
