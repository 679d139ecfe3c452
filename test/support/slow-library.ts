/** Books that a backup with a limited rate takes its time for, so that a test can do something meanwhile. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from './random.ts';

/** Bytes a second: a backup of these books takes half a minute. */
export const SLOW_RATE = 600_000;
const BOOKS = 60;
/** Each is read for itself, so that the rate is kept book by book. */
const BOOK_BYTES = 300_000;

export function writeSlowLibrary(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const random = new Random(3);
  for (let book = 1; book <= BOOKS; book++) writeFileSync(join(folder, `${book}.m4b`), random.bytes(BOOK_BYTES));
}
