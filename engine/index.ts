/**
 * The only way into the engine.
 *
 * Everything a door needs is exported here, typed and documented where it is defined. Bytes are bytes, times say their
 * unit, paths are Buffers. Calls throw EngineError with a closed set of codes; what concerns one file only is a Problem
 * in the result.
 */

import { backupAndCheck, checkAll } from './checked.ts';
import type { NightDetails, NightOptions } from './night.ts';
import type { BackupOptions, BackupResult } from './operations/backup/options.ts';
import type { CheckOptions, CheckResult } from './operations/check/check.ts';
import { recoverKey } from './operations/keys.ts';
import type { NightPlan, NightResult } from './operations/night/options.ts';
import type { RestoreOptions, RestoreResult, SaveFirst } from './operations/restore/options.ts';
import type { Credential, KeyDescription } from './repository/keys.ts';
import { type NewKeyOptions, type NewRepositoryOptions, Repository } from './repository/repository.ts';
import { SAFETY_LABEL } from './repository/snapshots.ts';
import { createLocation, openLocation } from './storage/open.ts';

export { EngineError, ERROR_CODES, type ErrorCode, isEngineError, type Problem } from './base/errors.ts';
export type { BlobId, KeyId, PackId, RepositoryId, SnapshotId } from './base/ids.ts';
export {
  CHECK_PARTS_DEFAULT,
  COMPRESSION_LEVEL_DEFAULT,
  HOOK_TIMEOUT_MS_DEFAULT,
  NIGHT_EVERY_MS_DEFAULT,
  PAGE_ENTRIES_DEFAULT,
  PAGE_ENTRIES_MAX,
  PAGE_SORTED_ENTRIES_MAX,
  PING_RETRIES_DEFAULT,
  PING_TIMEOUT_MS_DEFAULT,
  REHEARSAL_BYTES_DEFAULT,
  SHRINK_PERCENT_DEFAULT,
} from './base/limits.ts';
export { parseMoment } from './base/moment.ts';
export type { Damage, Monitor, Progress } from './base/monitor.ts';
export { isWithin } from './base/paths.ts';
export { formatTime, type NodeType, type Time } from './base/stat.ts';
export type { DatabaseServer } from './databases/server-address.ts';
export type { BrokenReferences } from './databases/sqlite-audit.ts';
export { isSqliteHeader } from './databases/sqlite-names.ts';
export type { TableRows } from './databases/table-rows.ts';
export { makeLastCall } from './filesystem/last-call.ts';
export type { Node } from './format/row.ts';
export type { BackupCounts, DatabaseRecord, SnapshotRecord } from './format/snapshot.ts';
export type { NightCopy, NightDetails, NightOptions } from './night.ts';
export { type AnnotateOptions, type AnnotateResult, annotate } from './operations/annotate.ts';
export type { AppliedProfile, BackupOptions, BackupResult } from './operations/backup/options.ts';
export type { StreamSource } from './operations/backup/stream-store.ts';
export { type ReadFileOptions, readEntryContent, readFileContent } from './operations/cat.ts';
export type {
  CheckError,
  CheckOptions,
  CheckResult,
  DatabaseCheck,
  DatabasesChecked,
} from './operations/check/check.ts';
export { copy } from './operations/copy/copy.ts';
export type { CopyOptions, CopyResult, SnapshotPair } from './operations/copy/options.ts';
export { diff } from './operations/diff/diff.ts';
export { diffText } from './operations/diff/diff-text.ts';
export {
  type CellValue,
  CHANGE_KINDS,
  type Change,
  type ChangeKind,
  type DiffEvent,
  type DiffOptions,
  type DiffProblem,
  type DiffSummary,
  type LiveOptions,
  type TableChange,
  type TableRowChange,
} from './operations/diff/options.ts';
export { exportSnapshot } from './operations/export/export.ts';
export {
  ARCHIVE_FORMATS,
  type ArchiveFormat,
  type ExportOptions,
  type ExportResult,
  type PlanZipOptions,
  type ReadZipOptions,
  type ServerExportOptions,
  type ZipEntry,
  type ZipFile,
  type ZipLeftOut,
  type ZipPlan,
  type ZipRoot,
} from './operations/export/options.ts';
export { listZip } from './operations/export/zip-list.ts';
export { planZip } from './operations/export/zip-plan.ts';
export { readZip } from './operations/export/zip-read.ts';
export { type FindOptions, type FoundEntry, findEntries } from './operations/find.ts';
export { type ForgetOptions, type ForgetResult, forget } from './operations/forget/forget.ts';
export { GROUP_FIELDS, type GroupBy, type GroupField, type GroupKey } from './operations/forget/groups.ts';
export type {
  KeepReason,
  RetentionDecision,
  RetentionGroup,
  RetentionRule,
} from './operations/forget/plan-retention.ts';
export type { RetentionCount, RetentionPolicy } from './operations/forget/policy.ts';
export { importArchive } from './operations/import/import.ts';
export {
  IMPORT_FORMATS,
  type ImportedDatabase,
  type ImportFormat,
  type ImportLayout,
  type ImportOptions,
  type ImportResult,
} from './operations/import/options.ts';
export { type ArchiveMember, type ReadArchiveOptions, readArchive } from './operations/import/read-archive.ts';
export {
  addKey,
  changePassword,
  exportRecoverySheet,
  findKey,
  listKeys,
  parseRecoverySheet,
  removeKey,
} from './operations/keys.ts';
export {
  type Entry,
  type EntryPage,
  findEntry,
  type ListOptions,
  listEntries,
  listPage,
  PAGE_ORDERS,
  type PageOptions,
  type PageOrder,
  type PathEntry,
  splitSnapshotPath,
} from './operations/list.ts';
export { type LogOptions, logPath, type PathVersion, VERSION_CHANGES, type VersionChange } from './operations/log.ts';
export { aroundHooks, describeHook, type HookContext } from './operations/night/around.ts';
export {
  HOOK_POINTS,
  type Hook,
  type HookPoint,
  type HookReport,
  NIGHT_PARTS,
  type NightPart,
  type NightPartResult,
  type NightPlan,
  type NightResult,
  type PartStatus,
  type PingOptions,
} from './operations/night/options.ts';
export { runHook } from './operations/night/run-hook.ts';
export { type CommandRunner, stepBack } from './operations/night/step-back.ts';
export { type DetectedServer, type DetectOptions, detectServers, pathsLeftOut } from './operations/profiles/detect.ts';
export { MAX_UNUSED_DEFAULT, type PruneOptions, type PruneResult } from './operations/prune/options.ts';
export type { PrunePlan, UnusedLimit } from './operations/prune/plan.ts';
export { prune } from './operations/prune/prune.ts';
export {
  type AgreedRemovals,
  type DeletedShare,
  OVERWRITE_POLICIES,
  type OverwritePolicy,
  type PlannedAction,
  type PlannedKind,
  type Removals,
  type RestoreOptions,
  type RestorePlan,
  type RestoreResult,
  requireOptions as requireRestoreOptions,
} from './operations/restore/options.ts';
export type { PathMapping } from './operations/restore/places.ts';
export type {
  NextStep,
  RestoredServer,
  RewriteState,
  RewrittenDatabase,
} from './operations/restore/server-result.ts';
export {
  type RestoreDatabaseOptions,
  type RestoreDatabaseResult,
  restoreDatabase,
} from './operations/restore-database/restore-database.ts';
export {
  type DayGrowth,
  growthOf,
  type Stats,
  type StatsOptions,
  sizeOfRepository,
  stats,
  type TypeStats,
} from './operations/stats.ts';
export {
  type ForgottenSnapshot,
  listForgotten,
  type UndeleteOptions,
  type UndeleteResult,
  undelete,
} from './operations/undelete.ts';
export { type UnlockResult, unlock } from './operations/unlock.ts';
export { PROFILES } from './profiles/all.ts';
export type { PathRole, Profile } from './profiles/types.ts';
export type { ContentId } from './repository/content-id.ts';
export type { CrcStore } from './repository/crc-store.ts';
export { METADATA_FIELDS, type MetadataField } from './repository/entry-difference.ts';
export { type Credential, type KeyDescription, PASSWORD_COST_DEFAULT, type PasswordCost } from './repository/keys.ts';
export { type NewKeyOptions, Repository } from './repository/repository.ts';
export { type MissKind, missText, type ServerCheck, type ServerMiss } from './repository/server-check.ts';
export type { SnapshotFlaw } from './repository/snapshot-flaws.ts';
export type { SnapshotRange } from './repository/snapshot-ranges.ts';
export {
  SAFETY_LABEL,
  SERVER_STATE_LABEL,
  SHORT_ID_LENGTH,
  type Snapshot,
  type SnapshotFilter,
} from './repository/snapshots.ts';

export interface LocationOptions {
  /** Path of a folder. */
  readonly location: string;
  readonly credential: Credential;
  /** Where derived data and this client's memory lie; made when it is needed. */
  readonly cacheDirectory: string;
  /** Called while a password's key is being derived, which takes a while: see preload(). */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
  /** For a process that keeps the repository open and asks for snapshots again and again: see RepositoryOptions. */
  readonly keepsSnapshots?: boolean | undefined;
}

/** The verbs that are much to load: each is loaded when it is first called, so that no other one waits for it. */
const LOADERS = {
  backup: () => import('./operations/backup/backup.ts'),
  restore: () => import('./operations/restore/restore.ts'),
  check: () => import('./operations/check/check.ts'),
} as const;

/** Loads a verb ahead of its call, so that `openRepository({ meanwhile: () => preload('backup') })` costs no time. */
export async function preload(verb: keyof typeof LOADERS): Promise<void> {
  await LOADERS[verb]();
}

/**
 * operations/backup/backup.ts says what it does. Where profiles were applied, the rows of their servers' databases are then
 * held against the files of the snapshot: see `checks` of the result, which are notes and no failure.
 */
export function backup(repository: Repository, options: BackupOptions): Promise<BackupResult> {
  return backupAndCheck(repository, options);
}

/**
 * operations/restore/restore.ts says what it does. Before a restore in place changes anything, a backup by the same rules
 * takes a snapshot of what is there, labelled SAFETY_LABEL.
 *
 * ```ts
 * // A server on a new machine: its folders, its library, and the paths in its database.
 * const mappings = [{ from: Buffer.from('/srv'), to: Buffer.from('/mnt/new') }];
 * const { server } = await restore(repository, { snapshot: 'latest', profile: 'audiobookshelf', mappings });
 * for (const { text } of server?.next ?? []) console.log(text);
 * ```
 */
export async function restore(repository: Repository, options: RestoreOptions): Promise<RestoreResult> {
  const { restore: run } = await LOADERS.restore();
  const result = await run(repository, options, savesFirst(repository, options));
  if (result.server === undefined) return result;
  return (await import('./checked.ts')).checkRestored(repository, result, options);
}

function savesFirst(repository: Repository, options: RestoreOptions): SaveFirst {
  return async ({ paths, like, isOrigin }) => {
    const { backup: save } = await LOADERS.backup();
    const { rulesOf } = await import('./repository/live-rules.ts');
    const { monitor, signal } = options;
    const { excludes, caseInsensitiveExcludes, oneFileSystem } = rulesOf(like.rules);
    const { snapshot } = await save(repository, {
      // What only its state keeps out of a snapshot (its size, a marker) may be overwritten, and is saved.
      ...(isOrigin ? { excludes, caseInsensitiveExcludes, oneFileSystem } : {}),
      paths,
      label: SAFETY_LABEL,
      parent: like.id,
      // What is there may have lost nearly all: that is why somebody restores.
      maxShrink: 100,
      monitor: monitor?.progress === undefined ? undefined : { progress: (progress) => monitor.progress?.(progress) },
      signal,
    });
    return snapshot;
  };
}

/** operations/check/check.ts says what it does. With databases, rows of servers are held against files of the same snapshots. */
export function check(repository: Repository, options?: CheckOptions): Promise<CheckResult> {
  return checkAll(repository, options);
}

/** Opens a repository. REPOSITORY_NOT_FOUND, PASSWORD_WRONG, REPOSITORY_UNSUPPORTED, REPOSITORY_CHANGED, OBJECT_CORRUPT. */
export async function openRepository(options: LocationOptions): Promise<Repository> {
  return Repository.open({ ...options, backend: await openLocation(options.location) });
}

/** Makes a repository and opens it. REPOSITORY_EXISTS, STORAGE_FAILED. */
export async function initRepository(
  options: LocationOptions & Pick<NewRepositoryOptions, 'passwordCost' | 'label' | 'contentOf'>,
): Promise<Repository> {
  return Repository.init({ ...options, backend: await createLocation(options.location) });
}

/** Adds a password with a recovery sheet. REPOSITORY_NOT_FOUND, INVALID_ARGUMENT, PASSWORD_WRONG, OBJECT_CORRUPT. */
export async function recoverRepository(
  options: NewKeyOptions & { readonly location: string; readonly sheet: string },
): Promise<KeyDescription> {
  return recoverKey(await openLocation(options.location), options);
}

/** night.ts puts it together, operations/night says what it does. */
export async function runNight(options: NightOptions): Promise<NightResult<NightDetails>> {
  return (await import('./night.ts')).night(options);
}

/** What such a night would do now. Nothing is opened, started or written. */
export async function planNight(options: NightOptions): Promise<NightPlan> {
  return (await import('./night.ts')).planOfNight(options);
}
