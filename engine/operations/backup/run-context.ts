/** What all parts of one backup run share: counts, problems, what is left out, progress. */

import { EngineError, type Problem } from '../../base/errors.ts';
import { PROGRESS_INTERVAL_MS, SNAPSHOT_PROBLEMS_MAX } from '../../base/limits.ts';
import type { Damage, Monitor } from '../../base/monitor.ts';
import { LeftOut } from './left-out.ts';

export interface MutableCounts {
  filesNew: number;
  filesChanged: number;
  filesUnmodified: number;
  filesDeleted: number;
  filesMoved: number;
  dirsNew: number;
  dirsChanged: number;
  dirsUnmodified: number;
  totalFilesProcessed: number;
  totalBytesProcessed: number;
  bytesNew: number;
  bytesRead: number;
}

export class RunContext {
  readonly counts: MutableCounts = {
    filesNew: 0,
    filesChanged: 0,
    filesUnmodified: 0,
    filesDeleted: 0,
    filesMoved: 0,
    dirsNew: 0,
    dirsChanged: 0,
    dirsUnmodified: 0,
    totalFilesProcessed: 0,
    totalBytesProcessed: 0,
    bytesNew: 0,
    bytesRead: 0,
  };
  readonly leftOut = new LeftOut();
  readonly problems: Problem[] = [];
  problemCount = 0;
  /** Damage in the repository, each object once. */
  readonly #damage = new Map<string, Damage>();
  /** Expected in all: from the parent snapshot. */
  filesTotal: number | undefined;
  bytesTotal: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Counted already, but still to be read. */
  #waitingFiles = 0;
  #waitingBytes = 0;
  readonly #monitor: Monitor | undefined;
  #told: Set<string> | undefined;
  #lastProgressMs = 0;
  #currentPath: Buffer | undefined;

  constructor(options: { readonly monitor?: Monitor | undefined; readonly signal?: AbortSignal | undefined }) {
    this.#monitor = options.monitor;
    this.signal = options.signal;
  }

  /** From now on directories are listed that were listed before: what was told then is not told again. */
  beginRound(): void {
    this.#told ??= new Set(this.problems.map(problemKey));
    this.leftOut.beginRound();
  }

  problem(path: Buffer, during: string, code: string, message: string): void {
    const text = path.toString('utf8');
    const isText = Buffer.from(text, 'utf8').equals(path);
    const problem: Problem = {
      path: text,
      during,
      code,
      message,
      ...(isText ? {} : { pathBase64: path.toString('base64') }),
    };
    if (this.#told?.has(problemKey(problem)) === true) return;
    this.#told?.add(problemKey(problem));
    this.problemCount++;
    if (this.problems.length < SNAPSHOT_PROBLEMS_MAX) this.problems.push(problem);
    this.#monitor?.problem?.(problem);
  }

  /** Damage that the run goes on in spite of. */
  damaged(object: string, error: EngineError): void {
    if (this.#damage.has(object) || this.#damage.size >= SNAPSHOT_PROBLEMS_MAX) return;
    const damage = { object, code: error.code, message: error.message };
    this.#damage.set(object, damage);
    this.#monitor?.damage?.(damage);
  }

  get damage(): Damage[] {
    return [...this.#damage.values()];
  }

  note(text: string): void {
    this.#monitor?.note?.(text);
  }

  /** Adds what is still to be read, or takes away what has been. */
  wait(files: number, bytes: number): void {
    this.#waitingFiles += files;
    this.#waitingBytes += bytes;
  }

  /** Called for each entry that is begun or done. */
  progress(path: Buffer | undefined): void {
    if (path !== undefined) this.#currentPath = path;
    if (this.#monitor?.progress === undefined) return;
    const now = performance.now();
    if (now - this.#lastProgressMs < PROGRESS_INTERVAL_MS) return;
    this.#lastProgressMs = now;
    this.#monitor.progress({
      filesDone: this.counts.totalFilesProcessed - this.#waitingFiles,
      bytesDone: this.counts.totalBytesProcessed - this.#waitingBytes,
      filesTotal: this.filesTotal,
      bytesTotal: this.bytesTotal,
      bytesNew: this.counts.bytesNew,
      problems: this.problemCount,
      currentPath: this.#currentPath?.toString('utf8'),
    });
  }

  throwIfAborted(): void {
    if (this.signal?.aborted === true)
      throw new EngineError(
        'INTERRUPTED',
        'The backup was interrupted; what is stored is kept, and the next run goes on from there',
      );
  }
}

function problemKey(problem: Problem): string {
  return `${problem.during} ${problem.code} ${problem.pathBase64 ?? problem.path}`;
}

/** `directory/name`, also at the root. */
export function joinPath(directory: Buffer, name: Buffer): Buffer {
  if (directory.length === 1) return Buffer.concat([directory, name]);
  const path = Buffer.allocUnsafe(directory.length + 1 + name.length);
  // Unlike Buffer.copy this makes no views, and it is done for every file.
  path.set(directory, 0);
  path[directory.length] = 0x2f;
  path.set(name, directory.length + 1);
  return path;
}
