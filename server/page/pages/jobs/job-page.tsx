/** One job: how it goes or went, its log as it is written, and what it stumbled over. */

import { useEffect, useRef, useState } from 'preact/hooks';
import type { Job, JobDetails, Problem } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatDuration, formatItems } from '../../format.ts';
import { endSentence, statusWords, toneOf } from '../../state/job-words.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { useStore } from '../../store.ts';
import { Badge, Button, ErrorNotice, Link, Notice, PageHead, Section, Waiting, When } from '../../ui/basics.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useAction, useLoaded } from '../../use-loaded.ts';
import { CancelJob } from './active-job.tsx';

export function JobPage({ id }: { readonly id: number }) {
  const page = usePage();
  const loaded = useLoaded((signal) => page.api.job(id, signal), { inputs: [id], live: ['job'] });
  const active = useStore(page.jobs.active);
  if (loaded.data === undefined) {
    return (
      <>
        <PageHead title={`Job ${id}`} />
        <ErrorNotice error={loaded.error} onRetry={loaded.reload} />
        {loaded.isLoading ? <Waiting what="the job" /> : null}
      </>
    );
  }
  const live = active.find((job) => job.id === id);
  return <Details details={loaded.data} job={live ?? loaded.data.job} />;
}

function Details({ details, job }: { readonly details: JobDetails; readonly job: Job }) {
  return (
    <>
      <PageHead title={job.title} actions={isOver(job) ? <GoOn job={job} /> : <CancelJob job={job} />}>
        <Badge tone={toneOf(job)}>{statusWords(job)}</Badge>
      </PageHead>
      {isOver(job) ? <Notice tone={toneOf(job)}>{endSentence(job)}</Notice> : <JobProgressBar job={job} />}
      <Facts job={job} />
      <Log jobId={job.id} lines={details.lines} />
      <Problems problems={details.problems} count={job.problem_count} />
      <p>
        <Link to="/jobs">All jobs</Link>
      </p>
    </>
  );
}

function GoOn({ job }: { readonly job: Job }) {
  const page = usePage();
  const action = useAction();
  if (!job.can_go_on) return null;
  const resume = (): void => {
    action.run(async () => {
      const started = await page.api.resumeJob(job.id);
      page.jobs.put(started.job);
      page.router.go(`/jobs/${started.job.id}`);
    });
  };
  return (
    <>
      <Button kind="main" busy={action.isBusy ? 'Starting …' : undefined} onPress={resume}>
        Go on where it stopped
      </Button>
      <ErrorNotice error={action.error} />
    </>
  );
}

function Facts({ job }: { readonly job: Job }) {
  const started = job.started_at;
  const seconds =
    started === null || job.ended_at === null ? undefined : (Date.parse(job.ended_at) - Date.parse(started)) / 1000;
  return (
    <dl class="facts">
      <dt>Begun</dt>
      <dd>{started === null ? 'not yet' : <When at={started} />}</dd>
      {seconds === undefined ? null : (
        <>
          <dt>Took</dt>
          <dd>{formatDuration(seconds)}</dd>
        </>
      )}
      <dt>By</dt>
      <dd>{job.trigger === 'schedule' ? 'the schedule' : job.created_by}</dd>
    </dl>
  );
}

/** New lines come at the end, which stays in sight unless somebody scrolled up to read. */
function Log({ jobId, lines }: { readonly jobId: number; readonly lines: readonly string[] }) {
  const page = usePage();
  const [more, setMore] = useState<readonly string[]>([]);
  const box = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    // What was asked for anew holds them.
    setMore([]);
    return page.live.on('line', (data) => {
      const { job_id: id, line } = data as { readonly job_id: number; readonly line: string };
      if (id === jobId) setMore((known) => [...known, line]);
    });
  }, [jobId, lines]);
  useEffect(() => {
    if (isAtEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  });
  const all = [...lines, ...more];
  return (
    <Section title="Log">
      {all.length === 0 ? (
        <p class="muted">It has written nothing.</p>
      ) : (
        <pre
          ref={box}
          class="log"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, and must do so by the keyboard, too.
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
            isAtEnd.current = scrollTop + clientHeight >= scrollHeight - 8;
          }}
        >
          {all.join('\n')}
        </pre>
      )}
    </Section>
  );
}

function Problems({ problems, count }: { readonly problems: readonly Problem[]; readonly count: number }) {
  if (count === 0) return null;
  const lead =
    problems.length < count ? `${formatItems(count, 'problem')}; the first ${problems.length} are listed.` : undefined;
  return (
    <Section title="Problems" lead={lead}>
      <ul class="rows">
        {problems.map((problem) => (
          <li class="row" key={`${problem.path} ${problem.during} ${problem.code}`}>
            <div class="row-main">
              <p class="path">{problem.path}</p>
              <p class="muted">
                {problem.message} (while it {problem.during === 'repository' ? 'read the repository' : problem.during})
              </p>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}
