/**
 * Long lists that are found as they are read, such as a diff, in pages. What found one page waits a while for the next
 * question and goes on where it stopped; when it is gone, the list is begun anew and passes over what was told.
 */

import { randomBytes } from 'node:crypto';
import { KEPT_LIST_MS_MAX, KEPT_LISTS_MAX, LIST_PAGE_MS, LISTS_UNDER_WAY_MAX } from './limits.ts';
import { ServerError } from './problems.ts';

/** What goes on: events, and whatever else its route remembers of it. */
interface Kept<Event, Memory> {
  readonly events: AsyncGenerator<Event>;
  readonly memory: Memory;
  readonly controller: AbortController;
  /** Events that were told so far. */
  told: number;
  /** Read and not told yet. */
  ahead: Event | undefined;
}

export interface ListQuestion<Event, Memory> {
  /** From the cursor; undefined for the first page. */
  readonly place: ListPlace | undefined;
  readonly limit: number;
  /** Begins the list. */
  readonly open: (signal: AbortSignal) => { readonly events: AsyncGenerator<Event>; readonly memory: Memory };
  /** Fires when the client goes away. */
  readonly gone: AbortSignal;
}

export interface ListPlace {
  readonly key: string;
  readonly at: number;
}

export interface ListPage<Event, Memory> {
  readonly events: readonly Event[];
  readonly memory: Memory;
  /** Of the next page; undefined where this is the last one. */
  readonly next: ListPlace | undefined;
}

export class KeptLists<Event, Memory> {
  readonly #kept = new Map<string, { readonly list: Kept<Event, Memory>; readonly timer: NodeJS.Timeout }>();
  #underWay = 0;

  /** BUSY where too many are read at this moment. A page may be short of its limit where more takes long to find. */
  async page(question: ListQuestion<Event, Memory>): Promise<ListPage<Event, Memory>> {
    if (this.#underWay >= LISTS_UNDER_WAY_MAX) {
      throw new ServerError('BUSY', 'Too many lists are being made at this moment: try again', { 'retry-after': '2' });
    }
    this.#underWay++;
    const list = this.#take(question.place) ?? begin(question);
    const stop = (): void => list.controller.abort();
    question.gone.addEventListener('abort', stop, { once: true });
    let next: ListPlace | undefined;
    try {
      if (question.gone.aborted) stop();
      await passOver(list, question.place?.at ?? 0);
      const events = await read(list, question.limit);
      if (list.ahead !== undefined && !question.gone.aborted) next = this.#keep(list);
      return { events, memory: list.memory, next };
    } finally {
      question.gone.removeEventListener('abort', stop);
      this.#underWay--;
      if (next === undefined) await end(list);
    }
  }

  /** Ends all that waits. */
  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((key) => this.#drop(key)));
  }

  #take(place: ListPlace | undefined): Kept<Event, Memory> | undefined {
    const found = place === undefined ? undefined : this.#kept.get(place.key);
    if (place === undefined || found === undefined || found.list.told !== place.at) return undefined;
    clearTimeout(found.timer);
    this.#kept.delete(place.key);
    return found.list;
  }

  #keep(list: Kept<Event, Memory>): ListPlace {
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_LISTS_MAX && oldest !== undefined) void this.#drop(oldest);
    const key = randomBytes(12).toString('base64url');
    const timer = setTimeout(() => void this.#drop(key), KEPT_LIST_MS_MAX);
    timer.unref();
    this.#kept.set(key, { list, timer });
    return { key, at: list.told };
  }

  async #drop(key: string): Promise<void> {
    const found = this.#kept.get(key);
    if (found === undefined) return;
    clearTimeout(found.timer);
    this.#kept.delete(key);
    await end(found.list);
  }
}

function begin<Event, Memory>({ open }: ListQuestion<Event, Memory>): Kept<Event, Memory> {
  const controller = new AbortController();
  return { ...open(controller.signal), controller, told: 0, ahead: undefined };
}

async function end<Event, Memory>({ controller, events }: Kept<Event, Memory>): Promise<void> {
  controller.abort();
  // What it threw was told to whoever asked.
  await events.return(undefined).catch(() => undefined);
}

async function passOver<Event, Memory>(list: Kept<Event, Memory>, at: number): Promise<void> {
  while (list.told < at) {
    const { done, value } = await list.events.next();
    if (done === true) return;
    list.told++;
    void value;
  }
}

/** One more than is told is looked for, so that the last page is known to be the last. */
async function read<Event, Memory>(list: Kept<Event, Memory>, limit: number): Promise<Event[]> {
  const begunMs = performance.now();
  const found: Event[] = [];
  for (;;) {
    if (list.ahead === undefined) {
      const { done, value } = await list.events.next();
      if (done === true) break;
      list.ahead = value;
    }
    if (found.length >= limit || (found.length > 0 && performance.now() - begunMs > LIST_PAGE_MS)) break;
    found.push(list.ahead);
    list.ahead = undefined;
    list.told++;
  }
  return found;
}
