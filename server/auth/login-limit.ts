/** Counts failed sign-ins by address and by name, so that nobody can try many passwords. */

import { LOGIN_FAILURES_MAX, LOGIN_KEYS_MAX, LOGIN_WINDOW_MS } from '../limits.ts';
import { ServerError } from '../problems.ts';

interface Failures {
  count: number;
  /** When the first of them is forgotten, with all others. */
  untilMs: number;
}

export class LoginLimit {
  readonly #failures = new Map<string, Failures>();

  /** TOO_MANY_REQUESTS with the seconds to wait, where one of the keys failed too often. */
  require(keys: readonly string[], nowMs: number): void {
    const until = Math.max(...keys.map((key) => this.#blockedUntil(key, nowMs)));
    if (until <= nowMs) return;
    const seconds = Math.ceil((until - nowMs) / 1000);
    throw new ServerError(
      'TOO_MANY_REQUESTS',
      `Too many wrong passwords: try again in ${Math.ceil(seconds / 60)} minutes`,
      { 'retry-after': String(seconds) },
    );
  }

  /** Before the password is judged, so that a burst of tries counts, too. */
  count(keys: readonly string[], nowMs: number): void {
    for (const key of keys) {
      const known = this.#failures.get(key);
      // Put at the end again: the map forgets what was not tried for longest.
      this.#failures.delete(key);
      const isFresh = known === undefined || known.untilMs <= nowMs;
      this.#failures.set(
        key,
        isFresh ? { count: 1, untilMs: nowMs + LOGIN_WINDOW_MS } : { ...known, count: known.count + 1 },
      );
    }
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= LOGIN_KEYS_MAX) break;
      this.#failures.delete(key);
    }
  }

  /** After the right password. */
  forget(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key);
  }

  #blockedUntil(key: string, nowMs: number): number {
    const known = this.#failures.get(key);
    if (known === undefined || known.untilMs <= nowMs || known.count < LOGIN_FAILURES_MAX) return 0;
    return known.untilMs;
  }
}
