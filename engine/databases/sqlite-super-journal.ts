/**
 * The journal of a transaction over several databases in rollback mode: each of their journals ends with its path, and as
 * long as it is there, all of them are to be rolled back; once it is gone, none.
 *
 * SQLite looks for it under that path, which is the writer's: in a container, or before a folder was moved, another one
 * than here. A database that is not rolled back then is torn. So a copy is recovered without SQLite's knowing of it.
 */

import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { SUPER_JOURNAL_NAME_BYTES_MAX } from '../base/limits.ts';
import { baseName, joinPath } from '../base/paths.ts';

/** After the path: its length, the sum of its bytes, and the mark of a journal. */
const TRAILER_BYTES = 16;
const MARK = Buffer.from('d9d505f920a163d7', 'hex');
/** What follows the first database's name. */
const SUFFIX = /-mj[0-9A-F]{1,9}$/;

/** The path at the end of a copy's journal; undefined where there is none that SQLite would take for one. */
export function superJournalOf(image: string): Buffer | undefined {
  const journal = `${image}-journal`;
  if (!existsSync(journal)) return undefined;
  const fd = openSync(journal, 'r');
  try {
    const { size } = fstatSync(fd);
    const trailer = Buffer.alloc(TRAILER_BYTES);
    if (size < TRAILER_BYTES) return undefined;
    readSync(fd, trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES);
    const length = trailer.readUInt32BE(0);
    if (!trailer.subarray(8).equals(MARK) || length === 0 || length > SUPER_JOURNAL_NAME_BYTES_MAX) return undefined;
    if (length > size - TRAILER_BYTES) return undefined;
    const name = Buffer.alloc(length);
    readSync(fd, name, 0, length, size - TRAILER_BYTES - length);
    return sumsOf(name).includes(trailer.readUInt32BE(4)) ? name : undefined;
  } finally {
    closeSync(fd);
  }
}

/** SQLite adds up what its machine's C takes for a character: bytes with a sign, or without. */
function sumsOf(name: Buffer): readonly number[] {
  let unsigned = 0;
  let signed = 0;
  for (const byte of name) {
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  return [unsigned >>> 0, signed >>> 0];
}

/** Answers the same for the same transaction, however often it is asked: databases of one belong together. */
export class SuperJournals {
  readonly #folders: readonly Buffer[];
  readonly #answers = new Map<string, boolean>();

  /** `folders`: where it may lie, if not under the path that the writer knows. */
  constructor(folders: readonly Buffer[]) {
    this.#folders = folders;
  }

  /** False where the transaction was committed. Where nobody can know, it was not: either is whole, as long as it is rolled back. */
  mustRollBack(superJournal: Buffer): boolean {
    const key = superJournal.toString('latin1');
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const places = [superJournal, ...this.#folders.map((folder) => joinPath(folder, baseName(superJournal)))];
    const answer = places.some((path) => existsSync(path)) || !places.some((path) => existsSync(databaseOf(path)));
    this.#answers.set(key, answer);
    return answer;
  }
}

/** The database beside which a super-journal lies. */
function databaseOf(superJournal: Buffer): Buffer {
  return Buffer.from(superJournal.toString('latin1').replace(SUFFIX, ''), 'latin1');
}

/** Makes the journal of a copy one of a single database: to be rolled back, or gone. */
export function detachJournal(image: string, superJournals: SuperJournals): void {
  const name = superJournalOf(image);
  if (name === undefined) return;
  const journal = `${image}-journal`;
  if (!superJournals.mustRollBack(name)) {
    rmSync(journal);
    return;
  }
  const fd = openSync(journal, 'r+');
  try {
    writeSync(fd, Buffer.alloc(MARK.length), 0, MARK.length, fstatSync(fd).size - MARK.length);
  } finally {
    closeSync(fd);
  }
}
