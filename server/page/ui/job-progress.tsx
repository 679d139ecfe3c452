/** How far a job is. */

import type { Job } from '../api-types.ts';
import { usePage } from '../context.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { useStore } from '../store.ts';

/** Undefined where it is not known how much there is. */
function partDone({ progress }: Job): number | undefined {
  if (progress === null) return undefined;
  const { bytes_done: bytes, bytes_total: bytesTotal, files_done: files, files_total: filesTotal } = progress;
  if (bytesTotal !== null && bytesTotal > 0) return Math.min(1, bytes / bytesTotal);
  if (filesTotal !== null && filesTotal > 0) return Math.min(1, files / filesTotal);
  return undefined;
}

function wordsOf(job: Job): string {
  if (job.status === 'QUEUED') return 'Waits until the job before it is done';
  const { progress } = job;
  if (progress === null) return 'Begins';
  const { part, files_done: files, files_total: filesTotal, bytes_done: bytes, bytes_total: bytesTotal } = progress;
  const ofFiles = filesTotal === null ? '' : ` of ${formatCount(filesTotal)}`;
  const ofBytes = bytesTotal === null ? '' : ` of ${formatBytes(bytesTotal)}`;
  const figures = `${formatCount(files)}${ofFiles} files, ${formatBytes(bytes)}${ofBytes}`;
  return part === null ? figures : `${part}: ${figures}`;
}

function timeLeft(job: Job, nowMs: number): string | undefined {
  const done = partDone(job);
  if (done === undefined || done < 0.02 || job.started_at === null) return undefined;
  const seconds = (nowMs - Date.parse(job.started_at)) / 1000;
  return seconds < 5 ? undefined : `about ${formatDuration((seconds / done) * (1 - done))} left`;
}

export function JobProgressBar({ job }: { readonly job: Job }) {
  const { nowMs } = usePage();
  const now = Math.max(useStore(nowMs), Date.now());
  const done = partDone(job);
  const left = timeLeft(job, now);
  return (
    <div class="progress">
      <progress aria-label={`Progress of ${job.title}`} {...(done === undefined ? {} : { value: done, max: 1 })} />
      <p class="progress-words">
        <span>{wordsOf(job)}</span>
        <span class="muted">
          {[done === undefined ? '' : `${Math.floor(done * 100)} %`, left].filter(Boolean).join(', ')}
        </span>
      </p>
      <p class="path muted">{job.progress?.current_path ?? '\u00a0'}</p>
    </div>
  );
}
