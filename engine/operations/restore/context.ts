/** What all parts of one restore share. */

import { createHash } from 'node:crypto';
import { throwIfAborted } from '../../base/errors.ts';
import { PROGRESS_INTERVAL_MS } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { type NodeType, STAT_BYTES } from '../../base/stat.ts';
import type { PathsReport } from '../../databases/sqlite-paths.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS, type StatTarget } from '../../filesystem/types.ts';
import type { ChangeRules } from '../../repository/change-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Journal } from './journal.ts';
import type { OverwritePolicy, PlannedKind, Removals, RestoreOptions } from './options.ts';
import type { ProblemLog } from './problem-log.ts';
import { CHANGED_MESSAGE, isUnsaved, isYoung, type Protection, UNSAVED_MESSAGE } from './protection.ts';
import { StateDigester } from './state-digest.ts';
import type { DirectoryTable, TargetDirectory } from './target-directories.ts';
import { targetFailure } from './target-failure.ts';
import type { TaskPool } from './task-pool.ts';

export interface RestoreCounters {
  filesRestored: number;
  filesSkipped: number;
  bytesRestored: number;
  bytesReused: number;
  bytesSkipped: number;
  filesToCreate: number;
  filesToReplace: number;
  filesToCompare: number;
  bytesToWrite: number;
  filesToDelete: number;
  bytesToDelete: number;
  directoriesToDelete: number;
  directoriesToMend: number;
  directoriesToMake: number;
  filesDeleted: number;
  directoriesDeleted: number;
  filesTotal: number | undefined;
  bytesTotal: number | undefined;
}

export interface RestoreParts {
  readonly repository: Repository;
  readonly fileSystem: FileSystem;
  readonly directories: DirectoryTable;
  readonly journal: Journal;
  readonly problems: ProblemLog;
  readonly pool: TaskPool;
  readonly policy: OverwritePolicy;
  readonly dryRun: boolean;
  readonly verify: boolean;
  readonly monitor: Monitor | undefined;
  readonly signal: AbortSignal | undefined;
  /** What of the disk may count as the very file that the snapshot was taken from. */
  readonly rules: ChangeRules;
  readonly onPlanned: RestoreOptions['onPlanned'];
  readonly protection: Protection;
}

/** The event loop is let run this often: workers answer through it, and so does Ctrl-C. */
const BREATHE_MS = 4;

export class RestoreContext {
  readonly parts: RestoreParts;
  readonly digester = new StateDigester();
  readonly counters: RestoreCounters = {
    filesRestored: 0,
    filesSkipped: 0,
    bytesRestored: 0,
    bytesReused: 0,
    bytesSkipped: 0,
    filesToCreate: 0,
    filesToReplace: 0,
    filesToCompare: 0,
    bytesToWrite: 0,
    filesToDelete: 0,
    bytesToDelete: 0,
    directoriesToDelete: 0,
    directoriesToMend: 0,
    directoriesToMake: 0,
    filesDeleted: 0,
    directoriesDeleted: 0,
    filesTotal: undefined,
    bytesTotal: undefined,
  };
  /** Databases that a dry run would replace: those of the snapshot, and others that lie where a plain file goes. */
  readonly databasesToSwap: Buffer[] = [];
  readonly otherDatabases: Buffer[] = [];
  /** Of each source, as latin1 text: files where something may be removed, and those that would be. */
  readonly shares = new Map<string, { present: number; deleted: number }>();
  /** Databases whose paths were rewritten, by their paths in the snapshot as latin1 text; undefined for one that failed. */
  readonly rewritten = new Map<string, PathsReport | undefined>();
  readonly #stat: StatTarget = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  readonly #removals = { count: 0, hash: createHash('sha256') };
  #breathedMs = performance.now();
  #toldMs = 0;
  #listener: Promise<void> | undefined;

  constructor(parts: RestoreParts) {
    this.parts = parts;
  }

  /** To be awaited in every long loop of this thread. */
  async breathe(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener !== undefined) await listener;
    if (performance.now() - this.#breathedMs < BREATHE_MS) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#breathedMs = performance.now();
    throwIfAborted(this.parts.signal);
  }

  /** True where breathe() has nothing to do, so that no promise is needed. */
  get fresh(): boolean {
    return this.#listener === undefined && performance.now() - this.#breathedMs < BREATHE_MS;
  }

  /** Tells what a dry run would do. */
  planned(
    kind: PlannedKind,
    entry: { directory: TargetDirectory; name?: Buffer; type: NodeType; bytes: number },
  ): void {
    const { onPlanned, dryRun, directories } = this.parts;
    if (!dryRun || onPlanned === undefined) return;
    const path = directories.path(entry.directory, entry.name);
    const listener = onPlanned({ kind, path, type: entry.type, bytes: entry.bytes });
    if (listener !== undefined) this.#listener = listener;
  }

  /** Tells that a dry run would remove an entry. */
  plannedRemoval(entry: { directory: TargetDirectory; name: Buffer; type: NodeType; bytes: number }): void {
    const { count, hash } = this.#removals;
    const path = this.parts.directories.path(entry.directory, entry.name);
    this.#removals.count = count + 1;
    hash.update(path).update(`\0${entry.type} ${entry.bytes}\n`);
    this.planned('delete', entry);
  }

  /** What a dry run would remove: the same for the same, since a walk goes in the order of names. */
  removals(): Removals {
    const { count, hash } = this.#removals;
    return { count, digest: hash.copy().digest('hex') };
  }

  /** False where progress() would say nothing. */
  get progressDue(): boolean {
    return this.parts.monitor?.progress !== undefined && performance.now() - this.#toldMs >= PROGRESS_INTERVAL_MS;
  }

  progress(current: { readonly directory: TargetDirectory; readonly name: Buffer } | undefined): void {
    const { monitor } = this.parts;
    const now = performance.now();
    if (monitor?.progress === undefined || (current !== undefined && now - this.#toldMs < PROGRESS_INTERVAL_MS)) return;
    this.#toldMs = now;
    const { counters } = this;
    monitor.progress({
      filesDone: counters.filesRestored + counters.filesSkipped,
      bytesDone: counters.bytesRestored + counters.bytesSkipped,
      filesTotal: counters.filesTotal,
      bytesTotal: counters.bytesTotal,
      bytesNew: counters.bytesRestored,
      problems: this.parts.problems.count,
      currentPath:
        current === undefined
          ? undefined
          : this.parts.directories.path(current.directory, current.name).toString('utf8'),
    });
  }

  skipped(bytes: number): void {
    this.counters.filesSkipped++;
    this.counters.bytesSkipped += bytes;
  }

  /** Called before the first change of the target, and every one after it. */
  changing(directory: TargetDirectory): void {
    directory.changed = true;
    if (this.parts.journal.begun) return;
    // It comes and goes in the first target, whose times move.
    this.parts.directories.root.changed = true;
    this.guard(directory, () => this.parts.journal.begin());
  }

  /** True, and a problem, for an entry that the safety snapshot does not hold. */
  isUnsaved(entry: { readonly directory: TargetDirectory; readonly name: Buffer }, during = 'write'): boolean {
    const { protection, directories } = this.parts;
    if (protection.unsaved.size === 0) return false;
    if (!isUnsaved(protection.unsaved, directories.path(entry.directory, entry.name))) return false;
    this.problem({ ...entry, during }, 'NOT_SAVED', UNSAVED_MESSAGE);
    return true;
  }

  /** True, and a problem, for an entry that changed after the plan was made: to be asked just before it goes. */
  isChanged(
    entry: { readonly directory: TargetDirectory; readonly name: Buffer },
    hasMoreNames: boolean,
    during = 'write',
  ): boolean {
    const { protection, fileSystem, directories } = this.parts;
    if (protection.plannedAt === undefined) return false;
    const problem = { ...entry, during };
    try {
      fileSystem.statAt(directories.use(entry.directory), entry.name, this.#stat);
    } catch (error) {
      if (error instanceof FileSystemError) return false;
      throw error;
    }
    if (!isYoung(protection.plannedAt, { stats: this.#stat.block, at: 0, hasMoreNames })) return false;
    this.problem(problem, 'CHANGED_MEANWHILE', CHANGED_MESSAGE);
    return true;
  }

  /** Runs `act`; a failure of the whole target becomes TARGET_FAILED, others go through. */
  guard<Result>(directory: TargetDirectory, act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      throw targetFailure(error, this.parts.directories.path(directory)) ?? error;
    }
  }

  /** Runs `act`; a failure of this one entry becomes a problem, and the answer is undefined. */
  attempt<Result>(
    entry: { readonly directory: TargetDirectory; readonly name?: Buffer | undefined; readonly during: string },
    act: () => Result,
  ): Result | undefined {
    try {
      return this.guard(entry.directory, act);
    } catch (error) {
      if (!(error instanceof FileSystemError)) throw error;
      const what = entry.during.startsWith('make ') ? entry.during : `${entry.during} it`;
      this.problem(entry, error.code, `Cannot ${what}: ${error.code}`);
      return undefined;
    }
  }

  problem(
    entry: { readonly directory: TargetDirectory; readonly name?: Buffer | undefined; readonly during: string },
    code: string,
    message: string,
  ): void {
    const path = this.parts.directories.path(entry.directory, entry.name);
    this.parts.problems.add({ path, during: entry.during, code, message });
  }
}
