/** What the server tells while it happens. Comes back by itself after a lost connection. */

import { Store } from './store.ts';

export type Connection = 'connecting' | 'live' | 'lost';

/** `gap`: something was missed, so whatever is shown has to be asked for anew. */
export const LIVE_TYPES = [
  'job',
  'progress',
  'line',
  'problem',
  'backups',
  'snapshots',
  'library',
  'notification-failed',
  'gap',
] as const;
export type LiveType = (typeof LIVE_TYPES)[number];

type Listener = (data: unknown) => void;

const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 15_000;

export class Live {
  readonly connection = new Store<Connection>('connecting');
  readonly #address: string;
  readonly #listeners = new Map<LiveType, Set<Listener>>();
  #source: EventSource | undefined;
  #retry: number | undefined;
  #retryMs = RETRY_MS_MIN;
  #wasLive = false;
  readonly #onRefused: () => void;

  /** `onRefused`: the server answers, but not with events; perhaps the session is over. */
  constructor(address: string, onRefused: () => void) {
    this.#address = address;
    this.#onRefused = onRefused;
  }

  start(): void {
    if (this.#source !== undefined || this.#retry !== undefined) return;
    this.#open();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#source?.close();
    this.#source = undefined;
    this.#wasLive = false;
    this.connection.set('connecting');
  }

  /** Answers what ends it. */
  on(type: LiveType, listener: Listener): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  #open(): void {
    this.#retry = undefined;
    const source = new EventSource(this.#address);
    this.#source = source;
    source.onopen = () => {
      this.#retryMs = RETRY_MS_MIN;
      this.connection.set('live');
    };
    source.addEventListener('hello', () => {
      // A new stream, not the old one gone on: what happened in between is unknown.
      if (this.#wasLive) this.#tell('gap', {});
      this.#wasLive = true;
    });
    for (const type of LIVE_TYPES) {
      source.addEventListener(type, ({ data }) => this.#tell(type, JSON.parse(String(data))));
    }
    source.onerror = () => this.#failed(source);
  }

  #failed(source: EventSource): void {
    if (this.#source !== source) return;
    this.connection.set('lost');
    // Otherwise the browser itself comes back, and says what it had last.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    this.#source = undefined;
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    this.#onRefused();
  }

  #tell(type: LiveType, data: unknown): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener(data);
  }
}
