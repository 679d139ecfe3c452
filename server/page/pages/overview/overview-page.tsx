/** How things stand, in one look. */

import type { ScheduleState } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems } from '../../format.ts';
import { endSentence, toneOf } from '../../state/job-words.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { useStore } from '../../store.ts';
import { Button, ErrorNotice, Link, Notice, PageHead, Section, Waiting, When } from '../../ui/basics.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { ActiveJob } from '../jobs/active-job.tsx';

export function OverviewPage() {
  const page = usePage();
  const active = useStore(page.jobs.active);
  const schedule = useLoaded((signal) => page.api.schedule(signal), { live: ['job'] });
  return (
    <>
      <PageHead
        title="Overview"
        actions={
          <Button kind="main" icon="plus" onPress={() => page.router.go('/settings/backup', { create: '1' })}>
            Create Backup
          </Button>
        }
      />
      <ErrorNotice error={schedule.error} onRetry={schedule.reload} />
      {schedule.data === undefined && schedule.isLoading ? <Waiting what="the last night" /> : null}
      {schedule.data === undefined ? null : <Nights state={schedule.data} />}
      {active.length === 0 ? null : (
        <Section title="Running now">
          {active.map((job) => (
            <ActiveJob key={job.id} job={job} />
          ))}
        </Section>
      )}
      <Newest />
    </>
  );
}

function Nights({ state }: { readonly state: ScheduleState }) {
  const { last_night: last, next_runs: runs, schedule } = state;
  const [next] = runs;
  return (
    <div class="tiles">
      <Section title="Last night">
        {last === null ? (
          <p class="muted">There was no night yet.</p>
        ) : (
          <Notice tone={isOver(last) ? toneOf(last) : 'plain'}>
            <p>{isOver(last) ? endSentence(last) : `${last.title} is under way.`}</p>
            <p>
              <When at={last.ended_at ?? last.created_at} />, <Link to={`/jobs/${last.id}`}>details</Link>
            </p>
          </Notice>
        )}
      </Section>
      <Section title="Next run">
        {schedule.enabled && next !== undefined ? (
          <p class="figure">
            <When at={next} />
          </p>
        ) : (
          <Notice tone="warn">
            No nightly backup is scheduled. <Link to="/settings/backup">Switch it on in Settings, Backup.</Link>
          </Notice>
        )}
      </Section>
    </div>
  );
}

function Newest() {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.snapshots({ limit: 1, signal }), { live: ['job'] });
  const newest = loaded.data?.items[0];
  return (
    <Section title="Newest snapshot">
      <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
      {loaded.data === undefined ? null : newest === undefined ? (
        <p class="muted">Nothing was backed up yet. Create a backup, or wait for the night.</p>
      ) : (
        <p>
          <When at={newest.time} />: {formatItems(newest.summary.total_files_processed, 'file')},{' '}
          {formatBytes(newest.summary.total_bytes_processed)}
          {newest.suspect ? '. It is suspect: ' : ''}
          {newest.suspect ? newest.suspicion : ''}. <Link to="/snapshots">All snapshots</Link>
        </p>
      )}
    </Section>
  );
}
