/** One job in a list. */

import type { Job } from '../../api-types.ts';
import { resultWords, statusWords, toneOf } from '../../state/job-words.ts';
import { Badge, Link, When } from '../../ui/basics.tsx';

export function JobRow({ job }: { readonly job: Job }) {
  return (
    <li class="row">
      <div class="row-main">
        <Link to={`/jobs/${job.id}`} class="row-title">
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
