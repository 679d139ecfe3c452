/** How things stand, in one look. */

import type { ScheduleState } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatItems, formatShort } from '../../format.ts';
import { endSentence, toneOf } from '../../state/job-words.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { useStore } from '../../store.ts';
import { Button, ErrorNotice, Link, Notice, PageHead, Section, Waiting, When } from '../../ui/basics.tsx';
import { useLoaded } from '../../use-loaded.ts';
import { ActiveJob } from '../jobs/active-job.tsx';
import { GrowthChart } from './growth-chart.tsx';
import { HealthTile } from './health-tile.tsx';

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
      <Store />
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
          <div>
            <p class="figure">
              <When at={next} />
            </p>
            <p class="muted">{formatShort(Date.parse(next))}</p>
          </div>
        ) : (
          <Notice tone="warn">
            No nightly backup is scheduled. <Link to="/settings/backup">Switch it on in Settings, Backup.</Link>
          </Notice>
        )}
      </Section>
      <HealthTile schedule={schedule} />
    </div>
  );
}

function Store() {
  const page = usePage();
  const stats = useLoaded((signal) => page.api.stats(signal), { live: ['backups'] });
  const facts = useLoaded((signal) => page.api.repository(signal), { live: ['backups'] });
  return (
    <Section title="What is stored">
      <ErrorNotice error={stats.error ?? facts.error} onRetry={stats.reload} />
      {stats.data === undefined && stats.isLoading ? <Waiting what="sizes" /> : null}
      {stats.data === undefined ? null : stats.data.snapshots === 0 ? (
        <p class="muted">Nothing was backed up yet. Create a backup, or wait for the night.</p>
      ) : (
        <div class="card">
          <p>
            <span class="figure">{formatBytes(stats.data.repository_bytes)}</span>{' '}
            <span class="muted">
              for <Link to="/snapshots">{formatItems(stats.data.snapshots, 'snapshot')}</Link>
              {facts.data?.last_snapshot ? ', the newest ' : ''}
              {facts.data?.last_snapshot ? <When at={facts.data.last_snapshot} /> : null}
            </span>
          </p>
          {stats.data.growth.length === 0 ? null : <GrowthChart days={stats.data.growth} />}
          {facts.data === undefined ? null : <p class="path muted">{facts.data.location}</p>}
        </div>
      )}
    </Section>
  );
}
