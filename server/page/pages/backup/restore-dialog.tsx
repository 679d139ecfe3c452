/** Going back to a backup: what would change, the word to do it, how it goes, and what to do then. */

import { useEffect, useState } from 'preact/hooks';
import type { Backup, Job, RestorePlan } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems } from '../../format.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Notice, Waiting, When } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useJob } from '../../use-job.ts';
import { useAction } from '../../use-loaded.ts';

export function RestoreDialog({ backup, onClose }: { readonly backup: Backup; readonly onClose: () => void }) {
  const page = usePage();
  const [planning, setPlanning] = useState<Job | undefined>();
  const [restoring, setRestoring] = useState<Job | undefined>();
  const action = useAction();
  const plan = (): void => {
    action.run(async () => setPlanning(start(await page.api.planBackupRestore(backup.id))));
  };
  const start = ({ job }: { readonly job: Job }): Job => {
    page.jobs.put(job);
    return job;
  };
  useEffect(plan, []);
  return (
    <Dialog title="Restore this backup" onClose={onClose}>
      <div class="stack">
        <p>
          It was made <When at={backup.created_at} />.
        </p>
        <ErrorNotice error={action.error} />
        {restoring === undefined ? (
          <PlanStep
            job={planning}
            backup={backup}
            onClose={onClose}
            onPlanAgain={plan}
            isBusy={action.isBusy}
            onConfirm={() => action.run(async () => setRestoring(start(await page.api.restoreBackup(backup.id))))}
          />
        ) : (
          <RestoreSteps job={restoring} onStarted={setRestoring} onClose={onClose} />
        )}
      </div>
    </Dialog>
  );
}

function PlanStep(props: {
  readonly job: Job | undefined;
  readonly backup: Backup;
  readonly isBusy: boolean;
  readonly onConfirm: () => void;
  readonly onPlanAgain: () => void;
  readonly onClose: () => void;
}) {
  const job = useJob(props.job);
  if (job === undefined || !isOver(job)) return <Waiting what="what would change" />;
  if (job.status !== 'COMPLETED') {
    return <ErrorNotice error={job.error?.message ?? 'The comparison was cancelled'} onRetry={props.onPlanAgain} />;
  }
  return (
    <>
      <PlanWords plan={job.result as unknown as RestorePlan} />
      <div class="dialog-actions">
        <Button onPress={props.onClose} disabled={props.isBusy}>
          Leave it as it is
        </Button>
        <Button kind="main" busy={props.isBusy ? 'Starting …' : undefined} onPress={props.onConfirm}>
          Restore
        </Button>
      </div>
    </>
  );
}

export function PlanWords({ plan }: { readonly plan: RestorePlan }) {
  const { files_to_create: created, files_to_replace: replaced, databases_to_swap: databases } = plan;
  const { files_to_compare: compared, bytes_to_write: bytes } = plan;
  return (
    <ul class="bullets">
      {databases.map((path) => (
        <li key={path}>
          The database <span class="path">{path}</span> goes back to that moment: what was listened to, bookmarked or
          added since then is undone.
        </li>
      ))}
      <li>{created === 0 ? 'No file is missing.' : `${formatItems(created, 'missing file')} come back.`}</li>
      {replaced === 0 ? null : <li>{formatItems(replaced, 'file')} that changed since become what they were.</li>}
      {compared === 0 ? null : <li>{formatItems(compared, 'file')} are compared, and put right where they differ.</li>}
      {bytes === 0 ? null : <li>{formatBytes(bytes)} are written.</li>}
      <li>Files that the backup does not have stay.</li>
      <li>What is there now is saved first, so that this can be undone.</li>
    </ul>
  );
}

/** While it runs, and what comes of it. */
export function RestoreSteps(props: {
  readonly job: Job;
  readonly onStarted: (job: Job) => void;
  readonly onClose: () => void;
}) {
  const page = usePage();
  const job = useJob(props.job) ?? props.job;
  const action = useAction();
  const begin = (ask: () => Promise<{ readonly job: Job }>): void => {
    action.run(async () => {
      const started = await ask();
      page.jobs.put(started.job);
      props.onStarted(started.job);
    });
  };
  if (!isOver(job)) {
    return (
      <>
        <JobProgressBar job={job} />
        <p class="muted">You may close this: it goes on, and tells when it is done.</p>
      </>
    );
  }
  const busy = action.isBusy ? 'Starting …' : undefined;
  return (
    <>
      {job.status === 'COMPLETED' ? <Success job={job} /> : <Failure job={job} />}
      <ErrorNotice error={action.error} />
      <div class="dialog-actions">
        {job.status === 'COMPLETED' ? (
          <Button busy={busy} onPress={() => begin(() => page.api.rollBackRestore())}>
            Undo the restore
          </Button>
        ) : null}
        {job.can_go_on ? (
          <Button kind="main" busy={busy} onPress={() => begin(() => page.api.resumeJob(job.id))}>
            It is stopped: go on
          </Button>
        ) : null}
        <Button onPress={props.onClose}>Close</Button>
      </div>
    </>
  );
}

function Success({ job }: { readonly job: Job }) {
  const next = (job.result?.['next'] ?? []) as readonly string[];
  const files = job.result?.['files_restored'];
  return (
    <Notice tone={job.outcome === 'done' ? 'good' : 'warn'}>
      <p>
        <strong>The restore was successful.</strong>{' '}
        {typeof files === 'number' ? `${formatItems(files, 'file')} came back.` : ''}
        {job.problem_count > 0 ? ` ${formatItems(job.problem_count, 'problem')}: see the log of the job.` : ''}
      </p>
      {next.map((text) => (
        <p key={text}>{text}</p>
      ))}
    </Notice>
  );
}

function Failure({ job }: { readonly job: Job }) {
  const isInUse = job.error?.code === 'TARGET_IN_USE';
  return (
    <Notice tone={isInUse ? 'warn' : 'bad'}>
      {isInUse ? <p>A server runs on this database. Stop it, then go on here: nothing was changed yet.</p> : null}
      <p>{job.status === 'CANCELLED' ? 'The restore was cancelled.' : (job.error?.message ?? 'The restore failed.')}</p>
    </Notice>
  );
}
