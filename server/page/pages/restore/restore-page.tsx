/** Back to a moment: what of it, where to, what that would do, and then how it goes. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { RestoreConfirmation } from '../../api.ts';
import type { Job, PathEntry, Snapshot } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { useStore } from '../../store.ts';
import { Button, ErrorNotice, Link, Section, Waiting } from '../../ui/basics.tsx';
import { SnapshotsFrame } from '../../ui/snapshots-frame.tsx';
import { useJob } from '../../use-job.ts';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { ordinaryOf } from '../../use-snapshots.ts';
import { MomentSlider } from '../browse/moment-slider.tsx';
import { CancelJob } from '../jobs/active-job.tsx';
import { JobRow } from '../jobs/job-row.tsx';
import { firstChoice, pathQuery, pathsOf, questionOf, type RestoreChoice } from './choice.ts';
import { ChoiceForm } from './choice-form.tsx';
import { ChosenPaths } from './chosen-paths.tsx';
import { PlanSection } from './plan-section.tsx';
import { RestoreSteps } from './restore-steps.tsx';

export function RestorePage() {
  return (
    <SnapshotsFrame
      title="Restore"
      lead="Bring back how it was: choose a moment and what of it, see what that would do, then do it."
    >
      {(snapshots) => <Restore snapshots={snapshots} />}
    </SnapshotsFrame>
  );
}

/** Moment, paths and a restore that was begun stand in the address, so that one can come back to them. */
function Restore({ snapshots }: { readonly snapshots: readonly Snapshot[] }) {
  const page = usePage();
  const { query } = useStore(page.router.place);
  const [choice, setChoice] = useState(firstChoice(query));
  // A newer one that comes meanwhile is not what a person looked at.
  const [newest] = useState(ordinaryOf(snapshots)[0]);
  const jobId = Number(query.get('job') ?? 0);
  const wanted = query.get('snapshot');
  const snapshot = snapshots.find(({ id }) => id === (wanted ?? newest?.id)) ?? ordinaryOf(snapshots)[0];
  if (snapshot === undefined) return null;
  const paths = pathsOf(query);
  const go = (to: {
    readonly snapshot?: string;
    readonly paths?: readonly PathEntry[];
    readonly job?: number;
  }): void => {
    const at = { snapshot: to.snapshot ?? snapshot.id, ...pathQuery(to.paths ?? paths) };
    page.router.go('/restore', { ...at, ...(to.job === undefined ? {} : { job: String(to.job) }) }, { replace: true });
  };
  if (jobId > 0) return <Begun key={jobId} id={jobId} onStarted={({ id }) => go({ job: id })} onAgain={() => go({})} />;
  return (
    <>
      <MomentSlider snapshots={snapshots} value={snapshot} onChange={({ id }) => go({ snapshot: id })} />
      <Chooser
        snapshot={snapshot}
        paths={paths}
        onPaths={(next) => go({ paths: next })}
        choice={choice}
        onChoice={setChoice}
        onStarted={({ id }) => go({ job: id })}
      />
      <PastRestores />
    </>
  );
}

function Chooser(props: {
  readonly snapshot: Snapshot;
  readonly paths: readonly PathEntry[];
  readonly choice: RestoreChoice;
  readonly onPaths: (paths: readonly PathEntry[]) => void;
  readonly onChoice: (choice: RestoreChoice) => void;
  readonly onStarted: (job: Job) => void;
}) {
  const page = usePage();
  const { snapshot, paths, choice } = props;
  const [planned, setPlanned] = useState<{ readonly of: string; readonly job: Job } | undefined>();
  const [planning, starting] = [useAction(), useAction()];
  const question = questionOf(snapshot, paths, choice);
  // A plan of something else is none.
  const asked = JSON.stringify(question);
  const shown = planned?.of === asked ? planned.job : undefined;
  const plan = (): void => {
    starting.clear();
    planning.run(async () => {
      const { job } = await page.api.planRestore(question);
      page.jobs.put(job);
      setPlanned({ of: asked, job });
    });
  };
  const confirm = (confirmation: RestoreConfirmation): void => {
    starting.run(async () => {
      const { job } = await page.api.startRestore(question, confirmation);
      page.jobs.put(job);
      props.onStarted(job);
    });
  };
  return (
    <>
      <ChoiceForm
        snapshot={snapshot}
        choice={choice}
        onChange={props.onChoice}
        onPlan={plan}
        isBusy={planning.isBusy}
        error={planning.error}
      >
        <ChosenPaths snapshot={snapshot} paths={paths} onChange={props.onPaths} />
      </ChoiceForm>
      {shown === undefined ? null : (
        <PlanSection
          key={shown.id}
          job={shown}
          choice={choice}
          isBusy={starting.isBusy}
          error={starting.error}
          onPlanAgain={plan}
          onConfirm={confirm}
        />
      )}
    </>
  );
}

const PAST_RESTORES_SHOWN = 5;

/** The way to what was begun before, and from there back. */
function PastRestores() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.restores(PAST_RESTORES_SHOWN, signal), { live: ['job'] });
  const jobs = loaded.data?.items ?? [];
  if (jobs.length === 0) return <ErrorNotice error={loaded.error} onRetry={loaded.reload} />;
  return (
    <Section title="Restores before">
      <ul class="rows">
        {jobs.map((job) => (
          <JobRow key={job.id} job={job} to={{ path: '/restore', query: { job: String(job.id) } }} />
        ))}
      </ul>
    </Section>
  );
}

/** One that runs, or is over. */
function Begun(props: { readonly id: number; readonly onStarted: (job: Job) => void; readonly onAgain: () => void }) {
  const page = usePage();
  const heading = useRef<HTMLHeadingElement>(null);
  const loaded = useLoaded((signal) => page.api.job(props.id, signal), { inputs: [props.id] });
  useEffect(() => heading.current?.focus(), []);
  const job = useJob(loaded.data?.job);
  return (
    <section class="section" aria-labelledby="restore-head">
      <div class="section-head">
        <h2 id="restore-head" ref={heading} tabIndex={-1}>
          {job?.title ?? 'The restore'}
        </h2>
        {job === undefined || isOver(job) ? null : <CancelJob job={job} />}
      </div>
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {job === undefined ? (
        loaded.isLoading ? (
          <Waiting what="the restore" />
        ) : null
      ) : !job.kind.startsWith('restore') || job.kind === 'restore-plan' ? (
        <ErrorNotice error={`Job ${props.id} is no restore`} />
      ) : (
        <div class="card">
          <RestoreSteps job={job} onStarted={props.onStarted} undo="Roll back">
            {({ error }) => (
              <>
                <Link to={`/jobs/${props.id}`} class="button plain">
                  Its log
                </Link>
                <Button onPress={props.onAgain}>
                  {error?.code === 'DELETION_REFUSED' ? 'Look again at what it would do' : 'Another restore'}
                </Button>
              </>
            )}
          </RestoreSteps>
        </div>
      )}
    </section>
  );
}
