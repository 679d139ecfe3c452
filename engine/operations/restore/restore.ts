/**
 * Brings a snapshot, or a part of it, back: into a directory, to where it came from, or to other places. It reads packs
 * in order and each frame once, writes files in parallel, leaves alone what is right already, and goes on where an
 * interrupted run stopped. What it says is done is on disk.
 *
 * Where something is there that could be lost, a dry pass plans first, guards judge that plan, and a snapshot of what is
 * there is taken before anything changes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError } from '../../base/errors.ts';
import { CLOCK_TICK_MS_MAX } from '../../base/limits.ts';
import { isWithin, joinPath } from '../../base/paths.ts';
import type { Time } from '../../base/stat.ts';
import { findHolders } from '../../databases/open-holders.ts';
import { createFileSystem } from '../../filesystem/create.ts';
import { PatternSet } from '../../filesystem/patterns.ts';
import { DUMP_FOLDER_PATH } from '../../repository/dump-folder.ts';
import { loadLeftOutPaths } from '../../repository/left-out-paths.ts';
import { LiveRules, ownDirectories } from '../../repository/live-rules.ts';
import type { Repository } from '../../repository/repository.ts';
import { SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import { refuseRepository } from '../../storage/open.ts';
import type { RestoreContext } from './context.ts';
import { hasWork, needsForce, refusalOf } from './guards.ts';
import {
  type RestoreOptions,
  type RestorePlan,
  type RestoreResult,
  requireOptions,
  type SaveFirst,
} from './options.ts';
import { type RestoreRequest, runPass } from './pass.ts';
import { planPlaces } from './places.ts';
import { findSubject } from './subject.ts';
import { type Located, locate, placeExists } from './targets.ts';

/**
 * Restores. Problems with single files are counted and the rest is restored; OBJECT_CORRUPT among their codes means damage
 * in the repository. Throws SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, PATH_NOT_FOUND, TARGET_NOT_EMPTY, TARGET_IN_USE,
 * DELETION_REFUSED, TARGET_FAILED (full, read-only ...), INTERRUPTED, STORAGE_FAILED; after the last three the same call
 * goes on where it stopped.
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
  if (!isPlanned(request)) return summary(await runPass(request, { dryRun: false, monitor }), request, { begunMs });
  const plannedAt = await beginPlan(request);
  const planned = await runPass(request, { dryRun: true, monitor: undefined });
  const plan = planOf(planned);
  await guard(options, plan);
  const isResumed = planned.parts.journal.resumed;
  const safetySnapshot = hasWork(plan) && !isResumed ? await takeSafetySnapshot(request, saveFirst) : undefined;
  if (!hasWork(plan) && !isResumed && planned.parts.problems.count === 0) {
    return summary(planned, request, { begunMs });
  }
  const context = await runPass(request, { dryRun: false, plannedAt, monitor });
  return summary(context, request, { begunMs, safetySnapshot });
}

/** The moment from which on whatever appears was not in the plan. File times lag behind the clock by up to a tick of it. */
async function beginPlan({ removal }: RestoreRequest): Promise<Time> {
  const ms = Date.now() + 1;
  if (removal !== undefined) await sleep(CLOCK_TICK_MS_MAX + 1);
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}

async function prepareRequest(repository: Repository, options: RestoreOptions): Promise<RestoreRequest> {
  requireOptions(options);
  const include = new PatternSet(options.include ?? []);
  const exclude = new PatternSet(options.exclude ?? []);
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  const fileSystem = createFileSystem();
  const { places, except } = await findPlaces(repository, snapshot, options);
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
          sources: snapshot.paths,
          live: new LiveRules(snapshot.rules, await loadLeftOutPaths(repository.blobs, snapshot)),
          exclude,
          leftOut,
          own: ownDirectories(fileSystem, [repository.backend.address?.path, repository.cacheDirectory]),
        }
      : undefined;
  const policy = options.overwrite ?? 'if-changed';
  return { repository, fileSystem, options, snapshot, places, filters: { include, exclude, leftOut }, policy, removal };
}

/** What goes where, and the paths of the snapshot that are left out because they go elsewhere. */
async function findPlaces(
  repository: Repository,
  snapshot: Snapshot,
  options: RestoreOptions,
): Promise<{ readonly places: Located[]; readonly except: readonly Buffer[] }> {
  if (options.target !== undefined) {
    const subject = await findSubject(repository, snapshot, options.path);
    return { places: [{ subject, target: options.target, isItself: false }], except: [] };
  }
  const places = planPlaces({
    sources: snapshot.paths,
    path: options.path,
    mappings: options.mappings ?? [],
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
  for (const place of places) found.push(locate(place, await findSubject(repository, snapshot, place.path)));
  return { places: found, except: places.flatMap((place) => place.except) };
}

/** True where something may be there that this restore could destroy. */
function isPlanned({ options, snapshot, places }: RestoreRequest): boolean {
  if (options.inPlace === true || options.delete === true) return true;
  return options.overwrite !== undefined && snapshot.databases.length > 0 && places.some(placeExists);
}

async function guard(options: RestoreOptions, plan: RestorePlan): Promise<void> {
  if (options.force === true) return;
  const { holders } = plan.databasesToSwap.length === 0 ? { holders: [] } : findHolders(plan.databasesToSwap);
  if (holders.length > 0) throw new EngineError('TARGET_IN_USE', refusalOf(holders));
  if (!needsForce(plan) || (await options.confirm?.(plan)) === true) return;
  throw new EngineError(
    'DELETION_REFUSED',
    `${plan.filesToDelete} of ${plan.filesPresent} files that are there would be removed, more than half: nothing was changed. ` +
      'Look at the plan with --dry-run, and say --force if it is right',
  );
}

/** SaveFirst's snapshot of the places as they are; undefined where nothing is there, or none is wanted. */
async function takeSafetySnapshot(
  { options, places, snapshot }: RestoreRequest,
  saveFirst: SaveFirst | undefined,
): Promise<RestoreResult['safetySnapshot']> {
  if (options.inPlace !== true || options.safetySnapshot === false || saveFirst === undefined) return undefined;
  const paths = places.filter(placeExists).map(({ subject, target }) => {
    const { content } = subject;
    return content.type === 'tree' ? target : joinPath(target, content.node.name);
  });
  if (paths.length === 0) return undefined;
  const { monitor } = options;
  monitor?.note?.('Taking a snapshot of what is there, before anything changes');
  const saved = await saveFirst({ paths, like: snapshot });
  if (saved === undefined) return undefined;
  const id = saved.snapshotId.slice(0, SHORT_ID_LENGTH);
  const missed = saved.problemCount === 0 ? '' : `, but for ${saved.problemCount} entries that could not be read`;
  monitor?.note?.(`Snapshot ${id} holds what was there${missed}`);
  return saved.snapshotId;
}

function planOf(context: RestoreContext): RestorePlan {
  const { counters, databasesToSwap } = context;
  return {
    filesToCreate: counters.filesToCreate,
    filesToReplace: counters.filesToReplace,
    filesToCompare: counters.filesToCompare,
    filesToSkip: counters.filesSkipped,
    bytesToWrite: counters.bytesToWrite,
    filesToDelete: counters.filesToDelete,
    bytesToDelete: counters.bytesToDelete,
    directoriesToDelete: counters.directoriesToDelete,
    directoriesToMend: counters.directoriesToMend,
    directoriesToMake: counters.directoriesToMake,
    databasesToSwap,
    filesPresent: counters.filesPresent,
  };
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
  const { snapshot, places, options } = request;
  const isIn = (path: Buffer, below: Buffer): boolean =>
    path.equals(below) || path.subarray(0, below.length + 1).equals(Buffer.concat([below, Buffer.from('/')]));
  const roots = places.map(({ subject }) => (subject.isRoot ? Buffer.alloc(0) : subject.path));
  const result: RestoreResult = {
    snapshot,
    filesRestored: counters.filesRestored,
    filesSkipped: counters.filesSkipped,
    filesDeleted: counters.filesDeleted,
    directoriesDeleted: counters.directoriesDeleted,
    bytesRestored: counters.bytesRestored,
    bytesSkipped: counters.bytesSkipped,
    databases:
      options.databases === false
        ? []
        : snapshot.databases.filter(({ path }) => roots.some((root) => isIn(path, root))),
    problems: parts.problems.list(),
    problemCount: parts.problems.count,
    safetySnapshot: run.safetySnapshot,
    targets: places.map(({ target }) => target),
    totalDuration: (performance.now() - run.begunMs) / 1000,
  };
  return run.plan === undefined ? result : { ...result, plan: run.plan };
}
