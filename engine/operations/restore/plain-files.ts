/**
 * Plain files of a window, in columns: new ones of one blob, under one name, in a directory that this restore has made.
 * Nearly every file of a large restore is one, and an object for each was most of the main thread's work and memory.
 * What turns out not to be plain after all becomes a PlannedFile.
 */

import { readSize } from '../../base/stat.ts';
import { decodeRow, nameOfRowAt, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { type PlannedFile, plannedFile } from './planned-file.ts';
import type { TargetDirectory } from './target-directories.ts';

/** Rows of one leaf of a directory. */
export interface PlainPlace {
  readonly directory: TargetDirectory;
  /** Bytes that nobody changes. */
  readonly leaf: Buffer;
}

export class PlainFiles {
  /** The last place is the one that files are being added to. */
  readonly #places: PlainPlace[] = [];
  /** Where a file's place stands in #places. */
  #placeOf = new Int32Array(1024);
  /** Where a file's row begins in its leaf. */
  #starts = new Int32Array(1024);
  #count = 0;

  /** Returns its number, counted from 0. */
  add(place: PlainPlace, start: number): number {
    if (this.#places.at(-1) !== place) this.#places.push(place);
    if (this.#count === this.#starts.length) {
      this.#placeOf = grown(this.#placeOf);
      this.#starts = grown(this.#starts);
    }
    this.#placeOf[this.#count] = this.#places.length - 1;
    this.#starts[this.#count] = start;
    return this.#count++;
  }

  place(file: number): PlainPlace {
    const place = this.#places[this.#placeOf[file] ?? -1];
    if (place === undefined) throw new RangeError(`No plain file ${file} in this window`);
    return place;
  }

  start(file: number): number {
    return this.#starts[file] ?? 0;
  }

  size(file: number): number {
    return readSize(this.place(file).leaf, this.start(file) + ROW_STAT_OFFSET);
  }

  name(file: number): Buffer {
    return nameOfRowAt(this.place(file).leaf, this.start(file));
  }

  /** The file as any other; each call gives a new one. Its one slice is counted. */
  planned(file: number): PlannedFile {
    const { directory, leaf } = this.place(file);
    const start = this.start(file);
    const row = leaf.subarray(start, start + rowLengthAt(leaf, start));
    const facts = { name: this.name(file), size: this.size(file) };
    const planned = plannedFile({ directory, row, group: undefined }, facts, {
      replaces: false,
      hadMoreNames: false,
      sideFiles: [],
    });
    planned.planned = true;
    planned.slices = 1;
    return planned;
  }
}

/** False for a row that is damaged: that of a plain file was not decoded before. */
export function isRow(row: Buffer): boolean {
  try {
    decodeRow(row, 'a row');
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

function grown(column: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}
