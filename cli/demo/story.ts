/** What happened to the made-up library, night by night: additions, a move, a mistake, a disk that was not there. */

import type { MadeUpLibrary } from './library.ts';
import { ARRIVALS, AUDIOBOOKS, LATE_EBOOK, type Title } from './titles.ts';

export const NIGHTS = 24;

export interface Event {
  /** How many nights ago its night was; it happened on the day before. */
  readonly nightsAgo: number;
  readonly change?: (library: MadeUpLibrary, at: Date) => void;
  /** The backup of that night meets an empty folder of audiobooks. */
  readonly isWithoutDisk?: boolean;
  /** Why the snapshot of that night is kept for good. */
  readonly pin?: string;
}

const DELETED = bookNamed('Persuasion');
const EDITED = bookNamed('Frankenstein');
const COVERED = bookNamed('Dracula');

export const EVENTS: readonly Event[] = [
  { nightsAgo: 20, change: (library, at) => library.add(ARRIVALS.treasure, at) },
  { nightsAgo: 17, change: (library, at) => library.add(LATE_EBOOK, at) },
  { nightsAgo: 14, change: (library, at) => library.recover(COVERED, at) },
  { nightsAgo: 12, pin: 'before the move' },
  { nightsAgo: 11, change: (library, at) => library.renameAuthor('Jules Verne', 'Verne, Jules', at) },
  { nightsAgo: 9, change: (library, at) => library.add(ARRIVALS.willows, at) },
  { nightsAgo: 8, isWithoutDisk: true },
  {
    nightsAgo: 6,
    change: (library, at) =>
      library.describe(EDITED, 'A young scientist makes a creature, and is afraid of what he made.', at),
  },
  { nightsAgo: 4, change: (library, at) => library.remove(DELETED, at) },
  { nightsAgo: 2, change: (library, at) => library.add(ARRIVALS.time, at) },
];

function bookNamed(title: string): Title {
  const found = AUDIOBOOKS.find((book) => book.title === title);
  if (found === undefined) throw new RangeError(`There is no ${title}`);
  return found;
}
