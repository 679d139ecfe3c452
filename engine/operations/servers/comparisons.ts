/**
 * What each server's database says of files: data. A statement gives `said` (a path as the server has it), `what` (a
 * MissKind) and `title`; whoever runs it puts the rows into the order of a tree.
 */

import { SERVER_PATH_BYTES_MAX } from '../../base/limits.ts';
import type { CheckName } from '../../profiles/types.ts';

export interface Comparison {
  /** Where the database lies: a part of the profile, and in it the first of these that is in the snapshot and has the table. */
  readonly part: string;
  readonly databases: readonly DatabaseComparison[];
}

export interface DatabaseComparison {
  readonly path: string;
  readonly table: string;
  /** Library folders with their names: `said`, `title`. */
  readonly libraries?: string;
  readonly entries: string;
  /** Paths are relative to the library. */
  readonly isRelative?: boolean;
  /** Each folder `Author/Title (id)` has a row: all that do. */
  readonly folders?: string;
  /** Rows of what lies in no folder of the snapshot say nothing. */
  readonly ignoresElsewhere?: boolean;
}

/** Calibre: format files are called as its row says, with the format in lower case; a cover is `cover.jpg`. */
const CALIBRE: DatabaseComparison = {
  path: 'metadata.db',
  table: 'books',
  isRelative: true,
  // A book without files may have no folder.
  entries: `
    SELECT '/' || path AS said, 'folder' AS what, title FROM books
      WHERE path <> '' AND (has_cover = 1 OR EXISTS (SELECT 1 FROM data WHERE data.book = books.id))
    UNION ALL
    SELECT '/' || b.path || '/' || d.name || '.' || lower(d.format), 'file', b.title
      FROM data AS d JOIN books AS b ON b.id = d.book
    UNION ALL
    SELECT '/' || path || '/cover.jpg', 'cover', title FROM books WHERE has_cover = 1`,
  folders: `SELECT '/' || path AS said FROM books WHERE path <> ''`,
};

/** What the server knows to be missing is no news. */
const AUDIOBOOKSHELF: DatabaseComparison = {
  path: 'absdatabase.sqlite',
  table: 'libraryItems',
  libraries: `SELECT f.path AS said, l.name AS title FROM libraryFolders AS f LEFT JOIN libraries AS l ON l.id = f.libraryId`,
  entries: `
    WITH items AS (
      SELECT i.path, i.isFile, i.mediaId, i.mediaType, coalesce(b.title, p.title) AS title,
        coalesce(b.coverPath, p.coverPath) AS coverPath,
        CASE WHEN json_valid(b.audioFiles) THEN b.audioFiles ELSE '[]' END AS audioFiles,
        CASE WHEN json_valid(b.ebookFile) THEN b.ebookFile END AS ebookFile
      FROM libraryItems AS i
      LEFT JOIN books AS b ON i.mediaType = 'book' AND b.id = i.mediaId
      LEFT JOIN podcasts AS p ON i.mediaType = 'podcast' AND p.id = i.mediaId
      WHERE coalesce(i.isMissing, 0) = 0
    )
    SELECT path AS said, CASE WHEN isFile THEN 'file' ELSE 'folder' END AS what, title FROM items
    UNION ALL
    SELECT coverPath, 'cover', title FROM items
    UNION ALL
    SELECT json_extract(a.value, '$.metadata.path'), 'file', title FROM items, json_each(items.audioFiles) AS a
      WHERE a.type = 'object'
    UNION ALL
    SELECT json_extract(ebookFile, '$.metadata.path'), 'file', title FROM items
    UNION ALL
    SELECT json_extract(e.audioFile, '$.metadata.path'), 'file', coalesce(items.title || ': ', '') || coalesce(e.title, '')
      FROM podcastEpisodes AS e JOIN items ON items.mediaType = 'podcast' AND items.mediaId = e.podcastId
      WHERE json_valid(e.audioFile)
    UNION ALL
    SELECT imagePath, 'picture', name FROM authors`,
};

const KAVITA: DatabaseComparison = {
  path: 'kavita.db',
  table: 'MangaFile',
  libraries: `SELECT f.Path AS said, l.Name AS title FROM FolderPath AS f LEFT JOIN Library AS l ON l.Id = f.LibraryId`,
  entries: `
    SELECT f.FilePath AS said, 'item' AS what, s.Name AS title FROM MangaFile AS f
      LEFT JOIN Chapter AS c ON c.Id = f.ChapterId
      LEFT JOIN Volume AS v ON v.Id = c.VolumeId
      LEFT JOIN Series AS s ON s.Id = v.SeriesId`,
};

/** Persons, genres and the like have paths that need not be there, and no media type; a disc is a folder. */
function jellyfinItems(table: string): string {
  return `
    SELECT Path AS said, 'item' AS what,
      CASE WHEN coalesce(SeriesName, '') = '' THEN Name ELSE SeriesName || ': ' || coalesce(Name, '') END AS title
    FROM ${table}
    WHERE coalesce(IsFolder, 0) = 0 AND coalesce(IsVirtualItem, 0) = 0 AND Path LIKE '/%'
      AND MediaType IN ('Video', 'Audio', 'Photo', 'Book')`;
}

/** From 10.11 on, and before. */
const JELLYFIN: readonly DatabaseComparison[] = [
  {
    path: 'data/jellyfin.db',
    table: 'BaseItems',
    // What stands at the top of an item is the folder that somebody added to a library.
    libraries: `
      SELECT Path AS said, Name AS title FROM BaseItems
        WHERE Path LIKE '/%' AND Id IN (SELECT DISTINCT TopParentId FROM BaseItems)`,
    entries: jellyfinItems('BaseItems'),
    ignoresElsewhere: true,
  },
  {
    path: 'data/library.db',
    table: 'TypedBaseItems',
    entries: jellyfinItems('TypedBaseItems'),
    ignoresElsewhere: true,
  },
];

export const COMPARISONS: { readonly [check in CheckName]: Comparison } = {
  'calibre-books': { part: 'library', databases: [CALIBRE] },
  'audiobookshelf-items': { part: 'config', databases: [AUDIOBOOKSHELF] },
  'kavita-files': { part: 'config', databases: [KAVITA] },
  'jellyfin-items': { part: 'data', databases: JELLYFIN },
};

/** Where a Calibre library has its books when they lie apart from its database: in the settings of Calibre-Web. */
export const SPLIT_FOLDER = {
  part: 'config',
  path: 'app.db',
  table: 'settings',
  columns: ['config_calibre_split', 'config_calibre_split_dir'],
  sql: `SELECT substr(CAST(config_calibre_split_dir AS TEXT), 1, ${SERVER_PATH_BYTES_MAX}) FROM settings WHERE config_calibre_split = 1 LIMIT 1`,
} as const;
