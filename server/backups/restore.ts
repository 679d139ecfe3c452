/**
 * Brings a backup back: the database to its moment, files and covers as they were. What it does not have stays; what is there
 * is in a safety snapshot first, which a rollback brings back.
 */

import type { PathMapping } from '../../engine/index.ts';
import type { ServerContext } from '../context.ts';
import type { Job } from '../jobs/job.ts';
import type { RestoreRequest } from '../jobs/kinds/restore.ts';
import { ServerError } from '../problems.ts';
import type { BackupRecord } from '../state/backups.ts';

/** Where it goes, if not to where it came from. */
export interface RestorePlace {
  readonly mappings: readonly PathMapping[];
  /** Paths in the databases of that server follow the mappings. */
  readonly profile: string | undefined;
}

type Options = RestoreRequest['options'];

export function restoreOptionsOf(snapshotId: string, { mappings, profile }: RestorePlace): Options {
  return { snapshot: snapshotId, inPlace: true, mappings, ...(profile === undefined ? {} : { profile }) };
}

/** CONFLICT for one that was never completed. */
export function snapshotOf({ backupId, status, snapshotId }: BackupRecord): string {
  if (status === 'COMPLETED' && snapshotId !== undefined) return snapshotId;
  const why = status === 'FAILED' ? 'it failed' : 'it is still being made';
  throw new ServerError('CONFLICT', `Backup ${backupId} holds nothing: ${why}`);
}

/** BUSY; CONFLICT. */
export function startRestore(
  context: ServerContext,
  given: {
    readonly options: Options;
    readonly title: string;
    readonly createdBy: string;
    /** False for one into another folder, which no server is stopped for. */
    readonly withCommands?: boolean;
  },
): Job {
  const { jobs, options } = context;
  if (jobs.isUnderWay('restore') || jobs.isUnderWay('restore-upload'))
    throw new ServerError('CONFLICT', 'A restore is under way already');
  const { hookEnvironment } = options;
  const hooks = given.withCommands === false ? [] : options.hooks;
  return jobs.start({
    kind: 'restore',
    // Whoever asks for it has confirmed it: routes see to that.
    request: { options: given.options, confirmed: true, hooks, hookEnvironment },
    title: given.title,
    trigger: 'manual',
    createdBy: given.createdBy,
  });
}
