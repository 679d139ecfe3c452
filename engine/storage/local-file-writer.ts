/** A file of a local repository while it is written: under a temporary name, which is gone however it ends. */

import type { FileHandle } from 'node:fs/promises';
import type { EngineError } from '../base/errors.ts';
import type { FileWriter } from './backend.ts';
import type { FileOperations } from './file-operations.ts';

/** Parts for one writev: below every system's IOV_MAX. */
const PARTS_PER_WRITE = 512;
/** A file that is written slowly is touched this often, or others would take it for one that was left half written. */
const TOUCH_INTERVAL_MS = 3600_000;

/** What the backend knows and does of the final name. */
export interface FilePlace {
  readonly operations: FileOperations;
  /** Gives the temporary file its name. */
  readonly publish: () => Promise<void>;
  /** Makes the name durable. */
  readonly settle: () => Promise<void>;
  readonly failure: (error: unknown) => EngineError;
}

export class LocalFileWriter implements FileWriter {
  readonly #temporary: string;
  readonly #place: FilePlace;
  readonly #touch: NodeJS.Timeout;
  #handle: FileHandle | undefined;
  #length = 0;

  private constructor(temporary: string, handle: FileHandle, place: FilePlace) {
    this.#temporary = temporary;
    this.#handle = handle;
    this.#place = place;
    this.#touch = setInterval(() => {
      const now = new Date();
      this.#handle?.utimes(now, now).catch(() => undefined);
    }, TOUCH_INTERVAL_MS);
    this.#touch.unref();
  }

  static async begin(temporary: string, place: FilePlace): Promise<LocalFileWriter> {
    try {
      return new LocalFileWriter(temporary, await place.operations.openNew(temporary), place);
    } catch (error) {
      await place.operations.unlink(temporary).catch(() => undefined);
      throw error;
    }
  }

  async append(parts: readonly Uint8Array[]): Promise<void> {
    const end = parts.reduce((sum, part) => sum + part.length, this.#length);
    try {
      let rest = parts.filter((part) => part.length > 0);
      while (rest.length > 0) {
        const group = rest.slice(0, PARTS_PER_WRITE);
        const written = await this.#place.operations.writev(this.#open(), group, this.#length);
        if (written <= 0) throw new Error(`no byte was taken after ${this.#length} of ${end}`);
        this.#length += written;
        rest = [...dropWritten(group, written), ...rest.slice(PARTS_PER_WRITE)];
      }
    } catch (error) {
      await this.abandon();
      throw this.#place.failure(error);
    }
  }

  async finish(): Promise<void> {
    const { operations, publish, settle, failure } = this.#place;
    try {
      const handle = this.#open();
      const size = await operations.size(handle);
      if (size !== this.#length) throw new Error(`${size} bytes were kept of ${this.#length}`);
      await operations.fsync(handle);
      await this.#close();
      await publish();
    } catch (error) {
      await this.abandon();
      throw failure(error);
    }
    await this.abandon();
    try {
      await settle();
    } catch (error) {
      throw failure(error);
    }
  }

  async abandon(): Promise<void> {
    await this.#close().catch(() => undefined);
    await this.#place.operations.unlink(this.#temporary).catch(() => undefined);
  }

  #open(): FileHandle {
    if (this.#handle === undefined) throw new Error('it was given up before');
    return this.#handle;
  }

  async #close(): Promise<void> {
    clearInterval(this.#touch);
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

function dropWritten(parts: readonly Uint8Array[], written: number): Uint8Array[] {
  let skip = written;
  const rest: Uint8Array[] = [];
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip === 0 ? part : part.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}
