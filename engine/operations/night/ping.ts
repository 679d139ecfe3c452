/** Tells a health check how the night goes. It is told, and nothing hangs on whether it hears. */

import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '../../base/errors.ts';
import type { PingOptions, PingReport } from './options.ts';

const SUFFIXES: { readonly [kind in PingReport['kind']]: string } = { start: '/start', success: '', fail: '/fail' };
const PAUSE_MS = 500;

/** Never throws. `signal` ends the attempts. */
export async function ping(
  options: PingOptions,
  kind: PingReport['kind'],
  signal: AbortSignal | undefined,
): Promise<PingReport> {
  let problem = '';
  for (let attempt = 0; attempt <= options.retries; attempt++) {
    try {
      if (attempt > 0) await sleep(PAUSE_MS * attempt, undefined, { signal });
      const late = AbortSignal.timeout(options.timeoutMs);
      const address = addressOf(options.url, SUFFIXES[kind]);
      const response = await fetch(address, { signal: signal === undefined ? late : AbortSignal.any([late, signal]) });
      await response.arrayBuffer();
      if (response.ok) return { kind, problem: undefined };
      problem = `the answer was ${response.status}`;
      // A wrong address stays wrong.
      if (response.status >= 400 && response.status < 500 && response.status !== 429) break;
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? `: ${errorMessage(error.cause)}` : '';
      problem = `${errorMessage(error)}${cause}`;
      if (signal?.aborted === true) break;
    }
  }
  return { kind, problem };
}

function addressOf(url: string, suffix: string): URL {
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, '')}${suffix}`;
  return address;
}
