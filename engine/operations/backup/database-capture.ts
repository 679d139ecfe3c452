/**
 * Databases of the source: found by their header, captured at one moment beside their writers, and stored in place of
 * the live file. Which file is a database, and whether it is unchanged, is decided with its side files. One that cannot
 * be captured is stored as it lies there, with its side files, and tried again by the next run.
 */

import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import pLimit from 'p-limit';
import { isEngineError } from '../../base/errors.ts';
import { CAPTURED_IMAGES_MAX } from '../../base/limits.ts';
import { readSize, STAT_BYTES } from '../../base/stat.ts';
import {
  type CaptureOutcome,
  createSqliteCapturer,
  type SqliteCapture,
  type SqliteCapturer,
  sideFileBase,
  sqliteSideFiles,
} from '../../databases/sqlite.ts';
import { indexOfName } from '../../filesystem/listing.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import { decodeRow, EXTENSION_DATABASE } from '../../format/row.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import type { ChangeRules, RowReference } from '../../repository/change-rules.ts';
import { isUnchangedLive } from '../../repository/live-database.ts';
import { makeScratchFolder } from '../../repository/scratch-folders.ts';
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
  /** Those that a profile names, in the order in which they are to be captured. */
  readonly named: readonly Buffer[];
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
  /** Images of databases that were captured before the walk came to them. */
  readonly #ahead = new Map<string, Promise<CaptureOutcome>>();
  /** An image lies in the scratch folder until it is stored. */
  readonly #limit = pLimit(CAPTURED_IMAGES_MAX);
  #scratch: Scratch | undefined;

  constructor(options: DatabaseCaptureOptions) {
    this.#options = options;
    this.#known = new Map(options.known.map((record) => [record.path.toString('latin1'), record]));
    this.#named = new Set(options.named.map((path) => path.toString('latin1')));
  }

  /** What was captured, or kept because it is unchanged, or could only be stored unverified; sorted by path. */
  get records(): DatabaseRecord[] {
    return [...this.#captured.values(), ...this.#failed.values()].sort((a, b) => a.path.compare(b.path));
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

  /** An unchanged database stays in the snapshot as the parent has it. */
  keep(path: Buffer, row: RowReference): void {
    const key = path.toString('latin1');
    const node = decodeRow(rowBytes(row), 'a database');
    const payload = node.extensions.find((extension) => extension.tag === EXTENSION_DATABASE)?.payload;
    const live = payload?.toString('base64') ?? '';
    const isIt = (record: DatabaseRecord): boolean => record.details['live'] === live;
    const atPath = this.#known.get(key);
    // A folder that was renamed has its databases under other paths.
    const known = atPath !== undefined && isIt(atPath) ? atPath : this.#options.known.find(isIt);
    const record = known ?? { kind: 'sqlite', bytes: node.size, check: 'ok', durationSeconds: 0, details: { live } };
    this.#captured.set(key, { ...record, path });
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

  async #capture(path: Buffer): Promise<CaptureOutcome> {
    return this.#open().capturer.capture(path);
  }

  /**
   * Captures the databases that a profile names, and the parent's, that are there and changed, before any file is looked
   * at: rows never without files.
   */
  async captureKnown(isWanted: (path: Buffer) => boolean, rules: ChangeRules): Promise<void> {
    for (const key of new Set([...this.#named, ...this.#known.keys()])) {
      this.#options.context.throwIfAborted();
      const path = Buffer.from(key, 'latin1');
      const record = this.#known.get(key);
      if (!isWanted(path) || (record !== undefined && this.#looksUnchanged(record, rules))) continue;
      const capture = this.#capture(path);
      this.#ahead.set(key, capture);
      await capture.catch(() => undefined);
    }
  }

  #looksUnchanged(record: DatabaseRecord, rules: ChangeRules): boolean {
    const seen = record.details['live'];
    if (typeof seen !== 'string') return false;
    const files = { main: record.path, ...sqliteSideFiles(record.path) };
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
      let outcome: CaptureOutcome;
      try {
        outcome = await (ahead ?? this.#capture(path));
      } catch (error) {
        if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
        context.problem(path, 'export', error.code, error.message);
        const details = { messages: [error.message] };
        this.#failed.set(key, {
          path,
          kind: 'sqlite',
          bytes: readSize(request.stat, 0),
          check: 'unverified',
          durationSeconds: 0,
          details,
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
