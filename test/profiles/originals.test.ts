/** What no profile may leave out: whatever nobody can make again, wherever it lies. */

import assert from 'node:assert/strict';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { detected, filesOf, made, save, saveAsDumped } from '../support/saved-servers.ts';
import {
  addCalibreBook,
  makeAudiobookshelf,
  makeCalibreLibrary,
  makeCalibreWeb,
  makeFiles,
  makeImmich,
  makeImmichCompose,
  makeJellyfin,
  makeKavita,
  makePaperless,
  makePostgresFiles,
} from '../support/servers.ts';

test("a source of somebody's own is no part of a server that lies elsewhere, whatever its folders are called", async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  rmSync(join(server, 'metadata'), { recursive: true });
  const home = join(library.folder, 'home');
  const own = ['backups/letters.zip', 'logs/diary.txt', 'tmp/draft', 'cache/images/only.png', 'items/a'];
  makeFiles(home, own);
  const { files, applied } = await save(library, 'audiobookshelf', [server, home]);
  for (const name of own) assert.ok(files.includes(`../home/${name}`), name);
  assert.match(applied.warnings.join('\n'), /covers, details, caches was not found beside the rest/);
});

test('the database of another program does not make its folder one of Paperless-ngx', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'paperless');
  makePaperless(server, { sqlite: true });
  const other = join(library.folder, 'other');
  mkdirSync(other);
  renameSync(join(server, 'data', 'db.sqlite3'), join(other, 'db.sqlite3'));
  rmSync(join(server, 'data'), { recursive: true });
  makeFiles(other, ['log/captain.txt']);
  const { files } = await save(library, 'paperless', [server, other]);
  assert.ok(files.includes('../other/log/captain.txt'));
});

/** Breaks pages behind the first one, as a bad disk does. */
function damage(database: string): void {
  const { size } = statSync(database);
  const file = openSync(database, 'r+');
  for (let at = 4096; at < size; at += 4096) writeSync(file, Buffer.alloc(2048, 0xa5), 0, 2048, at);
  closeSync(file);
}

const OWN_BACKUP = 'abs/metadata/backups/2026-01-01T0130.audiobookshelf';

test("a server's own backups stay in where its database is damaged: nothing else may have its rows", async (t) => {
  const library = await made(t);
  const database = makeAudiobookshelf(join(library.source, 'abs'), { library: library.source, metadata: '/metadata' });
  const jellyfin = join(library.source, 'jellyfin');
  makeJellyfin(jellyfin);
  makeFiles(jellyfin, ['data/backups/own.zip']);
  damage(database);
  damage(join(jellyfin, 'data/jellyfin.db'));
  const { files, result } = await save(library, 'audiobookshelf');
  assert.ok(files.includes(OWN_BACKUP));
  assert.ok(result.problems.some(({ path }) => path.toString() === database));
  // Of this one no folder is read.
  assert.ok((await save(library, 'jellyfin')).files.includes('jellyfin/data/backups/own.zip'));
});

for (const [how, options] of [
  ['a pattern', { excludes: ['absdatabase.sqlite'] }],
  ['a pattern in another case', { caseInsensitiveExcludes: ['ABSDATABASE.*'] }],
  ['its size', { excludeLargerThan: 10_000 }],
  ['a marker', { excludeIfPresent: ['.nobackup'] }],
] as const) {
  test(`a server's own backups stay in where ${how} leaves its database out`, async (t) => {
    const library = await made(t);
    const server = join(library.source, 'abs');
    makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
    makeFiles(server, ['config/.nobackup']);
    const { files } = await save(library, 'audiobookshelf', [library.source], options);
    assert.ok(!files.includes('abs/config/absdatabase.sqlite'));
    assert.ok(files.includes(OWN_BACKUP));
  });
}

test('what is of one server in a folder that another one leaves out stays in, whichever profiles are named', async (t) => {
  const library = await made(t);
  const kavita = join(library.source, 'kavita');
  makeKavita(kavita, library.source);
  const shelf = join(kavita, 'config', 'temp', 'audiobooks');
  makeFiles(shelf, ['a/book.m4b']);
  makeAudiobookshelf(join(library.source, 'abs'), { library: shelf, metadata: '/metadata' });
  makeCalibreLibrary(join(kavita, 'config', 'logs'));
  const paths = [Buffer.from(kavita), Buffer.from(join(library.source, 'abs'))];
  await library.backup({ paths, profiles: ['kavita', 'audiobookshelf'] });
  const files = await filesOf(library);
  assert.ok(files.includes('kavita/config/temp/audiobooks/a/book.m4b'));
  assert.ok(files.includes('kavita/config/logs/metadata.db'));
  assert.ok(!files.some((file) => file.startsWith('kavita/config/cache/')));
});

test('an author of a library that lies in a folder of settings may be called like a cache', async (t) => {
  const library = await made(t);
  const books = join(library.source, 'cw', 'config');
  makeCalibreWeb(join(library.source, 'cw'), { library: books });
  makeCalibreLibrary(books);
  addCalibreBook(books, { id: 1, title: 'One', path: 'cache/One (1)', formats: ['EPUB'] });
  assert.ok((await save(library, 'calibre-web')).files.includes('cw/config/cache/One (1)/One.epub'));
  const comics = join(library.source, 'kavita', 'config');
  makeKavita(join(library.source, 'kavita'), comics);
  makeFiles(comics, ['logs/comic.cbz']);
  assert.ok((await save(library, 'kavita')).files.includes('kavita/config/logs/comic.cbz'));
});

test("a server's own dumps and files stay in where the dump that was asked for fails", async (t) => {
  const library = await made(t);
  const compose = join(library.source, 'immich');
  makeImmich(join(compose, 'library'));
  makeImmichCompose(compose, { upload: './library', data: './postgres' });
  makePostgresFiles(join(compose, 'postgres'));
  // A dumper of another version than the server's fails each night.
  const databaseServers = [{ url: 'postgresql:///immich?host=/nowhere', environment: {} }];
  const excludes = ['*.jpeg', '!.immich'];
  const { files, result, notes } = await save(library, 'immich', [library.source], { databaseServers, excludes });
  assert.equal(result.problemCount, 1);
  assert.ok(files.includes('immich/library/backups/immich-db-backup-1.sql.gz'));
  assert.ok(files.includes('immich/postgres/base/1/1247'));
  assert.match(notes.join('\n'), /Since a dump failed, the server's own dumps and files are not left out/);
  assert.ok(!files.some((file) => /\.(?:jpeg|mp4)$/.test(file)), 'what it makes again stays out');
  const out = result.snapshot?.rules['excludes'];
  assert.ok(Array.isArray(out) && !out.some((pattern) => /backups|postgres/.test(String(pattern))));
  assert.deepEqual(out.slice(-2), excludes);
  assert.ok(!(await saveAsDumped(library, 'immich', { databaseServers })).files.some((file) => /sql\.gz/.test(file)));
});

test('what a profile leaves out since it could read the database again is no loss; what was lost beside it still is', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'a [b] \\ ü📚');
  const database = makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  writeFileSync(join(server, 'metadata/backups/large.audiobookshelf'), Buffer.alloc(1_000_000, 'x'));
  makeFiles(
    library.source,
    Array.from({ length: 20 }, (_, index) => `audiobooks/${index}/book.m4b`),
  );
  const good = readFileSync(database);
  damage(database);
  const damaged = await save(library, 'audiobookshelf');
  assert.ok(damaged.files.some((file) => file.endsWith('large.audiobookshelf')));
  writeFileSync(database, good);
  const mended = await save(library, 'audiobookshelf');
  assert.ok(!mended.files.some((file) => file.endsWith('large.audiobookshelf')));
  assert.equal(mended.result.suspicion, undefined);
  damage(database);
  await save(library, 'audiobookshelf');
  writeFileSync(database, good);
  rmSync(join(library.source, 'audiobooks'), { recursive: true });
  assert.match((await save(library, 'audiobookshelf')).result.suspicion ?? '', /lost \d+ of \d+ files/);
});

test('of two servers of one kind neither takes a part of the other one for its own', async (t) => {
  const library = await made(t);
  const [first, second] = [join(library.source, 'first'), join(library.source, 'second')];
  for (const server of [first, second]) makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  rmSync(join(first, 'metadata'), { recursive: true });
  const sources = ['first/config', 'second/config', 'second/metadata'].map((name) => join(library.source, name));
  const servers = await detected(library, ...sources);
  assert.deepEqual(
    servers.map(({ parts }) => parts.map(({ folder }) => folder.toString())),
    [[join(first, 'config')], [join(second, 'config'), join(second, 'metadata')]],
  );
});

test('a link that somebody put in the place of a folder that a server makes again stays in', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  for (const name of ['backups', 'cache/covers']) {
    rmSync(join(server, 'metadata', name), { recursive: true });
    symlinkSync(library.folder, join(server, 'metadata', name));
  }
  const { files } = await save(library, 'audiobookshelf');
  assert.ok(files.includes('abs/metadata/backups'));
  assert.ok(files.includes('abs/metadata/cache/covers'));
  assert.ok(!files.some((file) => file.startsWith('abs/metadata/logs/')));
});
