/** Each profile on folders as its server makes them: what is recognised, captured, left out, and said. */

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { Library } from '../support/library.ts';
import { detected, made, save } from '../support/saved-servers.ts';
import {
  addAudiobook,
  addCalibreBook,
  makeAudiobookshelf,
  makeCalibreLibrary,
  makeCalibreWeb,
  makeFiles,
  makeJellyfin,
  makeKavita,
  makeKomga,
  makePaperless,
} from '../support/servers.ts';

test('audiobookshelf: database first, originals in its cache kept, its own backups and what it makes again left out', async (t) => {
  const library = await made(t);
  const shelf = join(library.source, 'audiobooks');
  const server = join(library.source, 'abs');
  const paths = { library: shelf, metadata: join(server, 'metadata') };
  const database = makeAudiobookshelf(server, paths);
  addAudiobook(database, { id: 'book1', title: 'Moby Dick', relPath: 'Melville/Moby Dick', paths });
  makeFiles(shelf, ['Melville/Moby Dick/book.m4b']);
  const [found, ...others] = await detected(library, library.source);
  assert.equal(others.length, 0);
  assert.equal(found?.profile, 'audiobookshelf');
  assert.equal(found.folder.toString(), server);
  assert.match(found.reasons.join('\n'), /config holds absdatabase\.sqlite \(a SQLite database\)/);
  assert.deepEqual(
    found.folders.map(({ rule, path }) => [rule.use, path?.toString()]),
    [
      ['library', shelf],
      ['backups', join(server, 'metadata/backups')],
    ],
  );
  assert.deepEqual(found.warnings, []);
  const { result, files, databases, applied, notes } = await save(library, 'audiobookshelf');
  assert.equal(result.problemCount, 0);
  assert.deepEqual(databases, ['abs/config/absdatabase.sqlite']);
  assert.deepEqual([...files].sort(), [
    'abs/config/absdatabase.sqlite',
    'abs/config/migrations/v2.3.3-changelog.js',
    'abs/metadata/authors/author1.jpg',
    'abs/metadata/cache/items/book1/original.m4b',
    'abs/metadata/items/book1/cover.jpg',
    'audiobooks/Melville/Moby Dick/book.m4b',
  ]);
  assert.deepEqual(applied.warnings, []);
  assert.ok(!notes.some((note) => /is a SQLite database/.test(note)), 'a database that is expected is no news');
  const rules = result.snapshot?.rules['profiles'];
  assert.ok(Array.isArray(rules));
  assert.deepEqual(
    rules.map((one) => {
      const { name, folder, parts, folders } = one as { [key: string]: unknown };
      return { name, folder, parts, folders };
    }),
    [
      {
        name: 'audiobookshelf',
        folder: server,
        parts: { config: join(server, 'config'), metadata: join(server, 'metadata') },
        folders: [
          { said: shelf, path: shelf },
          { said: join(server, 'metadata/backups'), path: join(server, 'metadata/backups') },
        ],
      },
    ],
  );
});

test('audiobookshelf: config and metadata as sources of their own; a library that is not among them is a warning', async (t) => {
  const library = await made(t);
  const shelf = join(library.folder, 'audiobooks');
  mkdirSync(shelf);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: shelf, metadata: '/metadata', backups: '/metadata/backups' });
  const sources = [join(server, 'config'), join(server, 'metadata')];
  const { files, applied, notes } = await save(library, 'audiobookshelf', sources);
  assert.equal(applied.folder.toString(), join(server, 'config'));
  assert.deepEqual(
    applied.parts.map(({ name, folder }) => [name, folder.toString()]),
    [
      ['config', join(server, 'config')],
      ['metadata', join(server, 'metadata')],
    ],
  );
  assert.ok(!files.some((file) => file.includes('backups') || file.includes('logs')));
  const warning = `Audiobookshelf: the library folder ${shelf} is not among the sources`;
  assert.deepEqual(applied.warnings, [warning]);
  assert.ok(notes.includes(warning), 'and it is said');
  // The metadata alone is not among the sources.
  const alone = await save(library, 'audiobookshelf', [join(server, 'config'), shelf]);
  assert.match(alone.applied.warnings.join(), /covers, details, caches \(.*abs\/metadata\) is not among the sources/);
});

test('audiobookshelf: backups that lie among other things take nothing else with them', async (t) => {
  const library = await made(t);
  const shelf = join(library.source, 'audiobooks');
  // Somebody told it to put its backups into the library.
  makeAudiobookshelf(library.source, { library: shelf, metadata: '/metadata', backups: shelf });
  makeFiles(shelf, ['a/book.m4b', '2026-01-01T0130.audiobookshelf']);
  const { files } = await save(library, 'audiobookshelf');
  assert.ok(files.includes('audiobooks/a/book.m4b'));
  assert.ok(!files.some((file) => file.endsWith('.audiobookshelf')));
});

test('a library folder that only the server sees is a warning, unless a source has its name', async (t) => {
  const library = await made(t);
  makeAudiobookshelf(library.source, { library: '/audiobooks', metadata: '/metadata' });
  const without = await save(library, 'audiobookshelf');
  assert.match(without.applied.warnings.join(), /the library folder \/audiobooks is not found here \(in a container/);
  const shelf = join(library.folder, 'audiobooks');
  mkdirSync(shelf);
  assert.deepEqual((await save(library, 'audiobookshelf', [library.source, shelf])).applied.warnings, []);
});

test('calibre: the library, its notes and its search are databases; books, settings and trash stay in', async (t) => {
  const library = await made(t);
  makeCalibreLibrary(library.source);
  addCalibreBook(library.source, {
    id: 1,
    title: 'Moby Dick',
    path: 'Melville/Moby Dick (1)',
    formats: ['EPUB'],
    cover: true,
  });
  const [found] = await detected(library, library.source);
  assert.equal(found?.profile, 'calibre');
  const { result, databases, files } = await save(library, 'calibre');
  assert.equal(result.problemCount, 0);
  assert.deepEqual(databases, ['.calnotes/notes.db', 'full-text-search.db', 'metadata.db']);
  // Though its full text tables are of a tokenizer that only Calibre has.
  assert.ok(result.databases.every(({ check }) => check === 'ok'));
  assert.deepEqual([...files].sort(), [
    '.calnotes/backup/authors/1',
    '.calnotes/notes.db',
    '.calnotes/resources/ab/xxh64-ab12',
    '.calnotes/retired/cd34/doc.html',
    '.caltrash/b/7/metadata.opf',
    '.caltrash/f/8/book.epub',
    'Melville/Moby Dick (1)/Moby Dick.epub',
    'Melville/Moby Dick (1)/cover.jpg',
    'Melville/Moby Dick (1)/metadata.opf',
    'full-text-search.db',
    'metadata.db',
    'metadata_db_prefs_backup.json',
  ]);
});

test('calibre-web: the library is where app.db says; keys stay in; a missing key is a warning', async (t) => {
  const library = await made(t);
  const books = join(library.source, 'somewhere', 'else', 'deep', 'books');
  makeCalibreLibrary(books);
  const server = join(library.source, 'cw');
  makeCalibreWeb(server, { library: books });
  const servers = await detected(library, library.source);
  const found = servers.find(({ profile }) => profile === 'calibre-web');
  assert.match(found?.reasons.join('\n') ?? '', /books is named in app\.db \(settings\.config_calibre_dir\)/);
  const { databases, files, applied } = await save(library, 'calibre-web');
  const inBooks = relative(library.source, books);
  assert.deepEqual(databases, [
    'cw/config/app.db',
    'cw/config/gdrive.db',
    ...['.calnotes/notes.db', 'full-text-search.db', 'metadata.db'].map((name) => join(inBooks, name)),
  ]);
  assert.deepEqual(
    applied.databases
      .filter(({ moment }) => moment === 'library')
      .map(({ path }) => relative(library.source, path.toString())),
    ['cw/config/app.db', join(inBooks, 'metadata.db'), join(inBooks, '.calnotes/notes.db')],
  );
  for (const name of ['.key', 'client_secrets.json', 'gmail.json'])
    assert.ok(files.includes(`cw/config/${name}`), name);
  assert.ok(!files.some((file) => /cache|\.log/.test(file)));
  assert.deepEqual(applied.warnings, []);
  rmSync(join(server, 'config', '.key'));
  const without = await save(library, 'calibre-web', [server]);
  assert.match(without.applied.warnings.join('\n'), /no \.key lies beside app\.db/);
  assert.match(without.applied.warnings.join('\n'), /a Calibre library \(.*books\) is not among the sources/);
});

test('calibre-web-automated: its own database, too; calibre-web does not claim the folder', async (t) => {
  const library = await made(t);
  const books = join(library.source, 'books');
  makeCalibreLibrary(books);
  makeCalibreWeb(join(library.source, 'cwa'), { library: '/calibre-library', automated: true });
  const names = (await detected(library, library.source)).map(({ profile }) => profile);
  assert.deepEqual(names.sort(), ['calibre', 'calibre-web-automated']);
  const { databases, files } = await save(library, 'calibre-web-automated');
  assert.ok(databases.includes('cwa/config/cwa.db'));
  assert.ok(databases.includes('books/metadata.db'));
  assert.ok(files.includes('cwa/config/processed_books/imported/book.epub'));
});

test('kavita: pictures and settings stay in; caches, logs, the queue and its own backups do not', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'comics');
  mkdirSync(comics);
  makeKavita(join(library.source, 'kavita'), comics);
  const { databases, files, applied, result } = await save(library, 'kavita');
  assert.equal(result.problemCount, 0);
  assert.deepEqual(databases, ['kavita/config/kavita.db']);
  assert.deepEqual([...files].sort(), [
    'kavita/config/appsettings.json',
    'kavita/config/bookmarks/1/1/page.png',
    'kavita/config/covers/v1_c1.png',
    'kavita/config/kavita.db',
    'kavita/config/themes/mine.css',
  ]);
  assert.deepEqual(applied.warnings, []);
  assert.deepEqual(
    applied.folders.map(({ said }) => said),
    [comics, join(library.source, 'kavita/config/bookmarks'), join(library.source, 'kavita/config/backups')],
  );
});

test('komga: the library folders come from URLs; index, logs and queue are left out', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'my comics');
  mkdirSync(comics);
  makeKomga(join(library.source, 'komga'), comics);
  const { databases, files, applied } = await save(library, 'komga');
  assert.deepEqual(databases, ['komga/database.sqlite', 'komga/tasks.sqlite']);
  assert.deepEqual([...files].sort(), [
    'komga/application.yml',
    'komga/database.sqlite',
    'komga/fonts/a.ttf',
    'komga/tasks.sqlite',
  ]);
  assert.deepEqual(
    applied.folders.map(({ path }) => path?.toString()),
    [comics],
  );
  assert.deepEqual(applied.warnings, []);
});

test('jellyfin: settings, lists and pictures stay in; caches, previews and its own backups do not', async (t) => {
  const library = await made(t);
  makeJellyfin(library.source);
  const { databases, files } = await save(library, 'jellyfin');
  assert.deepEqual(databases, ['data/jellyfin.db']);
  assert.ok(!files.some((file) => /^(?:cache|log|transcodes|data\/(?:trickplay|backups|SQLiteBackups))\//.test(file)));
  for (const name of [
    'config/system.xml',
    'metadata/library/ab/abcd/poster.jpg',
    'data/collections/c/collection.xml',
  ]) {
    assert.ok(files.includes(name), name);
  }
});

test('paperless: a SQLite database is captured; where there is none, that is a warning', async (t) => {
  const library = await made(t);
  makePaperless(library.source, { sqlite: true });
  const { databases, files, applied } = await save(library, 'paperless');
  assert.deepEqual(databases, ['data/db.sqlite3']);
  assert.ok(files.includes('media/documents/originals/0000001.pdf'));
  assert.ok(!files.some((file) => file.startsWith('data/log/')));
  assert.deepEqual(applied.warnings, []);
  rmSync(join(library.source, 'data', 'db.sqlite3'));
  assert.match((await save(library, 'paperless')).applied.warnings.join(), /the database is Postgres or MariaDB/);
  const databaseServers = [{ url: 'mariadb:///paperless?socket=/nowhere', environment: {} }];
  const dumped = await save(library, 'paperless', [library.source], { databaseServers });
  assert.deepEqual(dumped.applied.warnings, []);
});

test('generic: marked caches are left out, and nothing else', async (t) => {
  const library = await made(t);
  makeFiles(library.source, ['book', 'cache/x']);
  writeFileSync(join(library.source, 'cache/CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55\n');
  assert.deepEqual(await detected(library, library.source), []);
  const { files, applied } = await save(library, 'generic');
  assert.deepEqual([...files].sort(), ['book', 'cache/CACHEDIR.TAG']);
  assert.deepEqual([applied.folder.toString(), applied.warnings], [library.source, []]);
});

test('a backup mentions the servers it recognises and applies nothing by itself', async (t) => {
  const library = await made(t);
  makeKavita(join(library.source, 'kavita'), library.source);
  const notes: string[] = [];
  const result = await library.backup({ monitor: { note: (text) => notes.push(text) } });
  assert.match(notes.join('\n'), /kavita looks like Kavita: with --profile kavita/);
  assert.deepEqual(result.profiles, []);
  assert.equal(result.snapshot?.rules['profiles'], undefined);
  const { files } = await save(library, 'kavita');
  assert.ok(!files.includes('kavita/config/cache/1/001.jpg'));
});

test('a profile whose server is not there is a problem; one that there is not is refused', async (t) => {
  const library = await made(t);
  makeFiles(library.source, ['book']);
  const result = await library.backup({ profiles: ['kavita'] });
  assert.deepEqual(
    result.problems.map(({ code }) => code),
    ['PROFILE_NOT_RECOGNISED'],
  );
  assert.ok(result.snapshot !== undefined);
  await assert.rejects(library.backup({ profiles: ['plex'] }), (error) => isEngineError(error, 'INVALID_ARGUMENT'));
});

test('somebody can take back what a profile leaves out; odd names of folders are no patterns', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'we[i]rd *name? \\');
  makeKavita(server, library.source);
  makeFiles(library.source, ['weird name/config/cache/kept']);
  const result = await library.backup({ profiles: ['kavita'], excludes: ['!**/config/cache'] });
  assert.equal(result.problemCount, 0);
  const files: string[] = [];
  for await (const { path } of listEntries(library.repository, { snapshot: 'latest', recursive: true })) {
    files.push(relative(library.source, path.toString()));
  }
  assert.ok(files.includes('we[i]rd *name? \\/config/cache/1/001.jpg'));
  assert.ok(!files.includes('we[i]rd *name? \\/config/logs/kavita.log'));
  assert.ok(files.includes('weird name/config/cache/kept'));
});

test('databases of a profile are captured before files are looked at, in a first backup too', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'zz');
  const shelf = join(library.source, 'audiobooks');
  const paths = { library: shelf, metadata: '/metadata' };
  const database = makeAudiobookshelf(server, paths);
  makeFiles(shelf, ['book.m4b']);
  // While the files are walked, a row comes in whose file is not there yet.
  let added = false;
  const result = await library.backup({
    profiles: ['audiobookshelf'],
    monitor: {
      progress: () => {
        if (added) return;
        added = true;
        addAudiobook(database, { id: 'late', title: 'Late', relPath: 'late', paths });
      },
    },
  });
  assert.ok(added);
  assert.equal(result.problemCount, 0);
  const { target } = await library.restore();
  const restored = new Database(join(target, 'zz/config/absdatabase.sqlite'));
  assert.equal(restored.prepare('SELECT count(*) FROM libraryItems').pluck().get(), 0);
  restored.close();
});

test('a part that is not mounted does not switch the shrink guard off', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  makeFiles(
    server,
    Array.from({ length: 20 }, (_, index) => `metadata/items/${index}/cover.jpg`),
  );
  await save(library, 'audiobookshelf');
  renameSync(join(server, 'metadata'), join(library.folder, 'unmounted'));
  const { result } = await save(library, 'audiobookshelf');
  assert.match(result.suspicion ?? '', /lost|fewer|files/);
});

test('a server that is not there at all does not switch the shrink guard off', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  makeFiles(
    library.source,
    Array.from({ length: 20 }, (_, index) => `audiobooks/${index}/book.m4b`),
  );
  makeFiles(library.source, ['readme']);
  await save(library, 'audiobookshelf');
  for (const name of ['abs', 'audiobooks']) renameSync(join(library.source, name), join(library.folder, name));
  const result = await library.backup({ profiles: ['audiobookshelf'] });
  assert.deepEqual(result.profiles, []);
  assert.match(result.suspicion ?? '', /lost \d+ of \d+ files/);
  assert.equal(result.snapshot?.suspect, true);
});

test("the repository and the server's own backups stay out wherever they lie in the source", async (t) => {
  const folder = (await Library.make(t)).folder;
  const inside = join(folder, 'source');
  mkdirSync(inside);
  const library = await Library.make(t, { folder: inside });
  makeKavita(join(inside, 'kavita'), inside);
  const { files } = await save(library, 'kavita', [join(inside, 'kavita'), inside]);
  assert.ok(!files.some((file) => /packs|backups/.test(file)), files.join('\n'));
});
