/**
 * Folders of servers as those make them: their layout, and their databases with the tables and columns that matter, as they
 * declare them (taken from the servers' own sources; what nobody reads is left away).
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';

export function makeFiles(folder: string, files: readonly string[]): void {
  for (const name of files) {
    const path = join(folder, name);
    if (name.endsWith('/')) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `content of ${name}`);
  }
}

/** With the functions that Calibre gives its own connections: its triggers and views call them. */
function openDatabase(path: string): Database.Database {
  const database = new Database(path);
  database.function('title_sort', (title) => String(title).replace(/^(The|A|An)\s+(.*)$/, '$2, $1'));
  database.function('uuid4', () => randomUUID());
  return database;
}

export function makeDatabase(path: string, script: string, options: { readonly wal?: boolean } = {}): void {
  mkdirSync(dirname(path), { recursive: true });
  const database = openDatabase(path);
  if (options.wal === true) database.pragma('journal_mode = WAL');
  database.exec(script);
  database.close();
}

export function insert(path: string, table: string, row: { readonly [column: string]: unknown }): void {
  const database = openDatabase(path);
  const columns = Object.keys(row);
  const names = columns.map((name) => `"${name}"`).join(', ');
  const values = columns.map((name) =>
    typeof row[name] === 'object' && row[name] !== null ? JSON.stringify(row[name]) : row[name],
  );
  database.prepare(`INSERT INTO "${table}" (${names}) VALUES (${columns.map(() => '?').join(', ')})`).run(values);
  database.close();
}

// ---- Audiobookshelf

const AUDIOBOOKSHELF_TABLES = `
CREATE TABLE libraries (id UUID PRIMARY KEY, name VARCHAR(255), displayOrder INTEGER, icon VARCHAR(255), mediaType VARCHAR(255), provider VARCHAR(255), lastScan DATETIME, lastScanVersion VARCHAR(255), settings JSON, extraData JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL);
CREATE TABLE libraryFolders (id UUID PRIMARY KEY, path VARCHAR(255), createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, libraryId UUID REFERENCES libraries (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE libraryItems (id UUID PRIMARY KEY, ino VARCHAR(255), path VARCHAR(255), relPath VARCHAR(255), mediaId UUID, mediaType VARCHAR(255), isFile TINYINT(1), isMissing TINYINT(1), isInvalid TINYINT(1), mtime DATETIME(6), ctime DATETIME(6), birthtime DATETIME(6), size BIGINT, lastScan DATETIME, lastScanVersion VARCHAR(255), libraryFiles JSON, extraData JSON, title VARCHAR(255), titleIgnorePrefix VARCHAR(255), authorNamesFirstLast VARCHAR(255), authorNamesLastFirst VARCHAR(255), createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, libraryId UUID REFERENCES libraries (id) ON DELETE SET NULL, libraryFolderId UUID REFERENCES libraryFolders (id) ON DELETE SET NULL);
CREATE TABLE books (id UUID PRIMARY KEY, title VARCHAR(255), titleIgnorePrefix VARCHAR(255), subtitle VARCHAR(255), publishedYear VARCHAR(255), publishedDate VARCHAR(255), publisher VARCHAR(255), description TEXT, isbn VARCHAR(255), asin VARCHAR(255), language VARCHAR(255), explicit TINYINT(1), abridged TINYINT(1), coverPath VARCHAR(255), duration FLOAT, narrators JSON, audioFiles JSON, ebookFile JSON, chapters JSON, tags JSON, genres JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL);
CREATE TABLE podcasts (id UUID PRIMARY KEY, title VARCHAR(255), titleIgnorePrefix VARCHAR(255), author VARCHAR(255), releaseDate VARCHAR(255), feedURL VARCHAR(255), imageURL VARCHAR(255), description TEXT, language VARCHAR(255), podcastType VARCHAR(255), explicit TINYINT(1), autoDownloadEpisodes TINYINT(1), lastEpisodeCheck DATETIME, coverPath VARCHAR(255), tags JSON, genres JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL);
CREATE TABLE podcastEpisodes (id UUID PRIMARY KEY, "index" INTEGER, season VARCHAR(255), episode VARCHAR(255), title VARCHAR(255), description TEXT, enclosureURL VARCHAR(255), enclosureSize BIGINT, publishedAt DATETIME, audioFile JSON, chapters JSON, extraData JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, podcastId UUID REFERENCES podcasts (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE feeds (id UUID PRIMARY KEY, slug VARCHAR(255), entityType VARCHAR(255), entityId UUID, serverAddress VARCHAR(255), feedURL VARCHAR(255), title VARCHAR(255), coverPath VARCHAR(255), createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, userId UUID);
CREATE TABLE feedEpisodes (id UUID PRIMARY KEY, title VARCHAR(255), enclosureURL VARCHAR(255), enclosureSize BIGINT, duration FLOAT, filePath VARCHAR(255), explicit TINYINT(1), createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, feedId UUID REFERENCES feeds (id) ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE playbackSessions (id UUID PRIMARY KEY, mediaItemId UUID, mediaItemType VARCHAR(255), displayTitle VARCHAR(255), duration FLOAT, startTime FLOAT, currentTime FLOAT, serverVersion VARCHAR(255), coverPath VARCHAR(255), timeListening INTEGER, mediaMetadata JSON, date VARCHAR(255), extraData JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, userId UUID, deviceId UUID, libraryId UUID);
CREATE TABLE authors (id UUID PRIMARY KEY, name VARCHAR(255), lastFirst VARCHAR(255), asin VARCHAR(255), description TEXT, imagePath VARCHAR(255), createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL, libraryId UUID REFERENCES libraries (id) ON DELETE CASCADE);
CREATE TABLE settings (key VARCHAR(255) PRIMARY KEY, value JSON, createdAt DATETIME NOT NULL, updatedAt DATETIME NOT NULL);
`;

export const STAMPS = { createdAt: '2026-01-01 00:00:00.000 +00:00', updatedAt: '2026-01-01 00:00:00.000 +00:00' };

export interface AudiobookshelfPaths {
  /** As the server sees them. */
  readonly library: string;
  readonly metadata: string;
  readonly backups?: string;
}

export function makeAudiobookshelf(folder: string, paths: AudiobookshelfPaths): string {
  const database = join(folder, 'config', 'absdatabase.sqlite');
  makeDatabase(database, AUDIOBOOKSHELF_TABLES);
  makeFiles(folder, [
    'config/migrations/v2.3.3-changelog.js',
    'metadata/items/book1/cover.jpg',
    'metadata/authors/author1.jpg',
    'metadata/cache/items/book1/original.m4b',
    'metadata/cache/covers/book1_400.webp',
    'metadata/cache/images/author1_300.webp',
    'metadata/logs/daily/2026-01-01.txt',
    'metadata/streams/s1/out.ts',
    'metadata/tmp/work',
    'metadata/backups/2026-01-01T0130.audiobookshelf',
  ]);
  insert(database, 'libraries', { id: 'library1', name: 'Audiobooks', mediaType: 'book', ...STAMPS });
  insert(database, 'libraryFolders', { id: 'folder1', path: paths.library, libraryId: 'library1', ...STAMPS });
  insert(database, 'settings', {
    key: 'server-settings',
    value: { id: 'server-settings', backupPath: paths.backups ?? `${paths.metadata}/backups`, version: '2.36.0' },
    ...STAMPS,
  });
  return database;
}

/** A book in the library, with a cover among the metadata; its files are made. */
export function addAudiobook(
  database: string,
  book: { readonly id: string; readonly title: string; readonly relPath: string; readonly paths: AudiobookshelfPaths },
): void {
  const { id, title, relPath, paths } = book;
  const path = `${paths.library}/${relPath}`;
  const file = { ino: '1', metadata: { filename: 'book.m4b', path: `${path}/book.m4b`, relPath: 'book.m4b' } };
  insert(database, 'books', {
    id: `media-${id}`,
    title,
    coverPath: `${paths.metadata}/items/${id}/cover.jpg`,
    audioFiles: [file],
    ...STAMPS,
  });
  insert(database, 'libraryItems', {
    id,
    path,
    relPath,
    mediaId: `media-${id}`,
    mediaType: 'book',
    isFile: 0,
    isMissing: 0,
    title,
    libraryFiles: [file],
    libraryId: 'library1',
    libraryFolderId: 'folder1',
    ...STAMPS,
  });
}

// ---- Calibre

const CALIBRE_TABLES = `
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE, link TEXT NOT NULL DEFAULT "", UNIQUE(name));
CREATE TABLE books (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL DEFAULT 'Unknown' COLLATE NOCASE, sort TEXT COLLATE NOCASE, timestamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP, pubdate TIMESTAMP DEFAULT CURRENT_TIMESTAMP, series_index REAL NOT NULL DEFAULT 1.0, author_sort TEXT COLLATE NOCASE, isbn TEXT DEFAULT "" COLLATE NOCASE, lccn TEXT DEFAULT "" COLLATE NOCASE, path TEXT NOT NULL DEFAULT "", flags INTEGER NOT NULL DEFAULT 1, uuid TEXT, has_cover BOOL DEFAULT 0, last_modified TIMESTAMP NOT NULL DEFAULT "2000-01-01 00:00:00+00:00");
CREATE TABLE data (id INTEGER PRIMARY KEY, book INTEGER NON NULL, format TEXT NON NULL COLLATE NOCASE, uncompressed_size INTEGER NON NULL, name TEXT NON NULL, UNIQUE(book, format));
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL COLLATE NOCASE, sort TEXT COLLATE NOCASE, UNIQUE (name));
CREATE TABLE preferences (id INTEGER PRIMARY KEY, key TEXT NON NULL, val TEXT NON NULL, UNIQUE(key));
CREATE VIEW tag_browser_series AS SELECT id, name, (title_sort(name)) AS sort FROM series;
CREATE TRIGGER books_insert_trg AFTER INSERT ON books BEGIN UPDATE books SET sort = title_sort(NEW.title), uuid = uuid4() WHERE id = NEW.id; END;
CREATE TRIGGER fkc_data_insert BEFORE INSERT ON data BEGIN SELECT CASE WHEN (SELECT id FROM books WHERE id = NEW.book) IS NULL THEN RAISE(ABORT, 'Foreign key violation: book not in books') END; END;
PRAGMA user_version = 26;
`;

const CALIBRE_NOTES_TABLES = `
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, item INTEGER NOT NULL, colname TEXT NOT NULL COLLATE NOCASE, doc TEXT NOT NULL DEFAULT '', searchable_text TEXT NOT NULL DEFAULT '', ctime REAL, mtime REAL, UNIQUE(item, colname));
CREATE TABLE resources (hash TEXT NOT NULL PRIMARY KEY ON CONFLICT FAIL, name TEXT NOT NULL UNIQUE ON CONFLICT FAIL) WITHOUT ROWID;
CREATE TABLE notes_resources_link (id INTEGER PRIMARY KEY, note INTEGER NOT NULL, resource TEXT NOT NULL, FOREIGN KEY(note) REFERENCES notes(id), FOREIGN KEY(resource) REFERENCES resources(hash), UNIQUE(note, resource));
CREATE VIRTUAL TABLE notes_fts USING fts5(searchable_text, content = 'notes', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO notes (item, colname, doc, searchable_text) VALUES (1, 'authors', '<p>Whales</p>', 'Whales');
PRAGMA user_version = 1;
`;

const CALIBRE_SEARCH_TABLES = `
CREATE TABLE dirtied_formats (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, format TEXT NOT NULL COLLATE NOCASE, in_progress INTEGER NOT NULL DEFAULT 0, UNIQUE(book, format));
CREATE TABLE books_text (id INTEGER PRIMARY KEY, book INTEGER NOT NULL, timestamp REAL NOT NULL, format TEXT NOT NULL COLLATE NOCASE, format_hash TEXT NOT NULL COLLATE NOCASE, format_size INTEGER NOT NULL, searchable_text TEXT NOT NULL DEFAULT "", text_size INTEGER NOT NULL, text_hash TEXT NOT NULL COLLATE NOCASE, UNIQUE(book, format));
CREATE VIRTUAL TABLE books_fts USING fts5(searchable_text, content = 'books_text', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2');
PRAGMA user_version = 1;
`;

/** Its full text tables are of a tokenizer that only Calibre has. */
function useCalibreTokenizer(path: string): void {
  const database = new Database(path);
  database.unsafeMode(true);
  database.pragma('writable_schema = ON');
  database.exec(`UPDATE sqlite_schema SET sql = replace(sql, '''unicode61 ', '''calibre ') WHERE sql LIKE '%fts5%'`);
  database.close();
}

export function makeCalibreLibrary(folder: string): string {
  const database = join(folder, 'metadata.db');
  makeDatabase(database, CALIBRE_TABLES);
  const notes = join(folder, '.calnotes', 'notes.db');
  const search = join(folder, 'full-text-search.db');
  makeDatabase(notes, CALIBRE_NOTES_TABLES);
  makeDatabase(search, CALIBRE_SEARCH_TABLES);
  for (const path of [notes, search]) useCalibreTokenizer(path);
  makeFiles(folder, [
    'metadata_db_prefs_backup.json',
    '.calnotes/resources/ab/xxh64-ab12',
    '.calnotes/backup/authors/1',
    '.calnotes/retired/cd34/doc.html',
    '.caltrash/b/7/metadata.opf',
    '.caltrash/f/8/book.epub',
  ]);
  return database;
}

/** A book with its row, and its files unless told otherwise. */
export function addCalibreBook(
  folder: string,
  book: {
    readonly id: number;
    readonly title: string;
    readonly path: string;
    readonly formats: readonly string[];
    readonly cover?: boolean;
  },
): void {
  const { id, title, path, formats, cover = false } = book;
  const database = join(folder, 'metadata.db');
  insert(database, 'books', { id, title, path, has_cover: cover ? 1 : 0 });
  for (const format of formats) {
    insert(database, 'data', { book: id, format, uncompressed_size: 1, name: title });
    makeFiles(folder, [`${path}/${title}.${format.toLowerCase()}`]);
  }
  makeFiles(folder, [`${path}/metadata.opf`, ...(cover ? [`${path}/cover.jpg`] : [])]);
}

// ---- Calibre-Web

export function makeCalibreWeb(
  folder: string,
  options: { readonly library: string; readonly automated?: boolean },
): string {
  const config = join(folder, 'config');
  const database = join(config, 'app.db');
  makeDatabase(
    database,
    `CREATE TABLE settings (id INTEGER NOT NULL, mail_server VARCHAR, mail_port INTEGER, mail_login VARCHAR, mail_password_e VARCHAR, config_calibre_dir VARCHAR, config_calibre_uuid VARCHAR, config_calibre_split BOOLEAN, config_calibre_split_dir VARCHAR, config_port INTEGER, config_certfile VARCHAR, config_keyfile VARCHAR, config_logfile VARCHAR, config_access_logfile VARCHAR, config_ldap_serv_password_e VARCHAR, config_ldap_cacert_path VARCHAR, config_binariesdir VARCHAR, PRIMARY KEY (id));
     CREATE TABLE flask_settings (id INTEGER NOT NULL, flask_session_key BLOB, PRIMARY KEY (id));
     CREATE TABLE user (id INTEGER NOT NULL, name VARCHAR(64), email VARCHAR(120), role SMALLINT, password VARCHAR, PRIMARY KEY (id), UNIQUE (name), UNIQUE (email));
     CREATE TABLE shelf (id INTEGER NOT NULL, uuid VARCHAR, name VARCHAR, is_public INTEGER, user_id INTEGER, PRIMARY KEY (id));`,
    { wal: options.automated === true },
  );
  insert(database, 'settings', { id: 1, config_calibre_dir: options.library, config_calibre_split: 0 });
  makeDatabase(
    join(config, 'gdrive.db'),
    `CREATE TABLE gdrive_ids (id INTEGER NOT NULL, gdrive_id INTEGER, path VARCHAR, PRIMARY KEY (id), CONSTRAINT _gdrive_path_uc UNIQUE (gdrive_id, path));
     CREATE TABLE permissions_added (id INTEGER NOT NULL, gdrive_id INTEGER, PRIMARY KEY (id), UNIQUE (gdrive_id));`,
  );
  if (options.automated === true) {
    makeDatabase(
      join(config, 'cwa.db'),
      `CREATE TABLE cwa_import (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, timestamp TEXT NOT NULL, filename TEXT NOT NULL, original_backed_up TEXT NOT NULL);
       CREATE TABLE cwa_settings (default_settings SMALLINT DEFAULT 1 NOT NULL, auto_backup_imports SMALLINT DEFAULT 1 NOT NULL, auto_convert_target_format TEXT DEFAULT "epub" NOT NULL);`,
    );
    makeFiles(config, ['processed_books/imported/book.epub']);
  }
  makeFiles(config, [
    '.key',
    'client_secrets.json',
    'gmail.json',
    'cache/thumbnails/1.jpg',
    'calibre-web.log',
    'calibre-web.log.1',
    'access.log',
  ]);
  return database;
}

// ---- Kavita

export function makeKavita(folder: string, library: string): string {
  const database = join(folder, 'config', 'kavita.db');
  makeDatabase(
    database,
    `CREATE TABLE Library (Id INTEGER NOT NULL CONSTRAINT PK_Library PRIMARY KEY AUTOINCREMENT, Name TEXT NULL, CoverImage TEXT NULL, Type INTEGER NOT NULL);
     CREATE TABLE FolderPath (Id INTEGER NOT NULL CONSTRAINT PK_FolderPath PRIMARY KEY AUTOINCREMENT, Path TEXT NULL, LastScanned TEXT NOT NULL, LibraryId INTEGER NOT NULL, CONSTRAINT FK_FolderPath_Library_LibraryId FOREIGN KEY (LibraryId) REFERENCES Library (Id) ON DELETE CASCADE);
     CREATE TABLE Series (Id INTEGER NOT NULL CONSTRAINT PK_Series PRIMARY KEY AUTOINCREMENT, Name TEXT NULL, NormalizedName TEXT NULL, SortName TEXT NULL, CoverImage TEXT NULL, Format INTEGER NOT NULL DEFAULT 0, FolderPath TEXT NULL, LowestFolderPath TEXT NULL, Pages INTEGER NOT NULL DEFAULT 0, LibraryId INTEGER NOT NULL);
     CREATE TABLE Volume (Id INTEGER NOT NULL CONSTRAINT PK_Volume PRIMARY KEY AUTOINCREMENT, Name TEXT NULL, SeriesId INTEGER NOT NULL);
     CREATE TABLE Chapter (Id INTEGER NOT NULL CONSTRAINT PK_Chapter PRIMARY KEY AUTOINCREMENT, Range TEXT NULL, Title TEXT NULL, CoverImage TEXT NULL, VolumeId INTEGER NOT NULL);
     CREATE TABLE MangaFile (Id INTEGER NOT NULL CONSTRAINT PK_MangaFile PRIMARY KEY AUTOINCREMENT, FilePath TEXT NULL, Extension TEXT NULL, Pages INTEGER NOT NULL, Format INTEGER NOT NULL, Bytes INTEGER NOT NULL, ChapterId INTEGER NOT NULL, CONSTRAINT FK_MangaFile_Chapter_ChapterId FOREIGN KEY (ChapterId) REFERENCES Chapter (Id) ON DELETE CASCADE);
     CREATE TABLE ServerSetting ("Key" INTEGER NOT NULL CONSTRAINT PK_ServerSetting PRIMARY KEY, RowVersion INTEGER NOT NULL, Value TEXT NULL);`,
    { wal: true },
  );
  insert(database, 'Library', { Id: 1, Name: 'Comics', Type: 0 });
  insert(database, 'FolderPath', { Path: library, LastScanned: '2026-01-01', LibraryId: 1 });
  insert(database, 'ServerSetting', { Key: 5, RowVersion: 0, Value: join(folder, 'config', 'backups/') });
  insert(database, 'ServerSetting', { Key: 12, RowVersion: 0, Value: join(folder, 'config', 'bookmarks') });
  makeDatabase(join(folder, 'config', 'Hangfire.db'), 'CREATE TABLE Job (Id INTEGER PRIMARY KEY)');
  makeFiles(join(folder, 'config'), [
    'appsettings.json',
    'covers/v1_c1.png',
    'bookmarks/1/1/page.png',
    'themes/mine.css',
    'cache/1/001.jpg',
    'temp/x',
    'logs/kavita.log',
    'backups/kavita_backup_1.zip',
  ]);
  return database;
}

/** A chapter of a series with its file, which is made unless told otherwise. */
export function addKavitaFile(
  database: string,
  file: { readonly id: number; readonly series: string; readonly path: string; readonly isMade?: boolean },
): void {
  const { id, series, path, isMade = true } = file;
  insert(database, 'Series', { Id: id, Name: series, LibraryId: 1 });
  insert(database, 'Volume', { Id: id, Name: '1', SeriesId: id });
  insert(database, 'Chapter', { Id: id, Range: '1', VolumeId: id });
  insert(database, 'MangaFile', { Id: id, FilePath: path, Pages: 1, Format: 1, Bytes: 1, ChapterId: id });
  if (isMade) makeFiles('/', [path.slice(1)]);
}

// ---- Komga

export function makeKomga(folder: string, library: string): string {
  const database = join(folder, 'database.sqlite');
  makeDatabase(
    database,
    `CREATE TABLE LIBRARY (ID varchar NOT NULL PRIMARY KEY, CREATED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, LAST_MODIFIED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, NAME varchar NOT NULL, ROOT varchar NOT NULL);
     CREATE TABLE SERIES (ID varchar NOT NULL PRIMARY KEY, CREATED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, LAST_MODIFIED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, FILE_LAST_MODIFIED datetime NOT NULL, NAME varchar NOT NULL, URL varchar NOT NULL, LIBRARY_ID varchar NOT NULL, FOREIGN KEY (LIBRARY_ID) REFERENCES LIBRARY (ID));
     CREATE TABLE BOOK (ID varchar NOT NULL PRIMARY KEY, CREATED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, LAST_MODIFIED_DATE datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, FILE_LAST_MODIFIED datetime NOT NULL, NAME varchar NOT NULL, URL varchar NOT NULL, SERIES_ID varchar NOT NULL, FILE_SIZE int8 NOT NULL DEFAULT 0, NUMBER int NOT NULL DEFAULT 0, LIBRARY_ID varchar NOT NULL, FOREIGN KEY (LIBRARY_ID) REFERENCES LIBRARY (ID), FOREIGN KEY (SERIES_ID) REFERENCES SERIES (ID));
     CREATE TABLE SIDECAR (URL varchar NOT NULL PRIMARY KEY, PARENT_URL varchar NOT NULL, LAST_MODIFIED_TIME datetime NOT NULL, LIBRARY_ID varchar NOT NULL);`,
  );
  insert(database, 'LIBRARY', { ID: 'L1', NAME: 'Comics', ROOT: `file:${encodeURI(library)}/` });
  makeDatabase(
    join(folder, 'tasks.sqlite'),
    'CREATE TABLE TASK (ID varchar NOT NULL PRIMARY KEY, PRIORITY int NOT NULL, GROUP_ID varchar NULL, CLASS varchar NOT NULL, SIMPLE_TYPE varchar NOT NULL, PAYLOAD varchar NOT NULL, OWNER varchar NULL)',
  );
  makeFiles(folder, ['lucene/segments_1', 'logs/komga.log', 'artemis/journal/1', 'application.yml', 'fonts/a.ttf']);
  return database;
}

// ---- Jellyfin

export function makeJellyfin(folder: string): string {
  const database = join(folder, 'data', 'jellyfin.db');
  makeDatabase(
    database,
    `CREATE TABLE BaseItems (Id TEXT NOT NULL CONSTRAINT PK_BaseItems PRIMARY KEY, Type TEXT NOT NULL, Name TEXT NULL, Path TEXT NULL, SeriesName TEXT NULL, IsFolder INTEGER NOT NULL, IsVirtualItem INTEGER NOT NULL, MediaType TEXT NULL, Data TEXT NULL, ParentId TEXT NULL, TopParentId TEXT NULL);
     CREATE TABLE BaseItemImageInfos (Id TEXT NOT NULL CONSTRAINT PK_BaseItemImageInfos PRIMARY KEY, Path TEXT NOT NULL, ImageType INTEGER NOT NULL DEFAULT 0, ItemId TEXT NOT NULL, CONSTRAINT FK_BaseItemImageInfos_BaseItems_ItemId FOREIGN KEY (ItemId) REFERENCES BaseItems (Id) ON DELETE CASCADE);
     CREATE TABLE MediaStreamInfos (ItemId TEXT NOT NULL, StreamIndex INTEGER NOT NULL, StreamType INTEGER NOT NULL, Codec TEXT NULL, Path TEXT NULL, CONSTRAINT PK_MediaStreamInfos PRIMARY KEY (ItemId, StreamIndex));`,
    { wal: true },
  );
  makeFiles(folder, [
    'config/system.xml',
    'root/default/Movies/movies.mblink',
    'plugins/configurations/x.xml',
    'metadata/library/ab/abcd/poster.jpg',
    'data/playlists/p/playlist.xml',
    'data/collections/c/collection.xml',
    'data/subtitles/a/s.srt',
    'data/ScheduledTasks/t.js',
    'data/trickplay/1/320.jpg',
    'data/backups/jellyfin-backup-20260101.zip',
    'data/.jfdata',
    'config/.jfconfig',
    'cache/.jfcache',
    'cache/images/x.webp',
    'log/.jflog',
    'log/log_20260101.log',
    'transcodes/x.ts',
  ]);
  makeDatabase(join(folder, 'data', 'SQLiteBackups', '20260101020202_jellyfin.db'), 'CREATE TABLE BaseItems (Id TEXT)');
  return database;
}

/** Before 10.11: jellyfin.db has users only. */
export function makeOldJellyfin(folder: string): string {
  makeDatabase(join(folder, 'data', 'jellyfin.db'), 'CREATE TABLE Users (Id TEXT NOT NULL PRIMARY KEY)');
  const database = join(folder, 'data', 'library.db');
  makeDatabase(
    database,
    `CREATE TABLE TypedBaseItems (guid GUID primary key NOT NULL, type TEXT NOT NULL, data BLOB NULL, ParentId GUID NULL, Path TEXT NULL);
     ALTER TABLE TypedBaseItems ADD COLUMN Name Text NULL;
     ALTER TABLE TypedBaseItems ADD COLUMN MediaType Text NULL;
     ALTER TABLE TypedBaseItems ADD COLUMN IsFolder BIT NULL;
     ALTER TABLE TypedBaseItems ADD COLUMN TopParentId Text NULL;
     ALTER TABLE TypedBaseItems ADD COLUMN IsVirtualItem BIT NULL;
     ALTER TABLE TypedBaseItems ADD COLUMN SeriesName Text NULL;`,
  );
  return database;
}

/** A film, an episode, a folder: whatever the row says. */
export function addJellyfinItem(
  database: string,
  item: { readonly id: string; readonly name: string; readonly path: string | null } & {
    readonly [column: string]: string | number | null;
  },
): void {
  const { id, name, path, ...more } = item;
  insert(database, 'BaseItems', {
    Id: id,
    Type: 'MediaBrowser.Controller.Entities.Movies.Movie',
    Name: name,
    Path: path,
    IsFolder: 0,
    IsVirtualItem: 0,
    MediaType: 'Video',
    ...more,
  });
}

// ---- servers whose database is elsewhere

export function makeImmich(folder: string): void {
  const folders = ['library', 'upload', 'profile', 'thumbs', 'encoded-video', 'backups'];
  makeFiles(folder, [
    ...folders.map((name) => `${name}/.immich`),
    'library/admin/2026/a.jpg',
    'upload/uuid/ab/cd/b.jpg',
    'upload/uuid/empty/',
    'profile/uuid/me.png',
    'thumbs/uuid/ab/cd/b-preview.jpeg',
    'encoded-video/uuid/ab/v.mp4',
    'backups/immich-db-backup-1.sql.gz',
  ]);
}

/** The folder of its compose file, with places as its `.env` names them. */
export function makeImmichCompose(
  folder: string,
  places: { readonly upload: string; readonly data?: string; readonly more?: string },
): void {
  makeFiles(folder, ['docker-compose.yml']);
  const { upload, data = './postgres', more = '' } = places;
  writeFileSync(
    join(folder, '.env'),
    `# The location where your uploaded files are stored\nUPLOAD_LOCATION=${upload}\n\nDB_DATA_LOCATION=${data}\n# TZ=Etc/UTC\nIMMICH_VERSION=release\nDB_PASSWORD=postgres\n${more}`,
  );
}

/** What a running Postgres keeps on disk. */
export function makePostgresFiles(folder: string): void {
  makeFiles(folder, ['PG_VERSION', 'base/1/1247', 'global/pg_control', 'pg_wal/000000010000000000000001']);
}

export function makeBooklore(folder: string): void {
  makeFiles(folder, [
    'data/thumbs/1/f.jpg',
    'data/metadata_backup/1/metadata.json',
    'data/cbx_cache/1/1.jpg',
    'data/pdf_cache/1/1.jpg',
    'books/a.epub',
    'bookdrop/b.epub',
    'config/mariadb/databases/ibdata1',
  ]);
}

export function makePaperless(folder: string, options: { readonly sqlite: boolean }): void {
  if (options.sqlite) {
    makeDatabase(
      join(folder, 'data', 'db.sqlite3'),
      'CREATE TABLE documents_document (id integer NOT NULL PRIMARY KEY AUTOINCREMENT, title varchar(128) NOT NULL, content text NOT NULL, checksum varchar(32) NOT NULL UNIQUE, archive_checksum varchar(32) NULL, filename varchar(1024) NULL UNIQUE, archive_filename varchar(1024) NULL UNIQUE, original_filename varchar(1024) NULL)',
    );
  }
  makeFiles(folder, [
    'data/index/seg',
    'data/classification_model.pickle',
    'data/log/paperless.log',
    'media/documents/originals/0000001.pdf',
    'media/documents/archive/0000001.pdf',
    'media/documents/thumbnails/0000001.webp',
  ]);
}
