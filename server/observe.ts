/** What of the server is counted and measured. */

import type { App, ServerContext } from './context.ts';
import { JOB_KIND_NAMES } from './jobs/kinds.ts';

export function observe(app: App, context: ServerContext): void {
  const { metrics, jobs } = context;
  // A series that is there from the start can be compared with; without it the first failure is no rise.
  for (const kind of JOB_KIND_NAMES) metrics.jobs.inc({ kind, status: 'FAILED', outcome: '' }, 0);
  jobs.onEnd(({ kind, status, outcome = '' }) => metrics.jobs.inc({ kind, status, outcome }));
  app.addHook('onResponse', async (request, reply) => {
    // The route as it was declared: addresses that people make up would be series without end.
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    metrics.requests.observe({ method: request.method, route, status: reply.statusCode }, reply.elapsedTime / 1000);
  });
  addGauges(context);
}

function addGauges({ metrics, jobs, state, events, scheduler }: ServerContext): void {
  const last = () => state.backups.findLastCompleted();
  metrics.addGauge('snap_jobs_running', 'Jobs that run', () => jobs.runningCount);
  metrics.addGauge('snap_jobs_waiting', 'Jobs that wait', () => jobs.waitingCount);
  metrics.addGauge('snap_event_clients', 'Pages and scripts that watch', () => events.listenerCount);
  metrics.addGauge('snap_next_night_timestamp_seconds', 'When the next night is due; 0: never', () => {
    return (scheduler.nextMs() ?? 0) / 1000;
  });
  metrics.addGauge('snap_last_backup_timestamp_seconds', 'When the last whole backup was made; 0: never', () => {
    return Date.parse(last()?.createdAt ?? '1970-01-01') / 1000;
  });
  metrics.addGauge('snap_last_backup_bytes', 'What that backup restores to', () => last()?.sizeBytes ?? 0);
}
