/**
 * Databases of the source: found by their header, captured at one moment beside their writers, and stored in place of
 * the live file. Which file is a database, and whether it is unchanged, is decided with its side files. One that cannot
 * be captured is stored as it lies there, with its side files, and tried again by the next run.
 *
 * Databases that belong together are captured as of one moment before the walk. Those of them that are unchanged, and still
 * are when the others have been captured, are of that moment too: they stay as the parent has them, whatever comes then.
 */

import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import pLimit from 'p-limit';
import { isEngineError } from '../../base/errors.ts';
import { CAPTURED_IMAGES_MAX, DATABASE_MOMENT_MEMBERS_MAX } from '../../base/limits.ts';
import { readSize, STAT_BYTES } from '../../base/stat.ts';
import {
  createSqliteCapturer,
  type MemberOutcome,
  type SqliteCapture,
  type SqliteCapturer,
  sideFileBase,
  sqliteSideFiles,
} from '../../databases/sqlite.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import { decodeRow, EXTENSION_DATABASE, type Node } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { ChangeRules, RowReference } from '../../repository/change-rules.ts';
import { isUnchangedLive, livePayload } from '../../repository/live-database.ts';
import { makeScratchFolder } from '../../repository/scratch-folders.ts';
import { DatabaseMoments } from './database-moments.ts';
import { encodeLive, liveStat, recordOf } from './database-record.ts';
import type { FileDispatcher, FileOutcome, FileRequest } from './file-dispatcher.ts';
import { OpenDirectory } from './open-directory.ts';
import { rowBytes } from './parent-rows.ts';
import type { RunContext } from './run-context.ts';

export interface DatabaseCaptureOptions {
  readonly fileSystem: FileSystem;
  readonly dispatcher: FileDispatcher;
  readonly context: RunContext;
  /** Images are made below it; removed at the end. */
  readonly scratchParent: string;
  /** Databases of the parent snapshot. */
  readonly known: readonly DatabaseRecord[];
  /** Those that profiles name, in the order in which they are to be captured; those of a group as of one moment. */
  readonly named: readonly (readonly Buffer[])[];
  /** False where the parent's rows do not count. */
  readonly keepsUnchanged: boolean;
  readonly busyTimeoutMs?: number | undefined;
  readonly holdMsMax?: number | undefined;
}

/** `plain`: store the file as it lies there; `unverified` where that is all that can be done for a database. */
export type DatabaseOutcome = FileOutcome | { readonly kind: 'plain'; readonly unverified: boolean };

export interface DatabaseRequest extends FileRequest {
  /** Names that the restored file is to have. */
  readonly rowLinks: number;
}

interface Scratch {
  readonly capturer: SqliteCapturer;
  readonly path: string;
  readonly directory: OpenDirectory;
}

export class DatabaseCapture {
  readonly #options: DatabaseCaptureOptions;
  readonly #known: ReadonlyMap<string, DatabaseRecord>;
  readonly #named: ReadonlySet<string>;
  readonly #captured = new Map<string, DatabaseRecord>();
  readonly #failed = new Map<string, DatabaseRecord>();
  /** Databases that were captured, or could not be, before the walk came to them. */
  readonly #ahead = new Map<string, MemberOutcome>();
  /** Those that stay as the parent has them, because others are of a moment when they were unchanged. */
  readonly #held = new Set<string>();
  readonly #moments = new DatabaseMoments();
  /** An image lies in the scratch folder until it is stored. */
  readonly #limit = pLimit(CAPTURED_IMAGES_MAX);
  #scratch: Scratch | undefined;

  constructor(options: DatabaseCaptureOptions) {
    this.#options = options;
    this.#known = new Map(options.known.map((record) => [record.path.toString('latin1'), record]));
    this.#named = new Set(options.named.flat().map((path) => path.toString('latin1')));
  }

  /** What was captured, or kept because it is unchanged, or could only be stored unverified; sorted by path. */
  get records(): DatabaseRecord[] {
    const isStored = (key: string): boolean => this.#captured.has(key);
    const captured = [...this.#captured].map(([key, record]) => this.#moments.withMoment(key, record, isStored));
    return [...captured, ...this.#failed.values()].sort((a, b) => a.path.compare(b.path));
  }

  isCaptured(path: Buffer): boolean {
    return this.#captured.size > 0 && this.#captured.has(path.toString('latin1'));
  }

  /** True where this run could only store it unverified. */
  hasFailed(path: Buffer): boolean {
    return this.#failed.size > 0 && this.#failed.has(path.toString('latin1'));
  }

  wasFound(path: Buffer): boolean {
    if (this.#known.size === 0 && this.#named.size === 0) return false;
    const key = path.toString('latin1');
    return this.#known.has(key) || this.#named.has(key);
  }

  /** What SQLite keeps beside a database of this name. */
  sideFileNames(name: Buffer): Buffer[] {
    const { wal, shm, journal } = sqliteSideFiles(name);
    return [wal, shm, journal];
  }

  /** It was captured before the walk came to it, because it had changed. */
  isAhead(path: Buffer): boolean {
    return this.#ahead.has(path.toString('latin1'));
  }

  /** True where commits, or what undoes them, may lie beside the file of this name. */
  hasSideFiles(listing: Listing, name: Buffer): boolean {
    const { wal, journal } = sqliteSideFiles(name);
    return [wal, journal].some((side) => indexOfName(listing.names, side) !== undefined);
  }

  /** For each name that could be a side file of another one in the listing: that one's index. */
  sideFilesIn(names: readonly Buffer[]): Map<number, number> | undefined {
    let found: Map<number, number> | undefined;
    for (const [index, name] of names.entries()) {
      const base = sideFileBase(name);
      if (base === undefined) continue;
      const at = indexOfName(names, base);
      if (at === undefined) continue;
      found ??= new Map();
      found.set(index, at);
    }
    return found;
  }

  // ---- unchanged

  /** True where the parent's node of it is to stay, though the file may have changed since. */
  isHeld(path: Buffer, node: Node): boolean {
    const key = path.toString('latin1');
    if (!this.#held.has(key)) return false;
    return livePayload(node)?.toString('base64') === this.#known.get(key)?.details['live'];
  }

  /** An unchanged database stays in the snapshot as the parent has it. */
  keep(path: Buffer, row: RowReference): void {
    const key = path.toString('latin1');
    const node = decodeRow(rowBytes(row), 'a database');
    const live = livePayload(node)?.toString('base64') ?? '';
    const isIt = (record: DatabaseRecord): boolean => record.details['live'] === live;
    const atPath = this.#known.get(key);
    // A folder that was renamed has its databases under other paths.
    const known = atPath !== undefined && isIt(atPath) ? atPath : this.#options.known.find(isIt);
    const record = known ?? { kind: 'sqlite', bytes: node.size, check: 'ok', durationSeconds: 0, details: { live } };
    this.#captured.set(key, { ...record, path });
    if (!this.#held.has(key)) this.#moments.leave(key);
  }

  // ---- capture

  #open(): Scratch {
    if (this.#scratch !== undefined) return this.#scratch;
    const { scratchParent, fileSystem, context, busyTimeoutMs, holdMsMax } = this.#options;
    const path = makeScratchFolder(scratchParent);
    const directory = new OpenDirectory(fileSystem, fileSystem.openDirectory(Buffer.from(path)));
    const { signal } = context;
    const capturer = createSqliteCapturer({ scratchDirectory: path, signal, busyTimeoutMs, holdMsMax });
    this.#scratch = { capturer, path, directory };
    return this.#scratch;
  }

  async #capture(path: Buffer): Promise<MemberOutcome> {
    try {
      return await this.#open().capturer.capture(path);
    } catch (error) {
      if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
      return { kind: 'failed', error };
    }
  }

  /**
   * Captures the databases that profiles name, and the parent's, that are there and changed, before any file is looked
   * at: rows never without files.
   */
  async captureKnown(isWanted: (path: Buffer) => boolean, rules: ChangeRules): Promise<void> {
    const { named, context } = this.#options;
    const others = [...this.#known.keys()].filter((key) => !this.#named.has(key));
    for (const group of [...named, ...others.map((key) => [Buffer.from(key, 'latin1')])]) {
      context.throwIfAborted();
      const wanted = group.filter(isWanted);
      if (wanted.length > 1) await this.#captureGroup(wanted, rules);
      else for (const path of wanted) if (!this.#looksUnchanged(path, rules)) await this.#captureAhead(path);
    }
  }

  async #captureAhead(path: Buffer): Promise<void> {
    this.#addAhead(path, await this.#capture(path));
  }

  /** What is no database, or not there, is looked at again when the walk comes to it. */
  #addAhead(path: Buffer, outcome: MemberOutcome): void {
    if (outcome.kind === 'captured' || outcome.kind === 'failed') this.#ahead.set(path.toString('latin1'), outcome);
  }

  async #captureGroup(paths: readonly Buffer[], rules: ChangeRules): Promise<void> {
    let kept = paths.filter((path) => this.#looksUnchanged(path, rules));
    for (;;) {
      const apart = await this.#captureChanged(paths.filter((path) => !kept.includes(path)));
      const still = kept.filter((path) => this.#looksUnchanged(path, rules));
      if (apart !== undefined) {
        const names = paths.map((path) => path.toString('utf8')).join(', ');
        this.#options.context.note(`Not of one moment, but each of its own: ${names}: ${apart}`);
        this.#moments.add(paths, false);
        return;
      }
      if (still.length === kept.length) {
        for (const path of kept) this.#held.add(path.toString('latin1'));
        this.#moments.add(paths, true);
        return;
      }
      // A commit came into one that was to be kept: it is of that moment only if it is captured with the others.
      kept = still;
      for (const path of paths) await this.#discard(path);
    }
  }

  /** Captures them as of one moment; answers why that could not be had. */
  async #captureChanged(paths: readonly Buffer[]): Promise<string | undefined> {
    if (paths.length === 0) return undefined;
    if (!this.#hasRoomFor(paths)) {
      // The walk has them captured one by one, and stored.
      this.#limit.concurrency = 1;
      return 'there is no room for all their images in the cache directory';
    }
    if (paths.length === 1 || paths.length > DATABASE_MOMENT_MEMBERS_MAX) {
      for (const path of paths) await this.#captureAhead(path);
      return paths.length === 1 ? undefined : `they are more than ${DATABASE_MOMENT_MEMBERS_MAX}`;
    }
    try {
      const { members, apart } = await this.#open().capturer.captureTogether(paths);
      for (const [index, path] of paths.entries()) {
        const outcome = members[index];
        if (outcome !== undefined) this.#addAhead(path, outcome);
      }
      return apart;
    } catch (error) {
      if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
      for (const path of paths) await this.#captureAhead(path);
      return error.message;
    }
  }

  #hasRoomFor(paths: readonly Buffer[]): boolean {
    const { directory } = this.#open();
    const bytes = paths.flatMap((path) => [path, sqliteSideFiles(path).wal]).map((path) => this.#sizeOf(path));
    try {
      const free = this.#options.fileSystem.freeBytes(directory.handle);
      // Some file systems do not tell.
      return free === 0 || bytes.reduce((sum, size) => sum + size, 0) <= free;
    } catch (error) {
      if (error instanceof FileSystemError) return true;
      throw error;
    }
  }

  #sizeOf(path: Buffer): number {
    const block = this.#statPath(path);
    return block === undefined ? 0 : readSize(block, 0);
  }

  async #discard(path: Buffer): Promise<void> {
    const key = path.toString('latin1');
    const outcome = this.#ahead.get(key);
    this.#ahead.delete(key);
    if (outcome?.kind === 'captured') await rm(outcome.capture.imagePath, { force: true });
  }

  #looksUnchanged(path: Buffer, rules: ChangeRules): boolean {
    const seen = this.#known.get(path.toString('latin1'))?.details['live'];
    if (typeof seen !== 'string' || !this.#options.keepsUnchanged) return false;
    const files = { main: path, ...sqliteSideFiles(path) };
    return isUnchangedLive(Buffer.from(seen, 'base64'), (file) => this.#statPath(files[file]), rules);
  }

  #statPath(path: Buffer): Buffer | undefined {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    const { fileSystem } = this.#options;
    const slash = path.lastIndexOf(0x2f);
    try {
      const directory = fileSystem.openDirectory(path.subarray(0, Math.max(1, slash)), 'search');
      try {
        fileSystem.statAt(directory, path.subarray(slash + 1), target);
      } finally {
        fileSystem.close(directory);
      }
      return target.block;
    } catch (error) {
      if (error instanceof FileSystemError) return undefined;
      throw error;
    }
  }

  /** Captures and stores one database. What cannot be captured is a problem of that database. */
  store(path: Buffer, request: DatabaseRequest): Promise<DatabaseOutcome> {
    const key = path.toString('latin1');
    const ahead = this.#ahead.get(key);
    this.#ahead.delete(key);
    return this.#limit(async () => {
      const { context } = this.#options;
      context.throwIfAborted();
      if (ahead === undefined) this.#moments.leave(key);
      const outcome = ahead ?? (await this.#capture(path));
      if (outcome.kind === 'failed') {
        const { code, message } = outcome.error;
        context.problem(path, 'export', code, message);
        this.#failed.set(key, {
          path,
          kind: 'sqlite',
          bytes: readSize(request.stat, 0),
          check: 'unverified',
          durationSeconds: 0,
          details: { messages: [message] },
        });
        return { kind: 'plain', unverified: true };
      }
      if (outcome.kind === 'other') return { kind: 'plain', unverified: false };
      if (outcome.kind === 'vanished') return { kind: 'vanished' };
      if (!this.wasFound(path)) {
        context.note(
          `${path.toString('utf8')} is a SQLite database: it is captured at one moment, not copied while it changes`,
        );
      }
      return this.#storeImage(path, request, outcome.capture);
    });
  }

  async #storeImage(path: Buffer, request: DatabaseRequest, capture: SqliteCapture): Promise<FileOutcome> {
    const { dispatcher, fileSystem } = this.#options;
    const { directory } = this.#open();
    try {
      const name = Buffer.from(basename(capture.imagePath));
      const image = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
      fileSystem.statAt(directory.handle, name, image);
      const payload = encodeLive(capture);
      const outcome = await dispatcher.storeLarge({
        directory,
        name,
        stat: image.block,
        sniff: false,
        sparse: false,
        rowName: request.name,
        rowStat: liveStat(request, capture),
        attributes: fileSystem.attributesAt(request.directory.handle, request.name),
        extensions: [{ tag: EXTENSION_DATABASE, payload }],
      });
      if (outcome.kind === 'stored') this.#captured.set(path.toString('latin1'), recordOf(path, capture, payload));
      return outcome;
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      if (error.code === 'ENOENT') return { kind: 'vanished' };
      return { kind: 'failed', during: error.call, code: error.code };
    } finally {
      await rm(capture.imagePath, { force: true });
    }
  }

  async close(): Promise<void> {
    const scratch = this.#scratch;
    this.#scratch = undefined;
    if (scratch === undefined) return;
    await scratch.capturer.close();
    scratch.directory.release();
    await rm(scratch.path, { recursive: true, force: true });
  }
}
