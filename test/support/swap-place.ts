/** Old databases in every state that a server can leave one in, images to take their places, and proof of which is there. */

import assert from 'node:assert/strict';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import {
  createSqliteSwapper,
  type SqliteSwapper,
  type SqliteSwapperOptions,
} from '../../engine/databases/sqlite-swap.ts';
import { testFolder } from './build-repository.ts';
import { makeShelf, readShelf, type ShelfOptions, SqliteWriter } from './sqlite-writer.ts';

const OLD_VERSION = 26;
const NEW_VERSION = 77;
export const OLD_COMMITS = 5;
const SUFFIXES = ['', '-wal', '-shm', '-journal'];

export const WHOLE_STATES = [
  'wal',
  'wal with commits of a killed writer',
  'wal with commits, without its -shm',
  'wal with commits, header of rollback mode',
  'wal with commits, schema that cannot be parsed',
  'delete',
  'truncate',
  'persist',
  'hot journal',
] as const;
export const BROKEN_STATES = ['random bytes', 'cut off', 'first page damaged'] as const;
export type OldState = (typeof WHOLE_STATES)[number] | (typeof BROKEN_STATES)[number] | 'missing' | 'empty';

export interface SwapFolder {
  readonly folder: string;
  readonly scratch: string;
  readonly target: string;
  readonly image: string;
}

export class SwapPlaces {
  readonly #t: TestContext;
  readonly #folder: string;
  readonly #scratch: string;
  readonly #made = new Map<OldState, string>();
  #image: string | undefined;
  #next = 0;

  constructor(t: TestContext) {
    this.#t = t;
    this.#folder = testFolder(t);
    this.#scratch = join(this.#folder, 'scratch');
    mkdirSync(this.#scratch);
  }

  swapper(options: Partial<SqliteSwapperOptions> = {}): SqliteSwapper {
    const swapper = createSqliteSwapper({ scratchDirectory: this.#scratch, busyTimeoutMs: 400, ...options });
    this.#t.after(() => swapper.close());
    return swapper;
  }

  /** A folder with a database in this state, and an image beside it. */
  async make(state: OldState, name = 'shelf.db'): Promise<SwapFolder> {
    const folder = join(this.#folder, `place ${this.#next++}`);
    mkdirSync(folder);
    const place = { folder, scratch: this.#scratch, target: join(folder, name), image: join(folder, '.image') };
    copyDatabase(await this.#old(state), place.target);
    this.addImage(place);
    return place;
  }

  addImage(place: SwapFolder): void {
    this.#image ??= makeImage(join(this.#folder, 'image.db'));
    copyFileSync(this.#image, place.image);
  }

  async #old(state: OldState): Promise<string> {
    const known = this.#made.get(state);
    if (known !== undefined) return known;
    const path = join(this.#folder, `old ${this.#made.size}.db`);
    await makeOld(this.#t, path, state);
    this.#made.set(state, path);
    return path;
  }
}

export function makeImage(path: string, options: ShelfOptions = {}): string {
  makeShelf(path, { userVersion: NEW_VERSION, rows: 300, noteBytes: 150, ...options });
  return path;
}

export function copyDatabase(from: string, to: string): void {
  for (const suffix of SUFFIXES) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
}

async function makeOld(t: TestContext, path: string, state: OldState): Promise<void> {
  if (state === 'missing' || state === 'empty') {
    await makeOld(t, path, 'wal with commits of a killed writer');
    if (state === 'empty') truncateSync(path, 0);
    else rmSync(path);
    return;
  }
  const isRollback = state === 'delete' || state === 'truncate' || state === 'persist';
  const journalMode = isRollback ? state : state === 'hot journal' ? 'delete' : 'wal';
  makeShelf(path, { journalMode, userVersion: OLD_VERSION, rows: 300 });
  await commitAndDie(t, path, state);
  if (state === 'wal with commits, schema that cannot be parsed') addStrangeTable(path);
  if (state === 'wal with commits, without its -shm') rmSync(`${path}-shm`);
  if (state === 'wal with commits, header of rollback mode') overwrite(path, Buffer.of(1, 1), 18);
  if (state === 'random bytes') overwrite(path, Buffer.alloc(30_000, 'neither head nor tail'), 0);
  if (state === 'cut off') truncateSync(path, 60);
  if (state === 'first page damaged') overwrite(path, Buffer.alloc(90, 0xff), 16);
}

async function commitAndDie(t: TestContext, path: string, state: OldState): Promise<void> {
  const writer = await SqliteWriter.start(t, path);
  for (let commit = 0; commit < OLD_COMMITS; commit++) await writer.order('commit');
  if (state === 'hot journal') await writer.order('spill');
  if (state === 'wal' || state === 'delete') await writer.stop();
  else await writer.kill();
  if (state === 'hot journal') assert.ok(existsSync(`${path}-journal`));
  if (state.startsWith('wal with')) assert.ok(existsSync(`${path}-wal`));
}

/** A statement of a newer SQLite, as a commit in the WAL. */
function addStrangeTable(path: string): void {
  const away = `${path}.away`;
  const database = new Database(path);
  database.unsafeMode(true);
  database.pragma('wal_autocheckpoint = 0');
  database.pragma('writable_schema = 1');
  database.exec("INSERT INTO sqlite_master VALUES ('table', 'strange', 'strange', 3, 'CREATE TABEL strange (x)')");
  copyDatabase(path, away);
  database.close();
  for (const suffix of SUFFIXES) rmSync(path + suffix, { force: true });
  copyDatabase(away, path);
}

function overwrite(path: string, bytes: Buffer, position: number): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, bytes, 0, bytes.length, position);
  } finally {
    closeSync(fd);
  }
}

/** Opens what lies there as any program would, and proves that it is one of the two, with all rows and no other's. */
export function whichIsThere(path: string): 'old' | 'new' {
  dropStrangeTable(path);
  const { userVersion, commits } = readShelf(path);
  if (userVersion === NEW_VERSION) {
    assert.equal(commits, 0, 'no commit of the old one is in the new one');
    return 'new';
  }
  assert.equal(userVersion, OLD_VERSION);
  assert.equal(commits, OLD_COMMITS, 'the old one has all its commits');
  return 'old';
}

/** The same by a copy, which leaves what lies there as it is. */
export function whichIsCopied(path: string): 'old' | 'new' {
  const copy = `${path}.copy`;
  copyDatabase(path, copy);
  try {
    return whichIsThere(copy);
  } finally {
    for (const suffix of SUFFIXES) rmSync(copy + suffix, { force: true });
  }
}

function dropStrangeTable(path: string): void {
  const database = new Database(path, { fileMustExist: true });
  try {
    database.unsafeMode(true);
    database.pragma('writable_schema = ON');
    database.exec("DELETE FROM sqlite_master WHERE name = 'strange'");
  } finally {
    database.close();
  }
}

export function assertNothingBeside({ folder, target }: SwapFolder): void {
  const name = target.slice(folder.length + 1);
  assert.deepEqual(
    readdirSync(folder).filter((entry) => !entry.includes('.before-restore')),
    [name],
  );
}

/** What it says where it fails as it should. */
export async function failure(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    assert.ok(isEngineError(error, 'DATABASE_FAILED'), String(error));
    return error.message;
  }
  return assert.fail('It did not fail');
}
