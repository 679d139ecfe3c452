/** A job that waits or runs, with its progress and the way to end it. */

import { useState } from 'preact/hooks';
import type { Job } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { Button, Link } from '../../ui/basics.tsx';
import { ConfirmDialog } from '../../ui/dialog.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useAction } from '../../use-loaded.ts';

export function CancelJob({ job }: { readonly job: Job }) {
  const page = usePage();
  const [isAsked, setAsked] = useState(false);
  const [isTold, setTold] = useState(false);
  const action = useAction();
  const cancel = async (): Promise<void> => {
    const went = await action.run(async () => page.jobs.put((await page.api.cancelJob(job.id)).job));
    if (!went) return;
    setAsked(false);
    setTold(true);
  };
  return (
    <>
      <Button
        icon="stop"
        busy={isTold ? 'Stopping …' : undefined}
        label={`Cancel ${job.title}`}
        onPress={() => setAsked(true)}
      >
        Cancel
      </Button>
      {isAsked ? (
        <ConfirmDialog
          title={`Cancel "${job.title}"?`}
          action="Cancel the job"
          busy="Telling it to stop …"
          isBusy={action.isBusy}
          error={action.error}
          onConfirm={cancel}
          onClose={() => setAsked(false)}
        >
          <p>
            It ends within moments. What it stored is kept, and the next one goes on from there.
            {job.kind === 'restore' ? ' Files that it has put back already stay as they are.' : ''}
          </p>
        </ConfirmDialog>
      ) : null}
    </>
  );
}

export function ActiveJob({ job }: { readonly job: Job }) {
  return (
    <div class="card active-job">
      <div class="section-head">
        <h3>
          <Link to={`/jobs/${job.id}`}>{job.title}</Link>
        </h3>
        <CancelJob job={job} />
      </div>
      <JobProgressBar job={job} />
    </div>
  );
}
