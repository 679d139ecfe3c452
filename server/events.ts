/** What happens, for pages that watch. Kept for a while, so that one which lost its connection misses nothing. */

import { randomBytes } from 'node:crypto';
import { EVENTS_KEPT_MAX } from './limits.ts';

export interface ServerEvent {
  /** Undefined for what only matters at the moment, such as progress: it is not kept. */
  readonly id: string | undefined;
  readonly type: string;
  /** Goes out as JSON. */
  readonly data: object;
}

export type EventListener = (event: ServerEvent) => void;

export interface Subscription {
  /** What happened since the event that the client had last. */
  readonly missed: readonly ServerEvent[];
  /** More happened than is kept, or the server is another one by now: the client has to ask for everything anew. */
  readonly isGap: boolean;
  readonly end: () => void;
}

export class EventLog {
  /** Another one after each start, so that an old number is not taken for a new one. */
  readonly #run = randomBytes(6).toString('base64url');
  readonly #kept: ServerEvent[] = [];
  readonly #listeners = new Set<EventListener>();
  /** Of the next event that is kept. */
  #next = 1;

  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** `isKept` false: told to those who listen now, and forgotten. */
  publish(type: string, data: object, { isKept = true }: { readonly isKept?: boolean } = {}): void {
    const event: ServerEvent = { id: isKept ? `${this.#run}.${this.#next++}` : undefined, type, data };
    if (isKept) {
      this.#kept.push(event);
      if (this.#kept.length > EVENTS_KEPT_MAX) this.#kept.shift();
    }
    for (const listener of this.#listeners) listener(event);
  }

  /** `lastId` is the last event that the client had, if it was here before. */
  subscribe(listener: EventListener, lastId?: string): Subscription {
    this.#listeners.add(listener);
    const end = (): void => {
      this.#listeners.delete(listener);
    };
    if (lastId === undefined || lastId === '') return { missed: [], isGap: false, end };
    const number = this.#numberOf(lastId);
    const first = this.#next - this.#kept.length;
    if (number === undefined || number + 1 < first) return { missed: [], isGap: true, end };
    return { missed: this.#kept.slice(number + 1 - first), isGap: false, end };
  }

  /** The id of the newest event that was kept, so that a client that hears of none can still come back to here. */
  get lastId(): string {
    return `${this.#run}.${this.#next - 1}`;
  }

  #numberOf(id: string): number | undefined {
    const [run, number = ''] = id.split('.');
    if (run !== this.#run || !/^\d{1,15}$/.test(number)) return undefined;
    return Number(number) < this.#next ? Number(number) : undefined;
  }
}
