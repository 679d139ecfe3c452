/** Going back to a backup: what would change, the word to do it, how it goes, and what to do then. */

import { useEffect, useState } from 'preact/hooks';
import type { Backup, Job, RestorePlan } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Waiting, When } from '../../ui/basics.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { useJob } from '../../use-job.ts';
import { useAction } from '../../use-loaded.ts';
import { PlanChanges } from '../restore/plan-words.tsx';
import { RestoreSteps } from '../restore/restore-steps.tsx';

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
          <RestoreSteps job={restoring} onStarted={setRestoring} undo="Undo the restore">
            {() => <Button onPress={onClose}>Close</Button>}
          </RestoreSteps>
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

function PlanWords({ plan }: { readonly plan: RestorePlan }) {
  return (
    <ul class="bullets">
      <PlanChanges plan={plan} />
      <li>Files that the backup does not have stay.</li>
      <li>What is there now is saved first, so that this can be undone.</li>
    </ul>
  );
}
