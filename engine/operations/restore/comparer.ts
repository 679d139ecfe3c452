/** Holds existing files against the ids of the snapshot, piece by piece, in the workers; large files in several parts. */

import { throwIfAborted } from '../../base/errors.ts';
import { COMPARE_TASK_BYTES_MAX, COMPARE_TASK_FILES_MAX, COMPARE_TASK_HANDLES_MAX } from '../../base/limits.ts';
import { FileSystemError } from '../../filesystem/types.ts';
import { type ContentEntry, decodeRow } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import type { RestoreContext } from './context.ts';
import { FILE_MENDED, FileTaskBuilder, type FileTaskResult, STATUS_DONE } from './messages.ts';
import type { PlannedFile } from './planned-file.ts';
import { DIGEST_BYTES } from './state-digest.ts';

export interface Comparison {
  readonly equal: readonly { readonly file: PlannedFile; readonly digest: Buffer }[];
  readonly different: readonly PlannedFile[];
}

interface OpenTask {
  builder: FileTaskBuilder;
  entries: { readonly file: PlannedFile; readonly mends: boolean }[];
  bytes: number;
}

export class Comparer {
  readonly #context: RestoreContext;
  readonly #running = new Set<Promise<void>>();
  #failure: unknown;
  #task: OpenTask = { builder: new FileTaskBuilder(), entries: [], bytes: 0 };
  readonly #different = new Set<PlannedFile>();
  #equal: { file: PlannedFile; digest: Buffer }[] = [];

  constructor(context: RestoreContext) {
    this.#context = context;
  }

  /** With `mend`, files that are equal get the snapshot's metadata, and a digest. */
  async compare(files: readonly PlannedFile[], mend: boolean): Promise<Comparison> {
    this.#different.clear();
    this.#equal = [];
    const parts: PlannedFile[] = [];
    for (const file of files) {
      if (file.size > COMPARE_TASK_BYTES_MAX) {
        parts.push(file);
        await this.#addInParts(file);
      } else await this.#addWhole(file, mend);
    }
    await this.#flush();
    await this.#drain();
    if (mend) {
      // Each part was equal; what is left of these are the metadata.
      for (const file of parts) if (!this.#different.has(file)) await this.#open(file, true);
      await this.#flush();
      await this.#drain();
    }
    return { equal: this.#equal, different: [...this.#different] };
  }

  async #addWhole(file: PlannedFile, mend: boolean): Promise<void> {
    const node = decodeRow(file.row, 'a row');
    const pieces: ContentEntry[] = [];
    try {
      for await (const piece of this.#context.parts.repository.blobs.content(node.content, node.size)) {
        pieces.push(piece);
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#different.add(file);
      return;
    }
    if (!(await this.#open(file, mend))) return;
    let position = 0;
    for (const { length, blobId } of pieces) {
      this.#task.builder.slice({ frame: 0, offset: 0, position, length, blobId });
      position += length;
    }
    this.#task.bytes += node.size;
  }

  async #addInParts(file: PlannedFile): Promise<void> {
    const node = decodeRow(file.row, 'a row');
    let position = 0;
    let opened = false;
    try {
      for await (const { length, blobId } of this.#context.parts.repository.blobs.content(node.content, node.size)) {
        if (this.#different.has(file)) return;
        if (!opened || this.#task.bytes >= COMPARE_TASK_BYTES_MAX) {
          if (!(await this.#open(file, false))) return;
          opened = true;
        }
        this.#task.builder.slice({ frame: 0, offset: 0, position, length, blobId });
        this.#task.bytes += length;
        position += length;
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#different.add(file);
    }
  }

  /** Begins an entry for a file in the open task, or in a new one where that is full. */
  async #open(file: PlannedFile, mends: boolean): Promise<boolean> {
    const { builder, bytes } = this.#task;
    if (
      builder.fileCount >= COMPARE_TASK_FILES_MAX ||
      bytes >= COMPARE_TASK_BYTES_MAX ||
      builder.directoryCount >= COMPARE_TASK_HANDLES_MAX
    ) {
      await this.#flush();
    }
    const { directories } = this.#context.parts;
    try {
      const handle = directories.pin(file.directory);
      const directory = this.#task.builder.directory(handle, file.directory.key);
      this.#task.builder.file({ row: file.row, directory, fd: -1, flags: mends ? FILE_MENDED : 0 });
      this.#task.entries.push({ file, mends });
      return true;
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      this.#different.add(file);
      return false;
    }
  }

  async #flush(): Promise<void> {
    const { builder, entries } = this.#task;
    this.#task = { builder: new FileTaskBuilder(), entries: [], bytes: 0 };
    if (entries.length === 0) return;
    const { pool, directories, signal } = this.#context.parts;
    await pool.ready();
    throwIfAborted(signal);
    const running = pool
      .run(builder.finish('compare', []))
      .then((result) => this.#settle(entries, result))
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        for (const { file } of entries) directories.unpin(file.directory);
        this.#running.delete(running);
      });
    this.#running.add(running);
    await this.#context.breathe();
  }

  #settle(entries: OpenTask['entries'], result: FileTaskResult): void {
    for (const issue of result.issues) {
      const entry = entries[issue.file];
      if (entry === undefined) continue;
      const path = this.#context.parts.directories.path(entry.file.directory, entry.file.name);
      this.#context.parts.problems.add({ ...issue, path });
    }
    for (const [number, { file, mends }] of entries.entries()) {
      if (result.statuses[number] !== STATUS_DONE) this.#different.add(file);
      else if (mends) {
        const digest = Buffer.from(result.digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES));
        this.#equal.push({ file, digest });
      }
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
}
