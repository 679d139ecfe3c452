/** Numbers for Prometheus. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { App, ServerContext } from './context.ts';
import { JOB_KIND_NAMES } from './jobs/kinds.ts';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Histogram;
  readonly #jobs: Counter;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: 'snap_' });
    this.#requests = new Histogram({
      name: 'snap_http_request_duration_seconds',
      help: 'Time to the whole answer, by method, route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: SECONDS,
      registers,
    });
    this.#jobs = new Counter({
      name: 'snap_jobs_total',
      help: 'Jobs that are over, by kind and how they ended',
      labelNames: ['kind', 'status', 'outcome'],
      registers,
    });
  }

  /** What is known only when somebody asks. */
  watch(app: App, context: ServerContext): void {
    this.#addGauges(context);
    // A series that is there from the start can be compared with; without it the first failure is no rise.
    for (const kind of JOB_KIND_NAMES) this.#jobs.inc({ kind, status: 'FAILED', outcome: '' }, 0);
    context.jobs.onEnd(({ kind, status, outcome = '' }) => this.#jobs.inc({ kind, status, outcome }));
    app.addHook('onResponse', async (request, reply) => {
      // The route as it was declared: addresses that people make up would be series without end.
      const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
      const labels = { method: request.method, route, status: reply.statusCode };
      this.#requests.observe(labels, reply.elapsedTime / 1000);
    });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #addGauges({ jobs, state, events, scheduler }: ServerContext): void {
    this.#gauge('snap_jobs_running', 'Jobs that run', () => jobs.runningCount);
    this.#gauge('snap_jobs_waiting', 'Jobs that wait', () => jobs.waitingCount);
    this.#gauge('snap_event_clients', 'Pages and scripts that watch', () => events.listenerCount);
    this.#gauge('snap_next_night_timestamp_seconds', 'When the next night is due; 0: never', () => {
      return (scheduler.nextMs() ?? 0) / 1000;
    });
    this.#gauge('snap_last_backup_timestamp_seconds', 'When the last backup was made that is whole; 0: never', () => {
      const last = state.backups.findLastCompleted();
      return last === undefined ? 0 : Date.parse(last.createdAt) / 1000;
    });
    this.#gauge('snap_last_backup_bytes', 'What that backup restores to', () => {
      return state.backups.findLastCompleted()?.sizeBytes ?? 0;
    });
  }

  #gauge(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(value()),
    });
  }
}
