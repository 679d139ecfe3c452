/**
 * Turns an entry that is no directory into its row: the parent's where it is unchanged; else its file is handed to the
 * dispatcher, its database is captured, or what it is otherwise is written down.
 */

import { EngineError } from '../../base/errors.ts';
import { BATCH_FILE_BYTES_MAX, HARD_LINKS_WAITING_MAX } from '../../base/limits.ts';
import {
  readLinks,
  readMode,
  readSize,
  S_IFBLK,
  S_IFCHR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  STAT_BYTES,
  STAT_OFFSET,
} from '../../base/stat.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import { decodeRow, encodeRow, hasExtensions, NO_CONTENT, ROW_STAT_OFFSET } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import { type ChangeRules, isUnchanged, type RowReference } from '../../repository/change-rules.ts';
import { isUnchangedDatabase } from '../../repository/live-database.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { DatabaseCapture } from './database-capture.ts';
import type { FileDispatcher, FileOutcome } from './file-dispatcher.ts';
import type { Journal } from './journal.ts';
import { isSameStat, rowBytes, rowWithStat } from './parent-rows.ts';
import { joinPath, type RunContext } from './run-context.ts';
import { addRow, type DirectoryTask, deviceOf, type ListedEntry, type Slot } from './scan-types.ts';

export interface FileMatcherOptions {
  readonly fileSystem: FileSystem;
  readonly trees: TreeWriter;
  readonly dispatcher: FileDispatcher;
  readonly context: RunContext;
  readonly rules: ChangeRules;
  readonly journal: Journal;
  readonly claims: RunClaims;
  readonly databases: DatabaseCapture | undefined;
  /** True where the parent took databases for files: what may be one is looked at again. */
  readonly sniffAgain: boolean;
  readonly blobs: BlobReader;
  /** The repository lacks packs: a row of the parent counts only where all its blobs are there. */
  readonly mayLackBlobs: boolean;
}

/** A database is a whole number of its smallest pages. */
const DATABASE_PAGE_BYTES_MIN = 512;

interface HardLink {
  readonly first: Promise<Buffer | undefined>;
  rest: number;
}

export class FileMatcher {
  readonly #options: FileMatcherOptions;
  readonly #hardLinks = new Map<string, HardLink>();

  constructor(options: FileMatcherOptions) {
    this.#options = options;
  }

  /** The row of an entry that is no directory, now or later. */
  match(
    task: DirectoryTask,
    entry: ListedEntry,
    known: {
      readonly row: RowReference | undefined;
      readonly type: number;
      /** The file that this may be a side file of, and what becomes of that. */
      readonly base: { readonly index: number; readonly slot: Slot } | undefined;
      /** Nobody named it: it is here for the database that it may belong to. */
      readonly isCompanion?: boolean;
      /** Its blobs are in the repository. */
      readonly isSure?: boolean;
      readonly late?: boolean;
    },
  ): Slot {
    const { context, rules, databases } = this.#options;
    const { listing, index } = entry;
    const at = index * STAT_BYTES;
    const { row } = known;
    if (this.#options.mayLackBlobs && row !== undefined && known.isSure !== true) {
      return this.#matchDoubtful(task, entry, { ...known, row });
    }
    const size = known.type === S_IFREG ? readSize(listing.stats, at) : 0;
    context.counts.totalFilesProcessed++;
    context.counts.totalBytesProcessed += size;
    if (known.base !== undefined && databases !== undefined) return this.#matchSideFile(task, entry, known);
    if (row !== undefined && hasExtensions(row.bytes, row.at) && databases !== undefined) {
      const captured = this.#matchDatabase(task, entry, row);
      if (captured !== undefined) return captured;
    } else if (row !== undefined && isUnchanged(listing.stats, at, row, rules) && !this.#mayBeDatabase(row, size)) {
      if (task.moved === true) context.counts.filesMoved++;
      else context.counts.filesUnmodified++;
      context.progress(undefined);
      return isSameStat(listing.stats, at, row) ? row : rowWithStat(row, listing.stats, at);
    }
    return this.#storeAny(task, entry, known);
  }

  /** A row counts only where all its blobs are there; else the file is stored as if it were new. */
  async #matchDoubtful(
    task: DirectoryTask,
    entry: ListedEntry,
    known: Parameters<FileMatcher['match']>[2] & { readonly row: RowReference },
  ): Promise<Buffer | undefined> {
    task.directory.retain();
    try {
      const isSure = await this.#isStored(known.row);
      const sure = { ...known, isSure: true, late: true };
      const slot = await this.match(task, entry, isSure ? sure : { ...sure, row: undefined });
      return slot === undefined || slot instanceof Uint8Array ? slot : rowBytes(slot);
    } finally {
      task.directory.release();
    }
  }

  async #isStored(row: RowReference): Promise<boolean> {
    const { claims, blobs } = this.#options;
    const { content, size } = decodeRow(rowBytes(row), 'a row of the parent');
    try {
      for await (const { blobId } of blobs.content(content, size)) {
        if (blobId !== undefined && !claims.isKnown(blobId)) return false;
      }
      return true;
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  /** True where the parent's row says nothing of whether this is a database, because it took them otherwise than this run. */
  #mayBeDatabase(row: RowReference, size: number): boolean {
    const { databases, sniffAgain } = this.#options;
    if (databases === undefined) return hasExtensions(row.bytes, row.at);
    return sniffAgain && size > 0 && size % DATABASE_PAGE_BYTES_MIN === 0;
  }

  /** Takes back what match() counted: the entry is gone, or counted elsewhere. */
  #uncount(size: number): void {
    const { counts } = this.#options.context;
    counts.totalFilesProcessed--;
    counts.totalBytesProcessed -= size;
  }

  /** A file beside one whose name it extends: left out where that is a database that was captured. */
  async #matchSideFile(
    task: DirectoryTask,
    entry: ListedEntry,
    known: {
      readonly row: RowReference | undefined;
      readonly type: number;
      readonly base: { readonly index: number; readonly slot: Slot } | undefined;
      readonly isCompanion?: boolean;
    },
  ): Promise<Buffer | undefined> {
    const { databases, context } = this.#options;
    const size = known.type === S_IFREG ? readSize(entry.listing.stats, entry.index * STAT_BYTES) : 0;
    task.directory.retain();
    try {
      await known.base?.slot;
      const base = entry.listing.names[known.base?.index ?? -1];
      const basePath = base === undefined ? undefined : joinPath(task.path, base);
      if (basePath !== undefined && databases?.isCaptured(basePath) === true) {
        context.leftOut.add(joinPath(task.path, entry.name), 'databaseSideFile');
        this.#uncount(size);
        return undefined;
      }
      // Beside a database that could not be captured it is all there is of the last commits.
      if (known.isCompanion === true && (basePath === undefined || databases?.hasFailed(basePath) !== true)) {
        this.#uncount(size);
        return undefined;
      }
      const slot = await this.match(task, entry, { ...known, base: undefined, late: true });
      this.#uncount(size);
      return slot === undefined || slot instanceof Uint8Array ? slot : rowBytes(slot);
    } finally {
      task.directory.release();
    }
  }

  /** The parent's row where it still holds; undefined where the database has to be captured. */
  #matchDatabase(task: DirectoryTask, entry: ListedEntry, row: RowReference): RowReference | undefined {
    const { databases, context, rules } = this.#options;
    const path = joinPath(task.path, entry.name);
    const at = entry.index * STAT_BYTES;
    // Listed again in the same run: files may be newer than their database, but not the other way round.
    if (databases?.isCaptured(path) !== true) {
      if (databases === undefined || databases.isAhead(path)) return undefined;
      const node = decodeRow(rowBytes(row), 'a database');
      const isHeld = (readMode(entry.listing.stats, at) & S_IFMT) === S_IFREG && databases.isHeld(path, node);
      if (!isHeld && !isUnchangedDatabase(node, entry.listing, entry.index, rules)) return undefined;
      if (task.moved === true) context.counts.filesMoved++;
      else context.counts.filesUnmodified++;
      databases.keep(path, row);
    }
    const links = readLinks(entry.listing.stats, at);
    if (links > 1) this.#rememberLink(entry, { first: Promise.resolve(rowBytes(row)), rest: links - 1 });
    return row;
  }

  #storeAny(
    task: DirectoryTask,
    entry: ListedEntry,
    known: { readonly row: RowReference | undefined; readonly type: number; readonly late?: boolean },
  ): Slot {
    const late = known.late === true;
    if (known.type !== S_IFREG) return this.#specialFile(task, entry, known);
    const { listing, index } = entry;
    const at = index * STAT_BYTES;
    const links = readLinks(listing.stats, at);
    // Another name of a database knows nothing of the commits that lie beside this one.
    if (links === 1 || this.#options.databases?.hasSideFiles(listing, entry.name) === true) {
      return this.#storeFile(task, entry, known.row, late);
    }
    const key = linkKey(entry);
    const link = this.#hardLinks.get(key);
    if (link === undefined) {
      const first = this.#storeFile(task, entry, known.row, late);
      this.#rememberLink(entry, { first, rest: links - 1 });
      return first;
    }
    link.rest--;
    if (link.rest === 0) this.#hardLinks.delete(key);
    return this.#linkedFile(task, entry, { before: known.row, first: link.first });
  }

  #rememberLink(entry: ListedEntry, link: HardLink): void {
    if (this.#hardLinks.size >= HARD_LINKS_WAITING_MAX) {
      const [oldest] = this.#hardLinks.keys();
      if (oldest !== undefined) this.#hardLinks.delete(oldest);
    }
    this.#hardLinks.set(linkKey(entry), link);
  }

  /** One inode is read once: its other names get the same row under their own name. */
  async #linkedFile(
    task: DirectoryTask,
    entry: ListedEntry,
    link: { readonly before: RowReference | undefined; readonly first: Promise<Buffer | undefined> },
  ): Promise<Buffer | undefined> {
    task.directory.retain();
    try {
      const row = await link.first;
      if (row === undefined) return await this.#storeFile(task, entry, link.before, true);
      const node = decodeRow(row, 'a row that was just made');
      const stat = row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
      const own = encodeRow({ ...node, name: entry.name, stat });
      this.#countStored(link.before, own);
      return own;
    } finally {
      task.directory.release();
    }
  }

  #specialFile(
    task: DirectoryTask,
    entry: ListedEntry,
    known: { readonly row: RowReference | undefined; readonly type: number },
  ): Buffer | undefined {
    const { fileSystem } = this.#options;
    const { listing, index, name } = entry;
    const stat = Buffer.from(listing.stats.subarray(index * STAT_BYTES, (index + 1) * STAT_BYTES));
    const extras = listing.extras.subarray(index * LISTING_EXTRA_WORDS, (index + 1) * LISTING_EXTRA_WORDS);
    try {
      const { handle } = task.directory;
      const isDevice = known.type === S_IFBLK || known.type === S_IFCHR;
      const row = encodeRow({
        name,
        stat,
        content: NO_CONTENT,
        linkTarget: known.type === S_IFLNK ? fileSystem.readLinkAt(handle, name) : undefined,
        device: isDevice ? { major: extras[2] ?? 0, minor: extras[3] ?? 0 } : undefined,
        attributes: fileSystem.attributesAt(handle, name),
      });
      this.#countStored(known.row, row);
      return row;
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code !== 'ENOENT') this.unreadable(joinPath(task.path, name), { during: error.call, code: error.code });
      else this.#uncount(0);
      return undefined;
    }
  }

  /** `late`: the walk may be over, and nobody else fills the batch. */
  async #storeFile(
    task: DirectoryTask,
    entry: ListedEntry,
    before: RowReference | undefined,
    late: boolean,
  ): Promise<Buffer | undefined> {
    task.directory.retain();
    try {
      const { dispatcher, databases, journal } = this.#options;
      const { listing, index, name } = entry;
      // A view: whoever keeps it longer than this file's way through the workers copies it.
      const stat = listing.stats.subarray(index * STAT_BYTES, (index + 1) * STAT_BYTES);
      const path = joinPath(task.path, name);
      if (before !== undefined && databases?.hasFailed(path) === true) return rowBytes(before);
      if (journal.hasFiles) {
        const resumed = await this.#resume(path, stat);
        if (resumed !== undefined) {
          this.#countStored(before, resumed);
          return resumed;
        }
      }
      const request = { directory: task.directory, name, stat };
      const size = readSize(stat, 0);
      const sparse = isSparse(listing, index, size);
      let outcome: FileOutcome;
      if (databases?.wasFound(path) === true) outcome = { kind: 'database' };
      else if (size > BATCH_FILE_BYTES_MAX || sparse) outcome = { kind: 'grew' };
      else {
        const stored = dispatcher.storeSmall(request);
        if (late) dispatcher.flushBatch();
        outcome = await stored;
      }
      if (outcome.kind === 'grew') {
        outcome = await dispatcher.storeLarge({ ...request, sparse, sniff: databases !== undefined });
      }
      if (outcome.kind === 'database') return await this.#captureDatabase(task, entry, before);
      return this.#settleOutcome(path, { before, size }, outcome);
    } finally {
      task.directory.release();
    }
  }

  /** The row of a file that an interrupted run finished, if all its chunks are in the repository. */
  async #resume(path: Buffer, stat: Buffer): Promise<Buffer | undefined> {
    const { journal, rules, trees, claims } = this.#options;
    const found = journal.find(path, stat, rules);
    if (found === undefined) return undefined;
    const node = decodeRow(found.row, 'a row of the journal');
    const { content } = node;
    if (content.kind === 'single') return claims.isKnown(content.blobId) ? found.row : undefined;
    if (content.kind === 'none') return found.row;
    const entries = content.kind === 'list' ? content.entries : found.entries;
    if (entries === undefined) return undefined;
    if (!entries.every((piece) => piece.blobId === undefined || claims.isKnown(piece.blobId))) return undefined;
    if (content.kind === 'list') return found.row;
    return encodeRow({ ...node, stat, content: trees.saveContent(entries, node.size) });
  }

  /** Captures a database; where that fails for good, its files are stored as they lie there. */
  async #captureDatabase(
    task: DirectoryTask,
    entry: ListedEntry,
    before: RowReference | undefined,
  ): Promise<Buffer | undefined> {
    const { databases, dispatcher } = this.#options;
    if (databases === undefined) throw new EngineError('INTERNAL', 'A database was found, though none were looked for');
    const path = joinPath(task.path, entry.name);
    const stat = Buffer.from(entry.listing.stats.subarray(entry.index * STAT_BYTES, (entry.index + 1) * STAT_BYTES));
    const known = { before, size: readSize(stat, 0) };
    const request = { directory: task.directory, name: entry.name, stat };
    // With commits of its own it is no mere second name, and is restored as a file of its own.
    const rowLinks = databases.hasSideFiles(entry.listing, entry.name) ? 1 : readLinks(stat, 0);
    task.directory.retain();
    try {
      const captured = await databases.store(path, { ...request, rowLinks });
      if (captured.kind !== 'plain') return this.#settleOutcome(path, known, captured, { resumable: false });
      const sparse = isSparse(entry.listing, entry.index, known.size);
      const outcome = await dispatcher.storeLarge({ ...request, sparse, sniff: false });
      const row = this.#settleOutcome(path, known, outcome, { resumable: !captured.unverified });
      // As one that changed while it was read it counts as changed next time, and is captured then.
      return row === undefined || !captured.unverified ? row : unstableRow(row);
    } finally {
      task.directory.release();
    }
  }

  #settleOutcome(
    path: Buffer,
    known: { readonly before: RowReference | undefined; readonly size: number },
    outcome: FileOutcome,
    how: { readonly resumable: boolean } = { resumable: true },
  ): Buffer | undefined {
    const { context, journal } = this.#options;
    switch (outcome.kind) {
      case 'stored':
        if (!outcome.stable) {
          context.problem(
            path,
            'read',
            'CHANGED_WHILE_READ',
            `${path.toString('utf8')} changed each time it was read; what was read last is stored`,
          );
        } else if (how.resumable) journal.record(path, outcome.row, outcome.entries);
        this.#countStored(known.before, outcome.row);
        context.progress(path);
        return outcome.row;
      case 'failed':
        this.unreadable(path, outcome);
        return undefined;
      case 'vanished':
        this.#uncount(known.size);
        return undefined;
      default:
        throw new EngineError('INTERNAL', `${path.toString('utf8')} could not be stored: ${outcome.kind}`);
    }
  }

  #countStored(before: RowReference | undefined, row: Buffer): void {
    const { counts } = this.#options.context;
    if (before === undefined) counts.filesNew++;
    else if (rowBytes(before).equals(row)) counts.filesUnmodified++;
    else counts.filesChanged++;
  }

  countDeleted(row: RowReference): void {
    const { counts } = this.#options.context;
    const sums = { filesBelow: 0, bytesBelow: 0 };
    addRow(sums, row.bytes, row.at);
    counts.filesDeleted += sums.filesBelow;
  }

  /** Reports and counts an entry that cannot be read. */
  unreadable(path: Buffer, failure: { readonly during: string; readonly code: string }): void {
    const { context } = this.#options;
    context.leftOut.add(path, 'unreadable');
    context.problem(
      path,
      failure.during,
      failure.code,
      `Cannot ${failure.during} ${path.toString('utf8')}: ${failure.code}`,
    );
  }
}

/**
 * Names an inode in one state: its number may be another file's later in the same run. Names that were looked at before
 * and after a change of the inode are read each for itself.
 */
function linkKey({ listing, index }: ListedEntry): string {
  const at = index * STAT_BYTES;
  const state = listing.stats.toString('latin1', at + STAT_OFFSET.inode, at + STAT_BYTES);
  return `${deviceOf(listing, index)}/${state}`;
}

function unstableRow(row: Buffer): Buffer {
  const stat = row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
  return encodeRow({ ...decodeRow(row, 'a row that was just made'), stat, unstable: true });
}

/** Fewer blocks than bytes: there may be holes. Below a page there can be none worth keeping. */
function isSparse(listing: Listing, index: number, size: number): boolean {
  const at = index * LISTING_EXTRA_WORDS;
  const blocks = (listing.extras[at + 4] ?? 0) + (listing.extras[at + 5] ?? 0) * 0x1_0000_0000;
  return size > 4096 && blocks * 512 < size;
}
