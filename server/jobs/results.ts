/** What verbs answer, as jobs keep it and the API shows it. */

import {
  type BackupResult,
  type CheckResult,
  type DeletedShare,
  type ForgetResult,
  missText,
  type PruneResult,
  type RestoredServer,
  type RestoreResult,
  type ServerCheck,
  type Stats,
} from '../../engine/index.ts';
import { JOB_MISSES_MAX, JOB_PROBLEMS_MAX } from '../limits.ts';
import { countsView } from '../views.ts';
import type { JobOutcome } from './job.ts';
import type { PlanSample } from './plan-sample.ts';

export function backupOutcome(result: BackupResult): JobOutcome {
  if (result.damage.length > 0) return 'damage';
  if (result.suspicion !== undefined) return 'suspect';
  return result.problemCount > 0 ? 'problems' : 'done';
}

export function backupAnswer(result: BackupResult) {
  const { snapshot, parent, counts, databases, suspicion, skipped, profiles, checks } = result;
  return {
    snapshot_id: snapshot?.id ?? null,
    parent: parent ?? null,
    ...countsView(counts),
    databases: databases.length,
    suspicion: suspicion ?? null,
    skipped,
    profiles: profiles.map(({ name, folder, warnings }) => ({ name, folder: folder.toString('utf8'), warnings })),
    checks: checks.map(serverCheckAnswer),
  };
}

/** What rows of a server name, held against the files. */
function serverCheckAnswer({ profile, folder, rowsChecked, filesChecked, missCount, misses, problem }: ServerCheck) {
  return {
    profile,
    folder: folder.toString('utf8'),
    rows_checked: rowsChecked,
    files_checked: filesChecked,
    miss_count: missCount,
    misses: misses.slice(0, JOB_MISSES_MAX).map(missText),
    problem: problem?.message ?? null,
  };
}
export type BackupAnswer = ReturnType<typeof backupAnswer>;

export function restoreAnswer(result: RestoreResult) {
  return {
    snapshot_id: result.snapshot.id,
    files_restored: result.filesRestored,
    files_skipped: result.filesSkipped,
    files_deleted: result.filesDeleted,
    directories_deleted: result.directoriesDeleted,
    bytes_restored: result.bytesRestored,
    bytes_reused: result.bytesReused,
    databases: result.databases.length,
    safety_snapshot: result.safetySnapshot ?? null,
    targets: result.targets.map((target) => target.toString('utf8')),
    // What a person has to do now: start the server, scan its library.
    next: (result.server?.next ?? []).map(({ text }) => text),
    total_duration: result.totalDuration,
  };
}

/** `entries`: some of what it would touch, where somebody wants to see that. */
export function planAnswer(
  { plan, snapshot, problemCount, targets, server }: RestoreResult,
  entries: PlanSample['entries'] | undefined,
) {
  const { mostlyDeleted } = plan ?? {};
  return {
    snapshot_id: snapshot.id,
    snapshot_time: snapshot.time,
    targets: targets.map((target) => target.toString('utf8')),
    files_to_create: plan?.filesToCreate ?? 0,
    files_to_replace: plan?.filesToReplace ?? 0,
    files_to_compare: plan?.filesToCompare ?? 0,
    files_to_skip: plan?.filesToSkip ?? 0,
    files_to_delete: plan?.filesToDelete ?? 0,
    bytes_to_delete: plan?.bytesToDelete ?? 0,
    directories_to_delete: plan?.directoriesToDelete ?? 0,
    directories_to_create: plan?.directoriesToMake ?? 0,
    directories_to_mend: plan?.directoriesToMend ?? 0,
    bytes_to_write: plan?.bytesToWrite ?? 0,
    databases_to_swap: (plan?.databasesToSwap ?? []).map((path) => path.toString('utf8')),
    // What a confirmation has to name.
    removals: plan?.removals ?? null,
    mostly_deleted: mostlyDeleted === undefined ? null : shareAnswer(mostlyDeleted),
    server: server === undefined ? null : plannedServerAnswer(server),
    problem_count: problemCount,
    ...(entries === undefined ? {} : { entries }),
  };
}
export type PlanAnswer = ReturnType<typeof planAnswer>;

function shareAnswer({ source, present, deleted }: DeletedShare) {
  return { path: source.toString('utf8'), files_present: present, files_deleted: deleted };
}

/** What becomes of the paths in its databases, where mappings were given. */
function plannedServerAnswer({ title, folder, databases }: RestoredServer) {
  return {
    title,
    folder: folder.toString('utf8'),
    databases: databases.map(({ path, state, columns, missing, leftovers }) => ({
      path: path.toString('utf8'),
      state,
      columns,
      missing,
      leftovers,
    })),
  };
}

export function forgetAnswer({ groups, kept, removed, policy, zone }: ForgetResult) {
  const gone = groups.flatMap(({ remove }) => remove.map(({ snapshot }) => snapshot.id));
  return { kept, removed, snapshots_removed: gone, policy, zone };
}
export type ForgetAnswer = ReturnType<typeof forgetAnswer>;

export function pruneAnswer(result: PruneResult) {
  return {
    packs_kept: result.packsKept,
    packs_repacked: result.packsRepacked,
    packs_marked: result.packsMarked,
    packs_removed: result.packsRemoved,
    bytes_before: result.bytesBefore,
    bytes_after: result.bytesAfter,
    bytes_freed: result.bytesFreed,
  };
}

export function checkAnswer({ snapshotsChecked, packsChecked, blobsChecked, bytesRead, errors }: CheckResult) {
  return {
    snapshots_checked: snapshotsChecked,
    packs_checked: packsChecked,
    blobs_checked: blobsChecked,
    bytes_read: bytesRead,
    error_count: errors.length,
    errors: errors.slice(0, JOB_PROBLEMS_MAX),
  };
}

export function statsAnswer(stats: Stats) {
  return {
    snapshots: stats.snapshots,
    total_file_count: stats.totalFileCount,
    restore_size: stats.restoreSize,
    distinct_size: stats.distinctSize,
    unique_size: stats.uniqueSize,
    stored_size: stats.storedSize,
    unique_stored_size: stats.uniqueStoredSize,
    compression_ratio: stats.compressionRatio,
    dedup_ratio: stats.dedupRatio,
    repository_bytes: stats.repositoryBytes,
    damaged: stats.damaged.slice(0, JOB_PROBLEMS_MAX),
    by_type: stats.byType.map(({ type, files, distinctSize, uniqueSize }) => ({
      type,
      files,
      distinct_size: distinctSize,
      unique_size: uniqueSize,
    })),
  };
}
