/**
 * Walks the source, matches it with the parent snapshot's trees, and turns directories into trees. What is unchanged
 * costs a look and a comparison of bytes; everything else goes to the dispatcher, and its directory is finished when
 * the rows have come back, while the walk has long gone on.
 */

import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { BATCH_FILE_BYTES_MAX, DIRECTORY_DEPTH_MAX } from '../../base/limits.ts';
import {
  readInode,
  readLinks,
  readMode,
  readSize,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  STAT_BYTES,
} from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
} from '../../filesystem/types.ts';
import { decodeRow, encodeRow, hasExtensions, NO_CONTENT, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { DatabaseCapture } from './database-capture.ts';
import type { DirectoryLog } from './directory-log.ts';
import type { Exclusions } from './exclusions.ts';
import type { FileDispatcher, FileOutcome } from './file-dispatcher.ts';
import type { Journal } from './journal.ts';
import type { LeftOutReason } from './left-out.ts';
import type { MovedDirectories } from './moved-directories.ts';
import { OpenDirectory } from './open-directory.ts';
import {
  type ChangeRules,
  isSameStat,
  isUnchanged,
  NO_PARENT_ROWS,
  ParentRows,
  type RowReference,
  rowBytes,
  rowWithStat,
} from './parent-rows.ts';
import { joinPath, type RunContext } from './run-context.ts';
import { followed, listNames, type Sources } from './sources.ts';

export interface ScannerOptions {
  readonly fileSystem: FileSystem;
  readonly blobs: BlobReader;
  readonly trees: TreeWriter;
  readonly dispatcher: FileDispatcher;
  readonly context: RunContext;
  readonly exclusions: Exclusions;
  readonly rules: ChangeRules;
  readonly moved: MovedDirectories;
  readonly log: DirectoryLog;
  readonly journal: Journal;
  readonly claims: RunClaims;
  readonly databases: DatabaseCapture | undefined;
  /** Told whenever a directory lies on another device than the one above it. */
  readonly onMount: (path: Buffer, device: string) => void;
  readonly sources: Sources;
  readonly oneFileSystem: boolean;
  /** In a second round: true where the directory, or something below it, has to be listed again. */
  readonly mustList: ((path: Buffer) => boolean) | undefined;
}

export interface DirectoryResult {
  readonly treeId: BlobId;
  readonly filesBelow: number;
  readonly bytesBelow: number;
}

/** A directory that is being scanned. */
export interface DirectoryTask {
  readonly directory: OpenDirectory;
  readonly path: Buffer;
  /** `major:minor` */
  readonly device: string;
  readonly depth: number;
  /** True for a directory that only leads to sources: nothing is excluded from it, and links are followed. */
  readonly leads?: boolean;
}

/** One row to come: bytes of the parent's tree, or bytes that are made, or nothing. */
type Slot = RowReference | Buffer | undefined | Promise<Buffer | undefined>;

interface HardLink {
  readonly first: Promise<Buffer | undefined>;
  rest: number;
}

export class Scanner {
  readonly #options: ScannerOptions;
  readonly #hardLinks = new Map<string, HardLink>();

  constructor(options: ScannerOptions) {
    this.#options = options;
  }

  /**
   * Scans a directory whose handle this call takes over. Resolves once everything below has been looked at; `done` once
   * it is in trees.
   */
  async scan(task: DirectoryTask, parent: ParentRows): Promise<{ readonly done: Promise<DirectoryResult> }> {
    const { context, fileSystem } = this.#options;
    context.throwIfAborted();
    if (task.depth > DIRECTORY_DEPTH_MAX) {
      throw new EngineError(
        'LIMIT_EXCEEDED',
        `${task.path.toString('utf8')} lies deeper than ${DIRECTORY_DEPTH_MAX} directories`,
      );
    }
    try {
      const { handle } = task.directory;
      const wanted = this.#options.sources.namesWanted(task.path);
      const listing = wanted === undefined ? fileSystem.list(handle) : listNames(fileSystem, handle, wanted);
      for (const failure of listing.failed) {
        if (failure.code === 'ENOENT') continue;
        this.#unreadable(joinPath(task.path, failure.name), { during: 'stat', code: failure.code });
      }
      return await this.#scanListing({ ...task, leads: wanted !== undefined }, listing, parent);
    } finally {
      task.directory.release();
    }
  }

  async #scanListing(
    task: DirectoryTask,
    listing: Listing,
    parent: ParentRows,
  ): Promise<{ readonly done: Promise<DirectoryResult> }> {
    const { context, exclusions, dispatcher } = this.#options;
    const slots: Slot[] = [];
    const marker = task.leads === true ? undefined : exclusions.markerIn(task.directory.handle, listing);
    const sideFiles = this.#options.databases?.sideFilesIn(listing.names);
    const bases = new Map<number, Slot>();
    let unchanged = true;
    const deleted = (row: RowReference): void => {
      unchanged = false;
      this.#countDeleted(row);
    };
    for (let index = 0; index < listing.names.length; index++) {
      const name = listing.names[index];
      if (name === undefined) continue;
      const row = parent.advance(name, deleted);
      const at = index * STAT_BYTES;
      const type = readMode(listing.stats, at) & S_IFMT;
      const reason = this.#reasonToLeaveOut(task, { name, listing, index, type, marker });
      if (reason !== undefined) {
        context.leftOut.add(joinPath(task.path, name), reason);
        if (row !== undefined) deleted(row);
        continue;
      }
      let slot: Slot;
      if (type === S_IFDIR) slot = (await this.#scanChild(task, { name, listing, index }, row)).slot;
      else {
        const base = sideFiles?.get(index);
        const known = { row, type, base: base === undefined ? undefined : { index: base, slot: bases.get(base) } };
        slot = this.#matchFile(task, { name, listing, index }, known);
        if (sideFiles !== undefined) bases.set(index, slot);
        if (slot instanceof Promise) {
          const room = dispatcher.ready();
          if (room !== undefined) await room;
        }
      }
      if (slot === undefined || slot instanceof Promise || slot instanceof Uint8Array || slot !== row)
        unchanged = false;
      slots.push(slot);
    }
    parent.drain(deleted);
    if (unchanged && parent.treeId !== undefined && slots.length === parent.rowCount) {
      return { done: Promise.resolve(this.#sameTree(slots, parent.treeId)) };
    }
    const done = this.#finish(slots);
    done.catch(() => undefined);
    return { done };
  }

  #reasonToLeaveOut(
    task: DirectoryTask,
    entry: {
      readonly name: Buffer;
      readonly listing: Listing;
      readonly index: number;
      readonly type: number;
      readonly marker: { readonly name: Buffer; readonly reason: LeftOutReason } | undefined;
    },
  ): LeftOutReason | undefined {
    if (task.leads === true) return undefined;
    if (entry.marker !== undefined && !entry.marker.name.equals(entry.name)) return entry.marker.reason;
    const { exclusions, oneFileSystem } = this.#options;
    const { stats } = entry.listing;
    const at = entry.index * STAT_BYTES;
    if (entry.type === S_IFDIR) {
      const device = deviceOf(entry.listing, entry.index);
      if (exclusions.isOwn(device, readInode(stats, at))) return 'repository';
      if (oneFileSystem && device !== task.device) return 'otherFileSystem';
    } else if (entry.type === S_IFREG && exclusions.isTooLarge(readSize(stats, at))) return 'tooLarge';
    if (!exclusions.hasPatterns) return undefined;
    return exclusions.matches(joinPath(task.path, entry.name), entry.type === S_IFDIR) ? 'excluded' : undefined;
  }

  // ---- directories

  async #scanChild(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    row: RowReference | undefined,
  ): Promise<{ readonly slot: Slot }> {
    const { fileSystem, context, log, mustList, moved } = this.#options;
    const path = joinPath(task.path, entry.name);
    const before = row === undefined ? undefined : decodeRow(rowBytes(row), path.toString('utf8'));
    const beforeTree = before?.content.kind === 'tree' ? before.content : undefined;
    if (mustList !== undefined && row !== undefined && beforeTree !== undefined && !mustList(path))
      return { slot: row };
    let directory: OpenDirectory;
    try {
      directory = new OpenDirectory(fileSystem, this.#openChild(task, entry.name));
    } catch (error) {
      return { slot: this.#failedDirectory(path, error) };
    }
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    let attributes: ReturnType<FileSystem['directoryAttributes']> | undefined;
    const device = deviceOf(entry.listing, entry.index);
    let rows = NO_PARENT_ROWS;
    try {
      // Taken before the listing, so that whatever comes in between moves it.
      fileSystem.statDirectory(directory.handle, target);
      log.add(path, target.block);
      if (device !== task.device) this.#options.onMount(path, device);
      if (row === undefined || !isSameStat(target.block, 0, row)) {
        attributes = fileSystem.directoryAttributes(directory.handle);
      }
      const parentTree = beforeTree?.treeId ?? (await moved.find(device, readInode(target.block, 0)));
      if (parentTree !== undefined) rows = await ParentRows.load(this.#options.blobs, parentTree);
    } catch (error) {
      directory.release();
      if (error instanceof FileSystemError) return { slot: this.#failedDirectory(path, error) };
      throw error;
    }
    let scanned: { readonly done: Promise<DirectoryResult> };
    try {
      scanned = await this.scan({ directory, path, device, depth: task.depth + 1 }, rows);
    } catch (error) {
      if (error instanceof FileSystemError) return { slot: this.#failedDirectory(path, error) };
      throw error;
    }
    context.progress(path);
    const make = (result: DirectoryResult): Slot => {
      const sameTree = beforeTree?.treeId.equals(result.treeId) === true;
      if (row === undefined) context.counts.dirsNew++;
      else if (sameTree && attributes === undefined) {
        context.counts.dirsUnmodified++;
        return row;
      } else context.counts.dirsChanged++;
      return encodeRow({
        name: entry.name,
        stat: target.block,
        content: { kind: 'tree', ...result },
        attributes: attributes ?? before?.attributes,
      });
    };
    const result = await settledNow(scanned.done);
    if (result !== undefined) return { slot: make(result) };
    // In an object, because a promise that an async function returns is waited for.
    const slot = scanned.done.then((late) => {
      const made = make(late);
      return made === row && row !== undefined ? rowBytes(row) : (made as Buffer);
    });
    slot.catch(() => undefined);
    return { slot };
  }

  #openChild(task: DirectoryTask, name: Buffer): DirectoryHandle {
    const { fileSystem } = this.#options;
    if (task.leads !== true) return fileSystem.openDirectoryAt(task.directory.handle, name);
    const opened = fileSystem.openDirectoryAt(task.directory.handle, followed(name));
    return { fd: opened.fd, path: joinPath(task.path, name) };
  }

  #failedDirectory(path: Buffer, error: unknown): undefined {
    if (!(error instanceof FileSystemError)) throw error;
    if (error.code !== 'ENOENT') this.#unreadable(path, { during: error.call, code: error.code });
    return undefined;
  }

  #sameTree(slots: readonly Slot[], treeId: BlobId): DirectoryResult {
    const sums = { filesBelow: 0, bytesBelow: 0 };
    for (const slot of slots) {
      if (slot === undefined || slot instanceof Promise || slot instanceof Uint8Array) continue;
      addRow(sums, slot.bytes, slot.at);
    }
    return { treeId, ...sums };
  }

  async #finish(slots: readonly Slot[]): Promise<DirectoryResult> {
    const rows: Buffer[] = [];
    const sums = { filesBelow: 0, bytesBelow: 0 };
    for (const slot of slots) {
      const settled = slot instanceof Promise ? await slot : slot;
      if (settled === undefined) continue;
      const row = settled instanceof Uint8Array ? settled : rowBytes(settled);
      rows.push(row);
      addRow(sums, row, 0);
    }
    return { treeId: this.#options.trees.saveDirectory(rows), ...sums };
  }

  // ---- everything else

  #matchFile(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    known: {
      readonly row: RowReference | undefined;
      readonly type: number;
      /** The file that this may be a side file of, and what becomes of that. */
      readonly base: { readonly index: number; readonly slot: Slot } | undefined;
    },
  ): Slot {
    const { context, rules, databases } = this.#options;
    const { listing, index } = entry;
    const at = index * STAT_BYTES;
    const { row } = known;
    const size = known.type === S_IFREG ? readSize(listing.stats, at) : 0;
    context.counts.totalFilesProcessed++;
    context.counts.totalBytesProcessed += size;
    if (known.base !== undefined && databases !== undefined) return this.#matchSideFile(task, entry, known);
    if (row !== undefined && hasExtensions(row.bytes, row.at) && databases !== undefined) {
      const captured = this.#matchDatabase(task, entry, row);
      if (captured !== undefined) return captured;
    } else if (row !== undefined && isUnchanged(listing.stats, at, row, rules)) {
      context.counts.filesUnmodified++;
      context.progress(undefined);
      return isSameStat(listing.stats, at, row) ? row : rowWithStat(row, listing.stats, at);
    }
    return this.#storeAny(task, entry, known);
  }

  /** A file beside one whose name it extends: left out where that is a database that was captured. */
  async #matchSideFile(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    known: {
      readonly row: RowReference | undefined;
      readonly type: number;
      readonly base: { readonly index: number; readonly slot: Slot } | undefined;
    },
  ): Promise<Buffer | undefined> {
    const { databases, context } = this.#options;
    await known.base?.slot;
    const base = entry.listing.names[known.base?.index ?? -1];
    if (base !== undefined && databases?.isCaptured(joinPath(task.path, base)) === true) {
      context.leftOut.add(joinPath(task.path, entry.name), 'databaseSideFile');
      context.counts.totalFilesProcessed--;
      return undefined;
    }
    const slot = await this.#matchFile(task, entry, { ...known, base: undefined });
    context.counts.totalFilesProcessed--;
    return slot === undefined || slot instanceof Uint8Array ? slot : rowBytes(slot);
  }

  #matchDatabase(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    row: RowReference,
  ): Slot {
    const { databases, context, rules } = this.#options;
    const path = joinPath(task.path, entry.name);
    if (databases === undefined) return undefined;
    if (databases.isUnchanged(row, entry.listing, entry.index, rules)) {
      context.counts.filesUnmodified++;
      databases.keep(path, row);
      return row;
    }
    return this.#captureDatabase(task, entry, row);
  }

  #storeAny(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    known: { readonly row: RowReference | undefined; readonly type: number },
  ): Slot {
    if (known.type !== S_IFREG) return this.#specialFile(task, entry, known);
    const { listing, index } = entry;
    const at = index * STAT_BYTES;
    const links = readLinks(listing.stats, at);
    if (links === 1) return this.#storeFile(task, entry, known.row);
    const key = `${deviceOf(listing, index)}/${readInode(listing.stats, at)}`;
    const link = this.#hardLinks.get(key);
    if (link === undefined) {
      const first = this.#storeFile(task, entry, known.row);
      this.#hardLinks.set(key, { first, rest: links - 1 });
      return first;
    }
    link.rest--;
    if (link.rest === 0) this.#hardLinks.delete(key);
    // One inode, read once: the other names get the same row under their own name.
    return link.first.then((row) => {
      if (row === undefined) return this.#storeFile(task, entry, known.row);
      this.#countStored(known.row, row);
      const node = decodeRow(row, 'a row that was just made');
      const stat = row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
      return encodeRow({ ...node, name: entry.name, stat });
    });
  }

  #specialFile(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    known: { readonly row: RowReference | undefined; readonly type: number },
  ): Buffer | undefined {
    const { fileSystem, context } = this.#options;
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
      if (error.code !== 'ENOENT')
        this.#unreadable(joinPath(task.path, name), { during: error.call, code: error.code });
      else context.counts.totalFilesProcessed--;
      return undefined;
    }
  }

  async #storeFile(
    task: DirectoryTask,
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    before: RowReference | undefined,
  ): Promise<Buffer | undefined> {
    const { dispatcher, databases } = this.#options;
    const { listing, index, name } = entry;
    const stat = Buffer.from(listing.stats.subarray(index * STAT_BYTES, (index + 1) * STAT_BYTES));
    const path = joinPath(task.path, name);
    const resumed = await this.#resume(path, stat);
    if (resumed !== undefined) {
      this.#countStored(before, resumed);
      return resumed;
    }
    const request = { directory: task.directory, name, stat };
    let outcome: FileOutcome = { kind: 'grew' };
    const size = readSize(stat, 0);
    const large = { sparse: isSparse(listing, index, size), sniff: databases !== undefined };
    if (databases?.wasFound(path) === true) outcome = { kind: 'database' };
    else if (size <= BATCH_FILE_BYTES_MAX && !large.sparse) outcome = await dispatcher.storeSmall(request);
    if (outcome.kind === 'grew') outcome = await dispatcher.storeLarge({ ...request, ...large });
    if (outcome.kind === 'database') return this.#captureDatabase(task, entry, before);
    return this.#settleOutcome(path, before, outcome);
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
    entry: { readonly name: Buffer; readonly listing: Listing; readonly index: number },
    before: RowReference | undefined,
  ): Promise<Buffer | undefined> {
    const { databases, dispatcher } = this.#options;
    if (databases === undefined) throw new EngineError('INTERNAL', 'A database was found, though none were looked for');
    const path = joinPath(task.path, entry.name);
    const stat = Buffer.from(entry.listing.stats.subarray(entry.index * STAT_BYTES, (entry.index + 1) * STAT_BYTES));
    const request = { directory: task.directory, name: entry.name, stat };
    task.directory.retain();
    try {
      const captured = await databases.store(path, request);
      const outcome = captured ?? (await dispatcher.storeLarge({ ...request, sparse: false, sniff: false }));
      return this.#settleOutcome(path, before, outcome);
    } finally {
      task.directory.release();
    }
  }

  #settleOutcome(path: Buffer, before: RowReference | undefined, outcome: FileOutcome): Buffer | undefined {
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
        } else journal.record(path, outcome.row, outcome);
        this.#countStored(before, outcome.row);
        context.progress(path);
        return outcome.row;
      case 'failed':
        this.#unreadable(path, outcome);
        return undefined;
      case 'vanished':
        context.counts.totalFilesProcessed--;
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

  #countDeleted(row: RowReference): void {
    const { counts } = this.#options.context;
    const sums = { filesBelow: 0, bytesBelow: 0 };
    addRow(sums, row.bytes, row.at);
    counts.filesDeleted += sums.filesBelow;
  }

  #unreadable(path: Buffer, failure: { readonly during: string; readonly code: string }): void {
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

/** The value of a promise that is settled already, without waiting for one that is not. */
async function settledNow<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, Promise.resolve(undefined)]);
}

export function deviceOf(listing: Listing, index: number): string {
  const at = index * LISTING_EXTRA_WORDS;
  return `${listing.extras[at] ?? 0}:${listing.extras[at + 1] ?? 0}`;
}

/** Fewer blocks than bytes: there may be holes. Below a page there can be none worth keeping. */
function isSparse(listing: Listing, index: number, size: number): boolean {
  const at = index * LISTING_EXTRA_WORDS;
  const blocks = (listing.extras[at + 4] ?? 0) + (listing.extras[at + 5] ?? 0) * 0x1_0000_0000;
  return size > 4096 && blocks * 512 < size;
}

/** Adds what a row stands for to the sums of its directory. */
function addRow(sums: { filesBelow: number; bytesBelow: number }, bytes: Buffer, at: number): void {
  const mode = readMode(bytes, at + ROW_STAT_OFFSET) & S_IFMT;
  if (mode === S_IFDIR) {
    const { content } = decodeRow(bytes.subarray(at, at + rowLengthAt(bytes, at)), 'a row');
    if (content.kind !== 'tree') return;
    sums.filesBelow += content.filesBelow;
    sums.bytesBelow += content.bytesBelow;
    return;
  }
  sums.filesBelow++;
  if (mode === S_IFREG) sums.bytesBelow += readSize(bytes, at + ROW_STAT_OFFSET);
}
