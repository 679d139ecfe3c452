/**
 * Builds files that changed from what they hold already, so that only what they lack is read from the repository. Each is
 * built beside the old one, in the workers, in several parts where it is large; it is renamed once all of it is there.
 */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import {
  REUSE_FILE_BYTES_MIN,
  REUSE_TASK_BYTES_MAX,
  REUSE_TASK_PIECES_MAX,
  REUSE_WAITING_BYTES_MAX,
  REUSE_WAITING_FILES_MAX,
} from '../../base/limits.ts';
import type { DirectoryHandle, FileHandle } from '../../filesystem/types.ts';
import { type ContentEntry, decodeRow, type Node } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { RestoreContext } from './context.ts';
import { type Decision, type ExistingEntry, existingType } from './decisions.ts';
import type { LargeFiles } from './large-files.ts';
import {
  FILE_CLONE,
  FILE_CLONED,
  FileTaskBuilder,
  type FileTaskResult,
  STATUS_CLONED,
  STATUS_DONE,
  STATUS_FAILED,
  STATUS_UNREADABLE,
} from './messages.ts';
import type { OverwritePolicy } from './options.ts';
import { type PlannedFile, plannedFile } from './planned-file.ts';
import type { Window } from './window.ts';

/** True for a file whose old content is worth a look. Another policy than `if-changed` asks for files written anew. */
export function mayReuse(
  policy: OverwritePolicy,
  node: Node,
  found: { readonly decision: Decision; readonly existing: ExistingEntry | undefined },
): boolean {
  const { decision, existing } = found;
  if (policy !== 'if-changed' || decision !== 'replace' || existing === undefined) return false;
  return node.size >= REUSE_FILE_BYTES_MIN && existingType(existing) === 'file';
}

interface Piece extends ContentEntry {
  readonly position: number;
}

/** A file while it is built. */
interface Building {
  readonly file: PlannedFile;
  readonly window: Window;
  readonly handle: FileHandle;
  readonly directory: DirectoryHandle;
  /** FILE_CLONE for the first part, then FILE_CLONED where that was done. */
  flags: number;
  unreadable: boolean;
  /** `sent`: all of its parts are. `given up`: no more are to come, and they would not be all. */
  state: 'sending' | 'sent' | 'given up' | 'closed';
  partsUnderWay: number;
}

/** What becomes of a file is for the executor of the window. */
export interface ReuseEvents {
  /** A failure of this one file fails it, and gives undefined. */
  attempt<Result>(file: PlannedFile, act: () => Result): Result | undefined;
  /** As much is there as the old file gave: all of it where no slices are counted. */
  built(file: PlannedFile): void;
  fail(file: PlannedFile, why: { readonly during: string; readonly code: string; readonly message: string }): void;
}

export class Reuser {
  readonly #context: RestoreContext;
  readonly #large: LargeFiles;
  readonly #events: ReuseEvents;
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  /** To be built once more without a clone. */
  #again: PlannedFile[] = [];
  #waitingBytes = 0;
  #waitingFiles = 0;

  constructor(context: RestoreContext, large: LargeFiles, events: ReuseEvents) {
    this.#context = context;
    this.#large = large;
    this.#events = events;
  }

  /** Builds files from `first` on, and plans what they lack into `window`. Returns how many; all, or as many as may wait. */
  async build(files: readonly PlannedFile[], first: number, window: Window): Promise<number> {
    const { pool } = this.#context.parts;
    this.#waitingBytes = 0;
    this.#waitingFiles = 0;
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    if (bytes > REUSE_TASK_BYTES_MAX) pool.start();
    let count = 0;
    try {
      for (; first + count < files.length && this.#mayGoOn; count++) {
        const file = files[first + count];
        if (file?.state === 'open') await this.#file(file, window, FILE_CLONE);
      }
      await this.#drain();
      for (const file of this.#again.splice(0)) await this.#file(file, window, 0);
      await this.#drain();
    } catch (error) {
      this.#failure ??= error;
      pool.cancel();
      await Promise.all(this.#running);
      throw this.#failure;
    }
    return count;
  }

  get #mayGoOn(): boolean {
    return this.#waitingBytes < REUSE_WAITING_BYTES_MAX && this.#waitingFiles < REUSE_WAITING_FILES_MAX;
  }

  async #file(file: PlannedFile, window: Window, flags: number): Promise<void> {
    const building = this.#open(file, window, flags);
    if (building === undefined) return;
    this.#waitingBytes += file.size;
    this.#waitingFiles++;
    try {
      let first: Promise<void> | undefined;
      let isWhole = true;
      for await (const pieces of this.#parts(file)) {
        // Only when it is answered is it known whether there is a clone that other parts are to be looked for in.
        if (building.flags === FILE_CLONE) await first;
        isWhole = file.state === 'open' && !building.unreadable;
        if (!isWhole) break;
        const part = await this.#send(building, pieces);
        first ??= part.done;
      }
      building.state = isWhole ? 'sent' : 'given up';
    } catch (error) {
      building.state = 'given up';
      if (!isDamage(error)) throw error;
      this.#events.fail(file, { during: 'read', code: error.code, message: error.message });
    }
    this.#close(building);
  }

  #open(file: PlannedFile, window: Window, flags: number): Building | undefined {
    const { directories } = this.#context.parts;
    const handle = this.#events.attempt(file, () => this.#large.pin(file));
    if (handle === undefined) return undefined;
    const directory = this.#events.attempt(file, () => directories.pin(file.directory));
    if (directory === undefined) {
      this.#large.unpin(file);
      return undefined;
    }
    return { file, window, handle, directory, flags, unreadable: false, state: 'sending', partsUnderWay: 0 };
  }

  /** The pieces of a file, as many at a time as one task takes. */
  async *#parts(file: PlannedFile): AsyncGenerator<readonly Piece[]> {
    const node = decodeRow(file.row, 'a row');
    let pieces: Piece[] = [];
    let position = 0;
    let bytes = 0;
    for await (const { length, blobId } of this.#context.parts.repository.blobs.content(node.content, node.size)) {
      pieces.push({ position, length, blobId });
      position += length;
      if (blobId !== undefined) bytes += length;
      if (bytes < REUSE_TASK_BYTES_MAX && pieces.length < REUSE_TASK_PIECES_MAX) continue;
      yield pieces;
      pieces = [];
      bytes = 0;
    }
    if (pieces.length > 0) yield pieces;
  }

  /** `done` settles when the part is answered; it never rejects. */
  async #send(building: Building, pieces: readonly Piece[]): Promise<{ readonly done: Promise<void> }> {
    const { pool, signal } = this.#context.parts;
    const { file, handle, flags } = building;
    await pool.ready();
    throwIfAborted(signal);
    if (this.#failure !== undefined) throw this.#failure;
    const builder = new FileTaskBuilder();
    const directory = builder.directory(building.directory, file.directory.key);
    builder.file({ row: file.row, directory, fd: handle.fd, flags });
    for (const { position, length, blobId } of pieces) builder.slice({ frame: 0, offset: 0, position, length, blobId });
    building.partsUnderWay++;
    const done = pool
      .run(builder.finish('reuse', []))
      .then((result) => this.#settle(building, pieces, result))
      .then(() => {
        building.partsUnderWay--;
        this.#close(building);
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
        pool.cancel();
      })
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
    await this.#context.breathe();
    return { done };
  }

  #settle(building: Building, pieces: readonly Piece[], result: FileTaskResult): void {
    const { file, window } = building;
    const [status] = result.statuses;
    if (status === STATUS_FAILED) {
      const [issue] = result.issues;
      const why = { code: issue?.code ?? 'EIO', message: issue?.message ?? 'Cannot write it' };
      this.#events.fail(file, { during: 'write', ...why });
      return;
    }
    if (status === STATUS_UNREADABLE) building.unreadable = true;
    // Called off: the run ends, and this file with it.
    else if (status !== STATUS_DONE && status !== STATUS_CLONED)
      throw new EngineError('INTERRUPTED', 'Interrupted before the end');
    if (file.state !== 'open' || building.unreadable) return;
    building.flags = status === STATUS_CLONED ? FILE_CLONED : 0;
    const missing = new Set(result.damaged);
    for (const [number, { position, length, blobId }] of pieces.entries()) {
      if (blobId === undefined) continue;
      if (missing.has(number)) window.addSlice(file, { position, length, blobId });
      else file.bytesReused += length;
    }
  }

  /** Once nobody works on it any more. */
  #close(building: Building): void {
    const { file, state } = building;
    if (state === 'sending' || state === 'closed' || building.partsUnderWay > 0) return;
    building.state = 'closed';
    this.#large.unpin(file);
    this.#context.parts.directories.unpin(file.directory);
    if (file.state === 'open' && building.unreadable) this.#again.push(this.#renewed(file));
    else if (file.state === 'open' && state === 'sent') {
      file.planned = true;
      this.#events.built(file);
    }
    if (file.state === 'open') return;
    this.#waitingBytes -= file.size;
    this.#waitingFiles--;
  }

  /** The same file, of which nothing is done. */
  #renewed(file: PlannedFile): PlannedFile {
    this.#large.discard(file);
    // What of it was planned already is passed over.
    file.state = 'failed';
    return plannedFile(file, file, file);
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
}
