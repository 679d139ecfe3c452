/**
 * Brings a snapshot, or a part of it, back: into a directory, to where it came from, or to other places. It reads packs
 * in order and each frame once, writes files in parallel, leaves alone what is right already, and goes on where an
 * interrupted run stopped. What it says is done is on disk.
 *
 * Where something is there that could be lost, a dry pass plans first, guards judge that plan, and a snapshot of what is
 * there is taken before anything changes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, isEngineError } from '../../base/errors.ts';
import { CLOCK_TICK_MS_MAX, ROLLBACK_SNAPSHOTS_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { isWithin, joinPath, outermostPaths } from '../../base/paths.ts';
import type { Time } from '../../base/stat.ts';
import { findHolders } from '../../databases/open-holders.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { mountPoints } from '../../filesystem/mounts.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import { DUMP_FOLDER_PATH } from '../../repository/dump-folder.ts';
import { loadLeftOutPaths } from '../../repository/left-out-paths.ts';
import { LiveRules, ownDirectories } from '../../repository/live-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import { SAFETY_LABEL, SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import { refuseRepository } from '../../storage/open.ts';
import type { RestoreContext } from './context.ts';
import { fitsAgreement, hasWork, mostlyDeleted, refusalOf } from './guards.ts';
import {
  type RestoreOptions,
  type RestorePlan,
  type RestoreResult,
  requireOptions,
  type SaveFirst,
} from './options.ts';
import { interruptedIn, type PassOptions, type RestoreRequest, runPass } from './pass.ts';
import { planPlaces } from './places.ts';
import { describeServer, findWanted, mentionOrder, type Wanted } from './server-restore.ts';
import { findSubject } from './subject.ts';
import { type Located, locate, placeExists } from './targets.ts';

/**
 * Restores. Problems with single files are counted and the rest is restored; OBJECT_CORRUPT among their codes means damage
 * in the repository. Throws SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, PATH_NOT_FOUND, TARGET_NOT_EMPTY, TARGET_IN_USE,
 * DELETION_REFUSED, DATABASE_FAILED (its paths cannot be rewritten: nothing was changed), TARGET_FAILED (full, read-only
 * ...), INTERRUPTED, STORAGE_FAILED; after the last three the same call goes on where it stopped.
 */
export async function restore(
  repository: Repository,
  options: RestoreOptions,
  saveFirst?: SaveFirst,
): Promise<RestoreResult> {
  const begunMs = performance.now();
  const request = await prepareRequest(repository, options);
  const { monitor } = options;
  if (options.dryRun === true) {
    const context = await runPass(request, { dryRun: true, monitor, onPlanned: options.onPlanned });
    return summary(context, request, { begunMs, plan: planOf(context) });
  }
  if (!isPlanned(request)) return summary(await carryOut(request, { monitor }), request, { begunMs });
  const plannedAt = await beginPlan();
  const planned = await runPass(request, { dryRun: true, monitor: progressOnly(monitor) });
  const plan = planOf(planned);
  guardAgreement(request, plan, planned.parts.journal.resumed);
  await guard(request, plan);
  if (!hasWork(plan) && !planned.parts.journal.resumed && planned.parts.problems.count === 0) {
    return summary(planned, request, { begunMs });
  }
  const saved = hasWork(plan) ? await takeSafetySnapshot(request, saveFirst) : undefined;
  // What SQLite keeps beside a database is in the image of it.
  const unsaved =
    saved === undefined ? new Set<string>() : await loadLeftOutPaths(repository.blobs, saved, ['databaseSideFile']);
  const protection = { plannedAt, unsaved };
  const context = await carryOut(request, { protection, monitor });
  return summary(context, request, { begunMs, safetySnapshot: saved?.id });
}

/** The pass that does it. INTERRUPTED says that nothing is lost by that. */
async function carryOut(request: RestoreRequest, options: Omit<PassOptions, 'dryRun'>): Promise<RestoreContext> {
  try {
    return await runPass(request, { ...options, dryRun: false });
  } catch (error) {
    if (!isEngineError(error, 'INTERRUPTED')) throw error;
    throw new EngineError('INTERRUPTED', 'Interrupted: what is restored stays, and the same restore goes on', error);
  }
}

/** Of a pass whose notes and problems the next one tells. */
function progressOnly(monitor: Monitor | undefined): Monitor | undefined {
  return monitor?.progress === undefined ? undefined : { progress: (progress) => monitor.progress?.(progress) };
}

/** The moment from which on whatever appears was not in the plan. File times lag behind the clock by up to a tick of it. */
async function beginPlan(): Promise<Time> {
  const ms = Date.now() + 1;
  await sleep(CLOCK_TICK_MS_MAX + 1);
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}

async function prepareRequest(repository: Repository, options: RestoreOptions): Promise<RestoreRequest> {
  requireOptions(options);
  if (options.rollback === true) return prepareRollback(repository, options);
  const { snapshot = 'latest', filter } = options;
  return requestOf(repository, options, await repository.snapshots.find(snapshot, filter));
}

/**
 * All of the last restore in place is undone. A rollback that was cut off had taken a snapshot of its own by then, which is
 * not the one to go back to: its journal tells.
 */
async function prepareRollback(repository: Repository, asked: RestoreOptions): Promise<RestoreRequest> {
  const options = { ...asked, inPlace: true, delete: true };
  const request = await requestOf(repository, options, await findSafetySnapshot(repository, asked, 0));
  if (interruptedIn(request) !== 'another restore') return request;
  try {
    for (let back = 1; back <= ROLLBACK_SNAPSHOTS_MAX; back++) {
      const earlier = await requestOf(repository, options, await findSafetySnapshot(repository, asked, back));
      if (interruptedIn(earlier) === 'this restore') return earlier;
    }
  } catch (error) {
    if (!isEngineError(error, 'SNAPSHOT_NOT_FOUND')) throw error;
  }
  return request;
}

async function requestOf(repository: Repository, options: RestoreOptions, snapshot: Snapshot): Promise<RestoreRequest> {
  const include = new PatternSet(options.include ?? []);
  const exclude = new PatternSet(options.exclude ?? []);
  await repository.loadIndex();
  const fileSystem = createFileSystem();
  const wanted = await findWanted(repository, snapshot, options);
  const { places, except } = await findPlaces(repository, snapshot, { options, wanted });
  for (const { target } of places) refuseRepository(repository.backend, target, 'The target');
  const records = options.databases === false ? snapshot.databases : [];
  // A dump goes into a database server (restore --database), or into a target; it never lay on the disk.
  const coversAll = places.some(({ subject }) => subject.isRoot);
  const dumps = options.target === undefined && coversAll ? [DUMP_FOLDER_PATH] : [];
  const leftOut = new Set(
    [...except, ...dumps, ...records.map(({ path }) => path)].map((path) => path.toString('latin1')),
  );
  const removal =
    options.delete === true
      ? {
          sources: outermostPaths(snapshot.paths),
          mounts: snapshot.mounts.map(({ path }) => path),
          mountPoints: mountPoints(),
          live: new LiveRules(snapshot.rules, await loadLeftOutPaths(repository.blobs, snapshot)),
          exclude,
          leftOut,
          own: ownDirectories(fileSystem, [repository.backend.address?.path, repository.cacheDirectory]),
        }
      : undefined;
  mentionOrder(wanted, snapshot, options.monitor);
  const policy = options.overwrite ?? 'if-changed';
  const only = options.target !== undefined && comesWhole(wanted) ? wanted.paths : undefined;
  const filters = { include, exclude, leftOut, only };
  return { repository, fileSystem, options, snapshot, places, wanted, filters, policy, removal };
}

/** What was there before the last restore in place, or before one so many restores earlier. */
async function findSafetySnapshot(
  { snapshots }: Repository,
  { filter }: RestoreOptions,
  back: number,
): Promise<Snapshot> {
  try {
    return await snapshots.find(`latest~${back}`, { ...filter, labels: [SAFETY_LABEL] });
  } catch (error) {
    if (!isEngineError(error, 'SNAPSHOT_NOT_FOUND')) throw error;
    throw new EngineError(
      'SNAPSHOT_NOT_FOUND',
      'There is no restore in place to undo: none has left a snapshot',
      error,
    );
  }
}

/** True where folders come below their whole paths in a target: those of a server, or several that somebody named. */
function comesWhole({ server, paths }: Wanted): boolean {
  return server !== undefined || paths.length > 1;
}

/** What goes where, and the paths of the snapshot that are left out because they go elsewhere. */
async function findPlaces(
  repository: Repository,
  snapshot: Snapshot,
  asked: { readonly options: RestoreOptions; readonly wanted: Wanted },
): Promise<{ readonly places: Located[]; readonly except: readonly Buffer[] }> {
  const { options, wanted } = asked;
  // Whoever named a path wants that one: that the others come is no answer.
  for (const path of options.paths ?? []) await findSubject(repository, snapshot, path);
  if (options.target !== undefined) {
    const subject = await findSubject(repository, snapshot, comesWhole(wanted) ? undefined : wanted.paths[0]);
    const { target } = options;
    return { places: [{ subject, target, isItself: false, anchor: target }], except: [] };
  }
  const places = planPlaces({
    sources: snapshot.paths,
    wanted: wanted.paths,
    mappings: wanted.mappings,
    inPlace: options.inPlace === true,
  });
  const dump = places.find(({ destination }) => isWithin(destination, DUMP_FOLDER_PATH));
  if (dump !== undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${dump.path.toString('utf8')} is a dump of a database server and never lay on the disk: restore it with --database NAME --into URL, or into a --target`,
    );
  }
  const found: Located[] = [];
  for (const place of places) {
    try {
      found.push(locate(place, await findSubject(repository, snapshot, place.path)));
    } catch (error) {
      // A source that was missing when the snapshot was taken is no reason to go without the others.
      if (!isEngineError(error, 'PATH_NOT_FOUND') || places.length === 1) throw error;
      options.monitor?.note?.(error.message);
    }
  }
  if (found.length === 0) throw new EngineError('PATH_NOT_FOUND', 'The snapshot holds none of its sources');
  return { places: found, except: places.flatMap((place) => place.except) };
}

/** True where something may be there that this restore could destroy. */
function isPlanned({ options, snapshot, places }: RestoreRequest): boolean {
  if (options.inPlace === true || options.delete === true) return true;
  return options.overwrite !== undefined && snapshot.databases.length > 0 && places.some(placeExists);
}

function guardAgreement({ options }: RestoreRequest, plan: RestorePlan, resumed: boolean): void {
  const { agreedRemovals: agreed } = options;
  if (agreed === undefined || fitsAgreement(plan, agreed, { resumed })) return;
  const { count } = plan.removals;
  const others = count === agreed.count ? ', but not the same ones' : '';
  throw new EngineError(
    'DELETION_REFUSED',
    `It was agreed that ${agreed.count} entries are removed, and now it would be ${count}${others}: nothing was changed. Look at the plan again`,
  );
}

async function guard({ options, wanted }: RestoreRequest, plan: RestorePlan): Promise<void> {
  if (options.force === true) return;
  const databases = [...plan.databasesToSwap, ...plan.otherDatabases];
  const { holders } = databases.length === 0 ? { holders: [] } : findHolders(databases);
  if (holders.length > 0) throw new EngineError('TARGET_IN_USE', refusalOf(holders, wanted.server?.profile));
  const share = plan.mostlyDeleted;
  if (share === undefined || (await options.confirm?.(plan)) === true) return;
  throw new EngineError(
    'DELETION_REFUSED',
    `Of ${share.source.toString('utf8')} ${share.deleted} of ${share.present} files that are there would be removed, more than half: ` +
      'nothing was changed. Look at the plan with --dry-run, and say --force if it is right',
  );
}

/** SaveFirst's snapshot of the places as they are; undefined where nothing is there, or none is wanted. */
async function takeSafetySnapshot(
  { options, places, snapshot }: RestoreRequest,
  saveFirst: SaveFirst | undefined,
): Promise<Snapshot | undefined> {
  if (options.inPlace !== true || options.safetySnapshot === false || saveFirst === undefined) return undefined;
  const paths = places.filter(placeExists).map(({ subject, target }) => {
    const { content } = subject;
    return content.type === 'tree' ? target : joinPath(target, content.node.name);
  });
  if (paths.length === 0) return undefined;
  const { monitor } = options;
  monitor?.note?.('Taking a snapshot of what is there, before anything changes');
  try {
    const isOrigin = (options.mappings ?? []).length === 0;
    const saved = await saveFirst({ paths, like: snapshot, isOrigin });
    if (saved !== undefined) monitor?.note?.(`Snapshot ${saved.id.slice(0, SHORT_ID_LENGTH)} holds what was there`);
    return saved;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === 'INTERRUPTED') throw error;
    const message = `No snapshot of what is there could be taken, so nothing was changed: ${error.message}. --no-safety-snapshot goes on without one`;
    throw new EngineError(error.code, message, error);
  }
}

function planOf(context: RestoreContext): RestorePlan {
  const { counters, databasesToSwap, otherDatabases } = context;
  const shares = [...context.shares].map(([source, share]) => ({ source: Buffer.from(source, 'latin1'), ...share }));
  return {
    filesToCreate: counters.filesToCreate,
    filesToReplace: counters.filesToReplace,
    filesToCompare: counters.filesToCompare,
    filesToSkip: counters.filesSkipped,
    bytesToWrite: counters.bytesToWrite,
    filesToDelete: counters.filesToDelete,
    bytesToDelete: counters.bytesToDelete,
    directoriesToDelete: counters.directoriesToDelete,
    removals: context.removals(),
    directoriesToMend: counters.directoriesToMend,
    directoriesToMake: counters.directoriesToMake,
    databasesToSwap,
    otherDatabases,
    shares,
    mostlyDeleted: mostlyDeleted(shares),
  };
}

function hasFiles(plan: RestorePlan | undefined): boolean {
  if (plan === undefined) return false;
  return plan.filesToCreate + plan.filesToReplace + plan.filesToCompare + plan.filesToSkip > 0;
}

function summary(
  context: RestoreContext,
  request: RestoreRequest,
  run: {
    readonly begunMs: number;
    readonly plan?: RestorePlan | undefined;
    readonly safetySnapshot?: RestoreResult['safetySnapshot'];
  },
): RestoreResult {
  const { counters, parts } = context;
  const { snapshot, places, options, wanted, filters } = request;
  const isIn = (path: Buffer, below: Buffer): boolean =>
    path.equals(below) || path.subarray(0, below.length + 1).equals(Buffer.concat([below, Buffer.from('/')]));
  const roots = filters.only ?? places.map(({ subject }) => (subject.isRoot ? Buffer.alloc(0) : subject.path));
  const dryRun = parts.dryRun && run.plan !== undefined;
  const result: RestoreResult = {
    snapshot,
    filesRestored: counters.filesRestored,
    filesSkipped: counters.filesSkipped,
    filesDeleted: counters.filesDeleted,
    directoriesDeleted: counters.directoriesDeleted,
    bytesRestored: counters.bytesRestored,
    bytesReused: counters.bytesReused,
    bytesSkipped: counters.bytesSkipped,
    databases:
      options.databases === false
        ? []
        : snapshot.databases.filter(({ path }) => roots.some((root) => isIn(path, root))),
    problems: parts.problems.list(),
    problemCount: parts.problems.count,
    safetySnapshot: run.safetySnapshot,
    server:
      wanted.server === undefined
        ? undefined
        : describeServer(wanted.server, { snapshot, wanted, places, dryRun, done: context.rewritten }),
    targets: places.map(({ target }) => target),
    totalDuration: (performance.now() - run.begunMs) / 1000,
  };
  if (options.include !== undefined && counters.filesRestored + counters.filesSkipped === 0 && !hasFiles(run.plan)) {
    options.monitor?.note?.(`No file that is to be restored fits ${options.include.join(' or ')}`);
  }
  return run.plan === undefined ? result : { ...result, plan: run.plan };
}
