/** Puts the page together and shows it. */

import { render } from 'preact';
import { Api } from './api.ts';
import type { Session } from './api-types.ts';
import { App } from './app.tsx';
import { ContextOfPage, type PageContext, type SessionState } from './context.ts';
import { HttpClient } from './http.ts';
import { Live } from './live.ts';
import { Router } from './router.ts';
import { endSentence, toneOf } from './state/job-words.ts';
import { JobsWatch } from './state/jobs-watch.ts';
import { ThemeChoice } from './state/theme.ts';
import { Toasts } from './state/toasts.ts';
import { Store } from './store.ts';

const CLOCK_MS = 15_000;

function createPage(basePath: string): PageContext {
  const session = new Store<SessionState>('unknown');
  const http = new HttpClient(basePath, () => enter(null));
  const api = new Api(http);
  const live = new Live(api.eventsAddress, () => {
    // A session that is over is noticed by this question.
    api.session().catch(() => undefined);
  });
  const jobs = new JobsWatch(api, live);
  const toasts = new Toasts();
  const nowMs = new Store(Date.now());
  setInterval(() => nowMs.set(Date.now()), CLOCK_MS);

  function enter(next: Session | null): void {
    http.csrfToken = next?.csrf_token ?? undefined;
    session.set(next);
    if (next === null) {
      live.stop();
      return;
    }
    live.start();
    jobs.load();
  }

  jobs.onEnd((job) => {
    // Whoever asked what a restore would do is looking at it.
    if (job.kind === 'restore-plan') return;
    toasts.show(toneOf(job), endSentence(job), { path: `/jobs/${job.id}`, text: 'Details' });
  });
  return {
    http,
    api,
    live,
    router: new Router(basePath),
    jobs,
    toasts,
    theme: new ThemeChoice(),
    session,
    nowMs,
    enter,
  };
}

async function start(): Promise<void> {
  const root = document.getElementById('page');
  if (root === null) throw new Error('The document has no place for the page');
  const page = createPage(document.documentElement.dataset['basePath'] ?? '');
  render(
    <ContextOfPage.Provider value={page}>
      <App />
    </ContextOfPage.Provider>,
    root,
  );
  try {
    page.enter(await page.api.session());
  } catch {
    page.enter(null);
  }
}

start();
