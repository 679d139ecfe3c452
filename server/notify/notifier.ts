/** Tells people: of jobs that failed or, if wanted, went well, and of a last backup that is too old. */

import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import { type Static, Type } from 'typebox';
import type { EventLog } from '../events.ts';
import type { Job } from '../jobs/job.ts';
import {
  CLOSE_MS_MAX,
  NOTIFICATION_RETRY_MS,
  NOTIFICATION_TRIES_MAX,
  NOTIFICATIONS_WAITING_MAX,
  STALE_AGAIN_MS,
  STALE_CHECK_MS,
} from '../limits.ts';
import type { Setting, Settings } from '../settings.ts';
import type { State } from '../state/state.ts';
import { type Channel, type ChannelName, channelsOf } from './channels.ts';
import { type Message, messageOfJob, staleMessage, testMessage } from './message.ts';
import { NOTIFICATIONS } from './notification-settings.ts';

const DAY_MS = 24 * 3600_000;

const Staleness = Type.Object({ sinceMs: Type.Integer(), toldMs: Type.Integer() });

/** Since when somebody watches over the age of backups, and when people were told last. */
const STALENESS: Setting<typeof Staleness> = {
  key: 'notifications.staleness',
  schema: Staleness,
  initial: () => ({ sinceMs: 0, toldMs: 0 }),
};

export interface NotifierParts {
  readonly settings: Settings;
  readonly state: State;
  readonly events: EventLog;
  readonly log: FastifyBaseLogger;
  readonly nowMs: () => number;
}

/** How it went with one way. */
export interface Delivery {
  readonly channel: ChannelName;
  /** Why it did not get through. */
  readonly problem: string | undefined;
}

export class Notifier {
  readonly #parts: NotifierParts;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  /** One message after the other, so that they arrive in order. */
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(parts: NotifierParts) {
    this.#parts = parts;
  }

  start(): void {
    const check = (): void => {
      try {
        this.checkAge();
      } catch (error) {
        this.#parts.log.error({ err: error }, 'The age of the last backup cannot be looked at');
      }
    };
    check();
    this.#timer = setInterval(check, STALE_CHECK_MS);
    this.#timer.unref();
  }

  /** What waits is tried once more, for some time: that a night was cut off is news, too. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await Promise.race([this.#queue, sleep(CLOSE_MS_MAX, undefined, { ref: false })]);
  }

  jobEnded(job: Job): void {
    const message = messageOfJob(job, this.#facts());
    if (message !== undefined) this.#enqueue(message);
  }

  /** Tells people, once a day, where no backup succeeded for as long as they set. */
  checkAge(): void {
    const { settings, state, nowMs } = this.#parts;
    const now = nowMs();
    const { stale_days: days } = settings.get(NOTIFICATIONS);
    const known = this.#staleness(now);
    if (days === null || channelsOf(settings.get(NOTIFICATIONS)).length === 0) return;
    const last = state.backups.findLastCompleted();
    const lastMs = last === undefined ? undefined : Date.parse(last.createdAt);
    // A server that was just set up is not late yet.
    const sinceMs = Math.max(lastMs ?? 0, known.sinceMs);
    if (now - sinceMs < days * DAY_MS || now - known.toldMs < STALE_AGAIN_MS) return;
    settings.set(STALENESS, { ...known, toldMs: now });
    this.#enqueue(staleMessage(lastMs, this.#facts()));
  }

  /** Sends a test by every way that is set, at once and without a second try. */
  test(): Promise<Delivery[]> {
    const channels = channelsOf(this.#parts.settings.get(NOTIFICATIONS));
    const message = testMessage(this.#facts());
    return Promise.all(channels.map((channel) => deliver(channel, message)));
  }

  #staleness(now: number): Static<typeof Staleness> {
    const { settings } = this.#parts;
    if (!settings.isSet(STALENESS)) settings.set(STALENESS, { sinceMs: now, toldMs: 0 });
    return settings.get(STALENESS);
  }

  #facts() {
    const { settings, nowMs } = this.#parts;
    return { host: hostname(), nowMs: nowMs(), settings: settings.get(NOTIFICATIONS) };
  }

  #enqueue(message: Message): void {
    const { settings, log } = this.#parts;
    const channels = channelsOf(settings.get(NOTIFICATIONS));
    if (channels.length === 0) return;
    if (this.#waiting >= NOTIFICATIONS_WAITING_MAX) {
      log.warn({ title: message.title }, 'Too many notifications wait: this one is not sent');
      return;
    }
    this.#waiting++;
    this.#queue = this.#queue.then(async () => {
      await Promise.all(channels.map((channel) => this.#persist(channel, message)));
      this.#waiting--;
    });
  }

  /** Some tries, further and further apart. What did not get through is in the log, and pages hear of it. */
  async #persist(channel: Channel, message: Message): Promise<void> {
    const { log, events } = this.#parts;
    const { signal } = this.#stop;
    for (let tries = 1; ; tries++) {
      const { problem } = await deliver(channel, message);
      if (problem === undefined) {
        log.info({ channel: channel.name, title: message.title }, 'A notification was sent');
        return;
      }
      if (tries >= NOTIFICATION_TRIES_MAX || signal.aborted) {
        log.warn({ channel: channel.name, title: message.title, problem }, 'A notification did not get through');
        events.publish('notification-failed', { channel: channel.name, title: message.title, problem });
        return;
      }
      await sleep(NOTIFICATION_RETRY_MS * 3 ** (tries - 1), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}

async function deliver(channel: Channel, message: Message): Promise<Delivery> {
  try {
    await channel.send(message);
    return { channel: channel.name, problem: undefined };
  } catch (error) {
    return { channel: channel.name, problem: reasonOf(error) };
  }
}

/** fetch says only "fetch failed"; what happened is behind it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
