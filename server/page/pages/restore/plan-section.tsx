/** What the restore would do, and the word to do it: nothing was changed so far. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { RestoreConfirmation } from '../../api.ts';
import type { Job, RestorePlan } from '../../api-types.ts';
import { formatItems } from '../../format.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Link, Notice } from '../../ui/basics.tsx';
import { TextField } from '../../ui/fields.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useJob } from '../../use-job.ts';
import type { RestoreChoice } from './choice.ts';
import { PlanChanges, PlanRemovals } from './plan-words.tsx';

interface Props {
  readonly job: Job;
  readonly choice: RestoreChoice;
  readonly isBusy: boolean;
  readonly error: string | undefined;
  readonly onPlanAgain: () => void;
  readonly onConfirm: (confirmation: RestoreConfirmation) => void;
}

export function PlanSection(props: Props) {
  const job = useJob(props.job) ?? props.job;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section class="section" aria-labelledby="plan-head">
      <h2 id="plan-head" ref={heading} tabIndex={-1}>
        What it would do
      </h2>
      <p class="unseen" role="status">
        {isOver(job) ? 'The comparison is done.' : 'Comparing with what is there …'}
      </p>
      {!isOver(job) ? (
        <JobProgressBar job={job} />
      ) : job.status === 'COMPLETED' ? (
        <Plan {...props} job={job} plan={job.result as unknown as RestorePlan} />
      ) : (
        <ErrorNotice error={job.error?.message ?? 'The comparison was cancelled'} onRetry={props.onPlanAgain} />
      )}
    </section>
  );
}

function changesNothing(plan: RestorePlan): boolean {
  const { files_to_create, files_to_replace, files_to_compare, removals } = plan;
  const { directories_to_create, directories_to_mend } = plan;
  const work = files_to_create + files_to_replace + files_to_compare + directories_to_create + directories_to_mend;
  return work + removals.count === 0;
}

function Plan({ job, plan, ...props }: Props & { readonly plan: RestorePlan }) {
  if (changesNothing(plan)) {
    return (
      <Notice tone="good">
        <p>Nothing differs: all that was chosen is there as it was at that moment.</p>
      </Notice>
    );
  }
  return (
    <div class="card">
      <ul class="bullets">
        <li>
          It goes to <span class="path">{plan.targets.join(', ')}</span>.
        </li>
        <PlanChanges plan={plan} />
        <PlanRemovals plan={plan} />
        <SavedFirst choice={props.choice} />
      </ul>
      {job.problem_count === 0 ? null : (
        <Notice tone="warn">
          <p>
            It met {formatItems(job.problem_count, 'problem')}:{' '}
            <Link to={`/jobs/${job.id}`}>the log of the comparison</Link> names them.
          </p>
        </Notice>
      )}
      <ConfirmForm {...props} plan={plan} />
    </div>
  );
}

/** Whether there is a way back. In an empty folder nothing is lost. */
function SavedFirst({ choice: { place, rule } }: Pick<Props, 'choice'>) {
  if (place === 'in place') {
    return <li>Before anything changes a snapshot of what is there now is taken, so that this can be undone.</li>;
  }
  if (rule === 'empty') return null;
  return <li>Of what is there now no snapshot is taken: what this replaces or removes there is gone.</li>;
}

/** Whoever lets something be removed writes how much that is. */
function ConfirmForm({ plan, isBusy, error, onConfirm }: Omit<Props, 'job'> & { readonly plan: RestorePlan }) {
  const [typed, setTyped] = useState('');
  const [isWrong, setWrong] = useState(false);
  const { count, digest } = plan.removals;
  const confirm = (event: Event): void => {
    event.preventDefault();
    // As it is shown, or without what parts thousands.
    const isRight = count === 0 || typed.replace(/[\s,.]/g, '') === String(count);
    setWrong(!isRight);
    if (isRight) onConfirm({ confirm_removals: count, confirm_digest: digest });
  };
  return (
    <form class="stack" onSubmit={confirm}>
      {count === 0 ? null : (
        <TextField
          label={`To confirm, type how many are removed: ${count}`}
          value={typed}
          onChange={setTyped}
          error={isWrong ? `Type ${count}, or leave it as it is.` : undefined}
        />
      )}
      <ErrorNotice error={error} />
      <div class="actions">
        <Button kind={count === 0 ? 'main' : 'danger'} type="submit" busy={isBusy ? 'Starting …' : undefined}>
          {count === 0 ? 'Restore' : 'Restore and remove'}
        </Button>
      </div>
    </form>
  );
}
