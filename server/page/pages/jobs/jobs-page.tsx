/** Jobs that run, and those that did. */

import { useState } from 'preact/hooks';
import type { Job } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { useStore } from '../../store.ts';
import { Button, Empty, ErrorNotice, PageHead, Section, Waiting } from '../../ui/basics.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { ActiveJob } from './active-job.tsx';
import { JobRow } from './job-row.tsx';

const JOBS_A_PAGE = 50;

export function JobsPage() {
  const page = usePage();
  const active = useStore(page.jobs.active);
  const action = useAction();
  const start = (begin: () => Promise<{ readonly job: Job }>): void => {
    action.run(async () => page.jobs.put((await begin()).job));
  };
  return (
    <>
      <PageHead
        title="Jobs"
        actions={
          <>
            <Button disabled={action.isBusy} onPress={() => start(() => page.api.startCheck(false))}>
              Check the repository
            </Button>
            <Button disabled={action.isBusy} onPress={() => start(() => page.api.startPrune())}>
              Free space
            </Button>
          </>
        }
      >
        Backups, restores and checks: what runs now, and how the ones before went.
      </PageHead>
      <ErrorNotice error={action.error} />
      <Section title="Now">
        {active.length === 0 ? (
          <p class="muted">Nothing runs.</p>
        ) : (
          active.map((job) => <ActiveJob key={job.id} job={job} />)
        )}
      </Section>
      <PastJobs />
    </>
  );
}

function PastJobs() {
  const page = usePage();
  const [older, setOlder] = useState<{ readonly items: readonly Job[]; readonly cursor: string | null } | undefined>();
  const newest = useLoaded((signal) => page.api.jobs({ limit: JOBS_A_PAGE, signal }), { live: ['job'] });
  const action = useAction();
  if (newest.data === undefined) {
    return (
      <Section title="Before">
        <ErrorNotice error={newest.error} onRetry={newest.reload} />
        {newest.isLoading ? <Waiting what="jobs" /> : null}
      </Section>
    );
  }
  const first = newest.data.items;
  const known = new Set(first.map(({ id }) => id));
  const past = [...first, ...(older?.items ?? []).filter(({ id }) => !known.has(id))].filter(isOver);
  const cursor = older === undefined ? newest.data.next_cursor : older.cursor;
  const loadOlder = (): void => {
    action.run(async () => {
      const more = await page.api.jobs({ limit: JOBS_A_PAGE, cursor: cursor ?? undefined });
      // Those that the first page shows now slip behind it when newer ones come.
      setOlder({ items: [...(older?.items ?? first), ...more.items], cursor: more.next_cursor });
    });
  };
  return (
    <Section title="Before">
      <ErrorNotice error={newest.error ?? action.error} />
      {past.length === 0 ? (
        <Empty title="No job has run yet">
          <p class="muted">A backup that you create, and every night, shows up here.</p>
        </Empty>
      ) : (
        <ul class="rows">
          {past.map((job) => (
            <JobRow key={job.id} job={job} />
          ))}
        </ul>
      )}
      {cursor === null ? null : (
        <Button busy={action.isBusy ? 'Loading older jobs …' : undefined} onPress={loadOlder}>
          Show older jobs
        </Button>
      )}
    </Section>
  );
}
