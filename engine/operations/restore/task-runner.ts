/**
 * Carries out one task: in a worker thread, or in this one. A small file is made, filled, given its metadata and looked
 * at once more in one go; of a large one, which the sender keeps open, only pieces are written.
 */

import { readMode, readMtime, readSize, S_IFMT, S_IFREG, STAT_BYTES, STAT_OFFSET, type Time } from '../../base/stat.ts';
import {
  type DirectoryHandle,
  type FileHandle,
  type FileSystem,
  FileSystemError,
  LISTING_EXTRA_WORDS,
  NEW_FILE_MODE,
  type StatTarget,
} from '../../filesystem/types.ts';
import { decodeRow, type Node, ROW_NAME_OFFSET } from '../../format/row.ts';
import { BatchReader, isDamage, type LoadedBatch, type OpenedBatch } from '../../repository/batch-reader.ts';
import { TEMPORARY_PREFIX } from '../../repository/restore-names.ts';
import type { Store } from '../../repository/sealed-files.ts';
import { IssueLog } from './issue-log.ts';
import {
  FILE_HAD_MORE_NAMES,
  FILE_MENDED,
  FILE_REPLACES,
  type FileTask,
  type FileTaskResult,
  STATUS_DAMAGED,
  STATUS_DIFFERENT,
  STATUS_DONE,
  STATUS_FAILED,
  STATUS_LEFT,
} from './messages.ts';
import { type CurrentMetadata, fileTarget, inheritsAcl, metadataMessage, setMetadata } from './metadata.ts';
import { PieceReader } from './piece-reader.ts';
import { CHANGED_MESSAGE, isYoung } from './protection.ts';
import { ReuseRunner } from './reuse-runner.ts';
import { DIGEST_BYTES, StateDigester } from './state-digest.ts';
import { targetFailure } from './target-failure.ts';
import { type TaskFile, TaskView } from './task-view.ts';

/** Owner of what this process makes. */
export interface ProcessIdentity {
  readonly uid: number;
  readonly gid: number;
}

export function processIdentity(): ProcessIdentity {
  return { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
}

export interface RunnerOptions {
  /** Begins the names of temporary files; no two runners of a run share it. */
  readonly temporaryPrefix: string;
  /** Since when the plan holds: what is younger is not replaced. */
  readonly plannedAt: Time | undefined;
  readonly cancelled: () => boolean;
}

/** A mode may be given to a new file at once when its bits are among these, and hold the two that writing needs. */
const PROMPT_MODE = 0o777;
const OWN_ACCESS = 0o600;

interface Piece {
  readonly bytes: Buffer;
  readonly position: number;
}

export class TaskRunner {
  readonly #store: Store;
  readonly #fileSystem: FileSystem;
  readonly #options: RunnerOptions;
  readonly #reader: BatchReader;
  readonly #digester = new StateDigester();
  readonly #identity = processIdentity();
  readonly #stat: StatTarget = {
    block: Buffer.alloc(STAT_BYTES),
    extras: new Uint32Array(LISTING_EXTRA_WORDS),
  };
  readonly #old: StatTarget = {
    block: Buffer.alloc(STAT_BYTES),
    extras: new Uint32Array(LISTING_EXTRA_WORDS),
  };
  readonly #present: PieceReader;
  #reuse: ReuseRunner | undefined;
  readonly #inheriting = new WeakMap<DirectoryHandle, boolean>();
  #temporaries = 0;

  constructor(store: Store, fileSystem: FileSystem, options: RunnerOptions) {
    this.#store = store;
    this.#fileSystem = fileSystem;
    this.#options = options;
    this.#reader = new BatchReader(store);
    this.#present = new PieceReader(store, fileSystem);
  }

  /** Reads what the task needs of the repository. */
  load(task: FileTask): Promise<LoadedBatch> {
    return this.#reader.load(task.frames);
  }

  /** Throws TARGET_FAILED, and whatever is a bug; all else is in the result. What was loaded is used up. */
  run(task: FileTask, loaded: LoadedBatch): FileTaskResult {
    try {
      return this.#run(task, loaded);
    } finally {
      this.#reader.release(loaded);
    }
  }

  #run(task: FileTask, loaded: LoadedBatch): FileTaskResult {
    const view = new TaskView(task, this.#fileSystem);
    const opened = this.#reader.open(loaded);
    const statuses = new Uint8Array(view.fileCount);
    const digests = new Uint8Array(view.fileCount * DIGEST_BYTES);
    const damaged: number[] = [];
    const issues = new IssueLog();
    for (let number = 0; number < view.fileCount; number++) {
      if (this.#options.cancelled()) {
        statuses.fill(STATUS_LEFT, number);
        break;
      }
      const file = view.file(number);
      issues.file = number;
      if (task.type === 'reuse') statuses[number] = this.#build(view, file, { damaged, issues });
      else if (task.type === 'compare') statuses[number] = this.#compare(view, file, { digests, number, issues });
      else if (file.fd >= 0) statuses[number] = this.#writePieces(view, file, { opened, damaged });
      else statuses[number] = this.#writeWhole(view, file, { opened, digests, number, issues });
    }
    return { statuses, digests, damaged, issues: issues.list() };
  }

  /** Pieces of a file that the sender keeps open. */
  #writePieces(
    view: TaskView,
    file: TaskFile,
    work: { readonly opened: OpenedBatch; readonly damaged: number[] },
  ): number {
    let status = STATUS_DONE;
    for (let number = file.firstSlice; number < file.firstSlice + file.sliceCount; number++) {
      try {
        this.#writeSlice(view, number, { handle: { fd: file.fd }, opened: work.opened });
      } catch (error) {
        if (!isDamage(error)) throw targetFailure(error, file.directory.path) ?? error;
        work.damaged.push(number);
        status = STATUS_DAMAGED;
      }
    }
    return status;
  }

  /** A part of such a file, from what lies in its place. */
  #build(view: TaskView, file: TaskFile, work: { readonly damaged: number[]; readonly issues: IssueLog }): number {
    this.#reuse ??= new ReuseRunner(this.#store, this.#fileSystem);
    try {
      return this.#reuse.run(view, file, work.damaged);
    } catch (error) {
      const failure = targetFailure(error, file.directory.path);
      if (failure !== undefined) throw failure;
      if (!(error instanceof FileSystemError)) throw error;
      work.issues.add('write', error.code, `Cannot write the file: ${error.code}`);
      return STATUS_FAILED;
    }
  }

  #writeSlice(
    view: TaskView,
    number: number,
    into: { readonly handle: FileHandle; readonly opened: OpenedBatch },
  ): void {
    const slice = view.slice(number);
    if (slice.blobId === undefined) return;
    const bytes = this.#reader.blob(into.opened, slice, slice.blobId);
    this.#fileSystem.write(into.handle, bytes, { offset: 0, length: bytes.length, position: slice.position });
  }

  #writeWhole(
    view: TaskView,
    file: TaskFile,
    work: { readonly opened: OpenedBatch; readonly digests: Uint8Array; readonly number: number; issues: IssueLog },
  ): number {
    const replaces = (file.flags & FILE_REPLACES) !== 0;
    let made: { readonly handle: FileHandle; readonly name: Buffer } | undefined;
    try {
      const node = decodeRow(file.row, 'a row');
      // Everything is verified before anything is made, so that damage leaves no trace in the target.
      const pieces = this.#pieces(view, file, work.opened);
      const name = replaces ? this.#temporaryName() : node.name;
      const inherits = this.#inheritsAcl(file.directory);
      // With a mode of its own at once, a file would be open to whomever the inherited list names.
      const prompt = !inherits && this.#isPrompt(node);
      const mode = prompt ? node.mode & PROMPT_MODE : NEW_FILE_MODE;
      const handle = this.#fileSystem.createFileAt(file.directory, name, mode);
      made = { handle, name };
      this.#fill(handle, pieces, node.size);
      if (prompt) this.#finishPrompt(handle, node, work.issues);
      else this.#finishNew(handle, node, { inherits, issues: work.issues });
      if (replaces && this.#isChanged(file, node.name)) {
        this.#abandon(file, made);
        work.issues.add('write', 'CHANGED_MEANWHILE', CHANGED_MESSAGE);
        return STATUS_FAILED;
      }
      if (replaces) this.#fileSystem.renameAt(file.directory, name, file.directory, node.name);
      if (replaces || !prompt) this.#fileSystem.statFile(handle, this.#stat);
      this.#fileSystem.close(handle);
      work.digests.set(this.#digest(file), work.number * DIGEST_BYTES);
      return STATUS_DONE;
    } catch (error) {
      if (made !== undefined) this.#abandon(file, made);
      if (isDamage(error)) return STATUS_DAMAGED;
      const failure = targetFailure(error, file.directory.path);
      if (failure !== undefined) throw failure;
      if (!(error instanceof FileSystemError)) throw error;
      work.issues.add('write', error.code, `Cannot write the file: ${error.code}`);
      return STATUS_FAILED;
    }
  }

  /** True where what lies in its place changed after the plan was made. */
  #isChanged(file: TaskFile, name: Buffer): boolean {
    const { plannedAt } = this.#options;
    if (plannedAt === undefined) return false;
    try {
      this.#fileSystem.statAt(file.directory, name, this.#old);
    } catch (error) {
      if (error instanceof FileSystemError) return false;
      throw error;
    }
    const hasMoreNames = (file.flags & FILE_HAD_MORE_NAMES) !== 0;
    return isYoung(plannedAt, { stats: this.#old.block, at: 0, hasMoreNames });
  }

  /** All pieces of a small file, verified. */
  #pieces(view: TaskView, file: TaskFile, opened: OpenedBatch): Piece[] {
    const pieces: Piece[] = [];
    for (let number = file.firstSlice; number < file.firstSlice + file.sliceCount; number++) {
      const slice = view.slice(number);
      if (slice.blobId === undefined) continue;
      pieces.push({ bytes: this.#reader.blob(opened, slice, slice.blobId), position: slice.position });
    }
    return pieces;
  }

  #fill(handle: FileHandle, pieces: readonly Piece[], size: number): void {
    let end = 0;
    for (const { bytes, position } of pieces) {
      this.#fileSystem.write(handle, bytes, { offset: 0, length: bytes.length, position });
      end = Math.max(end, position + bytes.length);
    }
    // A hole at the end has no piece.
    if (end !== size) this.#fileSystem.truncate(handle, size);
  }

  /** True where a file that this process makes has the right owner and mode, but for what the system takes from them. */
  #isPrompt(node: Node): boolean {
    const mode = node.mode & 0o7777;
    return (
      (mode & ~PROMPT_MODE) === 0 &&
      (mode & OWN_ACCESS) === OWN_ACCESS &&
      node.uid === this.#identity.uid &&
      node.gid === this.#identity.gid &&
      node.attributes.length === 0
    );
  }

  /** Metadata of a file that was made with its mode, and its stat. */
  #finishPrompt(handle: FileHandle, node: Node, issues: IssueLog): void {
    try {
      this.#fileSystem.setFileTimes(handle, node.mtime);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      issues.add('times', error.code, metadataMessage('times', error.code));
    }
    this.#fileSystem.statFile(handle, this.#stat);
    const { uid, gid, mode } = this.#ownerAndMode();
    if (mode === node.mode && uid === node.uid && gid === node.gid) return;
    // An umask or an ACL took bits away, or the directory hands its own group down.
    this.#setMetadata(handle, node, { uid, gid, mode, mtime: undefined, attributes: [] }, issues);
    this.#fileSystem.statFile(handle, this.#stat);
  }

  /** Metadata of any other file that was just made. */
  #finishNew(handle: FileHandle, node: Node, how: { readonly inherits: boolean; readonly issues: IssueLog }): void {
    let made = { ...this.#identity, mode: NEW_FILE_MODE };
    if (node.uid === made.uid && node.gid === made.gid) {
      // The directory may hand its own group down.
      this.#fileSystem.statFile(handle, this.#stat);
      made = this.#ownerAndMode();
    }
    const attributes = how.inherits ? this.#fileSystem.fileAttributes(handle) : [];
    this.#setMetadata(handle, node, { ...made, mtime: undefined, attributes }, how.issues);
  }

  /** Of the stat that was taken last. */
  #ownerAndMode(): { uid: number; gid: number; mode: number } {
    const { block } = this.#stat;
    return {
      uid: block.readUInt32LE(STAT_OFFSET.uid),
      gid: block.readUInt32LE(STAT_OFFSET.gid),
      mode: readMode(block, 0),
    };
  }

  #setMetadata(handle: FileHandle, node: Node, current: CurrentMetadata, issues: IssueLog): void {
    setMetadata(fileTarget(this.#fileSystem, handle), node, current, (during, code) =>
      issues.add(during, code, metadataMessage(during, code)),
    );
  }

  /** Looked up once for each directory of a task. */
  #inheritsAcl(directory: DirectoryHandle): boolean {
    const known = this.#inheriting.get(directory);
    if (known !== undefined) return known;
    const inherits = inheritsAcl(this.#fileSystem, directory);
    this.#inheriting.set(directory, inherits);
    return inherits;
  }

  #digest(file: TaskFile): Buffer {
    const { directoryKey, row } = file;
    return this.#digester.digest({ directoryKey, row, stat: this.#stat.block, at: 0 });
  }

  #temporaryName(): Buffer {
    return Buffer.from(`${this.#options.temporaryPrefix}${(this.#temporaries++).toString(36)}`);
  }

  #abandon(file: TaskFile, made: { readonly handle: FileHandle; readonly name: Buffer }): void {
    try {
      this.#fileSystem.close(made.handle);
      this.#fileSystem.unlinkAt(file.directory, made.name);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
    }
  }

  #compare(
    view: TaskView,
    file: TaskFile,
    work: { readonly digests: Uint8Array; readonly number: number; readonly issues: IssueLog },
  ): number {
    let handle: FileHandle | undefined;
    try {
      const node = decodeRow(file.row, 'a row');
      handle = this.#fileSystem.openFileAt(file.directory, node.name);
      this.#fileSystem.statFile(handle, this.#stat);
      const block = this.#stat.block;
      if ((readMode(block, 0) & S_IFMT) !== S_IFREG || readSize(block, 0) !== node.size) return STATUS_DIFFERENT;
      for (let slice = file.firstSlice; slice < file.firstSlice + file.sliceCount; slice++) {
        if (!this.#present.holds(handle, view.slice(slice))) return STATUS_DIFFERENT;
      }
      if ((file.flags & FILE_MENDED) !== 0) {
        this.mend(handle, node, work.issues);
        this.#fileSystem.statFile(handle, this.#stat);
        work.digests.set(this.#digest(file), work.number * DIGEST_BYTES);
      }
      return STATUS_DONE;
    } catch (error) {
      if (isDamage(error)) return STATUS_DAMAGED;
      // What cannot be read is not what it should be; writing it anew says why it cannot be written, if so.
      if (error instanceof FileSystemError) return STATUS_DIFFERENT;
      throw error;
    } finally {
      if (handle !== undefined) this.#fileSystem.close(handle);
    }
  }

  /** Mends metadata of an existing file whose stat was just taken. */
  mend(handle: FileHandle, node: Node, issues: IssueLog): void {
    const block = this.#stat.block;
    const current = {
      ...this.#ownerAndMode(),
      mtime: readMtime(block, 0),
      attributes: this.#fileSystem.fileAttributes(handle),
    };
    this.#setMetadata(handle, node, current, issues);
  }
}

/** Name of a row that was not decoded. */
export function nameOfRow(row: Buffer): Buffer {
  return row.subarray(ROW_NAME_OFFSET, ROW_NAME_OFFSET + row.readUInt16LE(ROW_NAME_OFFSET - 2));
}

export function temporaryPrefix(token: string, runner: string): string {
  return `${TEMPORARY_PREFIX}${token}-${runner}-`;
}
