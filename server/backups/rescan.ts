/** Brings the table of backups in step with the repository: what is there is listed, what is gone is not. */

import type { Snapshot } from '../../engine/index.ts';
import type { ServerContext } from '../context.ts';
import type { JobTrigger } from '../jobs/job.ts';
import type { BackupRecord } from '../state/backups.ts';
import { BACKUP_LABEL } from './label.ts';
import { readTags } from './tags.ts';

export interface RescanResult {
  readonly added: number;
  readonly removed: number;
}

/** Whatever keeps the repository from being read is thrown, and the table stays as it was: errors are not emptiness. */
export async function rescanBackups({ state, repository, options, events }: ServerContext): Promise<RescanResult> {
  let isWhole = true;
  const { snapshots } = await repository();
  const all = await snapshots.list({ labels: [BACKUP_LABEL] }, () => {
    isWhole = false;
  });
  const there = new Set<string>(all.map(({ id }) => id));
  let added = 0;
  let removed = 0;
  state.database.transaction(() => {
    for (const snapshot of all) {
      if (state.backups.findBySnapshot(snapshot.id) !== undefined) continue;
      const record = recordOf(snapshot, options.location);
      const same = state.backups.findByBackupId(record.backupId);
      // The job that makes it is about to say so itself.
      if (same?.status === 'IN_PROGRESS') continue;
      if (same === undefined) state.backups.add(record);
      // A server that died between the snapshot and its row took the backup for one that failed.
      else if (same.snapshotId === undefined) state.backups.save({ ...same, ...record });
      else state.backups.add({ ...record, backupId: nameByTime(snapshot) });
      added++;
    }
    // A snapshot that could not be read just now may well be there.
    if (!isWhole) return;
    for (const { id, snapshotId } of state.backups.listWithStatus('COMPLETED')) {
      if (snapshotId !== undefined && there.has(snapshotId)) continue;
      state.backups.remove(id);
      removed++;
    }
  })();
  if (added + removed > 0) events.publish('backups', {});
  return { added, removed };
}

function nameByTime({ time, id }: Snapshot): string {
  const at = new Date(time)
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replaceAll(':', '-');
  return `${at}-${id.slice(0, 12)}`;
}

function recordOf(snapshot: Snapshot, location: string): Omit<BackupRecord, 'id'> {
  const { includes, by, trigger, name } = readTags(snapshot.tags);
  return {
    backupId: name ?? nameByTime(snapshot),
    createdAt: new Date(snapshot.time).toISOString(),
    sizeBytes: snapshot.summary.totalBytesProcessed,
    includesBooks: includes.books,
    includesCovers: includes.covers,
    status: 'COMPLETED',
    filePath: `${location}#${snapshot.id}`,
    createdBy: by ?? `${snapshot.user}@${snapshot.host}`,
    snapshotId: snapshot.id,
    jobId: undefined,
    reason: snapshot.suspicion,
    trigger: (trigger ?? 'manual') satisfies JobTrigger,
  };
}

/** At the start: a repository that cannot be read is no reason to serve nobody. */
export async function rescanAtStart(context: ServerContext): Promise<void> {
  try {
    const { added, removed } = await rescanBackups(context);
    if (added + removed > 0) context.log.info({ added, removed }, 'The list of backups was brought up to date');
  } catch (error) {
    context.log.warn({ err: error }, 'The list of backups may be old: the repository could not be read');
  }
}
