/** Keeps the table of backups in step with the jobs that make them. */

import { randomBytes } from 'node:crypto';
import type { BackupOptions } from '../../engine/index.ts';
import type { ServerContext } from '../context.ts';
import type { Job, JobTrigger } from '../jobs/job.ts';
import type { PartAnswer } from '../jobs/kinds/night.ts';
import type { BackupAnswer, ForgetAnswer } from '../jobs/results.ts';
import { ServerError } from '../problems.ts';
import type { BackupRecord } from '../state/backups.ts';
import { timeView } from '../views.ts';
import { BACKUP_LABEL } from './label.ts';
import { type Includes, libraryOf, pathsOf } from './library.ts';
import { writeTags } from './tags.ts';

export interface NewBackup {
  readonly includes: Includes;
  readonly trigger: JobTrigger;
  readonly createdBy: string;
  /** What people and scripts name it by. */
  readonly name: string;
}

/** A name that no other backup has, and that tells when it was made. */
export function newBackupName({ nowMs }: Pick<ServerContext, 'nowMs'>): string {
  const at = timeView(nowMs())
    .replace(/\.\d+Z$/, '')
    .replaceAll(':', '-');
  return `${at}-${randomBytes(3).toString('hex')}`;
}

/** What the engine is asked for. The tags let the table be rebuilt from the repository alone. CONFLICT without a source. */
export function backupOptionsOf(
  { settings, options }: ServerContext,
  { includes, trigger, createdBy, name }: NewBackup,
): Omit<BackupOptions, 'monitor' | 'signal' | 'stdin'> {
  const found = libraryOf(settings);
  const paths = pathsOf(found, options.sources, includes);
  if (paths.length === 0) {
    throw new ServerError('CONFLICT', 'Nothing is set to be backed up: name the folders of the library first');
  }
  const tags = [...(options.backup.tags ?? []), ...writeTags({ includes, by: createdBy, trigger, name })];
  const { profile } = found.library;
  const profiles = profile === null ? {} : { profiles: [...new Set([...(options.backup.profiles ?? []), profile])] };
  return { ...options.backup, ...profiles, paths, label: BACKUP_LABEL, tags };
}

/** The row of a backup whose job was started. */
export function recordBackup({ state, nowMs }: ServerContext, backup: NewBackup, job: Job): BackupRecord {
  const createdAt = timeView(nowMs());
  return state.backups.add({
    backupId: backup.name,
    createdAt,
    sizeBytes: undefined,
    includesBooks: backup.includes.books,
    includesCovers: backup.includes.covers,
    status: 'IN_PROGRESS',
    filePath: undefined,
    createdBy: backup.createdBy,
    snapshotId: undefined,
    jobId: job.id,
    reason: undefined,
    trigger: backup.trigger,
  });
}

/** From here on rows follow their jobs. To be called before jobs are recovered. */
export function followJobs(context: ServerContext): void {
  context.jobs.onEnd((job) => {
    const record = context.state.backups.findByJob(job.id);
    if (record !== undefined) context.state.backups.save(ended(record, job, context));
    for (const snapshotId of forgottenBy(job)) {
      const gone = context.state.backups.findBySnapshot(snapshotId);
      if (gone !== undefined) context.state.backups.remove(gone.id);
    }
    context.events.publish('backups', {});
  });
}

function ended(record: BackupRecord, job: Job, { options }: ServerContext): BackupRecord {
  const answer = backupAnswerOf(job);
  const snapshotId = answer?.snapshot_id ?? undefined;
  // A night may fail after its backup: what was saved is a backup all the same.
  if (answer === undefined || snapshotId === undefined) {
    return { ...record, status: 'FAILED', reason: job.error?.message ?? 'No snapshot was saved' };
  }
  return {
    ...record,
    status: 'COMPLETED',
    snapshotId,
    sizeBytes: answer.total_bytes_processed,
    filePath: `${options.location}#${snapshotId}`,
    reason: answer.suspicion ?? undefined,
  };
}

/** Of a backup, or of a night's. */
function backupAnswerOf(job: Job): BackupAnswer | undefined {
  if (job.kind === 'backup') return job.result as BackupAnswer | undefined;
  return partOf(job, 'backup') as BackupAnswer | undefined;
}

function forgottenBy(job: Job): readonly string[] {
  const answer = (job.kind === 'forget' ? job.result : partOf(job, 'forget')) as ForgetAnswer | undefined;
  return answer?.snapshots_removed ?? [];
}

function partOf(job: Job, part: string): object | undefined {
  if (job.kind !== 'night') return undefined;
  const { parts = [] } = (job.result ?? {}) as { readonly parts?: readonly PartAnswer[] };
  return parts.find((one) => one.part === part)?.details ?? undefined;
}
