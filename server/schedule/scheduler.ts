/**
 * Begins nights when they are due. It looks at the clock now and then and never trusts a timer for long: machines sleep,
 * and clocks are set. What was missed meanwhile is made up for once, however much it was.
 */

import type { FastifyBaseLogger } from 'fastify';
import { MISSED_RUN_DELAY_MS, SCHEDULE_TICK_MS_MAX } from '../limits.ts';
import type { Settings } from '../settings.ts';
import { nextRun, SCHEDULE, SCHEDULED_UNTIL, type Schedule } from './schedule.ts';

export interface SchedulerParts {
  readonly settings: Settings;
  readonly log: FastifyBaseLogger;
  readonly nowMs: () => number;
  /** Begins a night that was due at `dueMs`; throws where it cannot. */
  readonly begin: (night: { readonly dueMs: number; readonly isMadeUp: boolean }) => void;
}

const TICK_MS_MIN = 200;

export class Scheduler {
  readonly #parts: SchedulerParts;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SchedulerParts) {
    this.#parts = parts;
    this.#startedMs = parts.nowMs();
    // A server that starts for the first time has missed nothing.
    if (!parts.settings.isSet(SCHEDULED_UNTIL)) this.#passTo(this.#startedMs);
  }

  start(): void {
    let waitMs = SCHEDULE_TICK_MS_MAX;
    try {
      this.tick();
      waitMs = (this.nextMs() ?? Number.POSITIVE_INFINITY) - this.#parts.nowMs();
    } catch (error) {
      // The state cannot be read or written: the next look may be luckier, and the server goes on.
      this.#parts.log.error({ err: error }, 'The schedule cannot be looked at');
    }
    this.#timer = setTimeout(() => this.start(), Math.max(TICK_MS_MIN, Math.min(waitMs, SCHEDULE_TICK_MS_MAX)));
    this.#timer.unref();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  /** Another schedule: nothing of the old one is made up for. */
  set(schedule: Schedule): void {
    this.#parts.settings.set(SCHEDULE, schedule);
    this.#passTo(this.#parts.nowMs());
  }

  /** When the next night begins, in milliseconds since 1970; in the past for one that is about to be made up for. */
  nextMs(): number | undefined {
    const { settings } = this.#parts;
    const schedule = settings.get(SCHEDULE);
    if (!schedule.enabled) return undefined;
    return nextRun(schedule, settings.get(SCHEDULED_UNTIL).ms);
  }

  /** Begins the night that is due, if one is. */
  tick(): void {
    const { nowMs: clock, log, begin } = this.#parts;
    const nowMs = clock();
    const dueMs = this.nextMs();
    if (dueMs === undefined || dueMs > nowMs) return;
    const wasDown = dueMs < this.#startedMs;
    if (wasDown && nowMs < this.#startedMs + MISSED_RUN_DELAY_MS) return;
    // First of all: a night that kills the server must not begin again and again.
    this.#passTo(nowMs);
    const isMadeUp = nowMs - dueMs > SCHEDULE_TICK_MS_MAX * 2;
    try {
      begin({ dueMs, isMadeUp });
    } catch (error) {
      log.warn({ err: error }, 'The scheduled night did not begin');
    }
  }

  #passTo(ms: number): void {
    const { settings } = this.#parts;
    // A clock that was set back must not let nights run twice.
    if (ms > settings.get(SCHEDULED_UNTIL).ms) settings.set(SCHEDULED_UNTIL, { ms });
  }
}
