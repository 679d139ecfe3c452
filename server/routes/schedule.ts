/** Nights: when, with what, how long they are kept, and how the last one went. */

import { Type } from 'typebox';
import { nameOf } from '../auth/identity.ts';
import type { App, ServerContext } from '../context.ts';
import { NEXT_RUNS_SHOWN } from '../limits.ts';
import { startNight } from '../schedule/night.ts';
import { nextRuns, requireSchedule, SCHEDULE, ScheduleSchema } from '../schedule/schedule.ts';
import { CLOSED, JobSchema, JobStarted, Nullable, PROBLEM_RESPONSES, Time } from '../schemas.ts';
import { jobView, timeView } from '../views.ts';
import { sendJob } from './send-job.ts';

const NextRuns = Type.Array(Time, { description: 'The next few nights' });

const ScheduleState = Type.Object({
  schedule: ScheduleSchema,
  next_runs: NextRuns,
  last_night: Nullable(JobSchema),
});

export function scheduleRoutes(app: App, context: ServerContext): void {
  const { settings, scheduler, state, jobs, nowMs, options } = context;

  const stateNow = () => {
    const schedule = settings.get(SCHEDULE);
    const runs = schedule.enabled ? nextRuns(schedule, nowMs(), NEXT_RUNS_SHOWN) : [];
    const last = state.jobs.findLast('night');
    const now = last === undefined ? undefined : jobs.find(last.id);
    return {
      schedule,
      next_runs: runs.map(timeView),
      last_night: now === undefined ? null : jobView(now.job, now.progress),
    };
  };

  app.get(
    '/schedule',
    {
      config: { access: 'read' },
      schema: { summary: 'When nights are', response: { 200: ScheduleState, ...PROBLEM_RESPONSES } },
    },
    async () => stateNow(),
  );

  app.put(
    '/schedule',
    {
      config: { access: 'admin' },
      schema: {
        summary: 'Change when nights are',
        body: ScheduleSchema,
        response: { 200: ScheduleState, ...PROBLEM_RESPONSES },
      },
    },
    async ({ body }) => {
      requireSchedule(body, nowMs());
      scheduler.set(body);
      return stateNow();
    },
  );

  app.get(
    '/schedule/preview',
    {
      config: { access: 'read' },
      schema: {
        summary: 'The next nights of a schedule that is not set yet',
        querystring: Type.Pick(ScheduleSchema, ['cron', 'zone']),
        response: { 200: Type.Object({ next_runs: NextRuns }), ...PROBLEM_RESPONSES },
      },
    },
    async ({ query }) => {
      requireSchedule(query, nowMs());
      return { next_runs: nextRuns(query, nowMs(), NEXT_RUNS_SHOWN).map(timeView) };
    },
  );

  app.post(
    '/schedule/run',
    {
      config: { access: 'backup' },
      schema: {
        summary: 'Begin a night now',
        body: Type.Object({}, CLOSED),
        response: { 202: JobStarted, ...PROBLEM_RESPONSES },
      },
    },
    async ({ identity }, reply) => {
      const job = startNight(context, {
        trigger: 'manual',
        createdBy: nameOf(identity),
        title: 'Night, begun by hand',
      });
      return sendJob(reply, options, job);
    },
  );
}
