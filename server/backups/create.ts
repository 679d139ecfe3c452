/** Starts a backup, and lets one go. */

import type { ServerContext } from '../context.ts';
import type { Job } from '../jobs/job.ts';
import { ServerError } from '../problems.ts';
import type { BackupRecord } from '../state/backups.ts';
import { backupOptionsOf, type NewBackup, newBackupName, recordBackup } from './record.ts';

/** CONFLICT where nothing is set to be backed up; BUSY. */
export function startBackup(
  context: ServerContext,
  given: Omit<NewBackup, 'name'>,
): { readonly job: Job; readonly backup: BackupRecord } {
  const { jobs, options } = context;
  const { hooks, hookEnvironment } = options;
  const backup: NewBackup = { ...given, name: newBackupName(context) };
  const job = jobs.start({
    kind: 'backup',
    request: { options: backupOptionsOf(context, backup), hooks, hookEnvironment },
    title: `Backup ${backup.name}`,
    trigger: given.trigger,
    createdBy: given.createdBy,
  });
  return { job, backup: recordBackup(context, backup, job) };
}

/** The job that forgets its snapshot; undefined for one that failed, which only leaves the list. CONFLICT while it is made. */
export function removeBackup(
  { jobs, state, events }: ServerContext,
  record: BackupRecord,
  by: string,
): Job | undefined {
  if (record.status === 'IN_PROGRESS') {
    throw new ServerError('CONFLICT', `Backup ${record.backupId} is being made: cancel its job ${record.jobId} first`);
  }
  if (record.snapshotId === undefined) {
    state.backups.remove(record.id);
    events.publish('backups', {});
    return undefined;
  }
  return jobs.start({
    kind: 'forget',
    request: { options: { snapshots: [record.snapshotId], allowRemoveAll: true } },
    title: `Delete backup ${record.backupId}`,
    trigger: 'manual',
    createdBy: by,
  });
}
