/**
 * A run: entries of the cold chunk index sorted by id, in pages of LevelDB, with a filter in memory that gives the rank
 * of an id and so its page. Runs are written once and never changed.
 */

import type { BlobId } from '../base/ids.ts';
import type { ColdDatabase } from './cold-database.ts';
import { PACK_WORDS } from './pack-list.ts';
import { compareIdWords, RunFilter, RunFilterBuilder } from './run-filter.ts';

/** 2 KiB for entries with a location: reading larger pages costs more than it saves. */
export const PAGE_ENTRIES = 64;
const SUMMARY_WORDS = 8;
const SUMMARY_VERSION = 1;

/** What another thread needs to read a run. */
export interface SharedRun {
  readonly run: number;
  readonly entryWords: number;
  readonly filter: SharedArrayBuffer;
}

/** Facts of a run that its owner keeps. */
export interface RunFacts {
  readonly packFirst: number;
  readonly packCount: number;
  readonly segmentsBytes: number;
}

/** `damaged`: the database did not give what the filter promised. */
export type SearchResult = 'found' | 'absent' | 'damaged';

export class ColdRun {
  readonly run: number;
  readonly entryWords: number;
  readonly #database: ColdDatabase;
  readonly #filter: RunFilter;

  constructor(database: ColdDatabase, shared: SharedRun) {
    this.run = shared.run;
    this.entryWords = shared.entryWords;
    this.#database = database;
    this.#filter = new RunFilter(shared.filter);
  }

  get count(): number {
    return this.#filter.count;
  }

  get filterBytes(): number {
    return this.#filter.shared.byteLength;
  }

  shared(): SharedRun {
    return { run: this.run, entryWords: this.entryWords, filter: this.#filter.shared };
  }

  /**
   * Shows every entry of an id to `accept` (its page, where it begins there, and its rank) until one is accepted. `scan` where
   * it is one of very many that are looked up.
   */
  search(
    id: BlobId,
    accept: (page: Buffer, at: number, rank: number) => boolean,
    how: 'read' | 'scan' = 'read',
  ): SearchResult {
    const first = id.readUInt32LE(0);
    const second = id.readUInt32LE(4);
    let rank = this.#filter.candidate(first, second, 0);
    let page: Buffer | undefined;
    let number = -1;
    while (rank >= 0) {
      const wanted = Math.floor(rank / PAGE_ENTRIES);
      if (wanted !== number) page = this.#database[how](this.run, 'page', wanted);
      number = wanted;
      const at = (rank % PAGE_ENTRIES) * this.entryWords * 4;
      if (page === undefined || at + this.entryWords * 4 > page.length) return 'damaged';
      if (page.compare(id, 0, id.length, at, at + id.length) === 0 && accept(page, at, rank)) return 'found';
      rank = this.#filter.candidate(first, second, rank + 1);
    }
    return 'absent';
  }

  /**
   * Looks up many ids at once, sorted, four words each: every page is read once at most. Shows each entry that is found
   * (where its id stands in `ids`, its page as words, where it begins there, and its rank). False where a page is damaged.
   */
  searchSorted(ids: Uint32Array, show: (idAt: number, page: Uint32Array, at: number, rank: number) => void): boolean {
    let page: Uint32Array | undefined;
    let number = -1;
    for (let idAt = 0; idAt < ids.length; idAt += 4) {
      const first = ids[idAt] ?? 0;
      const second = ids[idAt + 1] ?? 0;
      let rank = this.#filter.candidate(first, second, 0);
      while (rank >= 0) {
        const wanted = Math.floor(rank / PAGE_ENTRIES);
        if (wanted !== number) page = this.page(wanted);
        number = wanted;
        if (page === undefined) return false;
        const at = (rank % PAGE_ENTRIES) * this.entryWords;
        if (compareIdWords(page, at, ids, idAt) === 0) show(idAt, page, at, rank);
        rank = this.#filter.candidate(first, second, rank + 1);
      }
    }
    return true;
  }

  /** The entries of a page as words, for merging; undefined where it is damaged. */
  page(number: number): Uint32Array | undefined {
    const page = this.#database.scan(this.run, 'page', number);
    const entries = Math.min(PAGE_ENTRIES, this.count - number * PAGE_ENTRIES);
    if (page?.length !== entries * this.entryWords * 4) return undefined;
    const aligned = page.byteOffset % 4 === 0 ? page : new Uint8Array(page);
    return new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  }

  /**
   * Reads a page here and there, of this database or of a clone of it, so that LevelDB has all its files open: they may be
   * removed afterwards. False where one is damaged.
   */
  touch(step: number, database: ColdDatabase = this.#database): boolean {
    const pages = Math.ceil(this.count / PAGE_ENTRIES);
    for (let number = 0; number < pages; number += step) if (!this.#hasPage(number, database)) return false;
    return pages === 0 || this.#hasPage(pages - 1, database);
  }

  #hasPage(number: number, database: ColdDatabase): boolean {
    const entries = Math.min(PAGE_ENTRIES, this.count - number * PAGE_ENTRIES);
    return database.scan(this.run, 'page', number)?.length === entries * this.entryWords * 4;
  }

  /** True where a clone of the database has this run, too: all but its pages is read, and a page in every `step`. */
  isWholeIn(clone: ColdDatabase, step: number): boolean {
    const summary = this.#database.read(this.run, 'summary', 0);
    const copy = clone.read(this.run, 'summary', 0);
    if (summary === undefined || copy?.equals(summary) !== true) return false;
    const expected = new Uint8Array(this.#filter.shared);
    const packBytes = summary.readUInt32LE(4 * 4) * PACK_WORDS * 4;
    return (
      clone.holdsPieces(this.run, 'filter', { length: expected.length, expected }) &&
      clone.holdsPieces(this.run, 'packs', { length: packBytes }) &&
      clone.holdsPieces(this.run, 'segments', { length: summary.readUInt32LE(5 * 4) }) &&
      this.touch(step, clone)
    );
  }

  /** Opens a run with what its owner kept about it. Undefined where there is none with this number, or it is damaged. */
  static load(database: ColdDatabase, run: number): { run: ColdRun; facts: RunFacts } | 'none' | 'damaged' {
    const summary = database.read(run, 'summary', 0);
    if (summary === undefined) return 'none';
    if (summary.length !== SUMMARY_WORDS * 4 || summary.readUInt32LE(0) !== SUMMARY_VERSION) return 'damaged';
    const word = (number: number): number => summary.readUInt32LE(number * 4);
    const filter = new SharedArrayBuffer(word(2));
    if (!database.readPieces(run, 'filter', new Uint8Array(filter))) return 'damaged';
    const opened = new ColdRun(database, { run, entryWords: word(1), filter });
    return { run: opened, facts: { packFirst: word(3), packCount: word(4), segmentsBytes: word(5) } };
  }
}

/** Writes a run from entries that come in order. */
export class ColdRunWriter {
  readonly #database: ColdDatabase;
  readonly #run: number;
  readonly #entryWords: number;
  readonly #filter: RunFilterBuilder;
  readonly #page: Uint32Array;
  #fill = 0;
  #pages = 0;

  constructor(
    database: ColdDatabase,
    shape: { readonly run: number; readonly entryWords: number; readonly countMax: number },
  ) {
    this.#database = database;
    this.#run = shape.run;
    this.#entryWords = shape.entryWords;
    this.#filter = new RunFilterBuilder(shape.countMax);
    this.#page = new Uint32Array(PAGE_ENTRIES * shape.entryWords);
  }

  /** Adds the entry at `at` of `words`. True once drain() should be awaited. */
  add(words: Uint32Array, at: number): boolean {
    for (let word = 0; word < this.#entryWords; word++) this.#page[this.#fill + word] = words[at + word] ?? 0;
    this.#fill += this.#entryWords;
    this.#filter.add(words[at] ?? 0, words[at + 1] ?? 0);
    return this.#fill === this.#page.length && this.#putPage();
  }

  #putPage(): boolean {
    const bytes = new Uint8Array(this.#page.buffer, 0, this.#fill * 4);
    this.#fill = 0;
    return this.#database.put({ run: this.#run, kind: 'page', number: this.#pages++ }, bytes);
  }

  drain(): Promise<void> {
    return this.#database.drain();
  }

  /** Writes the last page and the filter; the run counts once its summary follows. */
  async finishEntries(): Promise<RunFilter> {
    if (this.#fill > 0) this.#putPage();
    const filter = this.#filter.finish();
    await this.#database.putPieces(this.#run, 'filter', new Uint8Array(filter.shared));
    return filter;
  }

  async finish(filter: RunFilter, facts: RunFacts): Promise<ColdRun> {
    const summary = Uint32Array.of(
      SUMMARY_VERSION,
      this.#entryWords,
      filter.shared.byteLength,
      facts.packFirst,
      facts.packCount,
      facts.segmentsBytes,
      0,
      0,
    );
    await this.#database.drain();
    this.#database.put({ run: this.#run, kind: 'summary', number: 0 }, new Uint8Array(summary.buffer));
    await this.#database.drain();
    return new ColdRun(this.#database, { run: this.#run, entryWords: this.#entryWords, filter: filter.shared });
  }
}

/** Writes entries that were sorted in memory; returns their filter. */
export async function writeSorted(writer: ColdRunWriter, sorted: Uint32Array, entryWords: number): Promise<RunFilter> {
  for (let at = 0; at < sorted.length; at += entryWords) if (writer.add(sorted, at)) await writer.drain();
  return writer.finishEntries();
}

/** Where the merge stands in one run. */
interface Cursor {
  readonly run: ColdRun;
  page: Uint32Array;
  number: number;
  at: number;
}

/**
 * Writes the entries of several runs, in order, those whose pack is accepted. Pages are asked for by their numbers: nothing
 * is scanned. False where a page is damaged.
 */
export async function mergeRuns(
  writer: ColdRunWriter,
  runs: readonly ColdRun[],
  accepts: (words: Uint32Array, at: number) => boolean,
): Promise<boolean> {
  const cursors: Cursor[] = [];
  for (const run of runs) {
    if (run.count === 0) continue;
    const page = run.page(0);
    if (page === undefined) return false;
    cursors.push({ run, page, number: 0, at: 0 });
  }
  for (;;) {
    let least: Cursor | undefined;
    for (const cursor of cursors) {
      if (least === undefined || compareIdWords(cursor.page, cursor.at, least.page, least.at) < 0) least = cursor;
    }
    if (least === undefined) return true;
    if (accepts(least.page, least.at) && writer.add(least.page, least.at)) await writer.drain();
    least.at += least.run.entryWords;
    if (least.at < least.page.length) continue;
    least.at = 0;
    least.number++;
    if (least.number * PAGE_ENTRIES >= least.run.count) {
      cursors.splice(cursors.indexOf(least), 1);
      continue;
    }
    const page = least.run.page(least.number);
    if (page === undefined) return false;
    least.page = page;
  }
}
