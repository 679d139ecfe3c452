/**
 * Gets files stored by the workers and gives back their rows: small ones in batches, large ones in steps, each read
 * again when it changed meanwhile.
 */

import { ByteWriter } from '../../base/bytes.ts';
import { EngineError } from '../../base/errors.ts';
import { BATCH_BYTES_MAX, BATCH_DIRECTORIES_MAX, BATCH_FILES_MAX, READ_ATTEMPTS_MAX } from '../../base/limits.ts';
import { readSize, STAT_BYTES, STAT_OFFSET } from '../../base/stat.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import { type ContentEntry, type Extension, encodeRow, rowLengthAt } from '../../format/row.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import { decodeStepEntries, sameStat } from './file-store.ts';
import {
  type BatchResult,
  FILE_DATABASE,
  FILE_FAILED,
  FILE_GREW,
  FILE_UNSTABLE,
  type FileFailure,
  type StepClass,
  type StepResult,
  type StepTask,
} from './messages.ts';
import type { OpenDirectory } from './open-directory.ts';
import { joinPath, type RunContext } from './run-context.ts';
import type { TaskOutcome, WorkerPool } from './worker-pool.ts';

export type FileOutcome =
  | {
      readonly kind: 'stored';
      readonly row: Buffer;
      readonly stable: boolean;
      /** Set where the row only refers to list blobs. */
      readonly entries?: readonly ContentEntry[];
    }
  | { readonly kind: 'failed'; readonly during: string; readonly code: string }
  | { readonly kind: 'vanished' }
  | { readonly kind: 'database' }
  | { readonly kind: 'grew' };

export interface FileRequest {
  readonly directory: OpenDirectory;
  readonly name: Buffer;
  /** The file's stat block, which stays as it is until the outcome. */
  readonly stat: Buffer;
}

interface Batch {
  readonly files: ByteWriter;
  readonly directories: OpenDirectory[];
  readonly requests: {
    readonly directory: OpenDirectory;
    readonly resolve: (outcome: FileOutcome) => void;
    readonly reject: (error: unknown) => void;
  }[];
  bytes: number;
}

function newBatch(): Batch {
  return { files: new ByteWriter(32 * 1024), directories: [], requests: [], bytes: 0 };
}

export interface DispatcherOptions {
  readonly fileSystem: FileSystem;
  readonly pool: WorkerPool;
  readonly trees: TreeWriter;
  readonly context: RunContext;
}

export class FileDispatcher {
  readonly #options: DispatcherOptions;
  #batch = newBatch();
  #fatal: unknown;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Waits until more files may be handed over. */
  ready(): Promise<void> | undefined {
    if (this.#fatal !== undefined) throw this.#fatal;
    return this.#options.pool.ready();
  }

  #account({ effects }: TaskOutcome): void {
    const { context } = this.#options;
    context.counts.bytesNew += effects.bytesNew;
    context.counts.bytesRead += effects.bytesRead;
    context.progress(undefined);
  }

  // ---- small files

  /** A regular file of at most BATCH_FILE_BYTES_MAX. */
  storeSmall(request: FileRequest): Promise<FileOutcome> {
    const batch = this.#batch;
    let number = batch.directories.lastIndexOf(request.directory);
    if (number < 0) {
      number = batch.directories.length;
      batch.directories.push(request.directory);
    }
    request.directory.retain();
    batch.files.u16(number);
    batch.files.u16(request.name.length);
    batch.files.raw(request.name);
    batch.files.raw(request.stat);
    const size = readSize(request.stat, 0);
    batch.bytes += size;
    this.#options.context.wait(1, size);
    const outcome = new Promise<FileOutcome>((resolve, reject) => {
      batch.requests.push({ directory: request.directory, resolve, reject });
    });
    if (
      batch.requests.length >= BATCH_FILES_MAX ||
      batch.bytes >= BATCH_BYTES_MAX ||
      batch.directories.length >= BATCH_DIRECTORIES_MAX
    ) {
      this.flushBatch();
    }
    return outcome;
  }

  /** Hands over what has been collected, full or not. */
  flushBatch(): void {
    const batch = this.#batch;
    if (batch.requests.length === 0) return;
    this.#batch = newBatch();
    const task = {
      type: 'batch' as const,
      directories: batch.directories.map(({ handle }) => ({ fd: handle.fd, path: handle.path })),
      files: batch.files.finish(),
      count: batch.requests.length,
    };
    this.#options.pool
      .submit(task)
      .then((outcome) => this.#settleBatch(batch, outcome))
      .catch((error: unknown) => {
        this.#fatal ??= error;
        for (const request of batch.requests) request.reject(error);
      })
      .finally(() => {
        for (const request of batch.requests) request.directory.release();
      });
  }

  #settleBatch(batch: Batch, outcome: TaskOutcome): void {
    this.#options.context.wait(-batch.requests.length, -batch.bytes);
    this.#account(outcome);
    const result = outcome.result as BatchResult;
    const rows = Buffer.from(result.rows.buffer, result.rows.byteOffset, result.rows.byteLength);
    let offset = 0;
    let failures = 0;
    for (const request of batch.requests) {
      const status = rows[offset++];
      if (status === FILE_FAILED) {
        request.resolve(failureOutcome(result.problems[failures++]));
      } else if (status === FILE_DATABASE) {
        request.resolve({ kind: 'database' });
      } else if (status === FILE_GREW) {
        request.resolve({ kind: 'grew' });
      } else {
        const length = rowLengthAt(rows, offset);
        const row = rows.subarray(offset, offset + length);
        offset += length;
        request.resolve({ kind: 'stored', row, stable: status !== FILE_UNSTABLE });
      }
    }
  }

  // ---- large files

  /** Any regular file. `sniff` answers `database` for a SQLite file instead of storing it. */
  async storeLarge(
    request: FileRequest & {
      readonly sniff: boolean;
      readonly sparse: boolean;
      /** Added to the row. */
      readonly extensions?: readonly Extension[] | undefined;
      /** The row's name and stat, where they are not the file's own (a captured database). */
      readonly rowName?: Buffer | undefined;
      readonly rowStat?: Buffer | undefined;
      readonly attributes?: readonly { readonly name: Buffer; readonly value: Buffer }[] | undefined;
    },
  ): Promise<FileOutcome> {
    const { context } = this.#options;
    const waiting = { bytes: readSize(request.stat, 0) };
    context.wait(1, waiting.bytes);
    context.progress(joinPath(request.directory.handle.path, request.name));
    request.directory.retain();
    try {
      let { stat } = request;
      for (let attempt = 1; ; attempt++) {
        const lenient = attempt >= READ_ATTEMPTS_MAX;
        const read = await this.#readSteps({ ...request, stat, lenient }, waiting);
        if (read.kind !== 'read') return read;
        const now = this.#statNow(request);
        if (now === undefined) return { kind: 'vanished' };
        const stable = read.complete && sameStat(stat, now);
        if (!stable && !lenient) {
          stat = now;
          continue;
        }
        return this.#largeRow({ ...request, stat, stable }, read);
      }
    } catch (error) {
      if (error instanceof FileSystemError) return failureOutcome({ file: 0, during: error.call, code: error.code });
      this.#fatal ??= error;
      throw error;
    } finally {
      context.wait(-1, -waiting.bytes);
      request.directory.release();
    }
  }

  #largeRow(
    file: FileRequest & {
      readonly stable: boolean;
      readonly extensions?: readonly Extension[] | undefined;
      readonly rowName?: Buffer | undefined;
      readonly rowStat?: Buffer | undefined;
      readonly attributes?: readonly { readonly name: Buffer; readonly value: Buffer }[] | undefined;
    },
    read: { readonly entries: readonly ContentEntry[] },
  ): FileOutcome {
    const size = read.entries.reduce((sum, entry) => sum + entry.length, 0);
    const stat = Buffer.from(file.rowStat ?? file.stat);
    stat.writeUInt32LE(size % 0x1_0000_0000, STAT_OFFSET.size);
    stat.writeUInt32LE(Math.floor(size / 0x1_0000_0000), STAT_OFFSET.size + 4);
    const { fileSystem, trees } = this.#options;
    const content = trees.saveContent(read.entries, size);
    const row = encodeRow({
      name: file.rowName ?? file.name,
      stat,
      content,
      attributes: file.attributes ?? fileSystem.attributesAt(file.directory.handle, file.name),
      extensions: file.extensions,
      unstable: !file.stable,
    });
    const outcome = { kind: 'stored' as const, row, stable: file.stable };
    return content.kind === 'indirect' ? { ...outcome, entries: read.entries } : outcome;
  }

  #statNow(request: FileRequest): Buffer | undefined {
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    try {
      this.#options.fileSystem.statAt(request.directory.handle, request.name, target);
      return target.block;
    } catch (error) {
      if (error instanceof FileSystemError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #readSteps(
    file: FileRequest & { readonly sniff: boolean; readonly sparse: boolean; readonly lenient: boolean },
    waiting: { bytes: number },
  ): Promise<
    | { readonly kind: 'read'; readonly entries: ContentEntry[]; readonly complete: boolean }
    | Exclude<FileOutcome, { kind: 'stored' }>
  > {
    const { handle } = file.directory;
    const steps: Promise<TaskOutcome>[] = [];
    const begin = (position: number, fileClass: StepClass | undefined): void => {
      const task: StepTask = {
        type: 'step',
        directory: { fd: handle.fd, path: handle.path },
        name: file.name,
        stat: file.stat,
        sparse: file.sparse,
        position,
        fileClass,
        sniff: file.sniff,
        lenient: file.lenient,
      };
      const step = this.#options.pool.submit(task, (baton) => begin(baton.position, baton.fileClass));
      step.catch(() => undefined);
      steps.push(step);
    };
    begin(0, undefined);
    const entries: ContentEntry[] = [];
    let failed: StepResult | undefined;
    for (let index = 0; index < steps.length; index++) {
      const outcome = await steps[index];
      if (outcome === undefined) break;
      const read = Math.min(waiting.bytes, outcome.effects.bytesRead);
      waiting.bytes -= read;
      this.#options.context.wait(0, -read);
      this.#account(outcome);
      const result = outcome.result as StepResult;
      if (result.outcome !== 'stored') failed ??= result;
      if (failed !== undefined || result.outcome !== 'stored') continue;
      for (const entry of decodeStepEntries(result.entries)) entries.push(entry);
      if (!result.last && index === steps.length - 1) begin(result.end, result.fileClass);
    }
    if (failed === undefined) return { kind: 'read', entries, complete: true };
    if (failed.outcome === 'changed') return { kind: 'read', entries, complete: false };
    if (failed.outcome === 'database') return { kind: 'database' };
    if (failed.outcome === 'failed') return failureOutcome({ file: 0, during: failed.during, code: failed.code });
    throw new EngineError('INTERNAL', 'A step that was stored cannot have failed');
  }
}

function failureOutcome(failure: FileFailure | undefined): Exclude<FileOutcome, { kind: 'stored' }> {
  if (failure?.code === 'ENOENT') return { kind: 'vanished' };
  return { kind: 'failed', during: failure?.during ?? 'read', code: failure?.code ?? 'EIO' };
}
