/** One server brought back: what belongs to it, files before rows, and paths in its database that follow to a new machine. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { type ErrorCode, isEngineError } from '../../engine/base/errors.ts';
import type { PathMapping, RestoreOptions, RestoreResult, RewrittenDatabase } from '../../engine/index.ts';
import { restore } from '../../engine/index.ts';
import { backup } from '../../engine/operations/backup/backup.ts';
import { NO_REWRITES } from '../../engine/operations/restore/path-rewrites.ts';
import { mentionOrder, nextSteps } from '../../engine/operations/restore/server-restore.ts';
import { IMMICH } from '../../engine/profiles/immich.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { Holder } from '../support/holder.ts';
import { Library } from '../support/library.ts';
import {
  assertAgree,
  type Machine,
  type MachineOptions,
  machineIn,
  makeMachine,
  pathsInRows,
} from '../support/server-machine.ts';
import { insert, makeCalibreWeb, makeDatabase, makeFiles, makeKavita, makeKomga } from '../support/servers.ts';
import { touchState, treeState } from '../support/tree-state.ts';

function map(...pairs: readonly string[]): PathMapping[] {
  return pairs.map((pair) => {
    const [from = '', to = ''] = pair.split('=');
    return { from: Buffer.from(from), to: Buffer.from(to) };
  });
}

/** A repository with a snapshot of an old machine, and another machine beside it that has nothing yet. */
class Move {
  readonly library: Library;
  readonly old: Machine;
  readonly new: Machine;
  readonly notes: string[] = [];

  private constructor(library: Library, old: Machine) {
    this.library = library;
    this.old = old;
    this.new = machineIn(join(library.folder, 'new'));
  }

  static async make(
    t: TestContext,
    options: MachineOptions & { readonly profiles?: readonly string[] } = {},
  ): Promise<Move> {
    const library = await Library.make(t);
    const old = makeMachine(join(library.folder, 'old'), options);
    const move = new Move(library, old);
    await sleep(30);
    await move.save(options.profiles);
    return move;
  }

  async save(profiles: readonly string[] = ['audiobookshelf']): Promise<void> {
    const sources = ['abs', 'audiobooks', 'audiobooks2', 'unrelated'].map((name) =>
      Buffer.from(join(this.old.folder, 'srv', name)),
    );
    await backup(await this.library.reopen(), { paths: sources, profiles });
  }

  /** With a cache of its own, as another machine has it. */
  async restore(options: Partial<RestoreOptions> = {}, cache = 'new cache'): Promise<RestoreResult> {
    const { backend } = this.library.repository;
    const cacheDirectory = join(this.library.folder, cache);
    const repository = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
    this.notes.length = 0;
    try {
      const monitor = { note: (text: string) => void this.notes.push(text) };
      return await restore(repository, { snapshot: 'latest', monitor, ...options });
    } finally {
      await repository.close();
      const scratch = join(cacheDirectory, 'scratch');
      if (existsSync(scratch)) assert.deepEqual(readdirSync(scratch), [], 'no image is left behind');
    }
  }

  get mapping(): PathMapping[] {
    return map(`${this.old.folder}=${this.new.folder}`);
  }

  /** As on a machine that never had the old folders. */
  hideOld(): void {
    renameSync(this.old.folder, join(this.library.folder, 'gone'));
  }
}

function only(result: RestoreResult): RewrittenDatabase {
  const [database, ...others] = result.server?.databases ?? [];
  assert.equal(others.length, 0);
  return database ?? assert.fail('no database is told of');
}

function counts(rows: readonly { readonly table: string; readonly column: string; readonly values: number }[]): object {
  return Object.fromEntries(rows.map(({ table, column, values }) => [`${table}.${column}`, values]));
}

async function refused(act: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(act, (error) => {
    assert.ok(isEngineError(error, code), String(error));
    assert.match(error.message, message);
    return true;
  });
}

const REWRITTEN = {
  'libraryFolders.path': 1,
  'libraryItems.path': 4,
  'libraryItems.libraryFiles': 4,
  'books.coverPath': 4,
  'books.audioFiles': 4,
  'feeds.coverPath': 1,
  'playbackSessions.coverPath': 1,
  'settings.value': 1,
};

for (const wal of [false, true]) {
  test(`on a new machine with other paths, rows and files agree, and nothing else came along (${wal ? 'wal' : 'rollback'})`, async (t) => {
    const move = await Move.make(t, { wal });
    const saved = treeState(move.old.library);
    move.hideOld();
    const mappings = map(`${move.old.folder}/srv/abs=${move.new.server}`, `${move.old.library}=${move.new.library}`);
    const result = await move.restore({ profile: 'audiobookshelf', mappings });
    assert.deepEqual(result.problems, []);
    assert.deepEqual(readdirSync(join(move.new.folder, 'srv')).sort(), ['abs', 'audiobooks']);
    assert.deepEqual(readdirSync(join(move.new.server, 'config')).sort(), ['absdatabase.sqlite', 'migrations']);
    assertAgree(move.new);
    assert.deepEqual(treeState(move.new.library), saved);
    const database = only(result);
    assert.equal(database.path.toString(), move.new.database);
    assert.equal(database.state, 'rewritten');
    const { 'playbackSessions.coverPath': _, ...rewritten } = REWRITTEN;
    assert.deepEqual(counts(database.columns), rewritten, 'a name that only begins alike is another');
    assert.deepEqual([database.missing, database.leftovers], [[], []]);
    const row = new Database(move.new.database);
    assert.equal(row.pragma('journal_mode', { simple: true }), wal ? 'wal' : 'delete');
    assert.deepEqual(row.prepare("SELECT count(*) FROM libraryItems WHERE updatedAt = 'now'").pluck().get(), 0);
    assert.equal(row.prepare("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").pluck().get(), 2);
    row.close();
    assert.deepEqual(
      result.server?.next.map(({ kind }) => kind),
      ['start', 'afterwards'],
    );
    assert.match(result.server?.next[0]?.text ?? '', /^Start Audiobookshelf: docker start audiobookshelf/);
  });
}

test('the same restore again has nothing to do, and with an empty cache it comes to the same', async (t) => {
  const move = await Move.make(t);
  move.hideOld();
  const options = { profile: 'audiobookshelf', mappings: move.mapping, overwrite: 'if-changed' } as const;
  await move.restore(options);
  const touched = touchState(move.new.folder);
  const rows = pathsInRows(move.new.database);
  const again = await move.restore(options);
  assert.deepEqual([again.filesRestored, again.problemCount, only(again).state], [0, 0, 'kept']);
  assert.deepEqual(touchState(move.new.folder), touched);
  const anew = await move.restore(options, 'another cache');
  assert.deepEqual([anew.filesRestored, anew.problemCount, only(anew).state], [1, 0, 'rewritten']);
  assert.deepEqual(pathsInRows(move.new.database), rows);
});

test('a restore without the profile is just what was saved, also where a rewritten database lies', async (t) => {
  const move = await Move.make(t);
  const image = join(move.library.folder, 'image');
  await move.restore({ path: Buffer.from(move.old.database), target: Buffer.from(image) });
  const bytes = readFileSync(join(image, 'absdatabase.sqlite'));
  move.hideOld();
  const profile = { profile: 'audiobookshelf', mappings: move.mapping, overwrite: 'if-changed' } as const;
  await move.restore(profile);
  assert.notDeepEqual(readFileSync(move.new.database), bytes);
  const plain = await move.restore({ mappings: move.mapping, overwrite: 'if-changed' });
  assert.equal(plain.server, undefined);
  assert.deepEqual(readFileSync(move.new.database), bytes);
  assert.match(move.notes.join('\n'), /as they were saved.* --profile audiobookshelf would rewrite/);
  // And back again: what the memory knows of one is not taken for the other.
  await move.restore(profile);
  assertAgree(move.new);
});

test('into a target, without a mapping: what is the server’s below its whole paths, and its database as it was saved', async (t) => {
  const move = await Move.make(t);
  const target = join(move.library.folder, 'target');
  const image = join(move.library.folder, 'image');
  await move.restore({ path: Buffer.from(move.old.database), target: Buffer.from(image) });
  const result = await move.restore({ profile: 'audiobookshelf', target: Buffer.from(target), verify: true });
  assert.deepEqual([result.problems, result.server?.databases], [[], []]);
  const there = machineIn(join(target, move.old.folder));
  assert.deepEqual(readdirSync(join(there.folder, 'srv')).sort(), ['abs', 'audiobooks']);
  assert.deepEqual(treeState(there.library), treeState(move.old.library));
  assert.deepEqual(readFileSync(there.database), readFileSync(join(image, 'absdatabase.sqlite')));
  assert.equal(result.databases.length, 1);
  await refused(
    move.restore({ profile: 'audiobookshelf', target: Buffer.from(target) }),
    'TARGET_NOT_EMPTY',
    /is not empty/,
  );
  // Patterns still pick among it.
  const some = join(move.library.folder, 'some');
  await move.restore({ profile: 'audiobookshelf', target: Buffer.from(some), include: ['*.m4b'] });
  assert.equal(existsSync(join(some, move.old.library, 'Austen/Emma/book.m4b')), true);
  assert.equal(existsSync(join(some, move.old.folder, 'srv/audiobooks2')), false);
  assert.equal(existsSync(join(some, move.old.database)), false);
});

test('in place over one that runs on: refused while it runs, by its name; then swapped, and a rollback brings the old bytes back', async (t) => {
  const move = await Move.make(t);
  const served = new Database(move.old.database);
  t.after(() => served.close());
  served.exec("UPDATE libraryItems SET title = 'broken'");
  const options = {
    profile: 'audiobookshelf',
    inPlace: true,
    mappings: map(`${move.old.folder}/srv/abs/metadata=${move.old.folder}/srv/covers`),
  };
  const before = treeState(join(move.old.folder, 'srv'));
  const holder = await Holder.start(t, move.old.database);
  served.close();
  await refused(
    move.restore(options),
    'TARGET_IN_USE',
    /absdatabase\.sqlite is in use by process \d+ \(node\).*Stop Audiobookshelf \(docker stop audiobookshelf, or systemctl stop audiobookshelf\)/,
  );
  assert.deepEqual(treeState(join(move.old.folder, 'srv')), before);
  await holder.stop();
  const bytes = readFileSync(move.old.database);
  const result = await move.restore(options);
  assert.deepEqual(result.problems, []);
  assert.equal(only(result).state, 'rewritten');
  assert.deepEqual(counts(only(result).columns), {
    'books.coverPath': 4,
    'feeds.coverPath': 1,
    'settings.value': 1,
  });
  const covers = new Database(move.old.database);
  assert.ok(existsSync(String(covers.prepare('SELECT coverPath FROM books').pluck().get())));
  assert.equal(covers.prepare("SELECT count(*) FROM libraryItems WHERE title = 'broken'").pluck().get(), 0);
  covers.close();
  assert.ok(result.safetySnapshot !== undefined);
  const back = await move.restore({ snapshot: undefined, rollback: true });
  assert.deepEqual(back.problems, []);
  assert.deepEqual(readFileSync(move.old.database), bytes);
});

test('a dry run names each column and count, and what is left over, and changes nothing', async (t) => {
  const move = await Move.make(t);
  const note = new Database(move.old.database);
  note.exec('CREATE TABLE notes (text TEXT, more JSON); DROP TABLE feedEpisodes');
  note
    .prepare('INSERT INTO notes VALUES (?, ?)')
    .run(move.old.library, JSON.stringify({ at: [`${move.old.library}/x`] }));
  note.close();
  await sleep(30);
  await move.save();
  const before = treeState(move.library.folder);
  const result = await move.restore({ profile: 'audiobookshelf', mappings: move.mapping, dryRun: true });
  const database = only(result);
  assert.equal(database.state, 'planned');
  assert.equal(database.path.toString(), move.new.database);
  assert.deepEqual(counts(database.columns), REWRITTEN);
  assert.deepEqual(counts(database.leftovers), { 'notes.text': 1, 'notes.more': 1 });
  assert.deepEqual(database.missing, [{ table: 'feedEpisodes', column: 'filePath' }]);
  for (const [path, state] of treeState(move.library.folder)) {
    if (!path.startsWith('new cache')) assert.equal(before.get(path), state, path);
  }
  // The run itself says the same.
  const done = await move.restore({ profile: 'audiobookshelf', mappings: move.mapping });
  assert.deepEqual(only(done), { ...database, state: 'rewritten' });
  const rows = new Database(move.new.database, { readonly: true });
  assert.equal(rows.prepare('SELECT text FROM notes').pluck().get(), move.old.library, 'what is left over is left');
  rows.close();
});

test('a server in a container: a mapping for its paths alone, and the library by its name', async (t) => {
  const move = await Move.make(t, { sees: '/audiobooks', backups: '/unrelated' });
  move.hideOld();
  const mappings = [...move.mapping, ...map('/audiobooks=/data/books')];
  const result = await move.restore({ profile: 'audiobookshelf', mappings });
  assert.deepEqual(result.problems, []);
  assert.match(move.notes.join('\n'), /srv\/audiobooks is taken for \/audiobooks, which its database names/);
  assert.ok(existsSync(join(move.new.library, 'Austen/Emma/book.m4b')));
  assert.deepEqual(readdirSync(join(move.new.folder, 'srv')).sort(), ['abs', 'audiobooks'], 'no folder of backups');
  const rows = new Database(move.new.database, { readonly: true });
  assert.equal(rows.prepare('SELECT path FROM libraryFolders').pluck().get(), '/data/books');
  assert.ok(rows.prepare('SELECT path FROM libraryItems').pluck().all().includes('/data/books/Brontë/Jane "Eyre"'));
  rows.close();
  await refused(
    move.restore({ profile: 'audiobookshelf', mappings: [...mappings, ...map('/unused=/x')], overwrite: 'always' }),
    'INVALID_ARGUMENT',
    /Nothing of Audiobookshelf lies below \/unused, which --map names, nor does a path in its databases/,
  );
  await refused(
    move.restore({ mappings: [...move.mapping, ...map('/audiobooks=/data/books')], overwrite: 'always' }),
    'INVALID_ARGUMENT',
    /Nothing that is to be restored lies below \/audiobooks/,
  );
});

test('of mappings that nest the nearest counts, for files and rows alike', async (t) => {
  const move = await Move.make(t);
  move.hideOld();
  const brontë = `${move.old.library}/Brontë`;
  const mappings = [...move.mapping, ...map(`${brontë}=${move.new.folder}/elsewhere/B "q" % ü`)];
  const result = await move.restore({ profile: 'audiobookshelf', mappings });
  assert.deepEqual(result.problems, []);
  assertAgree(move.new);
  assert.ok(existsSync(`${move.new.folder}/elsewhere/B "q" % ü/Jane "Eyre"/book.m4b`));
  assert.ok(pathsInRows(move.new.database).includes(`${move.new.folder}/elsewhere/B "q" % ü/Jane "Eyre"/book.m4b`));
});

test('a server that no profile was applied to is seen in the tree, with the folders that its database names', async (t) => {
  const move = await Move.make(t, { profiles: [] });
  move.hideOld();
  const result = await move.restore({ profile: 'audiobookshelf', mappings: move.mapping });
  assert.deepEqual(result.problems, []);
  assertAgree(move.new);
  assert.deepEqual(readdirSync(join(move.new.folder, 'srv')).sort(), ['abs', 'audiobooks']);
  assert.equal(only(result).state, 'rewritten');
});

test('what is not there, or there twice, is said with what was looked for and what there is', async (t) => {
  const move = await Move.make(t);
  const options = { mappings: move.mapping };
  await refused(
    move.restore({ ...options, profile: 'kavita' }),
    'PATH_NOT_FOUND',
    /holds no folder of Kavita: looked for kavita\.db at its sources \(.*abs.*\)\. It holds audiobookshelf in .*old\/srv\/abs/,
  );
  await refused(
    move.restore({ ...options, profile: 'abs' }),
    'INVALID_ARGUMENT',
    /no profile "abs": there are audiobookshelf/,
  );
  await refused(move.restore({ ...options, profile: 'generic' }), 'INVALID_ARGUMENT', /is of no server/);
  await refused(
    move.restore({ profile: 'audiobookshelf', snapshot: undefined, rollback: true }),
    'INVALID_ARGUMENT',
    /takes no snapshot, path, profile/,
  );
  const second = makeMachine(join(move.library.folder, 'second'));
  await backup(await move.library.reopen(), {
    paths: [move.old, second].map(({ folder }) => Buffer.from(join(folder, 'srv'))),
    profiles: ['audiobookshelf'],
  });
  const both = map(`${move.library.folder}=${move.library.folder}/both`);
  await refused(
    move.restore({ profile: 'audiobookshelf', mappings: both }),
    'INVALID_ARGUMENT',
    /holds 2 servers of Audiobookshelf: .*old\/srv\/abs, .*second\/srv\/abs\. Name the folder of one as SNAP:PATH/,
  );
  const one = { profile: 'audiobookshelf', mappings: both, path: Buffer.from(second.folder) };
  assert.deepEqual((await move.restore(one)).problems, []);
  assert.deepEqual(readdirSync(join(move.library.folder, 'both')), ['second']);
  assertAgree(machineIn(join(move.library.folder, 'both/second')));
});

test('paths that cannot be rewritten stop the restore before anything is written', async (t) => {
  const move = await Move.make(t);
  const database = new Database(move.old.database);
  database.exec('CREATE UNIQUE INDEX one_path ON libraryItems (path)');
  database
    .prepare("INSERT INTO libraryItems (id, path, createdAt, updatedAt) VALUES ('x', ?, '', '')")
    .run(`${move.new.library}/Austen/Emma`);
  database.close();
  await sleep(30);
  await move.save();
  await refused(
    move.restore({ profile: 'audiobookshelf', mappings: move.mapping }),
    'DATABASE_FAILED',
    /absdatabase\.sqlite: .*two rows of libraryItems\.path would have the same path.*Nothing was changed; without --profile/,
  );
  assert.equal(existsSync(move.new.folder), false);
});

test('a database of another program that cannot be looked into stands in nobody’s way', async (t) => {
  const move = await Move.make(t);
  const other = join(move.old.library, 'other.db');
  makeDatabase(other, 'CREATE TABLE t (a)');
  const database = new Database(other);
  database.unsafeMode(true);
  database.pragma('writable_schema = ON');
  database.exec("UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a) OF TOMORROW'");
  database.close();
  await move.save();
  move.hideOld();
  const result = await move.restore({ profile: 'audiobookshelf', mappings: move.mapping });
  assert.deepEqual(result.problems, []);
  assert.match(move.notes.join('\n'), /other\.db cannot be looked into/);
  assertAgree(move.new);
  assert.ok(existsSync(join(move.new.library, 'other.db')));
});

test('a database that was stored as plain files comes back as such, and nothing in it is rewritten', async (t) => {
  const move = await Move.make(t);
  const paths = [Buffer.from(move.old.server), Buffer.from(move.old.library)];
  await backup(await move.library.reopen(), { paths, databases: false, profiles: ['audiobookshelf'] });
  const result = await move.restore({ profile: 'audiobookshelf', mappings: move.mapping });
  assert.deepEqual(result.problems, []);
  assert.deepEqual(result.server?.databases, []);
  assert.deepEqual(readFileSync(move.new.database), readFileSync(move.old.database));
  assert.match(move.notes.join('\n'), /absdatabase\.sqlite was stored as a plain file.*not rewritten/);
});

test('Komga, Kavita and Calibre-Web come up under other paths', async (t) => {
  const library = await Library.make(t);
  const old = (name: string): string => join(library.folder, 'old', name);
  const komga = makeKomga(old('komga'), old('comics & më'));
  makeFiles(old('comics & më'), ['Series 1/a b#.cbz']);
  const url = `file:${encodeURI(old('comics & më'))}/Series%201/`;
  insert(komga, 'SERIES', { ID: 'S', NAME: 'Series 1', URL: url, LIBRARY_ID: 'L1', FILE_LAST_MODIFIED: '' });
  const book = { ID: 'B', NAME: 'a', URL: `${url}a%20b%23.cbz`, SERIES_ID: 'S', LIBRARY_ID: 'L1' };
  insert(komga, 'BOOK', { ...book, FILE_LAST_MODIFIED: '' });
  const kavita = makeKavita(old('kavita'), old('manga'));
  makeFiles(old('manga'), ['One/1.cbz']);
  insert(kavita, 'Series', { Id: 1, Name: 'One', FolderPath: `${old('manga')}/One`, LibraryId: 1 });
  const web = makeCalibreWeb(old('web'), { library: old('calibre') });
  makeDatabase(join(old('calibre'), 'metadata.db'), 'CREATE TABLE books (id INTEGER PRIMARY KEY, path TEXT)');
  await library.backup({
    paths: [Buffer.from(join(library.folder, 'old'))],
    profiles: ['komga', 'kavita', 'calibre-web'],
  });
  const moved = join(library.folder, 'new [1]');
  const mappings = map(`${library.folder}/old=${moved}`);
  const results: { [profile: string]: RewrittenDatabase[] } = {};
  for (const profile of ['komga', 'kavita', 'calibre-web']) {
    const result = await restore(await library.reopen(), { snapshot: 'latest', profile, mappings });
    assert.deepEqual(result.problems, [], profile);
    results[profile] = (result.server?.databases ?? []).filter(({ state }) => state === 'rewritten');
    for (const { leftovers } of result.server?.databases ?? []) assert.deepEqual(leftovers, [], profile);
  }
  const value = (path: string, sql: string): unknown => {
    const database = new Database(path.replace(`${library.folder}/old`, moved), { readonly: true });
    try {
      return database.prepare(sql).pluck().get();
    } finally {
      database.close();
    }
  };
  const encoded = `${library.folder}/new%20%5B1%5D`;
  assert.equal(value(komga, 'SELECT URL FROM BOOK'), `file:${encoded}/comics%20&%20m%C3%AB/Series%201/a%20b%23.cbz`);
  assert.equal(value(komga, 'SELECT ROOT FROM LIBRARY'), `file:${encoded}/comics%20&%20m%C3%AB/`);
  assert.equal(value(kavita, 'SELECT FolderPath FROM Series'), `${moved}/manga/One`);
  assert.equal(value(kavita, 'SELECT Value FROM ServerSetting WHERE Key = 12'), `${moved}/kavita/config/bookmarks`);
  assert.equal(value(web, 'SELECT config_calibre_dir FROM settings'), `${moved}/calibre`);
  assert.deepEqual(readdirSync(moved).sort(), ['calibre', 'comics & më', 'kavita', 'komga', 'manga', 'web']);
});

test('a database that is one piece in the snapshot is rewritten like any other', async (t) => {
  const library = await Library.make(t);
  const server = join(library.folder, 'old', 'jellyfin');
  const database = join(server, 'data', 'jellyfin.db');
  makeDatabase(
    database,
    `PRAGMA page_size = 512;
     CREATE TABLE BaseItems (Id TEXT PRIMARY KEY, Path TEXT) WITHOUT ROWID;
     INSERT INTO BaseItems VALUES ('1', '${library.folder}/old/media');`,
  );
  assert.ok(readFileSync(database).length <= 4096);
  await library.backup({ paths: [Buffer.from(server)], profiles: ['jellyfin'] });
  const mappings = map(`${library.folder}/old=${library.folder}/new`);
  const result = await restore(await library.reopen(), { snapshot: 'latest', profile: 'jellyfin', mappings });
  assert.equal(only(result).state, 'rewritten');
  assert.deepEqual(
    result.server?.next.map(({ kind }) => kind),
    ['moved', 'start', 'afterwards'],
  );
  const rows = new Database(join(library.folder, 'new/jellyfin/data/jellyfin.db'), { readonly: true });
  assert.equal(rows.prepare('SELECT Path FROM BaseItems').pluck().get(), `${library.folder}/new/media`);
  rows.close();
});

test('files come first, databases last, also where neither is there', async (t) => {
  const move = await Move.make(t, { wal: true });
  makeFiles(
    move.old.library,
    Array.from({ length: 50 }, (_, at) => `Zola/${at}.m4b`),
  );
  await sleep(30);
  await move.save();
  const target = join(move.library.folder, 'target');
  for (const options of [{ target: Buffer.from(target) }, { mappings: move.mapping }]) {
    await move.restore({ profile: 'audiobookshelf', ...options });
    const there = 'target' in options ? machineIn(join(target, move.old.folder)) : move.new;
    const changed = (path: string): bigint => statSync(path, { bigint: true }).ctimeNs;
    const files = readdirSync(there.library, { recursive: true }).map((name) => join(there.library, String(name)));
    assert.ok(files.length > 50);
    const last = files.filter((path) => statSync(path).isFile()).map(changed);
    assert.ok(last.every((ctime) => ctime <= changed(there.database)));
  }
});

test('where the database is a dump, its command is told in the order of the profile', () => {
  const dump = (database: string, path: string): object => ({
    kind: 'postgresql',
    path: Buffer.from(path),
    details: { database },
  });
  const databases = [dump('immich', '/.snap-databases/a/immich'), dump('other', '/.snap-databases/a/other')];
  const snapshot = { id: 'abc', databases } as unknown as Parameters<typeof nextSteps>[1];
  const [first, second, third] = nextSteps(IMMICH, snapshot, true);
  assert.deepEqual(first, {
    kind: 'database',
    text: 'Restore the database "immich", now that the files are there',
    command: 'snap restore abc --database immich --into postgresql:///immich',
  });
  assert.deepEqual([second?.kind, third?.text], ['moved', 'Start Immich: docker compose up -d']);
  const [before] = nextSteps({ ...IMMICH, restoreOrder: 'databases first' }, snapshot, false);
  assert.match(before?.text ?? '', /before anything is started/);
  for (const restoreOrder of ['files first', 'databases first'] as const) {
    const notes: string[] = [];
    const server = { profile: { ...IMMICH, restoreOrder }, folder: Buffer.from('/'), parts: [], folders: [] };
    const wanted = { server, paths: [], mappings: [], rewrites: NO_REWRITES };
    mentionOrder(wanted, snapshot, { note: (text) => notes.push(text) });
    assert.equal(notes.length, restoreOrder === 'databases first' ? 1 : 0);
  }
  const [missing] = nextSteps(IMMICH, { ...snapshot, databases: [] }, false);
  assert.match(missing?.text ?? '', /holds no dump of its database/);
});
