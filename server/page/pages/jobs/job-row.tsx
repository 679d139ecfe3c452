/** One job in a list. */

import type { Job } from '../../api-types.ts';
import type { PlaceParameters } from '../../router.ts';
import { resultWords, statusWords, toneOf } from '../../state/job-words.ts';
import { Badge, Link, When } from '../../ui/basics.tsx';

export function JobRow(props: {
  readonly job: Job;
  /** Where more of it is told, if not on the page of the job. */
  readonly to?: { readonly path: string; readonly query: PlaceParameters };
}) {
  const { job, to = { path: `/jobs/${job.id}`, query: {} } } = props;
  return (
    <li class="row">
      <div class="row-main">
        <Link to={to.path} query={to.query} class="row-title">
          {job.title}
        </Link>
        <p class="muted">
          <When at={job.ended_at ?? job.started_at ?? job.created_at} /> by {job.created_by}
          {job.status === 'FAILED' && job.error !== null ? `: ${job.error.message}` : ''}
          {job.status === 'COMPLETED' && resultWords(job) !== '' ? `: ${resultWords(job)}` : ''}
        </p>
      </div>
      <Badge tone={toneOf(job)}>{statusWords(job)}</Badge>
    </li>
  );
}
