/** One pass over all that is to be restored: a dry one, which plans, or the one that does it. */

import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EngineError, throwIfAborted } from '../../base/errors.ts';
import { OPEN_DIRECTORIES_MAX, WORKERS_DEFAULT_MAX, WORKERS_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { isWithin } from '../../base/paths.ts';
import { readInode, STAT_BYTES } from '../../base/stat.ts';
import { type FileSystem, FileSystemError, LISTING_EXTRA_WORDS } from '../../filesystem/types.ts';
import { rulesSince } from '../../repository/change-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { RestoreContext } from './context.ts';
import { DatabaseSwaps } from './database-swaps.ts';
import type { EntryFilters } from './entry-judge.ts';
import { findJournal, Journal } from './journal.ts';
import { subjectOf } from './journal-format.ts';
import type { OverwritePolicy, RestoreOptions } from './options.ts';
import { ProblemLog } from './problem-log.ts';
import { NO_PROTECTION, type Protection } from './protection.ts';
import { Removal, type RemovalRules } from './removal.ts';
import type { Wanted } from './server-restore.ts';
import { DirectoryTable } from './target-directories.ts';
import { TargetTree } from './target-tree.ts';
import { type Located, type OpenTarget, openTarget, refuseUnlessEmpty } from './targets.ts';
import { TaskPool } from './task-pool.ts';
import { Walk } from './walk.ts';
import type { WalkDirectory } from './walk-directory.ts';
import { Window } from './window.ts';
import { WindowExecutor } from './window-executor.ts';

/** What is to be restored, and how: the same for every pass. */
export interface RestoreRequest {
  readonly repository: Repository;
  readonly fileSystem: FileSystem;
  readonly options: RestoreOptions;
  readonly snapshot: Snapshot;
  readonly places: readonly Located[];
  readonly wanted: Wanted;
  readonly filters: EntryFilters;
  readonly policy: OverwritePolicy;
  /** Undefined where nothing is removed. */
  readonly removal: RemovalRules | undefined;
}

export interface PassOptions {
  readonly dryRun: boolean;
  /** What the plan that this pass carries out does not cover. */
  readonly protection?: Protection | undefined;
  readonly monitor: Monitor | undefined;
  readonly onPlanned?: RestoreOptions['onPlanned'];
}

interface OpenPlace {
  readonly located: Located;
  readonly target: OpenTarget;
  readonly root: WalkDirectory;
}

/** Throws TARGET_NOT_EMPTY, TARGET_FAILED, INTERRUPTED, STORAGE_FAILED; all else is in the context that comes back. */
export async function runPass(request: RestoreRequest, options: PassOptions): Promise<RestoreContext> {
  const { fileSystem } = request;
  const directories = new DirectoryTable(fileSystem, OPEN_DIRECTORIES_MAX);
  try {
    const subjectHash = subjectHashOf(request);
    const places = openPlaces(request, { directories, subjectHash, dryRun: options.dryRun });
    const context = prepare(request, options, { directories, places, subjectHash });
    try {
      await carryOut(context, request, places);
      return context;
    } finally {
      await context.parts.pool.close();
      context.parts.journal.close();
    }
  } finally {
    directories.closeAll();
  }
}

/** Which restore was cut off where this one begins, as its journal there says; undefined where none was. */
export function interruptedIn(request: RestoreRequest): 'this restore' | 'another restore' | undefined {
  const { fileSystem, places } = request;
  const [first] = places;
  if (first === undefined) return undefined;
  const { handle } = openTarget(fileSystem, first, true);
  if (handle === undefined) return undefined;
  try {
    const head = findJournal(fileSystem, handle);
    if (head === undefined) return undefined;
    return head.subject.equals(subjectHashOf(request)) ? 'this restore' : 'another restore';
  } finally {
    fileSystem.close(handle);
  }
}

/** What of which snapshot is restored; with several places, or one at its origin, also where to. */
function subjectHashOf(request: RestoreRequest): Buffer {
  const { repository, snapshot, places } = request;
  const [first] = places;
  const path = first === undefined || first.subject.isRoot ? undefined : first.subject.path;
  const own = subjectOf(repository.config.id, snapshot.id, path);
  if (places.length === 1) return own;
  const hash = createHash('sha256').update(own);
  for (const { subject, target } of places) hash.update(subject.path).update('\0').update(target).update('\0');
  return hash.digest();
}

function openPlaces(
  request: RestoreRequest,
  how: { readonly directories: DirectoryTable; readonly subjectHash: Buffer; readonly dryRun: boolean },
): OpenPlace[] {
  const { fileSystem, options } = request;
  let isOpen = options.overwrite === undefined && options.inPlace !== true;
  const opened = request.places.map((located) => {
    const target = openTarget(fileSystem, located, how.dryRun);
    const directory = how.directories.addRoot(target);
    if (isOpen && refuseUnlessEmpty(fileSystem, target, { subject: located.subject, subjectHash: how.subjectHash })) {
      // The journal of a restore of several places lies in the first: what the others hold is its, too.
      isOpen = false;
    }
    const { subject } = located;
    const { include } = request.filters;
    const isTree = subject.content.type === 'tree';
    const isFolder = isTree && !subject.isRoot;
    const root: WalkDirectory = {
      parent: undefined,
      target: directory,
      // A folder's own metadata go to itself, or to a target that was made for it.
      node: isFolder && (target.made || located.isItself) ? subject.node : undefined,
      path: isTree ? subject.path : subject.parentPath,
      device: subject.device,
      included:
        request.filters.only === undefined &&
        (include.isEmpty || (!subject.isRoot && include.matches(subject.path, isTree))),
      state: 'waiting',
      created: target.made,
      known: false,
      widened: false,
      listing: undefined,
      hasSideNames: false,
      walked: false,
    };
    return { located, target, root };
  });
  if (request.removal !== undefined) refuseSame(fileSystem, opened);
  return opened;
}

/** Of places that are one folder, or lie in one another by a link, each would take what is the other's for superfluous. */
function refuseSame(fileSystem: FileSystem, places: readonly OpenPlace[]): void {
  const stat = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
  const folders = places.filter(({ located, target }) => located.isItself && target.handle !== undefined);
  const inodes = folders.map(({ target }) => {
    if (target.handle !== undefined) fileSystem.statDirectory(target.handle, stat);
    return `${stat.extras[0]}:${stat.extras[1]}/${readInode(stat.block, 0)}`;
  });
  for (const [at, one] of folders.entries()) {
    for (const [otherAt, other] of folders.entries()) {
      if (at === otherAt) continue;
      if (inodes[at] !== inodes[otherAt] && !isWithin(one.target.path, other.target.path)) continue;
      const names = [one, other].map(({ located }) => located.target.toString('utf8'));
      throw new EngineError(
        'INVALID_ARGUMENT',
        `${names.join(' and ')} are one folder, or lie in one another: nothing can be removed there. Restore them one by one, or without --delete`,
      );
    }
  }
}

function prepare(
  request: RestoreRequest,
  pass: PassOptions,
  found: { readonly directories: DirectoryTable; readonly places: readonly OpenPlace[]; readonly subjectHash: Buffer },
): RestoreContext {
  const { repository, fileSystem, options, snapshot, policy, filters } = request;
  const { directories, places, subjectHash } = found;
  const protection = pass.protection ?? NO_PROTECTION;
  const place = createHash('sha256').update(repository.config.id);
  for (const { target } of places) place.update(target.path);
  const journal = new Journal({
    fileSystem,
    root: places[0]?.target.handle,
    subject: subjectHash,
    memory: join(repository.cacheDirectory, 'restored', place.digest('hex')),
    trustMemory: policy === 'if-changed',
    trustNothing: options.verify === true,
    readOnly: pass.dryRun,
  });
  for (const limit of fileSystem.limits) pass.monitor?.note?.(`On this system ${limit}`);
  if (journal.resumed) pass.monitor?.note?.('Going on with a restore that was interrupted');
  const cores = Math.min(availableParallelism(), WORKERS_DEFAULT_MAX);
  const workers = Math.max(1, Math.min(options.workers ?? cores, WORKERS_MAX));
  const context = new RestoreContext({
    repository,
    fileSystem,
    directories,
    journal,
    problems: new ProblemLog(pass.monitor),
    pool: new TaskPool({ repository, fileSystem, workers, token: journal.token, plannedAt: protection.plannedAt }),
    policy,
    dryRun: pass.dryRun,
    verify: options.verify === true,
    monitor: pass.monitor,
    signal: options.signal,
    rules: rulesSince(snapshot.startedNs, { ignoreInode: false, ignoreCtime: false }),
    onPlanned: pass.onPlanned,
    protection,
  });
  const isFiltered = options.include !== undefined || options.exclude !== undefined || filters.only !== undefined;
  if (!isFiltered) countTotals(context, places);
  return context;
}

function countTotals(context: RestoreContext, places: readonly OpenPlace[]): void {
  let files = 0;
  let bytes = 0;
  for (const { located } of places) {
    const { content } = located.subject;
    if (content.type === 'entry') {
      files++;
      bytes += content.node.size;
    } else if (content.filesBelow === undefined || content.bytesBelow === undefined) return;
    else {
      files += content.filesBelow;
      bytes += content.bytesBelow;
    }
  }
  context.counters.filesTotal = files;
  context.counters.bytesTotal = bytes;
}

async function carryOut(context: RestoreContext, request: RestoreRequest, places: readonly OpenPlace[]): Promise<void> {
  const { signal, pool, repository } = context.parts;
  const { options, snapshot, filters, wanted } = request;
  // Of a server: a row without its file is a broken book.
  const rules = { ...filters, databasesLast: wanted.server !== undefined, rewrites: wanted.rewrites.rewrites };
  const tree = new TargetTree(context);
  const removal = request.removal === undefined ? undefined : new Removal(context, request.removal);
  const executor = new WindowExecutor(context, tree, removal);
  const swaps = new DatabaseSwaps(context, { force: options.force === true });
  const walk = new Walk(context, { tree, executor, swaps, removal }, { ...rules, snapshot });
  const cancel = (): void => pool.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    throwIfAborted(signal);
    for (const { located, root } of places) {
      tree.enterRoot(root);
      const { content } = located.subject;
      if (content.type === 'tree') await walk.tree(root, content.treeId);
      else await walk.single(root, content.row);
    }
    await walk.finish();
    if (context.parts.dryRun) return;
    if (await swaps.execute({ executor, tree })) {
      // Further names of a database wait for it.
      await executor.execute(new Window(repository.index, undefined));
    }
    await finish(context, tree, places);
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

/** Puts everything on disk; then the journal goes, and last of all the targets get their times, since it lay in one. */
async function finish(context: RestoreContext, tree: TargetTree, places: readonly OpenPlace[]): Promise<void> {
  const { journal, directories, pool, fileSystem } = context.parts;
  const { filesRestored, filesDeleted } = context.counters;
  const handles = places.map(({ target }) => target.handle).filter((handle) => handle !== undefined);
  if (filesRestored > 0 || filesDeleted > 0 || journal.begun) {
    context.guard(directories.root, () => journal.flush());
    for (const handle of handles) await pool.sync(handle);
  }
  context.guard(directories.root, () => journal.finish());
  for (const { root, target } of places) {
    tree.finish(root);
    if (root.created && target.handle !== undefined) fileSystem.syncFileSystem(target.handle);
  }
  context.progress(undefined);
}

/** What is finished shall be known by the next run, whatever ended this one. */
function flushQuietly(context: RestoreContext): void {
  try {
    if (!context.parts.dryRun && context.parts.journal.begun) context.parts.journal.flush();
  } catch (error) {
    if (!(error instanceof FileSystemError)) throw error;
  }
}
