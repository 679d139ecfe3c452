/** Work on many items at a time, but never on more than so many; and work that blocks its thread, with pauses. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { throwIfAborted } from './errors.ts';
import { THREAD_TURN_MS_MAX } from './limits.ts';

/**
 * What `work` makes of each item, in the items' order, with at most `atOnceMax` under way. After a failure nothing more
 * is begun; what is under way ends first, and then the first error is thrown.
 */
export async function mapBounded<Item, Result>(
  items: readonly Item[],
  atOnceMax: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  const entries = items.entries();
  let failed = false;
  const runner = async (): Promise<void> => {
    for (const [index, item] of entries) {
      if (failed) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const settled = await Promise.allSettled(Array.from({ length: Math.min(atOnceMax, items.length) }, runner));
  for (const one of settled) if (one.status === 'rejected') throw one.reason;
  return results;
}

/** Lets those who are about to block the thread through one by one, each in a turn of the event loop of its own. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  pass(): Promise<void> {
    this.#last = this.#last.then(() => nextTurn());
    return this.#last;
  }
}

/** Pauses in work that may go on for long without waiting for anything: others get their turn, and signals come in. */
export class Breather {
  readonly #signal: AbortSignal | undefined;
  #turnMs = performance.now();

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  /** To be called now and then. INTERRUPTED after the signal. */
  async breathe(): Promise<void> {
    throwIfAborted(this.#signal);
    if (performance.now() - this.#turnMs < THREAD_TURN_MS_MAX) return;
    await nextTurn();
    this.#turnMs = performance.now();
    throwIfAborted(this.#signal);
  }
}
