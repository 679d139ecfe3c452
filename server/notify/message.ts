/** What people are told, in words. Pure. */

import type { Job } from '../jobs/job.ts';
import type { JobKind } from '../jobs/kinds.ts';
import type { JobView } from '../schemas.ts';
import { jobView } from '../views.ts';
import type { Notifications } from './notification-settings.ts';

export const MESSAGE_LEVELS = ['info', 'warning', 'error'] as const;
export type MessageLevel = (typeof MESSAGE_LEVELS)[number];

export interface Message {
  readonly event: 'job' | 'stale' | 'test';
  readonly level: MessageLevel;
  /** One line. */
  readonly title: string;
  readonly text: string;
  /** ISO 8601. */
  readonly time: string;
  readonly host: string;
  readonly job: JobView | null;
  /** Where in the page more is to be seen. */
  readonly url: string | null;
}

/** Work that somebody should hear of who did not watch it. */
const TOLD: ReadonlySet<string> = new Set<JobKind>([
  'night',
  'backup',
  'restore',
  'prune',
  'check',
  'damage-search',
  'forget',
]);
/** Of these it is news that all went well. */
const TOLD_WELL: ReadonlySet<string> = new Set<JobKind>(['night', 'backup', 'restore']);

interface Facts {
  readonly host: string;
  readonly nowMs: number;
  readonly settings: Pick<Notifications, 'on_failure' | 'on_success' | 'page_url'>;
}

/** Undefined where nobody wants to hear of it. */
export function messageOfJob(job: Job, { host, nowMs, settings }: Facts): Message | undefined {
  if (!TOLD.has(job.kind) || job.status === 'CANCELLED') return undefined;
  const level = levelOf(job);
  const isWanted = level === 'info' ? settings.on_success && TOLD_WELL.has(job.kind) : settings.on_failure;
  if (!isWanted) return undefined;
  return {
    event: 'job',
    level,
    title: `${host}: ${nameOf(job)} ${endOf(job)}`,
    text: [reasonOf(job), ...problemLines(job)].filter((line) => line !== '').join('\n'),
    time: new Date(nowMs).toISOString(),
    host,
    job: jobView(job),
    url: settings.page_url === null ? null : `${settings.page_url.replace(/\/+$/, '')}/jobs/${job.id}`,
  };
}

/** No backup succeeded for so many days. */
export function staleMessage(lastMs: number | undefined, { host, nowMs, settings }: Facts): Message {
  const day = 24 * 3600_000;
  const since =
    lastMs === undefined
      ? 'There is no backup at all yet.'
      : `The last backup that succeeded is ${Math.floor((nowMs - lastMs) / day)} days old (${new Date(lastMs).toISOString()}).`;
  return {
    event: 'stale',
    level: 'error',
    title: `${host}: no backup for too long`,
    text: `${since} Look at the list of jobs for what keeps it from being made.`,
    time: new Date(nowMs).toISOString(),
    host,
    job: null,
    url: settings.page_url,
  };
}

export function testMessage({ host, nowMs, settings }: Facts): Message {
  return {
    event: 'test',
    level: 'info',
    title: `${host}: a test of snap's notifications`,
    text: 'If you read this, messages reach you.',
    time: new Date(nowMs).toISOString(),
    host,
    job: null,
    url: settings.page_url,
  };
}

function levelOf({ status, outcome }: Job): MessageLevel {
  if (status === 'FAILED' || outcome === 'damage') return 'error';
  return outcome === 'done' ? 'info' : 'warning';
}

function nameOf({ kind, title }: Job): string {
  return kind === 'night' ? 'the night' : title.slice(0, 1).toLowerCase() + title.slice(1);
}

function endOf({ status, outcome }: Job): string {
  if (status === 'FAILED') return 'failed';
  switch (outcome) {
    case 'damage':
      return 'met damage in the repository';
    case 'suspect':
      return 'made a snapshot that is suspect';
    case 'problems':
      return 'is done, with problems';
    default:
      return 'is done';
  }
}

function reasonOf({ error, result }: Job): string {
  if (error !== undefined) return error.message;
  const { suspicion } = (result ?? {}) as { readonly suspicion?: string | null };
  return suspicion ?? '';
}

const PROBLEMS_TOLD = 5;

function problemLines({ problems, problemCount }: Job): string[] {
  const told = problems.slice(0, PROBLEMS_TOLD).map(({ path, message }) => `${path}: ${message}`);
  const more = problemCount - told.length;
  return more > 0 ? [...told, `and ${more} more problems`] : told;
}
