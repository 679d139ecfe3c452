/** Starts a night: backup, retention, and whatever else is due. */

import { PING_RETRIES_DEFAULT, PING_TIMEOUT_MS_DEFAULT } from '../../engine/index.ts';
import { BACKUP_LABEL } from '../backups/label.ts';
import { backupOptionsOf, type NewBackup, newBackupName, recordBackup } from '../backups/record.ts';
import type { ServerContext } from '../context.ts';
import type { Job, JobTrigger } from '../jobs/job.ts';
import type { NightRequest } from '../jobs/kinds/night.ts';
import { NOTIFICATIONS } from '../notify/notification-settings.ts';
import { ServerError } from '../problems.ts';
import { SCHEDULE, type Schedule } from './schedule.ts';

export interface NewNight {
  readonly trigger: JobTrigger;
  readonly createdBy: string;
  readonly title: string;
}

/** CONFLICT while another one waits or runs, and where nothing is set to be backed up. BUSY where too much waits. */
export function startNight(context: ServerContext, { trigger, createdBy, title }: NewNight): Job {
  const { jobs, options, settings } = context;
  if (jobs.isUnderWay('night')) throw new ServerError('CONFLICT', 'A night is under way already');
  const schedule = settings.get(SCHEDULE);
  const includes = { books: schedule.includes_books, covers: schedule.includes_covers };
  const backup: NewBackup = { includes, trigger, createdBy, name: newBackupName(context) };
  const { hooks, hookEnvironment, stateDirectory } = options;
  const job = jobs.start({
    kind: 'night',
    request: {
      parts: { ...options.night, ping: pingOf(context) },
      hooks,
      hookEnvironment,
      backup: backupOptionsOf(context, backup),
      forget: retentionOf(context, schedule),
      stateDirectory,
    },
    title,
    trigger,
    createdBy,
  });
  recordBackup(context, backup, job);
  return job;
}

/** Days that were set are for backups of the library alone; the rules of the configuration file are for all snapshots. */
export function retentionOf(
  { options }: Pick<ServerContext, 'options'>,
  { retention_days: days, zone }: Schedule,
): NightRequest['forget'] {
  if (days === null) return options.retention;
  return { policy: { keepWithin: `${days}d` }, filter: { labels: [BACKUP_LABEL] }, zone };
}

/** What people set in the page beats the configuration file. */
function pingOf({ settings, options }: ServerContext): NightRequest['parts']['ping'] {
  const { ping_url: url } = settings.get(NOTIFICATIONS);
  if (url === null) return options.night.ping;
  return { url, timeoutMs: PING_TIMEOUT_MS_DEFAULT, retries: PING_RETRIES_DEFAULT };
}
