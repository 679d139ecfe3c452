/**
 * Carries out one window: existing files are compared, what is wanted is read pack by pack and written, further names are
 * linked, directories that are complete get their metadata.
 */

import { errorMessage, throwIfAborted } from '../../base/errors.ts';
import {
  RESTORE_TASK_BYTES_MAX,
  RESTORE_TASK_FILES_MAX,
  RESTORE_TASK_HANDLES_MAX,
  REUSE_FILE_BYTES_MIN,
} from '../../base/limits.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { PlannedBatch } from '../../repository/read-plan.ts';
import { Comparer, type Comparison } from './comparer.ts';
import type { RestoreContext } from './context.ts';
import { HandleCounter } from './handle-counter.ts';
import { LargeFiles } from './large-files.ts';
import { LinkMaker } from './link-maker.ts';
import { type FileIssue, type FileTaskResult, STATUS_DAMAGED, STATUS_DONE, STATUS_FAILED } from './messages.ts';
import { OtherEntries } from './other-entries.ts';
import { OutgoingTask } from './outgoing-task.ts';
import { isRow } from './plain-files.ts';
import type { PlannedFile } from './planned-file.ts';
import type { Removal } from './removal.ts';
import { Reuser } from './reuser.ts';
import { Salvage } from './salvage.ts';
import { removeSideFiles } from './side-files.ts';
import { DIGEST_BYTES } from './state-digest.ts';
import type { TargetTree } from './target-tree.ts';
import { type MissingSlice, planContent, Window } from './window.ts';

export class WindowExecutor {
  readonly #context: RestoreContext;
  readonly #tree: TargetTree;
  readonly #removal: Removal | undefined;
  readonly #large: LargeFiles;
  readonly #links: LinkMaker;
  readonly #comparer: Comparer;
  readonly #reuser: Reuser;
  readonly #salvage: Salvage;
  readonly others: OtherEntries;
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  /** Written in this window, to be read back. */
  #written: PlannedFile[] = [];

  constructor(context: RestoreContext, tree: TargetTree, removal: Removal | undefined) {
    this.#context = context;
    this.#tree = tree;
    this.#removal = removal;
    this.others = new OtherEntries(context);
    this.#large = new LargeFiles(context, this.others);
    this.#links = new LinkMaker(context, this.others);
    this.#comparer = new Comparer(context);
    this.#salvage = new Salvage(context.parts.repository);
    this.#reuser = new Reuser(context, this.#large, {
      attempt: (file, act) => this.#attempt(file, 'write', act),
      built: (file) => this.#finishIfComplete(file),
      fail: (file, why) => this.fail(file, why),
    });
  }

  /** Everything of the window is in the target when this returns. */
  async execute(window: Window): Promise<void> {
    await this.#compareExisting(window);
    await this.#reuse(window);
    await this.#write(window);
    const again = new Window(this.#context.parts.repository.index, window);
    const { retries, directories } = this.#links.make(window.links);
    for (const file of retries) await this.#plan(again, file);
    if (retries.length > 0) await this.#write(again);
    await this.#readBack();
    for (const { directory, names } of window.removals) await this.#removal?.remove(directory, names);
    for (const directory of [...window.walked, ...directories]) {
      this.#tree.finish(directory);
      if (!this.#context.fresh) await this.#context.breathe();
    }
    this.#context.guard(this.#context.parts.directories.root, () => this.#context.parts.journal.flush(false));
  }

  async #compareExisting(window: Window): Promise<void> {
    if (window.compares.length === 0) return;
    const outcome = await this.#comparer.compare(window.compares, true);
    this.#settleEqual(outcome.equal);
    for (const file of outcome.different) {
      if (file.size >= REUSE_FILE_BYTES_MIN) window.reuses.push(file);
      else await this.#plan(window, file);
    }
  }

  /** Few files at a time wait for what they lack: until then there are two of each in the target. */
  async #reuse(window: Window): Promise<void> {
    for (let first = 0; first < window.reuses.length; ) {
      const lacking = new Window(this.#context.parts.repository.index, window);
      first += await this.#reuser.build(window.reuses, first, lacking);
      await this.#write(lacking);
    }
  }

  #settleEqual(equal: Comparison['equal']): void {
    for (const { file, digest } of equal) {
      file.state = 'finished';
      if (file.group !== undefined) file.group.state = 'done';
      this.#context.parts.journal.add(digest);
      this.#context.skipped(file.size);
      this.#context.progress(file);
    }
  }

  /** Plans content into a window that may pass its bounds for this. */
  async #plan(window: Window, file: PlannedFile): Promise<void> {
    try {
      await planContent(file, window, this.#context.parts.repository.blobs);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.fail(file, { during: 'read', code: error.code, message: error.message });
    }
  }

  async #write(window: Window): Promise<void> {
    const { pool } = this.#context.parts;
    try {
      for (let first = 0; first < window.bare.length; first += RESTORE_TASK_FILES_MAX) {
        await this.#dispatchBare(window.bare.slice(first, first + RESTORE_TASK_FILES_MAX));
      }
      const handles = new HandleCounter(window, RESTORE_TASK_HANDLES_MAX);
      const limits = { bytes: RESTORE_TASK_BYTES_MAX, wishes: RESTORE_TASK_FILES_MAX * 2, accepts: handles.accepts };
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
      const task = new OutgoingTask();
      let last = first;
      for (; last < files.length && task.directories.size < RESTORE_TASK_HANDLES_MAX; last++) {
        const file = files[last];
        if (file === undefined || file.state !== 'open') continue;
        const directory = this.#directory(task, file);
        if (directory !== undefined) task.addWhole(file, directory, []);
      }
      first = last;
      await this.#context.parts.pool.ready();
      this.#send(task, []);
      await this.#context.breathe();
    }
  }

  #dispatch(window: Window, batch: PlannedBatch): void {
    const task = new OutgoingTask();
    const byFile = new Map<PlannedFile, { wishes: number[]; frames: number[] }>();
    for (let at = 0; at < batch.wishes.length; at++) {
      const wish = batch.wishes[at] ?? 0;
      const frame = batch.frameOfWish[at] ?? 0;
      const plain = window.plainFile(wish);
      if (plain >= 0) {
        const directory = task.numberOf(window.plain.place(plain).directory);
        const number = directory ?? this.#directory(task, window.plain.planned(plain));
        if (number !== undefined) task.addPlain(window, wish, { directory: number, frame });
        continue;
      }
      const file = window.file(wish);
      if (file.state !== 'open') continue;
      const own = byFile.get(file);
      if (own === undefined) byFile.set(file, { wishes: [wish], frames: [frame] });
      else {
        own.wishes.push(wish);
        own.frames.push(frame);
      }
    }
    for (const [file, own] of byFile) {
      if (!this.#addFile(task, file, own.wishes)) continue;
      for (const [at, wish] of own.wishes.entries()) {
        const { position, length, blobId } = window.slice(wish);
        task.builder.slice({ frame: own.frames[at] ?? 0, offset: window.plan.offset(wish), position, length, blobId });
      }
    }
    this.#send(task, batch.frames, window);
  }

  /** Number of the file's directory in the task, for which it is kept open. */
  #directory(task: OutgoingTask, file: PlannedFile): number | undefined {
    const { directory } = file;
    return this.#attempt(file, 'open the directory of', () => {
      this.#context.changing(directory);
      removeSideFiles(this.#context, file);
      const known = task.numberOf(directory);
      return known ?? task.addDirectory(directory, this.#context.parts.directories.pin(directory));
    });
  }

  #addFile(task: OutgoingTask, file: PlannedFile, wishes: number[]): boolean {
    const isWhole = file.planned && file.large === undefined && file.slicesDone === 0 && wishes.length === file.slices;
    if (isWhole && !file.image) {
      const directory = this.#directory(task, file);
      if (directory !== undefined) task.addWhole(file, directory, wishes);
      return directory !== undefined;
    }
    const handle = this.#attempt(file, 'write', () => this.#large.pin(file));
    if (handle === undefined) return false;
    // A worker wants a directory for its messages only: the root stands for it, and is always open.
    const { directories } = this.#context.parts;
    const directory = task.builder.directory(directories.use(directories.root), directories.root.key);
    task.addPieces(file, { fd: handle.fd, directory }, wishes);
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

  #send(task: OutgoingTask, frames: PlannedBatch['frames'], window?: Window): void {
    if (task.isEmpty) {
      this.#unpin(task);
      return;
    }
    const running = this.#context.parts.pool
      .run(task.builder.finish('write', frames))
      .then((result) => this.#settle(task, result, window))
      .catch((error: unknown) => {
        this.#failure ??= error;
        this.#context.parts.pool.cancel();
      })
      .finally(() => {
        this.#unpin(task);
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  #unpin(task: OutgoingTask): void {
    for (const directory of task.directories.keys()) this.#context.parts.directories.unpin(directory);
    for (const { file, whole } of task.files) if (!whole) this.#large.unpin(file);
  }

  async #settle(task: OutgoingTask, result: FileTaskResult, window: Window | undefined): Promise<void> {
    const rescues: MissingSlice[] = [];
    if (window !== undefined) this.#settlePlain(task, result, { window, rescues });
    const plainCount = task.plain.length;
    for (const issue of result.issues) {
      const file = task.files[issue.file - plainCount]?.file;
      if (file !== undefined && issue.during !== 'write') this.#tell(issue, file);
    }
    const damaged = new Set(result.damaged);
    let slice = plainCount;
    for (const [index, { file, whole, wishes }] of task.files.entries()) {
      const number = plainCount + index;
      const status = result.statuses[number];
      const first = slice;
      slice += wishes.length;
      if (status === STATUS_FAILED) this.#failWriting(file, result, number);
      else if (status === STATUS_DAMAGED && wishes.length === 0) this.#failRow(file);
      else if (status === STATUS_DAMAGED) {
        const lost = wishes.filter((_, at) => whole || damaged.has(first + at));
        if (window !== undefined) rescues.push(...lost.map((wish) => window.slice(wish)));
        if (!whole) file.slicesDone += wishes.length - lost.length;
      } else if (status === STATUS_DONE && whole) {
        this.#finished(file, result.digests, number * DIGEST_BYTES);
      } else if (status === STATUS_DONE) {
        file.slicesDone += wishes.length;
        this.#finishIfComplete(file);
      }
    }
    for (const lost of rescues) await this.#rescue(lost);
  }

  #settlePlain(
    task: OutgoingTask,
    result: FileTaskResult,
    into: { readonly window: Window; readonly rescues: MissingSlice[] },
  ): void {
    const { plain } = into.window;
    const { counters, parts } = this.#context;
    for (const issue of result.issues) {
      const number = task.plain[issue.file];
      if (number !== undefined && issue.during !== 'write') this.#tell(issue, plain.planned(number));
    }
    for (const [number, name] of task.plain.entries()) {
      const status = result.statuses[number];
      if (status === STATUS_DONE) {
        counters.filesRestored++;
        counters.bytesRestored += plain.size(name);
        this.#context.guard(parts.directories.root, () => parts.journal.add(result.digests, number * DIGEST_BYTES));
        if (parts.verify) this.#written.push(plain.planned(name));
      } else if (status === STATUS_FAILED) this.#failWriting(plain.planned(name), result, number);
      else if (status === STATUS_DAMAGED) {
        const file = plain.planned(name);
        if (isRow(file.row)) into.rescues.push(into.window.plainSlice(name, file));
        else this.#failRow(file);
      }
    }
    const last = task.plain.at(-1);
    if (last !== undefined) {
      this.#context.progress({ directory: plain.place(last).directory, name: plain.name(last) });
    }
  }

  #tell(issue: FileIssue, file: PlannedFile): void {
    const path = this.#context.parts.directories.path(file.directory, file.name);
    this.#context.parts.problems.add({ ...issue, path });
  }

  #failWriting(file: PlannedFile, result: FileTaskResult, number: number): void {
    const issue = result.issues.find((item) => item.file === number && item.during === 'write');
    this.fail(file, { during: 'write', code: issue?.code ?? 'EIO', message: issue?.message ?? 'Cannot write it' });
  }

  #failRow(file: PlannedFile): void {
    this.fail(file, { during: 'read', code: 'OBJECT_CORRUPT', message: 'Its row in the snapshot is damaged' });
  }

  /** A piece that its frame did not give: another copy may exist. */
  async #rescue(slice: MissingSlice): Promise<void> {
    const { file, position, length } = slice;
    const blobId = Buffer.from(slice.blobId) as typeof slice.blobId;
    if (file.state !== 'open') return;
    const { fileSystem } = this.#context.parts;
    try {
      const bytes = await this.#salvage.read(blobId, length);
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
    }
  }

  #finishIfComplete(file: PlannedFile): void {
    if (file.state !== 'open' || !file.planned || file.slicesDone < file.slices) return;
    if (file.image) {
      file.state = 'written';
      return;
    }
    if (file.replaces && this.#context.isChanged(file, file.hadMoreNames)) {
      this.#discard(file);
      return;
    }
    const digest = this.#attempt(file, 'finish', () => {
      removeSideFiles(this.#context, file);
      return this.#large.finish(file);
    });
    if (digest !== undefined) this.#finished(file, digest, 0);
  }

  #finished(file: PlannedFile, digests: Uint8Array | undefined, at: number): void {
    const { counters, parts } = this.#context;
    file.state = 'finished';
    if (file.group !== undefined) file.group.state = 'done';
    counters.filesRestored++;
    counters.bytesRestored += file.size;
    counters.bytesReused += file.bytesReused;
    if (digests !== undefined) this.#context.guard(parts.directories.root, () => parts.journal.add(digests, at));
    // A database whose paths were rewritten is no more what the ids say; all its pages were checked after that.
    if (parts.verify && digests !== undefined && file.mark === undefined) this.#written.push(file);
    this.#context.progress(file);
  }

  #discard(file: PlannedFile): void {
    file.state = 'failed';
    if (file.group !== undefined) file.group.state = 'failed';
    this.#large.discard(file);
  }

  /** Gives one file up: what there is of it goes. */
  fail(file: PlannedFile, why: { readonly during: string; readonly code: string; readonly message: string }): void {
    if (file.state !== 'open' && file.state !== 'written') return;
    this.#discard(file);
    this.#context.problem({ ...file, during: why.during }, why.code, why.message);
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

  /** Holds one existing file against the snapshot; one that is equal gets the snapshot's metadata. */
  async isEqual(file: PlannedFile): Promise<boolean> {
    const { equal } = await this.#comparer.compare([file], true);
    this.#settleEqual(equal);
    return equal.length > 0;
  }

  /** Writes a database beside its place; answers its path, or undefined where that failed, which was told. */
  async writeImage(file: PlannedFile): Promise<Buffer | undefined> {
    const window = new Window(this.#context.parts.repository.index, undefined);
    await this.#plan(window, file);
    await this.#write(window);
    return file.state === 'written' ? this.#large.imagePath(file) : undefined;
  }

  /** Gives an image its metadata. Throws FileSystemError. */
  dressImage(file: PlannedFile): void {
    this.#large.dress(file);
    this.#large.unpin(file);
    this.#large.imagePath(file);
  }

  /** An image is in its place; `isItself` where it is the very file that was written here. Throws FileSystemError. */
  finishImage(file: PlannedFile, isItself: boolean): void {
    if (isItself) this.#finished(file, this.#large.finishImage(file), 0);
    else {
      this.#large.finishWritten(file);
      this.#finished(file, undefined, 0);
    }
  }

  /** Removes what is half-done, after a failure. */
  discard(): void {
    this.#large.discardAll();
  }
}
