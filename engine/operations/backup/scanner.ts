/**
 * Walks the source, matches it with the parent snapshot's trees, and turns directories into trees. What is unchanged
 * costs a look and a comparison of bytes; everything else goes to the dispatcher, and its directory is finished when
 * the rows have come back, while the walk has long gone on.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { DIRECTORY_DEPTH_MAX } from '../../base/limits.ts';
import { readInode, readMode, S_IFDIR, S_IFMT, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  type Listing,
} from '../../filesystem/types.ts';
import { compareRowToName, decodeRow, encodeRow, ROW_STAT_OFFSET } from '../../format/row.ts';
import type { BlobReader } from '../../repository/blob-reader.ts';
import type { ChangeRules, RowReference } from '../../repository/change-rules.ts';
import { DUMP_FOLDER_NAME } from '../../repository/dump-folder.ts';
import type { LeftOutReason } from '../../repository/left-out-paths.ts';
import type { RunClaims } from '../../repository/run-claims.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { DatabaseCapture } from './database-capture.ts';
import type { DirectoryLog } from './directory-log.ts';
import type { Exclusions } from './exclusions.ts';
import type { FileDispatcher } from './file-dispatcher.ts';
import { FileMatcher } from './file-matcher.ts';
import type { Journal } from './journal.ts';
import type { MovedDirectories } from './moved-directories.ts';
import { OpenDirectory } from './open-directory.ts';
import { isSameStat, NO_PARENT_ROWS, ParentRows, rowBytes } from './parent-rows.ts';
import { joinPath, type RunContext } from './run-context.ts';
import {
  addRow,
  type DirectoryResult,
  type DirectoryTask,
  deviceOf,
  type ListedEntry,
  type Slot,
} from './scan-types.ts';
import { followed, listNames, type NamedListing, type Sources } from './sources.ts';

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
  /** See FileMatcherOptions. */
  readonly sniffAgain: boolean;
  readonly mayLackBlobs: boolean;
  /** Told whenever a directory lies on another device than the one above it. */
  readonly onMount: (path: Buffer, device: string) => void;
  readonly sources: Sources;
  /** The row of the folder of dumps (repository/dump-folder.ts), which no listing has; undefined where there is none. */
  readonly dumps: Buffer | undefined;
  /** In a second round: true where the directory, or something below it, has to be listed again. */
  readonly mustList: ((path: Buffer) => boolean) | undefined;
}

/** Signals and answers of workers come in only when the scan pauses; it does after this time. */
const TURN_MS = 25;
/** Entries between two looks at the clock. */
const TURN_ENTRIES = 512;
const NO_COMPANIONS: ReadonlySet<number> = new Set();

export class Scanner {
  readonly #options: ScannerOptions;
  readonly #files: FileMatcher;
  #turnMs = performance.now();

  constructor(options: ScannerOptions) {
    this.#options = options;
    this.#files = new FileMatcher(options);
  }

  /**
   * Scans a directory whose handle this call takes over. Resolves once everything below has been looked at; `done` once
   * it is in trees.
   */
  async scan(task: DirectoryTask, parent: ParentRows): Promise<{ readonly done: Promise<DirectoryResult> }> {
    const { fileSystem } = this.#options;
    if (this.#turnIsOver()) await this.#pause();
    if (task.depth > DIRECTORY_DEPTH_MAX) {
      throw new EngineError(
        'LIMIT_EXCEEDED',
        `${task.path.toString('utf8')} lies deeper than ${DIRECTORY_DEPTH_MAX} directories`,
      );
    }
    try {
      const { handle } = task.directory;
      const { sources, databases } = this.#options;
      const wanted = task.leads === true ? sources.namesBelow(task.path) : undefined;
      const companionsOf = (name: Buffer): Buffer[] => databases?.sideFileNames(name) ?? [];
      const listing =
        wanted === undefined
          ? { ...(await this.#list(handle)), companions: NO_COMPANIONS }
          : listNames(fileSystem, handle, { names: wanted, companionsOf });
      this.#options.log.addListing(task.path, listing);
      for (const failure of listing.failed) {
        // What vanished since it was named is no problem, unless a person named it.
        if (failure.code === 'ENOENT' && wanted === undefined) continue;
        this.#files.unreadable(joinPath(task.path, failure.name), { during: 'stat', code: failure.code });
      }
      return await this.#scanListing({ ...task, leads: wanted !== undefined }, listing, parent);
    } finally {
      task.directory.release();
    }
  }

  async #list(handle: DirectoryHandle): Promise<Listing> {
    const slices = this.#options.fileSystem.listInSlices(handle);
    for (;;) {
      const next = slices.next();
      if (next.done === true) return next.value;
      await this.#pause();
    }
  }

  #turnIsOver(): boolean {
    return performance.now() - this.#turnMs > TURN_MS;
  }

  async #pause(): Promise<void> {
    const { context, trees } = this.#options;
    await nextTurn();
    await trees.settle();
    this.#turnMs = performance.now();
    context.throwIfAborted();
  }

  async #scanListing(
    task: DirectoryTask,
    listing: NamedListing,
    parent: ParentRows,
  ): Promise<{ readonly done: Promise<DirectoryResult> }> {
    const { context, exclusions, dispatcher } = this.#options;
    const slots: Slot[] = [];
    const marker = task.leads === true ? undefined : exclusions.markerIn(task.directory.handle, listing);
    const sideFiles = this.#options.databases?.sideFilesIn(listing.names);
    const bases = new Map<number, Slot>();
    let unchanged = true;
    const isRoot = task.path.length === 1;
    const deleted = (row: RowReference): void => {
      unchanged = false;
      if (!isRoot || !isDumpFolder(row)) this.#files.countDeleted(row);
    };
    let dumps = isRoot ? this.#options.dumps : undefined;
    const addDumps = (): void => {
      if (dumps === undefined) return;
      const row = parent.advance(DUMP_FOLDER_NAME, deleted);
      const isSame = row !== undefined && rowBytes(row).equals(dumps);
      if (!isSame) unchanged = false;
      slots.push(isSame ? row : dumps);
      dumps = undefined;
    };
    for (let index = 0; index < listing.names.length; index++) {
      const name = listing.names[index];
      if (name === undefined) continue;
      if (index % TURN_ENTRIES === TURN_ENTRIES - 1 && this.#turnIsOver()) await this.#pause();
      if (dumps !== undefined && DUMP_FOLDER_NAME.compare(name) < 0) addDumps();
      // A folder of this name on the disk is nobody's: the name is taken.
      if (isRoot && name.equals(DUMP_FOLDER_NAME)) {
        context.leftOut.add(joinPath(task.path, name), 'excluded');
        continue;
      }
      const row = parent.advance(name, deleted);
      const at = index * STAT_BYTES;
      const type = readMode(listing.stats, at) & S_IFMT;
      const reason =
        task.leads === true ? undefined : exclusions.reasonFor(task, { name, listing, index, type, marker });
      let below = task;
      if (reason !== undefined) {
        const path = joinPath(task.path, name);
        const named = this.#namedIn(path, reason);
        if (named?.leads !== false) context.leftOut.add(path, reason);
        if (named === undefined || (named.leads && type !== S_IFDIR)) {
          if (row !== undefined) deleted(row);
          continue;
        }
        below = { ...task, ...named };
      }
      let slot: Slot;
      if (type === S_IFDIR) slot = (await this.#scanChild(below, { name, listing, index }, row)).slot;
      else {
        const base = sideFiles?.get(index);
        const known = {
          row,
          type,
          base: base === undefined ? undefined : { index: base, slot: bases.get(base) },
          isCompanion: listing.companions.has(index),
        };
        slot = this.#files.match(task, { name, listing, index }, known);
        if (sideFiles !== undefined) bases.set(index, slot);
        if (slot instanceof Promise) {
          // It is awaited at the end; until then a failure must not count as unhandled.
          slot.catch(() => undefined);
          const room = dispatcher.ready();
          if (room !== undefined) await room;
        }
      }
      if (slot === undefined || slot instanceof Promise || slot instanceof Uint8Array || slot !== row)
        unchanged = false;
      slots.push(slot);
    }
    addDumps();
    parent.drain(deleted);
    if (unchanged && parent.treeId !== undefined && slots.length === parent.rowCount) {
      return { done: Promise.resolve(this.#sameTree(slots, parent.treeId)) };
    }
    const done = this.#finish(slots);
    done.catch(() => undefined);
    return { done };
  }

  /**
   * What was named as a source is stored wherever it lies, and of a directory that only leads to one, that alone. A
   * pattern that fits a source fits all in it, so below that one patterns do not count.
   */
  #namedIn(path: Buffer, reason: LeftOutReason): { readonly leads: boolean; readonly unfiltered: boolean } | undefined {
    const { sources } = this.#options;
    if (!sources.isNamed(path)) return undefined;
    const leads = sources.namesBelow(path) !== undefined;
    return { leads, unfiltered: !leads && reason === 'excluded' };
  }

  // ---- directories

  async #scanChild(
    task: DirectoryTask,
    entry: ListedEntry,
    row: RowReference | undefined,
  ): Promise<{ readonly slot: Slot }> {
    const { fileSystem, context, exclusions, log, mustList, moved, sources } = this.#options;
    const path = joinPath(task.path, entry.name);
    const before = row === undefined ? undefined : decodeRow(rowBytes(row), path.toString('utf8'));
    const beforeTree = before?.content.kind === 'tree' ? before.content : undefined;
    if (mustList !== undefined && row !== undefined && beforeTree !== undefined && !mustList(path))
      return { slot: row };
    let directory: OpenDirectory;
    try {
      directory = new OpenDirectory(fileSystem, this.#openChild(task, entry.name));
    } catch (error) {
      return { slot: this.#failedDirectory(task, path, error) };
    }
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    let attributes: ReturnType<FileSystem['directoryAttributes']> | undefined;
    const device = deviceOf(entry.listing, entry.index);
    let rows = NO_PARENT_ROWS;
    let hasMoved = task.moved === true;
    // Of a directory that only leads to sources nothing else is looked at: what comes and goes in it is no change.
    const isLeading = task.leads === true && sources.namesBelow(path) !== undefined;
    const isFittingSource = task.leads === true && !isLeading && exclusions.matches(path, true);
    const unfiltered = task.unfiltered === true || isFittingSource;
    try {
      // Taken before the listing, so that whatever comes in between moves it.
      fileSystem.statDirectory(directory.handle, target);
      if (!isLeading) log.add(path, target.block);
      if (device !== task.device) this.#options.onMount(path, device);
      if (row === undefined || !isSameStat(target.block, 0, row)) {
        attributes = fileSystem.directoryAttributes(directory.handle);
      }
      const movedTree = beforeTree === undefined ? await moved.find(device, readInode(target.block, 0)) : undefined;
      hasMoved ||= movedTree !== undefined;
      const parentTree = beforeTree?.treeId ?? movedTree;
      if (parentTree !== undefined) {
        rows = await ParentRows.loadWhole(this.#options.blobs, parentTree, (object, why) =>
          context.damaged(object, why),
        );
      }
    } catch (error) {
      directory.release();
      if (error instanceof FileSystemError) return { slot: this.#failedDirectory(task, path, error) };
      throw error;
    }
    let scanned: { readonly done: Promise<DirectoryResult> };
    try {
      scanned = await this.scan(
        { directory, path, device, depth: task.depth + 1, moved: hasMoved, leads: isLeading, unfiltered },
        rows,
      );
    } catch (error) {
      if (error instanceof FileSystemError) return { slot: this.#failedDirectory(task, path, error) };
      throw error;
    }
    context.progress(path);
    const make = (result: DirectoryResult): Slot => {
      const sameTree = beforeTree?.treeId.equals(result.treeId) === true;
      const fields = {
        name: entry.name,
        content: { kind: 'tree', ...result } as const,
        attributes: attributes ?? before?.attributes,
      };
      const isKept =
        row !== undefined &&
        sameTree &&
        (attributes === undefined ||
          (isLeading && encodeRow({ ...fields, stat: timesOf(row, target.block) }).equals(rowBytes(row))));
      if (isKept) {
        context.counts.dirsUnmodified++;
        return row;
      }
      if (row === undefined) context.counts.dirsNew++;
      else context.counts.dirsChanged++;
      return encodeRow({ ...fields, stat: target.block });
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
    const { fileSystem, sources } = this.#options;
    if (task.leads !== true) return fileSystem.openDirectoryAt(task.directory.handle, name);
    const path = joinPath(task.path, name);
    // What only leads to a source need not be readable.
    const access = sources.namesBelow(path) === undefined ? 'list' : 'search';
    const opened = fileSystem.openDirectoryAt(task.directory.handle, followed(name), access);
    return { fd: opened.fd, path };
  }

  #failedDirectory(task: DirectoryTask, path: Buffer, error: unknown): undefined {
    if (!(error instanceof FileSystemError)) throw error;
    if (error.code !== 'ENOENT' || task.leads === true)
      this.#files.unreadable(path, { during: error.call, code: error.code });
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
}

/** The value of a promise that is settled already, without waiting for one that is not. */
async function settledNow<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, Promise.resolve(undefined)]);
}

function isDumpFolder({ bytes, at }: RowReference): boolean {
  return compareRowToName(bytes, at, DUMP_FOLDER_NAME) === 0;
}

/** A stat block with the times, links and inode that a row has, and everything else of `block`. */
function timesOf(row: RowReference, block: Buffer): Buffer {
  const stat = Buffer.from(block);
  row.bytes.copy(
    stat,
    STAT_OFFSET.links,
    row.at + ROW_STAT_OFFSET + STAT_OFFSET.links,
    row.at + ROW_STAT_OFFSET + STAT_BYTES,
  );
  return stat;
}
