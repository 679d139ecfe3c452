/** Lists of jobs in pages, the newest first. */

import type { JobRunner } from '../jobs/runner.ts';
import type { JobView } from '../schemas.ts';
import type { JobPage } from '../state/jobs.ts';
import { jobView } from '../views.ts';

export function pageOfJobs(
  jobs: JobRunner,
  page: JobPage,
): { readonly items: JobView[]; readonly next_cursor: string | null } {
  const { limit } = page;
  const found = jobs.list({ ...page, limit: limit + 1 });
  const items = found.slice(0, limit).map(({ job, progress }) => jobView(job, progress));
  return { items, next_cursor: found.length > limit ? String(items.at(-1)?.id) : null };
}
