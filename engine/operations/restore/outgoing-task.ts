/** A task that is being put together, and what its answer will need of it once it is on its way. */

import type { DirectoryHandle } from '../../filesystem/types.ts';
import { rowLengthAt } from '../../format/row.ts';
import { FILE_HAD_MORE_NAMES, FILE_REPLACES, FileTaskBuilder } from './messages.ts';
import type { PlannedFile } from './planned-file.ts';
import type { TargetDirectory } from './target-directories.ts';
import type { Window } from './window.ts';

export interface OutgoingFile {
  readonly file: PlannedFile;
  /** Made by the task from beginning to end; else it is kept open here, and the task writes pieces of it. */
  readonly whole: boolean;
  readonly wishes: readonly number[];
}

export class OutgoingTask {
  readonly builder = new FileTaskBuilder();
  /** Plain files of the window by number; in the task they come first. */
  readonly plain: number[] = [];
  readonly files: OutgoingFile[] = [];
  /** Directories that are pinned for this task, with their numbers in it. */
  readonly directories = new Map<TargetDirectory, number>();
  #lastDirectory: TargetDirectory | undefined;
  #lastNumber = 0;

  get isEmpty(): boolean {
    return this.plain.length + this.files.length === 0;
  }

  /** Number of a directory that was pinned for it. */
  numberOf(directory: TargetDirectory): number | undefined {
    if (directory === this.#lastDirectory) return this.#lastNumber;
    const number = this.directories.get(directory);
    if (number === undefined) return undefined;
    this.#lastDirectory = directory;
    this.#lastNumber = number;
    return number;
  }

  addDirectory(directory: TargetDirectory, handle: DirectoryHandle): number {
    const number = this.builder.directory(handle, directory.key);
    this.directories.set(directory, number);
    return number;
  }

  /** All plain files are added before the first other one. */
  addPlain(window: Window, wish: number, place: { readonly directory: number; readonly frame: number }): void {
    const plain = window.plainFile(wish);
    const { leaf } = window.plain.place(plain);
    const start = window.plain.start(plain);
    const end = start + rowLengthAt(leaf, start);
    this.builder.plainFile(leaf, { start, end, ...place, offset: window.plan.offset(wish) }, window.plan.length(wish));
    this.plain.push(plain);
  }

  addWhole(file: PlannedFile, directory: number, wishes: readonly number[]): void {
    const flags = (file.replaces ? FILE_REPLACES : 0) | (file.hadMoreNames ? FILE_HAD_MORE_NAMES : 0);
    this.builder.file({ row: file.row, directory, fd: -1, flags });
    this.files.push({ file, whole: true, wishes });
  }

  addPieces(file: PlannedFile, open: { readonly fd: number; readonly directory: number }, wishes: number[]): void {
    this.builder.file({ row: file.row, directory: open.directory, fd: open.fd, flags: 0 });
    this.files.push({ file, whole: false, wishes });
  }
}
