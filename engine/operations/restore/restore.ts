/**
 * Brings a snapshot, or a part of it, back into a directory. It reads packs in order and each frame once, writes files
 * in parallel, leaves alone what is right already, and goes on where an interrupted run stopped. What it says is done is
 * on disk.
 */

import { createHash } from 'node:crypto';
import { realpathSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EngineError, errnoCode, errorMessage, throwIfAborted } from '../../base/errors.ts';
import { OPEN_DIRECTORIES_MAX, WORKERS_DEFAULT_MAX, WORKERS_MAX } from '../../base/limits.ts';
import { makeDirectories } from '../../base/make-directories.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import { type DirectoryHandle, type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { refuseRepository } from '../../storage/open.ts';
import { RestoreContext } from './context.ts';
import { findJournal, JOURNAL_NAME, Journal } from './journal.ts';
import { subjectOf } from './journal-format.ts';
import type { RestoreOptions, RestoreResult } from './options.ts';
import { ProblemLog } from './problem-log.ts';
import { sideFileNames } from './side-files.ts';
import { findSubject, type Subject } from './subject.ts';
import { DirectoryTable } from './target-directories.ts';
import { targetFailure } from './target-failure.ts';
import { TargetTree } from './target-tree.ts';
import { TaskPool } from './task-pool.ts';
import { Walk } from './walk.ts';
import type { WalkDirectory } from './walk-directory.ts';
import { WindowExecutor } from './window-executor.ts';

interface Target {
  /** Absolute, without links. */
  readonly path: Buffer;
  /** Undefined in a dry run whose target does not exist. */
  readonly handle: DirectoryHandle | undefined;
  /** Made by this run. */
  readonly made: boolean;
}

/**
 * Restores. Problems with single files are counted and the rest is restored; OBJECT_CORRUPT among their codes means damage
 * in the repository. Throws SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, PATH_NOT_FOUND, TARGET_NOT_EMPTY, TARGET_FAILED
 * (full, read-only ...), INTERRUPTED, STORAGE_FAILED; after the last four the same call goes on where it stopped.
 */
export async function restore(repository: Repository, options: RestoreOptions): Promise<RestoreResult> {
  const begunMs = performance.now();
  const include = new PatternSet(options.include ?? []);
  const exclude = new PatternSet(options.exclude ?? []);
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const subject = await findSubject(repository, snapshot, options.path);
  const fileSystem = createFileSystem();
  refuseRepository(repository.backend, options.target, 'The target');
  const target = openTarget(fileSystem, options);
  const directories = new DirectoryTable(fileSystem, target, OPEN_DIRECTORIES_MAX);
  try {
    const context = await prepare(repository, options, { fileSystem, target, directories, snapshot, subject });
    try {
      const records = options.databases === false ? snapshot.databases : [];
      const leftOut = new Set(records.map(({ path }) => path.toString('latin1')));
      await run(context, { target, subject, snapshot, include, exclude, leftOut });
      const restored = summary(context, { snapshot, subject, begunMs });
      return options.databases === false ? { ...restored, databases: [] } : restored;
    } finally {
      await context.parts.pool.close();
      context.parts.journal.close();
    }
  } finally {
    directories.closeAll();
  }
}

function openTarget(fileSystem: FileSystem, options: RestoreOptions): Target {
  const { target } = options;
  const text = target.toString('utf8');
  if (target[0] !== 0x2f) throw new EngineError('INVALID_ARGUMENT', `The target "${text}" is not an absolute path`);
  try {
    const exists = statSync(target, { throwIfNoEntry: false });
    if (exists !== undefined && !exists.isDirectory()) {
      throw new EngineError('INVALID_ARGUMENT', `The target ${text} is not a directory`);
    }
    if (exists === undefined) {
      if (options.dryRun === true) return { path: target, handle: undefined, made: true };
      makeDirectories(target);
    }
    const path = realpathSync(target, 'buffer');
    return { path, handle: fileSystem.openDirectory(path), made: exists === undefined };
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    throw (
      targetFailure(error, target) ??
      new EngineError('TARGET_FAILED', `Cannot open the target ${text}: ${errorMessage(error)}`, error)
    );
  }
}

interface Prepared {
  readonly fileSystem: FileSystem;
  readonly target: Target;
  readonly directories: DirectoryTable;
  readonly snapshot: Snapshot;
  readonly subject: Subject;
}

async function prepare(repository: Repository, options: RestoreOptions, found: Prepared): Promise<RestoreContext> {
  const { fileSystem, target, directories, snapshot, subject } = found;
  const subjectHash = subjectOf(repository.config.id, snapshot.id, subject.isRoot ? undefined : subject.path);
  refuseUnlessEmpty(options, { ...found, subjectHash });
  const root = target.handle;
  const place = createHash('sha256').update(repository.config.id).update(target.path).digest('hex');
  const policy = options.overwrite ?? 'if-changed';
  const journal = new Journal({
    fileSystem,
    root,
    subject: subjectHash,
    memory: join(repository.cacheDirectory, 'restored', place),
    trustMemory: policy === 'if-changed',
    trustNothing: options.verify === true,
  });
  for (const limit of fileSystem.limits) options.monitor?.note?.(`On this system ${limit}`);
  if (journal.resumed) options.monitor?.note?.('Going on with a restore that was interrupted');
  const cores = Math.min(availableParallelism(), WORKERS_DEFAULT_MAX);
  const workers = Math.max(1, Math.min(options.workers ?? cores, WORKERS_MAX));
  const context = new RestoreContext({
    repository,
    fileSystem,
    directories,
    journal,
    problems: new ProblemLog(options.monitor),
    pool: new TaskPool({ repository, fileSystem, workers, token: journal.token }),
    policy,
    dryRun: options.dryRun === true,
    verify: options.verify === true,
    monitor: options.monitor,
    signal: options.signal,
  });
  const { content } = subject;
  if (content.type === 'tree' && (options.include ?? []).length + (options.exclude ?? []).length === 0) {
    context.counters.filesTotal = content.filesBelow;
    context.counters.bytesTotal = content.bytesBelow;
  }
  return context;
}

/** A target that holds something is only written to when that was said, or when this very restore left it. */
function refuseUnlessEmpty(options: RestoreOptions, found: Prepared & { readonly subjectHash: Buffer }): void {
  const { handle, path } = found.target;
  if (handle === undefined || options.overwrite !== undefined) return;
  const { fileSystem, subject } = found;
  if (findJournal(fileSystem, handle)?.subject.equals(found.subjectHash) === true) return;
  const text = path.toString('utf8');
  if (subject.content.type === 'entry') {
    const { name } = subject.content.node;
    // The logs of a database count as the database: what they hold would be played into the file that is restored.
    const names = subject.content.node.type === 'file' ? [name, ...sideFileNames(name)] : [name];
    const there = names.find((candidate) => exists(fileSystem, handle, candidate));
    if (there === undefined) return;
    throw new EngineError(
      'TARGET_NOT_EMPTY',
      `${there.toString('utf8')} exists in ${text}. Name another target, or say with --overwrite what shall happen`,
    );
  }
  const { names, failed } = fileSystem.list(handle);
  const others = names.filter((name) => !name.equals(JOURNAL_NAME)).length + failed.length;
  if (others === 0) return;
  throw new EngineError(
    'TARGET_NOT_EMPTY',
    `The target ${text} is not empty (${others} entries). Name another one, or say with --overwrite what shall happen`,
  );
}

function exists(fileSystem: FileSystem, directory: DirectoryHandle, name: Buffer): boolean {
  const stat = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  try {
    fileSystem.statAt(directory, name, stat);
    return true;
  } catch (error) {
    if (error instanceof FileSystemError && error.code === 'ENOENT') return false;
    throw error;
  }
}

interface RunParts {
  readonly target: Target;
  readonly subject: Subject;
  readonly snapshot: Snapshot;
  readonly include: PatternSet;
  readonly exclude: PatternSet;
  readonly leftOut: ReadonlySet<string>;
}

async function run(context: RestoreContext, parts: RunParts): Promise<void> {
  const { subject, target } = parts;
  const { signal, pool, journal, directories, dryRun } = context.parts;
  const tree = new TargetTree(context);
  const executor = new WindowExecutor(context, tree);
  const walk = new Walk(context, { tree, executor }, parts);
  const root = rootDirectory(context, parts);
  const cancel = (): void => pool.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    throwIfAborted(signal);
    tree.enterRoot(root);
    if (subject.content.type === 'tree') await walk.tree(root, subject.content.treeId);
    else await walk.single(root, subject.content.row);
    await walk.finish();
    if (dryRun || target.handle === undefined) return;
    const { handle } = target;
    if (context.counters.filesRestored > 0 || journal.begun) {
      context.guard(directories.root, () => journal.flush());
      await pool.sync(handle);
    }
    context.guard(directories.root, () => journal.finish());
    // The last of all, since the journal lay in it.
    tree.finish(root);
    if (root.created) context.parts.fileSystem.syncFileSystem(handle);
    context.progress(undefined);
  } catch (error) {
    pool.cancel();
    await walk.abandon();
    executor.discard();
    flushQuietly(context);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

/** What is finished shall be known by the next run, whatever ended this one. */
function flushQuietly(context: RestoreContext): void {
  try {
    if (!context.parts.dryRun && context.parts.journal.begun) context.parts.journal.flush();
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
  }
}

function rootDirectory(context: RestoreContext, parts: RunParts): WalkDirectory {
  const { subject, target, include } = parts;
  const isFolder = subject.content.type === 'tree' && !subject.isRoot;
  return {
    parent: undefined,
    target: context.parts.directories.root,
    // A folder's own metadata go to a target that was made for it, never to one that was there.
    node: isFolder && target.made ? subject.node : undefined,
    path: subject.content.type === 'tree' ? subject.path : subject.parentPath,
    device: subject.device,
    included: include.isEmpty || (!subject.isRoot && include.matches(subject.path, subject.content.type === 'tree')),
    state: 'waiting',
    created: target.made,
    known: false,
    widened: false,
    listing: undefined,
    walked: false,
  };
}

function summary(
  context: RestoreContext,
  run: { readonly snapshot: Snapshot; readonly subject: Subject; readonly begunMs: number },
): RestoreResult {
  const { counters, parts } = context;
  const { snapshot, subject, begunMs } = run;
  const below = subject.isRoot ? Buffer.alloc(0) : subject.path;
  const result: RestoreResult = {
    snapshot,
    filesRestored: counters.filesRestored,
    filesSkipped: counters.filesSkipped,
    filesDeleted: 0,
    bytesRestored: counters.bytesRestored,
    bytesReused: counters.bytesReused,
    bytesSkipped: counters.bytesSkipped,
    databases: snapshot.databases.filter(
      ({ path }) =>
        path.equals(below) || path.subarray(0, below.length + 1).equals(Buffer.concat([below, Buffer.from('/')])),
    ),
    problems: parts.problems.list(),
    problemCount: parts.problems.count,
    totalDuration: (performance.now() - begunMs) / 1000,
  };
  if (!parts.dryRun) return result;
  const { filesToCreate, filesToReplace, filesToCompare, bytesToWrite } = counters;
  const plan = { filesToCreate, filesToReplace, filesToCompare, filesToSkip: counters.filesSkipped, bytesToWrite };
  return { ...result, plan };
}
