/** A file that is there only once it is whole: written beside its place under another name, then renamed. */

import { closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EngineError } from '../engine/index.ts';

export class OutputFile {
  readonly #path: string;
  readonly #beside: string;
  readonly #fd: number;

  private constructor(path: string, beside: string, fd: number) {
    this.#path = path;
    this.#beside = beside;
    this.#fd = fd;
  }

  /** TARGET_NOT_EMPTY where the file exists, unless it may be replaced; TARGET_FAILED. */
  static open(path: string, mayReplace: boolean): OutputFile {
    const existing = lstatSync(path, { throwIfNoEntry: false });
    if (existing !== undefined && (existing.isDirectory() || !mayReplace)) {
      const what = existing.isDirectory() ? 'is a folder' : 'exists already; --force replaces it';
      throw new EngineError('TARGET_NOT_EMPTY', `The file ${path} cannot be written: it ${what}`);
    }
    const beside = join(dirname(path), `.${basename(path).slice(0, 200)}.partial`);
    return attempt(path, () => {
      // What a run left that was killed.
      rmSync(beside, { force: true });
      return new OutputFile(path, beside, openSync(beside, 'wx', 0o600));
    });
  }

  write(bytes: Buffer): void {
    attempt(this.#path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
    });
  }

  /** Makes it durable and gives it its name. */
  finish(): void {
    attempt(this.#path, () => {
      fsyncSync(this.#fd);
      closeSync(this.#fd);
      renameSync(this.#beside, this.#path);
      const folder = openSync(dirname(this.#path), 'r');
      fsyncSync(folder);
      closeSync(folder);
    });
  }

  /** Leaves nothing. */
  abandon(): void {
    closeSync(this.#fd);
    rmSync(this.#beside, { force: true });
  }
}

function attempt<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('TARGET_FAILED', `The file ${path} cannot be written: ${why}`, error);
  }
}
