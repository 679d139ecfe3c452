/** What every part of the page has at hand. */

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Api } from './api.ts';
import type { Session } from './api-types.ts';
import type { HttpClient } from './http.ts';
import type { Live } from './live.ts';
import type { Router } from './router.ts';
import type { JobsWatch } from './state/jobs-watch.ts';
import type { ThemeChoice } from './state/theme.ts';
import type { Toasts } from './state/toasts.ts';
import type { Store } from './store.ts';

/** `unknown` until the server was asked; null for nobody. */
export type SessionState = Session | 'unknown' | null;

export interface PageContext {
  readonly http: HttpClient;
  readonly api: Api;
  readonly live: Live;
  readonly router: Router;
  readonly jobs: JobsWatch;
  readonly toasts: Toasts;
  readonly theme: ThemeChoice;
  readonly session: Store<SessionState>;
  /** The clock of relative dates: milliseconds since 1970, a few times a minute. */
  readonly nowMs: Store<number>;
  /** Begins, or ends, what goes on for somebody who is signed in. */
  readonly enter: (session: Session | null) => void;
}

export const ContextOfPage = createContext<PageContext | undefined>(undefined);

export function usePage(): PageContext {
  const context = useContext(ContextOfPage);
  if (context === undefined) throw new Error('Nothing of the page stands outside of it');
  return context;
}
