/** When nights are, and what they keep. Pure but for the setting itself. */

import { Cron } from 'croner';
import { type Static, Type } from 'typebox';
import { RETENTION_DAYS_DEFAULT, RETENTION_DAYS_MAX } from '../limits.ts';
import { ServerError } from '../problems.ts';
import type { Setting } from '../settings.ts';

export const ScheduleSchema = Type.Object(
  {
    enabled: Type.Boolean(),
    cron: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'Minute, hour, day, month, day of week: 0 2 * * *',
    }),
    zone: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'IANA name of the zone that the times are meant in',
    }),
    includes_books: Type.Boolean(),
    includes_covers: Type.Boolean(),
    retention_days: Type.Union([Type.Integer({ minimum: 1, maximum: RETENTION_DAYS_MAX }), Type.Null()], {
      description: 'Backups that are older go; null: the rules of the configuration file, or none at all',
    }),
  },
  { additionalProperties: false },
);
export type Schedule = Static<typeof ScheduleSchema>;

export const SCHEDULE: Setting<typeof ScheduleSchema> = {
  key: 'schedule',
  schema: ScheduleSchema,
  initial: ({ scheduleDefaults, sources, retention }) => ({
    enabled: sources.length > 0,
    ...scheduleDefaults,
    includes_books: true,
    includes_covers: true,
    retention_days: retention === undefined ? RETENTION_DAYS_DEFAULT : null,
  }),
};

const Until = Type.Object({ ms: Type.Integer({ minimum: 0 }) });

/** Up to when nights were begun; 0 where no server ever ran. */
export const SCHEDULED_UNTIL: Setting<typeof Until> = {
  key: 'schedule.until',
  schema: Until,
  initial: () => ({ ms: 0 }),
};

/** REQUEST_INVALID for a time that is none, or never comes, and for a zone that nobody knows. */
export function requireSchedule(schedule: Pick<Schedule, 'cron' | 'zone'>, nowMs: number): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: schedule.zone });
  } catch {
    throw new ServerError('REQUEST_INVALID', `"${schedule.zone}" is no time zone: give a name such as Europe/Berlin`);
  }
  let next: number | undefined;
  try {
    next = nextRun(schedule, nowMs);
  } catch {
    throw new ServerError(
      'REQUEST_INVALID',
      `"${schedule.cron}" is no time: give minute, hour, day of the month, month and day of the week, such as 0 2 * * *`,
    );
  }
  if (next === undefined) throw new ServerError('REQUEST_INVALID', `The time "${schedule.cron}" never comes`);
}

/**
 * The first run after a moment; undefined where none comes. A time that a change to summer time leaves out runs at the
 * change, and one that a change back repeats runs once.
 */
export function nextRun({ cron, zone }: Pick<Schedule, 'cron' | 'zone'>, afterMs: number): number | undefined {
  const next = new Cron(cron, { mode: '5-part', timezone: zone, paused: true }).nextRun(new Date(afterMs));
  return next?.getTime();
}

export function nextRuns(schedule: Pick<Schedule, 'cron' | 'zone'>, afterMs: number, count: number): number[] {
  const runs: number[] = [];
  for (let last = afterMs; runs.length < count; ) {
    const next = nextRun(schedule, last);
    if (next === undefined) break;
    runs.push(next);
    last = next;
  }
  return runs;
}
