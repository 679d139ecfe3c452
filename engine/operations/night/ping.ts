/** Tells a health check how the night goes. It is told, and nothing hangs on whether it hears. */

import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../../base/errors.ts';
import type { PingOptions, PingReport } from './options.ts';

const SUFFIXES: { readonly [kind in PingReport['kind']]: string } = { start: '/start', success: '', fail: '/fail' };
const PAUSE_MS = 500;

/** Never throws. */
export async function ping(options: PingOptions, kind: PingReport['kind']): Promise<PingReport> {
  let problem = '';
  for (let attempt = 0; attempt <= options.retries; attempt++) {
    if (attempt > 0) await sleep(PAUSE_MS * attempt);
    try {
      const address = addressOf(options.url, SUFFIXES[kind]);
      const response = await fetch(address, { signal: AbortSignal.timeout(options.timeoutMs), redirect: 'follow' });
      await response.arrayBuffer();
      if (response.ok) return { kind, problem: undefined };
      problem = `the answer was ${response.status}`;
      // A wrong address stays wrong.
      if (response.status >= 400 && response.status < 500 && response.status !== 429) break;
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${errorMessage(error.cause)}` : '';
      problem = `${errorMessage(error)}${cause}`;
    }
  }
  return { kind, problem };
}

function addressOf(url: string, suffix: string): URL {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, '')}${suffix}`;
  return address;
}
