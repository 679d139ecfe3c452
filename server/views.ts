/** What the engine's and the server's records look like in JSON: names with underscores, bytes in bytes, times in ISO 8601. */

import { type BackupCounts, type DatabaseRecord, SHORT_ID_LENGTH, type Snapshot } from '../engine/index.ts';
import type { Identity } from './auth/identity.ts';
import type { Job, JobProgress } from './jobs/job.ts';
import type { BackupView, CountsView, JobProgressView, JobView, SnapshotView } from './schemas.ts';
import type { BackupRecord } from './state/backups.ts';
import type { Token } from './state/tokens.ts';
import type { User } from './state/users.ts';

/** Names of Linux are bytes: one that is not UTF-8 also comes as base64. */
export function pathView(path: Buffer): { readonly path: string; readonly path_base64?: string } {
  const text = path.toString('utf8');
  return Buffer.from(text).equals(path) ? { path: text } : { path: text, path_base64: path.toString('base64') };
}

export function timeView(ms: number): string {
  return new Date(ms).toISOString();
}

function optionalTimeView(ms: number | undefined): string | null {
  return ms === undefined ? null : timeView(ms);
}

export function countsView(counts: BackupCounts): CountsView {
  return {
    files_new: counts.filesNew,
    files_changed: counts.filesChanged,
    files_unmodified: counts.filesUnmodified,
    files_deleted: counts.filesDeleted,
    files_moved: counts.filesMoved,
    dirs_new: counts.dirsNew,
    dirs_changed: counts.dirsChanged,
    dirs_unmodified: counts.dirsUnmodified,
    total_files_processed: counts.totalFilesProcessed,
    total_bytes_processed: counts.totalBytesProcessed,
    data_added: counts.dataAdded,
    data_added_packed: counts.dataAddedPacked,
    backup_start: counts.backupStart,
    backup_end: counts.backupEnd,
    total_duration: counts.totalDuration,
  };
}

function databaseView(database: DatabaseRecord) {
  const { kind, bytes, check, durationSeconds } = database;
  return { ...pathView(database.path), kind, bytes, check, duration_seconds: durationSeconds };
}

export function snapshotView(snapshot: Snapshot): SnapshotView {
  return {
    id: snapshot.id,
    short_id: snapshot.id.slice(0, SHORT_ID_LENGTH),
    time: snapshot.time,
    host: snapshot.host,
    user: snapshot.user,
    label: snapshot.label,
    tags: [...snapshot.tags],
    paths: snapshot.paths.map(pathView),
    parent: snapshot.parent ?? null,
    pinned: snapshot.pinned,
    suspect: snapshot.suspect,
    suspicion: snapshot.suspicion ?? null,
    databases: snapshot.databases.map(databaseView),
    problem_count: snapshot.problemCount,
    program: snapshot.program,
    summary: countsView(snapshot.summary),
  };
}

export function progressView(progress: JobProgress): JobProgressView {
  return {
    part: progress.part ?? null,
    files_done: progress.filesDone,
    files_total: progress.filesTotal ?? null,
    bytes_done: progress.bytesDone,
    bytes_total: progress.bytesTotal ?? null,
    bytes_new: progress.bytesNew,
    problems: progress.problems,
    current_path: progress.currentPath ?? null,
  };
}

export function jobView(job: Job, progress?: JobProgress): JobView {
  return {
    id: job.id,
    kind: job.kind,
    status: job.status,
    trigger: job.trigger,
    created_by: job.createdBy,
    created_at: timeView(job.createdMs),
    started_at: optionalTimeView(job.startedMs),
    ended_at: optionalTimeView(job.endedMs),
    title: job.title,
    outcome: job.outcome ?? null,
    result: (job.result ?? null) as JobView['result'],
    error: job.error ?? null,
    problem_count: job.problemCount,
    progress: progress === undefined ? null : progressView(progress),
    can_go_on: job.canGoOn,
  };
}

export function userView({ id, name, createdMs }: User) {
  return { id, name, created_at: timeView(createdMs) };
}

export function tokenView(token: Token) {
  return {
    id: token.id,
    name: token.name,
    scopes: [...token.scopes],
    created_by: token.createdBy,
    created_at: timeView(token.createdMs),
    expires_at: optionalTimeView(token.expiresMs),
    used_at: optionalTimeView(token.usedMs),
  };
}

export function identityView(identity: Identity) {
  if (identity.type === 'token') {
    return { type: identity.type, name: identity.token.name, scopes: [...identity.scopes], csrf_token: null };
  }
  return {
    type: identity.type,
    name: identity.user.name,
    scopes: [...identity.scopes],
    csrf_token: identity.csrfToken,
  };
}

export function backupView(backup: BackupRecord): BackupView {
  return {
    id: backup.id,
    backup_id: backup.backupId,
    created_at: backup.createdAt,
    size_bytes: backup.sizeBytes ?? null,
    includes_books: backup.includesBooks,
    includes_covers: backup.includesCovers,
    status: backup.status,
    file_path: backup.filePath ?? null,
    created_by: backup.createdBy,
    snapshot_id: backup.snapshotId ?? null,
    job_id: backup.jobId ?? null,
    reason: backup.reason ?? null,
    trigger: backup.trigger,
  };
}
