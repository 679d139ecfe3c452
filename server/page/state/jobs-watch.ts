/** Jobs that wait or run, kept up to date by events. */

import type { Api } from '../api.ts';
import type { Job, JobProgress } from '../api-types.ts';
import type { Live } from '../live.ts';
import { Store } from '../store.ts';

export function isOver({ status }: Pick<Job, 'status'>): boolean {
  return status !== 'QUEUED' && status !== 'RUNNING';
}

export class JobsWatch {
  /** The newest first. */
  readonly active = new Store<readonly Job[]>([]);
  readonly #api: Api;
  readonly #ends = new Set<(job: Job) => void>();

  constructor(api: Api, live: Live) {
    this.#api = api;
    live.on('job', (data) => this.put(data as Job));
    live.on('progress', (data) => {
      const { job_id: id, progress } = data as { readonly job_id: number; readonly progress: JobProgress };
      this.active.update((jobs) => jobs.map((job) => (job.id === id ? { ...job, progress } : job)));
    });
    live.on('gap', () => this.load());
  }

  /** Asks anew; jobs that were over meanwhile are told as such. */
  async load(): Promise<void> {
    const before = this.active.value;
    try {
      const { items } = await this.#api.jobs({ statuses: ['QUEUED', 'RUNNING'] });
      this.active.set(items);
      const gone = before.filter(({ id }) => !items.some((job) => job.id === id));
      for (const { id } of gone) this.#tellEnd((await this.#api.job(id)).job);
    } catch {
      // Whoever asks for more is told why it fails.
    }
  }

  /** A job as it is now: from an event, or from the answer that started it. */
  put(job: Job): void {
    const known = this.active.value.find(({ id }) => id === job.id);
    if (isOver(job)) {
      this.active.update((jobs) => jobs.filter(({ id }) => id !== job.id));
      if (known !== undefined) this.#tellEnd(job);
      return;
    }
    const merged = { ...job, progress: job.progress ?? known?.progress ?? null };
    this.active.update((jobs) => [merged, ...jobs.filter(({ id }) => id !== job.id)].sort((a, b) => b.id - a.id));
  }

  /** Answers what ends it. */
  onEnd(listener: (job: Job) => void): () => void {
    this.#ends.add(listener);
    return () => {
      this.#ends.delete(listener);
    };
  }

  #tellEnd(job: Job): void {
    for (const listener of [...this.#ends]) listener(job);
  }
}
