/** Finds out what the library is, in a job of its own, and keeps what it found. */

import type { ServerContext } from '../context.ts';
import type { Job } from '../jobs/job.ts';
import type { DetectAnswer } from '../jobs/kinds/detect.ts';
import { LIBRARY_DETECTED, libraryOf } from './library.ts';

export function startDetection({ jobs, options }: ServerContext, by: Pick<Job, 'trigger' | 'createdBy'>): Job {
  return jobs.start({
    kind: 'detect',
    request: { sources: options.sources },
    title: 'Look whose library it is',
    ...by,
  });
}

/** A new server looks by itself, once. */
export function detectAtStart(context: ServerContext): void {
  if (context.options.sources.length === 0 || libraryOf(context.settings).origin !== 'initial') return;
  startDetection(context, { trigger: 'schedule', createdBy: 'server' });
}

/** To be called before jobs are recovered. */
export function keepDetected({ jobs, settings, events }: ServerContext): void {
  jobs.onEnd((job) => {
    if (job.kind !== 'detect' || job.status !== 'COMPLETED') return;
    const { library } = job.result as DetectAnswer;
    if (library !== null) settings.set(LIBRARY_DETECTED, library);
    events.publish('library', {});
  });
}
