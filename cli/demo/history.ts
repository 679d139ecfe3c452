/** Stores the weeks of the made-up library, as a server would have done night by night. */

import { annotate, backup, type Repository } from '../../engine/index.ts';
import { BACKUP_LABEL, backupTags } from '../../server/index.ts';
import type { MadeUpLibrary } from './library.ts';
import { EVENTS, type Event, NIGHTS } from './story.ts';
import { AUDIOBOOKS, EBOOKS } from './titles.ts';

/** Of all snapshots: the machine that the library is said to stand on. */
export const HOST = 'bookshelf';
export const PROFILE = 'audiobookshelf';
const NIGHT_HOUR = 2;
const EVENING_HOURS_BEFORE = 6;
/** Between one book's arrival and the next one's. */
const ARRIVAL_HOURS = 3;

/** Two o'clock of a night, so many nights ago; 1 is the last one. */
function nightTime(now: Date, nightsAgo: number): Date {
  const time = new Date(now);
  time.setHours(NIGHT_HOUR, 0, 0, 0);
  const isStillToCome = time.getTime() > now.getTime();
  time.setDate(time.getDate() - nightsAgo + (isStillToCome ? 0 : 1));
  return time;
}

function hoursBefore(time: Date, hours: number): Date {
  return new Date(time.getTime() - hours * 3_600_000);
}

/** When the server was set up, before the first night. */
export function beginning(now: Date): Date {
  return hoursBefore(nightTime(now, NIGHTS), 72);
}

/** What was there from the first night on. */
export function fill(library: MadeUpLibrary, now: Date): void {
  const books = [...AUDIOBOOKS, ...EBOOKS];
  for (const [number, book] of books.entries()) {
    library.add(book, hoursBefore(nightTime(now, NIGHTS), EVENING_HOURS_BEFORE + ARRIVAL_HOURS * number));
  }
}

export interface HistoryOptions {
  readonly library: MadeUpLibrary;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** Every night but the coming one. INTERRUPTED where the signal ends it. */
export async function storeNights(repository: Repository, { library, now, signal }: HistoryOptions): Promise<void> {
  for (let nightsAgo = NIGHTS; nightsAgo >= 1; nightsAgo--) {
    const time = nightTime(now, nightsAgo);
    const evening = hoursBefore(time, EVENING_HOURS_BEFORE);
    const events = EVENTS.filter((event) => event.nightsAgo === nightsAgo);
    for (const { change } of events) change?.(library, evening);
    library.listen(evening);
    const store = (): Promise<void> => storeNight(repository, { sources: library.sources, time, events, signal });
    if (events.some(({ isWithoutDisk }) => isWithoutDisk === true)) await library.withoutDisk(store);
    else await store();
  }
}

async function storeNight(
  repository: Repository,
  night: {
    readonly sources: readonly Buffer[];
    readonly time: Date;
    readonly events: readonly Event[];
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { sources, time, events, signal } = night;
  const includes = { books: true, covers: true };
  const name = `${time.toISOString().slice(0, 10)}-night`;
  const { snapshot } = await backup(repository, {
    paths: sources,
    host: HOST,
    label: BACKUP_LABEL,
    tags: backupTags({ includes, by: 'schedule', trigger: 'schedule', name }),
    profiles: [PROFILE],
    time,
    signal,
  });
  const pin = events.find((event) => event.pin !== undefined)?.pin;
  if (pin === undefined || snapshot === undefined) return;
  await annotate(repository, { snapshots: [snapshot.id], pinned: true, addTags: [pin] });
}
