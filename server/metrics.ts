/** Numbers for Prometheus; observe.ts says which. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly #registry = new Registry();
  readonly requests: Histogram<'method' | 'route' | 'status'>;
  readonly jobs: Counter<'kind' | 'status' | 'outcome'>;

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: 'snap_' });
    this.requests = new Histogram({
      name: 'snap_http_request_duration_seconds',
      help: 'Time to the whole answer, by method, route and status',
      labelNames: ['method', 'route', 'status'],
      buckets: SECONDS,
      registers,
    });
    this.jobs = new Counter({
      name: 'snap_jobs_total',
      help: 'Jobs that are over, by kind and how they ended',
      labelNames: ['kind', 'status', 'outcome'],
      registers,
    });
  }

  /** A number that is found out when somebody asks. */
  addGauge(name: string, help: string, value: () => number): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect: () => gauge.set(value()),
    });
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
