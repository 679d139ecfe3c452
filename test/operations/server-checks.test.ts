/** Rows of each server's database against the files of the same snapshot: what is missing, what nobody names, what is not said. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { isEngineError } from '../../engine/base/errors.ts';
import { SERVER_MISSES_MAX } from '../../engine/base/limits.ts';
import type { BackupOptions } from '../../engine/operations/backup/options.ts';
import { checkServers } from '../../engine/operations/servers/check-servers.ts';
import type { ServerCheck } from '../../engine/repository/server-check.ts';
import { Library } from '../support/library.ts';
import {
  addAudiobook,
  addCalibreBook,
  addJellyfinItem,
  addKavitaFile,
  insert,
  makeAudiobookshelf,
  makeCalibreLibrary,
  makeCalibreWeb,
  makeFiles,
  makeJellyfin,
  makeKavita,
  makeOldJellyfin,
  STAMPS,
} from '../support/servers.ts';

async function made(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  return library;
}

/** The checks of a backup of the sources with this profile, each run by a process of its own as far as the repository can tell. */
async function checked(
  library: Library,
  profile: string,
  options: Partial<BackupOptions> = {},
): Promise<readonly ServerCheck[]> {
  const { snapshot, problemCount } = await library.backup({ profiles: [profile], ...options });
  assert.equal(problemCount, 0);
  assert.ok(snapshot !== undefined);
  const checks = await checkServers(await library.reopen(), { snapshot, recordedOnly: true });
  assert.deepEqual(readdirSync(join(library.repository.cacheDirectory, 'scratch')), [], 'no image is left behind');
  return checks;
}

async function checkedOnce(
  library: Library,
  profile: string,
  options: Partial<BackupOptions> = {},
): Promise<ServerCheck> {
  const [check, ...others] = await checked(library, profile, options);
  assert.deepEqual(others, []);
  return check ?? assert.fail('nothing was checked');
}

/** Each as `what title path`, with paths relative to the source. */
function told(library: Library, { misses, missCount, problem }: ServerCheck): string[] {
  assert.equal(problem, undefined);
  assert.equal(misses.length, missCount);
  return misses.map(({ what, title, path }) => `${what} | ${title} | ${relative(library.source, path.toString())}`);
}

const BOOKS = [
  { id: 1, title: 'Moby Dick', path: 'Melville/Moby Dick (1)', formats: ['EPUB', 'PDF'], cover: true },
  { id: 2, title: "L'Été “d'avant”", path: "Camus/L'Été (2)", formats: ['EPUB'], cover: true },
  { id: 3, title: '戦争と平和', path: 'トルストイ/戦争と平和 (3)', formats: ['AZW3'] },
  { id: 4, title: 'A.B', path: 'A/A.B (4)', formats: ['EPUB'] },
  { id: 5, title: 'A', path: 'A.B/A (5)', formats: ['TXT'] },
] as const;

function makeBooks(folder: string): void {
  makeCalibreLibrary(folder);
  for (const book of BOOKS) addCalibreBook(folder, book);
}

test('calibre: a library whose rows and files agree has nothing amiss, whatever its names are', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  const check = await checkedOnce(library, 'calibre');
  assert.deepEqual(told(library, check), []);
  // Five folders, six files, two covers.
  assert.equal(check.rowsChecked, 13);
  assert.equal(check.filesChecked, 18);
  assert.deepEqual([check.title, check.folder.toString()], ['Calibre', library.source]);
});

test('calibre: a missing file, cover and folder and a folder without a row are each told once, with the title', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  rmSync(join(library.source, 'Melville/Moby Dick (1)/Moby Dick.pdf'));
  rmSync(join(library.source, "Camus/L'Été (2)/cover.jpg"));
  // Renamed, so that its row leads nowhere and its folder is nobody's.
  renameSync(join(library.source, 'トルストイ/戦争と平和 (3)'), join(library.source, 'トルストイ/戦争 (3)'));
  makeFiles(library.source, ['Nobody/Nothing (77)/Nothing.epub', 'Nobody/notes/x', '.caltrash/b/Gone (8)/x.epub']);
  const check = await checkedOnce(library, 'calibre');
  assert.deepEqual(told(library, check).sort(), [
    "cover | L'Été “d'avant” | Camus/L'Été (2)/cover.jpg",
    'file | Moby Dick | Melville/Moby Dick (1)/Moby Dick.pdf',
    'folder | 戦争と平和 | トルストイ/戦争と平和 (3)',
    'row | Nothing (77) | Nobody/Nothing (77)',
    'row | 戦争 (3) | トルストイ/戦争 (3)',
  ]);
});

test('calibre: what is left out of the snapshot on purpose is no miss, and a book without files needs no folder', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  insert(join(library.source, 'metadata.db'), 'books', { id: 9, title: 'Wish', path: 'Someone/Wish (9)' });
  const check = await checkedOnce(library, 'calibre', { excludes: ['*.pdf'] });
  assert.deepEqual(told(library, check), []);
  assert.equal(check.leftOut, 1);
});

test('calibre: a library of which the snapshot has nothing but the database is one line', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  for (const name of ['Melville', 'Camus', 'トルストイ', 'A', 'A.B'])
    rmSync(join(library.source, name), { recursive: true });
  const { misses, missCount } = await checkedOnce(library, 'calibre');
  assert.deepEqual([misses.length, missCount], [1, 1]);
  assert.deepEqual(misses[0], {
    what: 'library',
    title: 'source',
    path: Buffer.from(library.source),
    entries: 13,
  });
});

test('calibre: rows that no file can have are told as what they say, and lead nowhere', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  const database = join(library.source, 'metadata.db');
  writeFileSync(join(library.folder, 'secret (6)'), 'outside');
  insert(database, 'books', { id: 6, title: 'Up', path: '../secret (6)', has_cover: 1 });
  insert(database, 'books', { id: 7, title: 'Zero', path: 'A/\0 (7)', has_cover: 1 });
  insert(database, 'books', {
    id: 8,
    title: 'Bytes',
    path: Buffer.from([0x41, 0xff, 0x2f]).toString('latin1'),
    has_cover: 1,
  });
  insert(database, 'books', { id: 9, title: 'Huge', path: 'A/'.repeat(500_000), has_cover: 1 });
  insert(database, 'books', { id: 10, title: 'x'.repeat(5_000_000), path: 'A/gone (10)', has_cover: 1 });
  const raw = new Database(database);
  raw.exec("UPDATE books SET title = x'00ff41', path = x'c328' WHERE id = 8");
  raw.close();
  const check = await checkedOnce(library, 'calibre');
  assert.equal(check.problem, undefined);
  const values = check.misses.filter(({ what }) => what === 'value');
  assert.deepEqual(new Set(values.map(({ title }) => title)), new Set(['Up', 'Zero', 'Huge']));
  for (const { title, path } of check.misses) assert.ok(title.length <= 300 && path.length <= 1200, 'bounded');
  const others = check.misses
    .filter(({ what }) => what !== 'value')
    .map(({ what, path }) => [what, relative(library.source, path.toString())]);
  assert.ok(others.some(([what, path]) => what === 'folder' && path === 'A/gone (10)'));
});

test('calibre-web: a library apart from its database is looked for where the settings say; calibre itself says nothing else', async (t) => {
  const library = await made(t);
  const [books, meta, server] = ['books', 'meta', 'cw'].map((name) => join(library.source, name)) as [
    string,
    string,
    string,
  ];
  makeBooks(books);
  mkdirSync(meta);
  renameSync(join(books, 'metadata.db'), join(meta, 'metadata.db'));
  const app = makeCalibreWeb(server, { library: meta });
  const settings = new Database(app);
  settings.prepare('UPDATE settings SET config_calibre_split = 1, config_calibre_split_dir = ?').run(`${books}/`);
  settings.close();
  rmSync(join(books, 'Melville/Moby Dick (1)/cover.jpg'));
  assert.deepEqual(told(library, await checkedOnce(library, 'calibre-web')), [
    'cover | Moby Dick | books/Melville/Moby Dick (1)/cover.jpg',
  ]);
  // The tree shows Calibre's library, too: its books are looked for once, and where they are.
  const snapshot = await library.repository.snapshots.find('latest');
  const all = await checkServers(await library.reopen(), { snapshot });
  assert.deepEqual(
    all.map(({ profile, missCount }) => [profile, missCount]),
    [['calibre-web', 1]],
  );
});

test('calibre-web-automated: its library where its container sees it', async (t) => {
  const library = await made(t);
  const books = join(library.source, 'books');
  makeBooks(books);
  makeCalibreWeb(library.source, { library: '/calibre-library', automated: true });
  assert.deepEqual(told(library, await checkedOnce(library, 'calibre-web-automated')), []);
});

/** A server with its folders right in the source; paths as its container sees them unless given. */
function makeShelf(
  library: Library,
  paths = { library: '/audiobooks', metadata: '/metadata' },
): { readonly database: string; readonly shelf: string; readonly server: string } {
  const [server, shelf] = [join(library.source, 'abs'), join(library.source, 'audiobooks')];
  const database = makeAudiobookshelf(server, paths);
  const titles = { book1: 'Melville/Moby Dick', book2: 'Austen/Emma “1815”', book3: 'Чехов/Чайка' };
  for (const [id, relPath] of Object.entries(titles)) {
    addAudiobook(database, { id, title: relPath.split('/')[1] ?? '', relPath, paths });
    makeFiles(shelf, [`${relPath}/book.m4b`]);
    makeFiles(server, [`metadata/items/${id}/cover.jpg`]);
  }
  const picture = `${paths.metadata}/authors/author1.jpg`;
  insert(database, 'authors', { id: 'author1', name: 'Herman Melville', imagePath: picture, ...STAMPS });
  return { database, shelf, server };
}

test("audiobookshelf: paths of its container are those of the host's folders", async (t) => {
  const library = await made(t);
  makeShelf(library);
  const check = await checkedOnce(library, 'audiobookshelf');
  assert.deepEqual(told(library, check), []);
  assert.equal(check.rowsChecked, 10);
  assert.equal(check.filesChecked, 10);
});

test('audiobookshelf: a folder that a container sees by another name is known by what rows name in it', async (t) => {
  const library = await made(t);
  const { shelf, server } = makeShelf(library);
  const [books, metadata] = [join(library.folder, 'disk/Hörbücher'), join(library.folder, 'appdata/abs-meta')];
  mkdirSync(join(library.folder, 'disk'));
  mkdirSync(join(library.folder, 'appdata'));
  renameSync(shelf, books);
  renameSync(join(server, 'metadata'), metadata);
  rmSync(join(books, 'Austen'), { recursive: true });
  rmSync(join(metadata, 'items/book1/cover.jpg'));
  // One that has a little of it, too.
  makeFiles(join(library.folder, 'disk'), ['Sample/Melville/Moby Dick/book.m4b']);
  const paths = [server, join(library.folder, 'disk'), metadata].map((path) => Buffer.from(path));
  const check = await checkedOnce(library, 'audiobookshelf', { paths });
  assert.deepEqual(told(library, check), [
    'cover | Moby Dick | ../appdata/abs-meta/items/book1/cover.jpg',
    'folder | Emma “1815” | ../disk/Hörbücher/Austen/Emma “1815”',
  ]);
});

test('audiobookshelf: items, audio files, e-books, covers and pictures that are gone; not what the server knows to be missing', async (t) => {
  const library = await made(t);
  const { database, shelf, server } = makeShelf(library);
  rmSync(join(shelf, 'Austen'), { recursive: true });
  rmSync(join(shelf, 'Чехов/Чайка/book.m4b'));
  rmSync(join(server, 'metadata/items/book1/cover.jpg'));
  rmSync(join(server, 'metadata/authors/author1.jpg'));
  insert(database, 'books', {
    id: 'media-single',
    title: 'Single',
    audioFiles: [],
    ebookFile: { metadata: { path: '/audiobooks/single.epub' } },
    ...STAMPS,
  });
  insert(database, 'libraryItems', {
    id: 'single',
    path: '/audiobooks/single.epub',
    mediaId: 'media-single',
    mediaType: 'book',
    isFile: 1,
    isMissing: 0,
    ...STAMPS,
  });
  insert(database, 'libraryItems', {
    id: 'known',
    path: '/audiobooks/known gone',
    mediaId: 'none',
    mediaType: 'book',
    isFile: 0,
    isMissing: 1,
    ...STAMPS,
  });
  insert(database, 'podcasts', { id: 'cast', title: 'A Cast', coverPath: '/metadata/items/cast/cover.jpg', ...STAMPS });
  insert(database, 'podcastEpisodes', {
    id: 'e1',
    title: 'One',
    podcastId: 'cast',
    audioFile: { metadata: { path: '/audiobooks/A Cast/1.mp3' } },
    ...STAMPS,
  });
  insert(database, 'libraryItems', {
    id: 'castitem',
    path: '/audiobooks/A Cast',
    mediaId: 'cast',
    mediaType: 'podcast',
    isFile: 0,
    isMissing: 0,
    ...STAMPS,
  });
  makeFiles(shelf, ['A Cast/notes.txt']);
  assert.deepEqual(told(library, await checkedOnce(library, 'audiobookshelf')).sort(), [
    'cover | A Cast | abs/metadata/items/cast/cover.jpg',
    'cover | Moby Dick | abs/metadata/items/book1/cover.jpg',
    'file | A Cast: One | audiobooks/A Cast/1.mp3',
    'file | Single | audiobooks/single.epub',
    'file | Чайка | audiobooks/Чехов/Чайка/book.m4b',
    'folder | Emma “1815” | audiobooks/Austen/Emma “1815”',
    'picture | Herman Melville | abs/metadata/authors/author1.jpg',
  ]);
});

test('audiobookshelf: a library folder that is not in the snapshot is one line, as is a folder of the server', async (t) => {
  const library = await made(t);
  const { server } = makeShelf(library, { library: '/elsewhere/library', metadata: '/metadata' });
  const check = await checkedOnce(library, 'audiobookshelf', { paths: [Buffer.from(join(server, 'config'))] });
  assert.deepEqual(
    check.misses.map(({ what, title, path, entries }) => [what, title, path.toString(), entries]),
    [
      ['library', 'Audiobooks', '/elsewhere/library', 6],
      ['library', 'covers, details, caches', join(server, 'metadata'), 4],
    ],
  );
  assert.equal(check.missCount, 2);
});

test('audiobookshelf: a library behind a symbolic link is found; what lies behind links deeper down is not judged', async (t) => {
  const library = await made(t);
  const { shelf } = makeShelf(library);
  const disk = join(library.source, 'disk');
  renameSync(shelf, disk);
  symlinkSync('disk', shelf);
  rmSync(join(disk, 'Austen'), { recursive: true });
  renameSync(join(disk, 'Чехов'), join(library.source, 'moved'));
  symlinkSync('../moved', join(disk, 'Чехов'));
  const check = await checkedOnce(library, 'audiobookshelf');
  assert.deepEqual(told(library, check), ['folder | Emma “1815” | disk/Austen/Emma “1815”']);
  assert.equal(check.unjudged, 2);
});

test('audiobookshelf: JSON that is none, and paths that are no text, neither stop the check nor count as files', async (t) => {
  const library = await made(t);
  const { database } = makeShelf(library);
  const raw = new Database(database);
  raw.exec(`UPDATE books SET audioFiles = '[{"metadata":{"path":17}},3,{"metadata":{"path":"/a/../b"}},{"x":1}]' WHERE title = 'Moby Dick';
    UPDATE books SET audioFiles = 'not json', ebookFile = '{' WHERE title LIKE 'Emma%';
    UPDATE books SET audioFiles = '{"metadata":{}}', coverPath = x'2fff' WHERE title = 'Чайка'`);
  raw.close();
  const check = await checkedOnce(library, 'audiobookshelf');
  assert.equal(check.problem, undefined);
  assert.deepEqual(check.misses.map(({ what, title, path }) => `${what} | ${title} | ${path}`).sort(), [
    'value | Moby Dick | /a/../b',
    'value | Moby Dick | 17',
    'value | Чайка | /\ufffd',
  ]);
});

const ADD_FILE = 'INSERT INTO MangaFile (Id, FilePath, Pages, Format, Bytes, ChapterId) VALUES (?, ?, 1, 1, 1, 1)';

test('kavita: each file of a series is there or is told with the name of the series', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'comics');
  mkdirSync(comics);
  const database = makeKavita(join(library.source, 'kavita'), comics);
  addKavitaFile(database, { id: 1, series: 'Akira', path: join(comics, 'Akira/1.cbz') });
  addKavitaFile(database, { id: 2, series: "L'Été", path: join(comics, "L'Été/1.cbz") });
  addKavitaFile(database, { id: 3, series: 'Gone', path: join(comics, 'Gone/1.cbz'), isMade: false });
  assert.deepEqual(told(library, await checkedOnce(library, 'kavita')), ['item | Gone | comics/Gone/1.cbz']);
});

test('jellyfin: files below folders of the snapshot; virtual items, folders, persons and other disks are not looked for', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'jellyfin');
  const media = join(library.source, 'media');
  const database = makeJellyfin(server);
  makeFiles(media, ['films/Alien.mkv', 'shows/s1e1.mkv', 'films/Disc/VIDEO_TS/x.vob']);
  addJellyfinItem(database, {
    id: 'TOP',
    name: 'films',
    path: '/media/films',
    IsFolder: 1,
    MediaType: 'Unknown',
    TopParentId: 'TOP',
  });
  addJellyfinItem(database, { id: 'A', name: 'Alien', path: '/media/films/Alien.mkv', TopParentId: 'TOP' });
  addJellyfinItem(database, { id: 'B', name: 'Gone', path: '/media/films/Gone.mkv', TopParentId: 'TOP' });
  addJellyfinItem(database, { id: 'C', name: 'Disc', path: '/media/films/Disc', TopParentId: 'TOP' });
  addJellyfinItem(database, { id: 'D', name: 'Pilot', path: `${media}/shows/s1e9.mkv`, SeriesName: 'Show' });
  addJellyfinItem(database, { id: 'E', name: 'Far', path: '/nas/far.mkv' });
  addJellyfinItem(database, { id: 'F', name: 'Unaired', path: `${media}/shows/s9e9.mkv`, IsVirtualItem: 1 });
  addJellyfinItem(database, { id: 'G', name: 'Somebody', path: `${media}/people/Somebody`, MediaType: 'Unknown' });
  addJellyfinItem(database, { id: 'H', name: 'Channel', path: 'http://x/y.m3u8' });
  addJellyfinItem(database, { id: 'I', name: 'None', path: null });
  const sources = [server, media, join(media, 'films')].map((path) => Buffer.from(path));
  const check = await checkedOnce(library, 'jellyfin', { paths: sources });
  assert.deepEqual(told(library, check), [
    'item | Gone | media/films/Gone.mkv',
    'item | Show: Pilot | media/shows/s1e9.mkv',
  ]);
  assert.equal(check.unjudged, 1);
});

test('jellyfin before 10.11: items are in library.db', async (t) => {
  const library = await made(t);
  const database = makeOldJellyfin(library.source);
  makeFiles(library.source, ['media/Alien.mkv']);
  const item = { type: 'MediaBrowser.Controller.Entities.Movies.Movie', MediaType: 'Video', IsFolder: 0 };
  for (const [id, name] of ['Alien', 'Gone'].entries()) {
    insert(database, 'TypedBaseItems', {
      guid: `g${id}`,
      Name: name,
      Path: join(library.source, `media/${name}.mkv`),
      ...item,
    });
  }
  const check = await checkedOnce(library, 'jellyfin');
  assert.deepEqual(told(library, check), ['item | Gone | media/Gone.mkv']);
  assert.equal(check.database.toString(), database);
});

test('a schema that is not known here is a problem of its check alone; nothing is changed by any', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'comics');
  mkdirSync(comics);
  const database = makeKavita(join(library.source, 'kavita'), comics);
  makeBooks(join(library.source, 'books'));
  const other = new Database(database);
  other.exec('DROP TABLE MangaFile');
  other.close();
  await library.backup({ profiles: ['kavita', 'calibre'] });
  const files = readdirSync(join(library.folder, 'repository'), { recursive: true }).sort();
  const snapshot = await library.repository.snapshots.find('latest');
  const checks = await checkServers(await library.reopen(), { snapshot });
  const kavita = checks.find(({ profile }) => profile === 'kavita');
  assert.match(kavita?.problem?.message ?? '', /it would have the table MangaFile in kavita\.db/);
  assert.equal(checks.find(({ profile }) => profile === 'calibre')?.missCount, 0);
  assert.deepEqual(readdirSync(join(library.folder, 'repository'), { recursive: true }).sort(), files);
});

test('a database that was stored as a file is read with the log beside it', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'comics');
  mkdirSync(comics);
  const database = makeKavita(join(library.source, 'kavita'), comics);
  const writer = new Database(database);
  writer.pragma('foreign_keys = OFF');
  t.after(() => writer.close());
  writer.pragma('wal_autocheckpoint = 0');
  writer.prepare(ADD_FILE).run(1, join(comics, 'only in the log.cbz'));
  assert.ok(existsSync(`${database}-wal`));
  const check = await checkedOnce(library, 'kavita', { databases: false });
  assert.deepEqual(told(library, check), ['item |  | comics/only in the log.cbz']);
});

test('an interruption ends a check and leaves no image behind', async (t) => {
  const library = await made(t);
  makeBooks(library.source);
  const { snapshot } = await library.backup({ profiles: ['calibre'] });
  assert.ok(snapshot !== undefined);
  const controller = new AbortController();
  const monitor = { progress: () => controller.abort() };
  await assert.rejects(
    checkServers(await library.reopen(), { snapshot, monitor, signal: controller.signal }),
    (error) => isEngineError(error, 'INTERRUPTED'),
  );
  assert.deepEqual(readdirSync(join(library.repository.cacheDirectory, 'scratch')), []);
});

test('more misses than are named are counted', async (t) => {
  const library = await made(t);
  const comics = join(library.source, 'comics');
  mkdirSync(comics);
  const database = new Database(makeKavita(join(library.source, 'kavita'), comics));
  database.pragma('foreign_keys = OFF');
  makeFiles(comics, ['here.cbz']);
  const add = database.prepare(ADD_FILE);
  add.run(1, join(comics, 'here.cbz'));
  database.transaction(() => {
    for (let id = 2; id <= SERVER_MISSES_MAX + 501; id++) add.run(id, join(comics, `${id}.cbz`));
  })();
  database.close();
  const { misses, missCount } = await checkedOnce(library, 'kavita');
  assert.deepEqual([misses.length, missCount], [SERVER_MISSES_MAX, SERVER_MISSES_MAX + 500]);
});
