/**
 * Goes through all entries of the chunk index in order of their ids, so that those of one blob come together. Pages of
 * LevelDB are asked for by number, one of each run at a time.
 */

import type { IndexView } from './chunk-index.ts';
import {
  ENTRY_LENGTH,
  ENTRY_PACK,
  SLOT_LENGTH,
  SLOT_NUMBER,
  SLOT_PACK,
  SLOT_TABLE,
  SLOT_WORDS,
} from './chunk-table.ts';
import { type ColdRun, PAGE_ENTRIES } from './cold-run.ts';
import { RUNS_FROM } from './live-blobs.ts';
import { compareIdWords, sortEntries } from './run-filter.ts';

/** One entry, by where its bit stands in LiveBlobs. */
export interface MergedEntry {
  part: number;
  entry: number;
  pack: number;
  length: number;
}

interface Cursor {
  /** Undefined for the entries in memory. */
  readonly run: ColdRun | undefined;
  readonly part: number;
  readonly words: number;
  page: Uint32Array;
  pageNumber: number;
  at: number;
}

/**
 * Shows the entries of each blob together. The list is used again for the next blob. False where a page of LevelDB is not
 * what was written.
 */
export function forEachBlob(view: IndexView, show: (entries: readonly MergedEntry[]) => void): boolean {
  const cursors = openCursors(view);
  if (cursors === undefined) return false;
  const memory: MergedEntry[] = [];
  const group: MergedEntry[] = [];
  const id = new Uint32Array(4);
  while (cursors.length > 0) {
    const least = leastOf(cursors);
    if (group.length > 0 && compareIdWords(least.page, least.at, id, 0) !== 0) {
      show(group);
      group.length = 0;
    }
    for (let word = 0; word < 4; word++) id[word] = least.page[least.at + word] ?? 0;
    const entry = memory[group.length] ?? { part: 0, entry: 0, pack: 0, length: 0 };
    memory[group.length] = entry;
    fill(entry, least);
    group.push(entry);
    if (!advance(least, cursors)) return false;
  }
  if (group.length > 0) show(group);
  return true;
}

function leastOf(cursors: readonly Cursor[]): Cursor {
  let least = cursors[0] as Cursor;
  for (const cursor of cursors) {
    if (compareIdWords(cursor.page, cursor.at, least.page, least.at) < 0) least = cursor;
  }
  return least;
}

function openCursors(view: IndexView): Cursor[] | undefined {
  const cursors: Cursor[] = [];
  const young = new Uint32Array(view.tables.reduce((sum, table) => sum + table.count, 0) * SLOT_WORDS);
  let end = 0;
  for (const [number, table] of view.tables.entries()) end = table.copySlots(young, end, number);
  if (end > 0) {
    const page = sortEntries(young, SLOT_WORDS);
    cursors.push({ run: undefined, part: 0, words: SLOT_WORDS, page, pageNumber: 0, at: 0 });
  }
  for (const [number, run] of view.runs.entries()) {
    if (run.count === 0) continue;
    const page = run.page(0);
    if (page === undefined) return undefined;
    cursors.push({ run, part: RUNS_FROM + number, words: run.entryWords, page, pageNumber: 0, at: 0 });
  }
  return cursors;
}

function fill(entry: MergedEntry, cursor: Cursor): void {
  const { page, at } = cursor;
  if (cursor.run === undefined) {
    entry.part = page[at + SLOT_TABLE] ?? 0;
    entry.entry = page[at + SLOT_NUMBER] ?? 0;
    entry.pack = page[at + SLOT_PACK] ?? 0;
    entry.length = page[at + SLOT_LENGTH] ?? 0;
    return;
  }
  entry.part = cursor.part;
  entry.entry = cursor.pageNumber * PAGE_ENTRIES + at / cursor.words;
  entry.pack = page[at + ENTRY_PACK] ?? 0;
  entry.length = page[at + ENTRY_LENGTH] ?? 0;
}

/** Steps to the next entry, and takes the cursor out at its end. False where a page is damaged. */
function advance(cursor: Cursor, cursors: Cursor[]): boolean {
  cursor.at += cursor.words;
  if (cursor.at < cursor.page.length) return true;
  const { run } = cursor;
  if (run === undefined || (cursor.pageNumber + 1) * PAGE_ENTRIES >= run.count) {
    cursors.splice(cursors.indexOf(cursor), 1);
    return true;
  }
  cursor.pageNumber++;
  cursor.at = 0;
  const page = run.page(cursor.pageNumber);
  if (page === undefined) return false;
  cursor.page = page;
  return true;
}
