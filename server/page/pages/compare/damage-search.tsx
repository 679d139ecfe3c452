/** Every file on the disk against a moment, byte by byte: what changed although nobody wrote to it. */

import { useEffect, useState } from 'preact/hooks';
import type { DamageSearch, Job } from '../../api-types.ts';
import { usePage } from '../../context.ts';
import { formatBytes, formatCount, formatItems } from '../../format.ts';
import { isOver } from '../../state/jobs-watch.ts';
import { Button, ErrorNotice, Notice, Section } from '../../ui/basics.tsx';
import { JobProgressBar } from '../../ui/job-progress.tsx';
import { useJob } from '../../use-job.ts';
import { useAction } from '../../use-loaded.ts';
import { RestoreLink } from '../browse/restore-link.tsx';

export function DamageSearchSection({ before }: { readonly before: string }) {
  const page = usePage();
  const action = useAction();
  const [started, setStarted] = useState<Job | undefined>();
  const job = useJob(started);
  useEffect(() => setStarted(undefined), [before]);
  const isBusy = action.isBusy || (job !== undefined && !isOver(job));
  const start = (): void => {
    action.run(async () => {
      const begun = await page.api.startDamageSearch(before);
      page.jobs.put(begun.job);
      setStarted(begun.job);
    });
  };
  return (
    <Section
      title="Silent damage"
      lead="A disk may forget without a word. To find that, every file is read and held against that moment; it takes as long as reading them does."
    >
      <ErrorNotice error={action.error} />
      {job === undefined ? null : isOver(job) ? <Found job={job} before={before} /> : <JobProgressBar job={job} />}
      <div class="actions">
        <Button busy={isBusy ? 'Reading …' : undefined} onPress={start}>
          Read every file
        </Button>
      </div>
    </Section>
  );
}

function Found({ job, before }: { readonly job: Job; readonly before: string }) {
  if (job.status !== 'COMPLETED') {
    return <ErrorNotice error={job.error?.message ?? 'The search was cancelled: not every file was read'} />;
  }
  const found = job.result as unknown as DamageSearch;
  const { damaged, damaged_count: count } = found;
  const read = `${formatItems(found.files_read, 'file')} read, ${formatBytes(found.bytes_read)}.`;
  if (count === 0) {
    return (
      <Notice tone={job.problem_count > 0 ? 'warn' : 'good'}>
        <p>
          No silent damage was found. {read}
          {job.problem_count > 0
            ? ` ${formatItems(job.problem_count, 'file')} could not be read: see the job's log.`
            : ''}
        </p>
      </Notice>
    );
  }
  return (
    <>
      <Notice tone="bad">
        <p>
          {formatItems(count, 'file')} changed although nobody wrote to {count === 1 ? 'it' : 'them'}. {read} Bring{' '}
          {count === 1 ? 'it' : 'them'} back from this moment, and look after the disk.
        </p>
      </Notice>
      <ul class="rows" aria-label="Damaged files">
        {damaged.map((file) => (
          <li class="row" key={file.path_base64 ?? file.path}>
            <div class="row-main">
              <span class="path">{file.path}</span> <span class="muted">{formatBytes(file.bytes)}</span>
            </div>
            <div class="actions">
              <RestoreLink snapshot={before} entry={file} rule="always" label={`Restore ${file.path}`}>
                Restore …
              </RestoreLink>
            </div>
          </li>
        ))}
      </ul>
      {damaged.length < count ? <p class="muted">The first {formatCount(damaged.length)} of them.</p> : null}
    </>
  );
}
