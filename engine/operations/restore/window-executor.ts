/**
 * Carries out one window: existing files are compared, what is wanted is read pack by pack and written, further names are
 * linked, directories that are complete get their metadata.
 */

import { EngineError, errorMessage, throwIfAborted } from '../../base/errors.ts';
import { MIB } from '../../base/limits.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import { decodeRow } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { PlannedBatch } from '../../repository/read-plan.ts';
import { Comparer } from './comparer.ts';
import type { RestoreContext } from './context.ts';
import { LargeFiles } from './large-files.ts';
import { LinkMaker } from './link-maker.ts';
import {
  FILE_REPLACES,
  FileTaskBuilder,
  type FileTaskResult,
  STATUS_DAMAGED,
  STATUS_DONE,
  STATUS_FAILED,
} from './messages.ts';
import { OtherEntries } from './other-entries.ts';
import { DIGEST_BYTES } from './state-digest.ts';
import type { TargetDirectory } from './target-directories.ts';
import type { TargetTree } from './target-tree.ts';
import { type MissingSlice, type PlannedFile, planInline, planPieces, Window } from './window.ts';

const TASK_BYTES = 4 * MIB;
const TASK_FILES_MAX = 2048;
/** Directories and open files that one task needs; descriptors in flight are this, times the tasks of the pool. */
const TASK_HANDLES_MAX = 128;
/** A search through all packs for another copy of a damaged blob is slow: this much of it in one restore. */
const SEARCH_MS_MAX = 60_000;

/** A task on its way, as its answer will need it. */
interface SentTask {
  readonly files: { readonly file: PlannedFile; readonly whole: boolean; readonly wishes: readonly number[] }[];
}

export class WindowExecutor {
  readonly #context: RestoreContext;
  readonly #tree: TargetTree;
  readonly #large: LargeFiles;
  readonly #links: LinkMaker;
  readonly #comparer: Comparer;
  readonly others: OtherEntries;
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  #searchMs = 0;
  /** Written in this window, to be read back. */
  #written: PlannedFile[] = [];

  constructor(context: RestoreContext, tree: TargetTree) {
    this.#context = context;
    this.#tree = tree;
    this.others = new OtherEntries(context);
    this.#large = new LargeFiles(context, this.others);
    this.#links = new LinkMaker(context, this.others);
    this.#comparer = new Comparer(context);
  }

  /** Everything of the window is in the target when this returns. */
  async execute(window: Window): Promise<void> {
    await this.#compareExisting(window);
    await this.#write(window);
    const again = new Window(this.#context.parts.repository.index, window);
    const { retries, directories } = this.#links.make(window.links);
    for (const file of retries) await this.#plan(again, file);
    if (retries.length > 0) await this.#write(again);
    await this.#readBack();
    for (const directory of [...window.walked, ...directories]) {
      this.#tree.finish(directory);
      if (!this.#context.fresh) await this.#context.breathe();
    }
    this.#context.guard(this.#context.parts.directories.root, () => this.#context.parts.journal.flush(false));
  }

  async #compareExisting(window: Window): Promise<void> {
    if (window.compares.length === 0) return;
    const outcome = await this.#comparer.compare(window.compares, true);
    for (const { file, digest } of outcome.equal) {
      file.state = 'finished';
      if (file.group !== undefined) file.group.state = 'done';
      this.#context.parts.journal.add(digest);
      this.#context.skipped(file.size);
      this.#context.progress(file);
    }
    for (const file of outcome.different) await this.#plan(window, file);
  }

  /** Plans content into a window that may pass its bounds for this. */
  async #plan(window: Window, file: PlannedFile): Promise<void> {
    const { content } = decodeRow(file.row, 'a row');
    if (content.kind === 'tree') return;
    if (content.kind !== 'indirect') {
      planInline(file, content, window);
      return;
    }
    const pieces = this.#context.parts.repository.blobs.content(content, file.size);
    try {
      await planPieces(file, pieces, { first: window, next: () => Promise.resolve(window) });
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.fail(file, { during: 'read', code: error.code, message: error.message });
    }
  }

  async #write(window: Window): Promise<void> {
    const { pool } = this.#context.parts;
    try {
      for (let first = 0; first < window.bare.length; first += TASK_FILES_MAX) {
        await this.#dispatchBare(window.bare.slice(first, first + TASK_FILES_MAX));
      }
      const handles = new HandleCounter(window);
      const limits = { bytes: TASK_BYTES, wishes: TASK_FILES_MAX * 2, accepts: handles.accepts };
      for (;;) {
        handles.reset();
        const batch = window.plan.next(limits);
        if (batch === undefined) break;
        await pool.ready();
        throwIfAborted(this.#context.parts.signal);
        if (this.#failure !== undefined) break;
        this.#dispatch(window, batch);
        await this.#context.breathe();
      }
      await this.#drain();
      for (const slice of window.missing) await this.#rescue(slice);
      for (const file of window.completed) this.#finishIfComplete(file);
    } catch (error) {
      this.#failure ??= error;
      pool.cancel();
      await this.#drain().catch(() => undefined);
      throw this.#failure;
    }
  }

  async #drain(): Promise<void> {
    const { signal, pool } = this.#context.parts;
    while (this.#running.size > 0) {
      if (signal?.aborted === true) pool.cancel();
      await Promise.race(this.#running);
    }
    if (this.#failure !== undefined) throw this.#failure;
    throwIfAborted(signal);
  }

  /** Files without content, many at a time; each task keeps few directories open. */
  async #dispatchBare(files: readonly PlannedFile[]): Promise<void> {
    let first = 0;
    while (first < files.length) {
      const builder = new FileTaskBuilder();
      const sent: SentTask = { files: [] };
      let last = first;
      for (; last < files.length && builder.directoryCount < TASK_HANDLES_MAX; last++) {
        const file = files[last];
        if (file !== undefined && file.state === 'open') this.#addWhole(builder, sent, { file, wishes: [] });
      }
      first = last;
      await this.#context.parts.pool.ready();
      this.#send(builder, sent, []);
      await this.#context.breathe();
    }
  }

  #dispatch(window: Window, batch: PlannedBatch): void {
    const byFile = new Map<PlannedFile, { wishes: number[]; frames: number[] }>();
    for (const [at, wish] of batch.wishes.entries()) {
      const file = window.file(wish);
      if (file.state !== 'open') continue;
      let own = byFile.get(file);
      if (own === undefined) {
        own = { wishes: [], frames: [] };
        byFile.set(file, own);
      }
      own.wishes.push(wish);
      own.frames.push(batch.frameOfWish[at] ?? 0);
    }
    const builder = new FileTaskBuilder();
    const sent: SentTask = { files: [] };
    for (const [file, own] of byFile) {
      const whole =
        file.planned && file.large === undefined && file.slicesDone === 0 && own.wishes.length === file.slices;
      const added = whole
        ? this.#addWhole(builder, sent, { file, wishes: own.wishes })
        : this.#addPieces(builder, sent, { file, wishes: own.wishes });
      if (!added) continue;
      for (const [at, wish] of own.wishes.entries()) {
        const { position, length, blobId } = window.slice(wish);
        builder.slice({ frame: own.frames[at] ?? 0, offset: window.plan.offset(wish), position, length, blobId });
      }
    }
    this.#send(builder, sent, batch.frames, window);
  }

  #addWhole(
    builder: FileTaskBuilder,
    sent: SentTask,
    { file, wishes }: { readonly file: PlannedFile; readonly wishes: readonly number[] },
  ): boolean {
    const { directories } = this.#context.parts;
    const handle = this.#attempt(file, 'open the directory of', () => {
      this.#context.changing(file.directory);
      this.removeSideFiles(file);
      return directories.pin(file.directory);
    });
    if (handle === undefined) return false;
    const directory = builder.directory(handle, file.directory.key);
    builder.file({ row: file.row, directory, fd: -1, flags: file.replaces ? FILE_REPLACES : 0 });
    sent.files.push({ file, whole: true, wishes });
    return true;
  }

  #addPieces(
    builder: FileTaskBuilder,
    sent: SentTask,
    { file, wishes }: { readonly file: PlannedFile; readonly wishes: readonly number[] },
  ): boolean {
    const { directories } = this.#context.parts;
    const handle = this.#attempt(file, 'write', () => this.#large.pin(file));
    if (handle === undefined) return false;
    // A worker wants a directory for its messages only: the root stands for it, and is always open.
    const { root } = directories;
    const directory = builder.directory(directories.use(root), root.key);
    builder.file({ row: file.row, directory, fd: handle.fd, flags: 0 });
    sent.files.push({ file, whole: false, wishes });
    return true;
  }

  #attempt<Result>(file: PlannedFile, during: string, act: () => Result): Result | undefined {
    try {
      return this.#context.guard(file.directory, act);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.fail(file, { during: 'write', code: error.code, message: `Cannot ${during} the file: ${error.code}` });
      return undefined;
    }
  }

  #send(builder: FileTaskBuilder, sent: SentTask, frames: PlannedBatch['frames'], window?: Window): void {
    if (sent.files.length === 0) return;
    const running = this.#context.parts.pool
      .run(builder.finish('write', frames))
      .then((result) => this.#settle(sent, result, window))
      .catch((error: unknown) => {
        this.#failure ??= error;
        this.#context.parts.pool.cancel();
      })
      .finally(() => {
        for (const { file, whole } of sent.files) {
          if (whole) this.#context.parts.directories.unpin(file.directory);
          else this.#large.unpin(file);
        }
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  async #settle(sent: SentTask, result: FileTaskResult, window: Window | undefined): Promise<void> {
    for (const issue of result.issues) {
      const entry = sent.files[issue.file];
      if (entry === undefined || issue.during === 'write') continue;
      const path = this.#context.parts.directories.path(entry.file.directory, entry.file.name);
      this.#context.parts.problems.add({ ...issue, path });
    }
    const damaged = new Set(result.damaged);
    const rescues: number[] = [];
    let slice = 0;
    for (const [number, { file, whole, wishes }] of sent.files.entries()) {
      const status = result.statuses[number];
      const first = slice;
      slice += wishes.length;
      if (status === STATUS_FAILED) {
        const issue = result.issues.find((item) => item.file === number && item.during === 'write');
        this.fail(file, { during: 'write', code: issue?.code ?? 'EIO', message: issue?.message ?? 'Cannot write it' });
      } else if (status === STATUS_DAMAGED && wishes.length === 0) {
        this.fail(file, { during: 'read', code: 'OBJECT_CORRUPT', message: 'Its row in the snapshot is damaged' });
      } else if (status === STATUS_DAMAGED) {
        rescues.push(...wishes.filter((_, at) => whole || damaged.has(first + at)));
        if (!whole) file.slicesDone += wishes.filter((_, at) => !damaged.has(first + at)).length;
      } else if (status === STATUS_DONE && whole) {
        this.#finished(file, Buffer.from(result.digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES)));
      } else if (status === STATUS_DONE) {
        file.slicesDone += wishes.length;
        this.#finishIfComplete(file);
      }
    }
    if (window === undefined) return;
    for (const wish of rescues) await this.#rescue(window.slice(wish));
  }

  /** A piece that its frame did not give: another copy may exist. */
  async #rescue(slice: MissingSlice): Promise<void> {
    const { file, position, length } = slice;
    const blobId = Buffer.from(slice.blobId) as typeof slice.blobId;
    if (file.state !== 'open') return;
    const { repository, fileSystem } = this.#context.parts;
    const begun = performance.now();
    try {
      if (this.#searchMs > SEARCH_MS_MAX) {
        throw new EngineError('OBJECT_CORRUPT', `Blob ${blobId.toString('hex')} cannot be read, like many before it`);
      }
      const bytes = await repository.blobs.read('data', blobId);
      if (bytes.length !== length) {
        throw new EngineError('OBJECT_CORRUPT', `Blob ${blobId.toString('hex')} has another length than its file says`);
      }
      const handle = this.#attempt(file, 'write', () => this.#large.pin(file));
      if (handle === undefined) return;
      const range = { offset: 0, length, position };
      this.#attempt(file, 'write', () => fileSystem.write(handle, bytes, range));
      this.#large.unpin(file);
      file.slicesDone++;
      this.#finishIfComplete(file);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.fail(file, { during: 'read', code: 'OBJECT_CORRUPT', message: `Left out: ${errorMessage(error)}` });
    } finally {
      this.#searchMs += performance.now() - begun;
    }
  }

  #finishIfComplete(file: PlannedFile): void {
    if (file.state !== 'open' || !file.planned || file.slicesDone < file.slices) return;
    const digest = this.#attempt(file, 'finish', () => {
      this.removeSideFiles(file);
      return this.#large.finish(file);
    });
    if (digest !== undefined) this.#finished(file, digest);
  }

  #finished(file: PlannedFile, digest: Buffer): void {
    const { counters, parts } = this.#context;
    file.state = 'finished';
    if (file.group !== undefined) file.group.state = 'done';
    counters.filesRestored++;
    counters.bytesRestored += file.size;
    this.#context.guard(parts.directories.root, () => parts.journal.add(digest));
    if (parts.verify) this.#written.push(file);
    this.#context.progress(file);
  }

  /** Gives one file up: what there is of it goes. */
  fail(file: PlannedFile, why: { readonly during: string; readonly code: string; readonly message: string }): void {
    if (file.state !== 'open') return;
    file.state = 'failed';
    if (file.group !== undefined) file.group.state = 'failed';
    this.#large.discard(file);
    this.#context.problem({ ...file, during: why.during }, why.code, why.message);
  }

  /** A log of the database that is replaced would be played into the new one (trap 25). */
  removeSideFiles(file: PlannedFile): void {
    const { fileSystem, directories } = this.#context.parts;
    for (const name of file.sideFiles) {
      try {
        fileSystem.unlinkAt(directories.use(file.directory), name);
      } catch (error) {
        if (!(error instanceof FileSystemError) || error.code !== 'ENOENT') throw error;
      }
    }
  }

  async #readBack(): Promise<void> {
    const written = this.#written;
    if (written.length === 0) return;
    this.#written = [];
    const { different } = await this.#comparer.compare(written, false);
    for (const file of different) {
      const message = 'Read back, it is not what was written: the target does not keep data';
      this.#context.problem({ ...file, during: 'verify' }, 'VERIFY_FAILED', message);
    }
  }

  /** Removes what is half-done, after a failure. */
  discard(): void {
    this.#large.discardAll();
  }
}

/** Decides when a batch needs too many open directories and files. */
class HandleCounter {
  readonly #window: Window;
  readonly #seen = new Set<TargetDirectory | PlannedFile>();
  #last: TargetDirectory | undefined;

  constructor(window: Window) {
    this.#window = window;
  }

  reset(): void {
    this.#seen.clear();
    this.#last = undefined;
  }

  readonly accepts = (wish: number): boolean => {
    const file = this.#window.file(wish);
    // Where a file has more than one piece, either it or its directory will be open.
    const needed = file.slices > 1 ? file : file.directory;
    if (needed === this.#last || this.#seen.has(needed)) return true;
    if (this.#seen.size >= TASK_HANDLES_MAX) return false;
    this.#seen.add(needed);
    this.#last = file.directory;
    return true;
  };
}
