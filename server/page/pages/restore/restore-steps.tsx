/** A restore that was begun: how it goes, what came of it, and what can be done then. */

import type { ComponentChildren } from 'preact';
import type { Job } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatItems } from '../../format.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Notice } from '../../ui/basics.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useJob } from '../../use-job.ts';
import { useAction } from '../../use-loaded.ts';

interface Props {
  readonly job: Job;
  /** A further job took its place: one that goes on, or the way back. */
  readonly onStarted: (job: Job) => void;
  /** Words of the button that takes it back. */
  readonly undo: string;
  /** What else can be done once it is over. */
  readonly children: (job: Job) => ComponentChildren;
}

export function RestoreSteps(props: Props) {
  const job = useJob(props.job) ?? props.job;
  if (!isOver(job)) {
    return (
      <>
        <JobProgressBar job={job} />
        <p class="muted">You may leave: it goes on, and tells when it is done.</p>
      </>
    );
  }
  return <Outcome {...props} job={job} />;
}

function Outcome({ job, onStarted, undo, children }: Props) {
  const page = usePage();
  const action = useAction();
  const begin = (ask: () => Promise<{ readonly job: Job }>): void => {
    action.run(async () => {
      const started = await ask();
      page.jobs.put(started.job);
      onStarted(started.job);
    });
  };
  const busy = action.isBusy ? 'Starting …' : undefined;
  const saved = job.status === 'COMPLETED' ? job.result?.['safety_snapshot'] : undefined;
  return (
    <>
      {job.status === 'COMPLETED' ? <Success job={job} /> : <Failure job={job} />}
      <ErrorNotice error={action.error} />
      <div class="dialog-actions">
        {typeof saved === 'string' ? (
          <Button busy={busy} onPress={() => begin(() => page.api.rollBackRestore(saved))}>
            {undo}
          </Button>
        ) : null}
        {job.can_go_on && job.error?.code !== 'DELETION_REFUSED' ? (
          <Button kind="main" busy={busy} onPress={() => begin(() => page.api.resumeJob(job.id))}>
            {isInUse(job) ? 'It is stopped: go on' : 'Go on where it stopped'}
          </Button>
        ) : null}
        {children(job)}
      </div>
    </>
  );
}

function isInUse({ error }: Job): boolean {
  return error?.code === 'TARGET_IN_USE';
}

function Success({ job }: { readonly job: Job }) {
  const next = (job.result?.['next'] ?? []) as readonly string[];
  const count = (name: string): number => Number(job.result?.[name] ?? 0);
  const [files, removed] = [count('files_restored'), count('files_deleted') + count('directories_deleted')];
  return (
    <Notice tone={job.outcome === 'done' ? 'good' : 'warn'}>
      <p>
        <strong>The restore was successful.</strong> {formatItems(files, 'file')} came back.
        {removed > 0 ? ` ${formatItems(removed, 'entry', 'entries')} went.` : ''}
        {job.problem_count > 0 ? ` ${formatItems(job.problem_count, 'problem')}: see the log of the job.` : ''}
      </p>
      {next.map((text) => (
        <p key={text}>{text}</p>
      ))}
    </Notice>
  );
}

function Failure({ job }: { readonly job: Job }) {
  return (
    <Notice tone={isInUse(job) ? 'warn' : 'bad'}>
      {isInUse(job) ? <p>A server runs on this database. Stop it, then go on here: nothing was changed yet.</p> : null}
      <p>{job.status === 'CANCELLED' ? 'The restore was cancelled.' : (job.error?.message ?? 'The restore failed.')}</p>
    </Notice>
  );
}
