/** What a SQLite database looks like from outside: its header, and the files beside it. */

const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');
const WAL = Buffer.from('-wal');
const SHM = Buffer.from('-shm');
const JOURNAL = Buffer.from('-journal');

/** A file that begins with so many bytes of the right kind calls itself a database. */
export const SQLITE_MAGIC_BYTES = MAGIC.length;

export function isSqliteHeader(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

export interface SqliteSideFiles {
  readonly wal: Buffer;
  readonly shm: Buffer;
  readonly journal: Buffer;
}

/** Names (or paths) of the files that belong to a database of this name. */
export function sqliteSideFiles(name: Buffer): SqliteSideFiles {
  return {
    wal: Buffer.concat([name, WAL]),
    shm: Buffer.concat([name, SHM]),
    journal: Buffer.concat([name, JOURNAL]),
  };
}

/** What SQLite calls the journal of a transaction over several databases: the first one's name, `-mj` and random digits. */
const SUPER_JOURNAL = /-mj[0-9A-F]{1,9}$/;
const SUPER_JOURNAL_BYTES_MAX = 12;
const HYPHEN = 0x2d;

/** A hyphen begins what all of these have at their ends, so that a look at a few bytes answers for most names. */
function hasHyphenNearEnd(name: Buffer): boolean {
  for (let at = Math.max(1, name.length - SUPER_JOURNAL_BYTES_MAX); at < name.length; at++) {
    if (name[at] === HYPHEN) return true;
  }
  return false;
}

/** The database that a file of this name would belong to. */
export function sideFileBase(name: Buffer): Buffer | undefined {
  if (!hasHyphenNearEnd(name)) return undefined;
  for (const suffix of [WAL, SHM, JOURNAL]) {
    if (name.length <= suffix.length) continue;
    if (name.subarray(name.length - suffix.length).equals(suffix)) return name.subarray(0, name.length - suffix.length);
  }
  const end = name.toString('latin1', Math.max(1, name.length - SUPER_JOURNAL_BYTES_MAX));
  const found = SUPER_JOURNAL.exec(end);
  if (found !== null) return name.subarray(0, name.length - found[0].length);
  return undefined;
}
