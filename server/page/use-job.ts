/** One job, from the answer that started it to its end. */

import { useEffect, useState } from 'preact/hooks';
import type { Job } from './api-types.ts';
import { usePage } from './context.ts';
import { isOver } from './state/jobs-watch.ts';
import { useStore } from './store.ts';

/** Undefined for none. */
export function useJob(started: Job | undefined): Job | undefined {
  const page = usePage();
  const active = useStore(page.jobs.active);
  const [ended, setEnded] = useState<Job | undefined>();
  const id = started?.id;
  useEffect(() => {
    setEnded(undefined);
    if (id === undefined) return;
    const controller = new AbortController();
    const look = (): void => {
      page.api.job(id, controller.signal).then(
        ({ job }) => {
          if (isOver(job)) setEnded(job);
        },
        // It is asked again at the next event.
        () => undefined,
      );
    };
    // It may have ended before anybody listened.
    look();
    const ends = [
      page.jobs.onEnd((job) => {
        if (job.id === id) setEnded(job);
      }),
      page.live.on('gap', look),
    ];
    return () => {
      controller.abort();
      for (const end of ends) end();
    };
  }, [id]);
  if (started === undefined) return undefined;
  if (ended !== undefined && ended.id === id) return ended;
  return active.find((job) => job.id === id) ?? started;
}
