/** What a job does, and how it ended, in words. */

import type { Job } from '../api-types.ts';
import { formatBytes, formatItems } from '../format.ts';
import type { Tone } from './toasts.ts';

export function toneOf(job: Job): Tone {
  if (job.status === 'COMPLETED') return job.outcome === 'done' || job.outcome === null ? 'good' : 'warn';
  return job.status === 'FAILED' ? 'bad' : 'plain';
}

/** One or two words for lists. */
export function statusWords(job: Job): string {
  switch (job.status) {
    case 'QUEUED':
      return 'Waiting';
    case 'RUNNING':
      return 'Running';
    case 'CANCELLED':
      return 'Cancelled';
    case 'FAILED':
      return 'Failed';
    default:
      return OUTCOMES[job.outcome ?? 'done'];
  }
}

const OUTCOMES = {
  done: 'Done',
  problems: 'Done, with problems',
  suspect: 'Done, but suspect',
  damage: 'Damage found',
  failed: 'Failed',
} as const;

/** A sentence on how it ended. */
export function endSentence(job: Job): string {
  if (job.status === 'CANCELLED') return `${job.title}: cancelled. What was stored is kept.`;
  if (job.status === 'FAILED') return `${job.title} failed: ${job.error?.message ?? 'its log says more'}`;
  const details = resultWords(job);
  const problems = job.problem_count > 0 ? ` ${formatItems(job.problem_count, 'problem')}, see its log.` : '';
  return `${job.title}: ${statusWords(job).toLowerCase()}.${details === '' ? '' : ` ${details}.`}${problems}`;
}

/** Of a night that is what its backup did. */
function figuresOf(result: Job['result']): Job['result'] {
  const { parts } = (result ?? {}) as {
    readonly parts?: readonly { readonly part: string; readonly details?: Job['result'] }[];
  };
  return parts?.find(({ part }) => part === 'backup')?.details ?? result;
}

/** Figures of a result, whichever it has. */
export function resultWords({ result }: Job): string {
  const words: string[] = [];
  const figures = figuresOf(result);
  const add = (name: string, say: (value: number) => string): void => {
    const value = figures?.[name];
    if (typeof value === 'number') words.push(say(value));
  };
  add('total_files_processed', (value) => formatItems(value, 'file'));
  add('total_bytes_processed', formatBytes);
  add('data_added', (value) => `${formatBytes(value)} of it new`);
  add('files_restored', (value) => `${formatItems(value, 'file')} restored`);
  add('bytes_restored', (value) => `${formatBytes(value)} written`);
  add('files_deleted', (value) => `${formatItems(value, 'file')} removed`);
  add('removed', (value) => `${formatItems(value, 'snapshot')} removed`);
  add('snapshots_checked', (value) => `${formatItems(value, 'snapshot')} checked`);
  add('error_count', (value) => (value === 0 ? 'nothing wrong found' : `${formatItems(value, 'fault')} found`));
  add('files_read', (value) => `${formatItems(value, 'file')} read`);
  add('damaged_count', (value) => (value === 0 ? 'no silent damage found' : `${formatItems(value, 'file')} damaged`));
  add('bytes_freed', (value) => `${formatBytes(value)} freed`);
  return words.join(', ');
}
