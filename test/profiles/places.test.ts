/** Where things lie: links, other file systems, sources of every kind, repositories and backups in odd places. */

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { PROFILES } from '../../engine/profiles/all.ts';
import { findServers } from '../../engine/repository/server-finder.ts';
import { DiskView } from '../../engine/repository/server-view.ts';
import { coverageOf } from '../../engine/repository/source-coverage.ts';
import { testFolder } from '../support/build-repository.ts';
import { Library } from '../support/library.ts';
import { detected, made, save } from '../support/saved-servers.ts';
import { makeAudiobookshelf, makeCalibreLibrary, makeCalibreWeb, makeFiles, makeKavita } from '../support/servers.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

test("a server's own backups stay out wherever a setting puts them; what lies beside them stays in", async (t) => {
  const library = await made(t);
  const server = join(library.source, 'kavita');
  const comics = join(library.source, 'comics');
  const database = makeKavita(server, comics);
  const elsewhere = join(comics, 'zz backups');
  makeFiles(elsewhere, ['kavita_backup_1.zip', 'mine.zip']);
  const live = new Database(database);
  live.prepare('UPDATE ServerSetting SET Value = ? WHERE Key = 5').run(elsewhere);
  live.close();
  const { files } = await save(library, 'kavita');
  assert.ok(files.includes('comics/zz backups/mine.zip'));
  assert.ok(!files.some((file) => file.includes('kavita_backup')));
});

test('a repository inside the folder of a server stays out, and so does its cache', async (t) => {
  const folder = testFolder(t);
  const server = join(folder, 'kavita');
  const config = join(server, 'config');
  makeKavita(server, server);
  // The repository and its cache lie beside the server's database.
  const library = await Library.make(t, { folder: config });
  for (const sources of [[server], [config], [folder], [config, server]]) {
    const { files, result } = await save(library, 'kavita', sources);
    assert.equal(result.problemCount, 0);
    const names = files.map((file) => file.replace(/^(?:\.\.\/)+/, ''));
    assert.ok(
      names.some((file) => file.endsWith('covers/v1_c1.png')),
      sources.join(),
    );
    assert.ok(!names.some((file) => /packs|snapshots|keys|scratch|backups|logs/.test(file)), names.join('\n'));
  }
});

test("a server's own backups stay in where its databases are stored as plain files, or are not among the sources", async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  const own = 'abs/metadata/backups/2026-01-01T0130.audiobookshelf';
  assert.ok(!(await save(library, 'audiobookshelf')).files.includes(own));
  const plain = await save(library, 'audiobookshelf', [library.source], { databases: false });
  assert.ok(plain.files.includes(own), 'a live database that is copied as a file may be torn');
  assert.ok(!plain.files.some((file) => file.includes('metadata/logs')), 'what it makes again stays out');
  // The database is behind a link: recognised, but not in the snapshot.
  renameSync(join(server, 'config'), join(library.folder, 'config'));
  symlinkSync(join(library.folder, 'config'), join(server, 'config'));
  const { files, applied } = await save(library, 'audiobookshelf');
  assert.ok(files.includes(own));
  assert.match(applied.warnings.join('\n'), /its database and settings \(.*config\) is not among the sources/);
});

test('a library behind a link below a source is not among the sources; named as a source, it is', async (t) => {
  const library = await made(t);
  const real = join(library.folder, 'disk', 'books');
  makeFiles(real, ['a/book.m4b']);
  const link = join(library.source, 'audiobooks');
  symlinkSync(real, link);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: link, metadata: '/metadata' });
  const warning = /the library folder .*source\/audiobooks is not among the sources/;
  const without = await save(library, 'audiobookshelf');
  assert.ok(!without.files.some((file) => file.endsWith('book.m4b')), 'a link is stored as one');
  assert.match(without.applied.warnings.join('\n'), warning);
  // By either name: the link is followed where it is named, and the folder is the same one.
  for (const source of [real, link]) {
    const { files, applied } = await save(library, 'audiobookshelf', [server, source]);
    assert.deepEqual(applied.warnings, [], source);
    assert.deepEqual(
      applied.folders.map(({ path }) => path?.toString()),
      [source, join(server, 'metadata/backups')],
    );
    assert.ok(files.some((file) => file.endsWith('book.m4b')));
  }
});

test('a part behind a link is captured and left out by the path by which the backup comes to it', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  const metadata = join(library.folder, 'disk', 'metadata');
  mkdirSync(join(library.folder, 'disk'));
  renameSync(join(server, 'metadata'), metadata);
  symlinkSync(metadata, join(server, 'metadata'));
  const { files, applied } = await save(library, 'audiobookshelf', [library.source, metadata]);
  assert.deepEqual(applied.warnings, []);
  assert.deepEqual(
    applied.parts.map(({ folder }) => folder.toString()),
    [join(server, 'config'), metadata],
  );
  assert.ok(files.includes('../disk/metadata/items/book1/cover.jpg'));
  assert.ok(!files.some((file) => /metadata\/(?:logs|backups|cache\/covers)\//.test(file)), files.join('\n'));
  // A whole server by a link that is named: its database is captured under that name, once.
  const link = join(library.folder, 'server');
  symlinkSync(server, link);
  const named = await save(library, 'audiobookshelf', [link]);
  assert.deepEqual(
    named.result.databases.map(({ path }) => path.toString()),
    [join(link, 'config/absdatabase.sqlite')],
  );
});

test('sources inside others, and the same one twice, make one server', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  const sources = [library.source, join(server, 'config'), server, `${library.source}/`];
  const { applied, result } = await save(library, 'audiobookshelf', sources);
  assert.deepEqual(applied.warnings, []);
  assert.equal(applied.folder.toString(), server);
  assert.equal(result.problemCount, 0);
  assert.equal((await detected(library, ...sources)).length, 1);
  // By another name a snapshot has it once more.
  const again = join(library.folder, 'again');
  symlinkSync(library.source, again);
  assert.deepEqual(
    (await detected(library, library.source, again)).map(({ folder }) => folder.toString()),
    [server, join(again, 'abs')],
  );
});

test('a source that is a file is looked at, and is no server', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  const database = makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  const notes: string[] = [];
  const result = await library.backup({
    paths: [Buffer.from(database)],
    profiles: ['audiobookshelf'],
    monitor: { note: (text) => notes.push(text) },
  });
  assert.deepEqual(
    result.problems.map(({ code }) => code),
    ['PROFILE_NOT_RECOGNISED'],
  );
  assert.equal(result.databases.length, 1);
  // Beside the server's folder it takes nothing away.
  const { applied } = await save(library, 'audiobookshelf', [database, join(server, 'metadata'), server]);
  assert.equal(applied.folder.toString(), server);
});

test('calibre-web in a container: the source that has the name of its library is that library', async (t) => {
  const library = await made(t);
  const books = join(library.folder, 'elsewhere', 'books');
  makeCalibreLibrary(books);
  const server = join(library.source, 'cw');
  makeCalibreWeb(server, { library: '/books' });
  const { applied } = await save(library, 'calibre-web', [server, books]);
  assert.deepEqual(applied.warnings, []);
  assert.deepEqual(
    applied.databases.filter(({ moment }) => moment === 'library').map(({ path }) => path.toString()),
    [join(server, 'config/app.db'), join(books, 'metadata.db'), join(books, '.calnotes/notes.db')],
  );
});

test('a part that is a source far from the rest is found, unless two sources look like it', async (t) => {
  const library = await made(t);
  const server = join(library.source, 'abs');
  makeAudiobookshelf(server, { library: library.source, metadata: '/metadata' });
  const far = join(library.folder, 'disk', 'shelf-data');
  mkdirSync(join(library.folder, 'disk'));
  renameSync(join(server, 'metadata'), far);
  const missing = /covers, details, caches was not found beside the rest/;
  assert.match((await save(library, 'audiobookshelf')).applied.warnings.join('\n'), missing);
  const { files, applied } = await save(library, 'audiobookshelf', [library.source, far, `${far}/`]);
  assert.deepEqual(applied.warnings, []);
  assert.ok(files.includes('../disk/shelf-data/items/book1/cover.jpg'));
  assert.ok(!files.some((file) => /shelf-data\/(?:backups|logs)/.test(file)));
  const second = join(library.folder, 'disk', 'old-data');
  makeFiles(second, ['items/a', 'cache/items/a', 'logs/b', 'logs/daily/c']);
  const both = await save(library, 'audiobookshelf', [library.source, far, second]);
  assert.match(both.applied.warnings.join('\n'), missing);
  assert.ok(both.files.includes('../disk/old-data/logs/b'), 'nothing is left out on a guess');
});

test('with --one-file-system what lies on another file system is not among the sources', async (t) => {
  const library = await made(t);
  const shelf = join(library.source, 'audiobooks');
  mkdirSync(shelf);
  const undo: (() => void)[] = [];
  const disk = mountSmallDisk({ after: (act) => undo.push(act) }, 1_000_000, shelf);
  if (disk === undefined) return t.skip('nothing can be mounted here');
  try {
    await saveAcrossDisks(library, shelf);
  } finally {
    // Before its folder is removed.
    for (const act of undo) act();
  }
});

async function saveAcrossDisks(library: Library, shelf: string): Promise<void> {
  makeFiles(shelf, ['a/book.m4b']);
  makeAudiobookshelf(join(library.source, 'abs'), { library: shelf, metadata: '/metadata' });
  const all = await save(library, 'audiobookshelf');
  assert.deepEqual(all.applied.warnings, []);
  assert.ok(all.files.includes('audiobooks/a/book.m4b'));
  const one = await save(library, 'audiobookshelf', [library.source], { oneFileSystem: true });
  assert.ok(!one.files.includes('audiobooks/a/book.m4b'));
  assert.match(one.applied.warnings.join('\n'), /the library folder .*audiobooks is not among the sources/);
  const named = await save(library, 'audiobookshelf', [library.source, shelf], { oneFileSystem: true });
  assert.deepEqual(named.applied.warnings, [], 'as a source of its own it is');
}

test('coverage: links, the root, endings, what is not there', (t) => {
  const folder = testFolder(t);
  makeFiles(folder, ['disk/books/a', 'other/b']);
  symlinkSync(join(folder, 'disk'), join(folder, 'link'));
  symlinkSync('/', join(folder, 'root'));
  const at = (...path: readonly string[]): Buffer => Buffer.from(join(folder, ...path));
  const walked = (sources: readonly Buffer[], path: Buffer): string | undefined => {
    const coverage = coverageOf(sources, {});
    return coverage.covers(path) ? coverage.walked(path).toString() : undefined;
  };
  const disk = [at('disk')];
  assert.equal(walked(disk, at('disk', 'books')), at('disk', 'books').toString());
  assert.equal(walked(disk, at('link', 'books')), at('disk', 'books').toString());
  assert.equal(walked([at('link')], at('disk', 'books')), at('link', 'books').toString());
  assert.equal(walked([at('link')], at('link')), at('link').toString());
  assert.equal(walked([Buffer.from(`${folder}/disk//`)], at('disk', 'books')), at('disk', 'books').toString());
  assert.equal(walked([Buffer.from('/')], at('link', 'books')), at('disk', 'books').toString());
  assert.equal(walked([Buffer.from('/')], Buffer.from('/')), '/');
  assert.equal(walked([at('root')], Buffer.from('/')), at('root').toString());
  assert.equal(walked(disk, at('other')), undefined);
  assert.equal(walked(disk, at('diskette')), undefined);
  assert.equal(walked(disk, at('disk', 'missing')), at('disk', 'missing').toString());
  assert.equal(walked([at('missing')], at('missing', 'x')), at('missing', 'x').toString());
  // Both ways lead to it: the one that was asked for is the one that counts.
  assert.equal(walked([at('link'), at('disk')], at('disk', 'books')), at('disk', 'books').toString());
});

class CountingView extends DiskView {
  listed = 0;

  override foldersIn(folder: Buffer, entriesMax: number): Buffer[] {
    this.listed++;
    return super.foldersIn(folder, entriesMax);
  }
}

test('a search ends at its bounds, however many folders and files there are; sources are looked at first', (t) => {
  const folder = testFolder(t);
  const names = Array.from({ length: 120 }, (_, index) => String(index).padStart(3, '0'));
  for (const name of names) mkdirSync(join(folder, 'many', name, 'deep'), { recursive: true });
  makeKavita(join(folder, 'many', '119'), folder);
  const search = (paths: readonly string[], folders: number): readonly [number, readonly string[]] => {
    const view = new CountingView();
    const sources = paths.map((path) => Buffer.from(join(folder, path)));
    const found = findServers(sources, PROFILES, { view, bounds: { folders, entries: 200 } });
    return [view.listed, found.map((one) => one.folder.toString())];
  };
  assert.deepEqual(search(['many'], 50), [50, []]);
  assert.deepEqual(search(['many'], 1000)[1], [join(folder, 'many/119')]);
  // Sources are all looked at, and each folder once.
  assert.deepEqual(search(['many', ...names.map((name) => `many/${name}`)], 50), [121, [join(folder, 'many/119')]]);
});

test('a view asks the disk for nothing that a listing showed not to be there, and for nothing twice', (t) => {
  const folder = testFolder(t);
  makeFiles(folder, ['config/a']);
  const path = (name: string): Buffer => Buffer.from(join(folder, name));
  const view = new DiskView();
  view.foldersIn(path(''), 10);
  makeFiles(folder, ['late/b', 'config/c']);
  assert.equal(view.kindOf(path('late/b')), undefined, 'it was not there');
  assert.equal(view.kindOf(path('config/c')), 'file', 'that folder was not listed');
  rmSync(path('config/c'));
  assert.equal(view.kindOf(path('config/c')), 'file');
  // Of a folder that was not listed to its end nothing is known.
  const other = new DiskView();
  other.foldersIn(path(''), 1);
  assert.equal(other.kindOf(path('late')), 'folder');
  assert.equal(other.kindOf(path('config/a/b')), undefined);
});
