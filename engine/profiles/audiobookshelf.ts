/**
 * Audiobookshelf. Verified in its sources: tables and columns (podcasts, episodes, feeds and playbackSessions among them),
 * `server-settings` and its backupPath, what each folder below the metadata is for (`cache/items` gets copies of audio files
 * before tags are written into them). From what its folders hold on disk: `config/migrations`. Its triggers copy titles and
 * authors, and no paths.
 */

import type { PathColumn, Profile } from './types.ts';

const DATABASE = 'absdatabase.sqlite';

function column(table: string, name: string, form: PathColumn['form']): PathColumn {
  return { part: 'config', database: DATABASE, table, column: name, form };
}

export const AUDIOBOOKSHELF: Profile = {
  name: 'audiobookshelf',
  title: 'Audiobookshelf',
  parts: [
    {
      name: 'config',
      what: 'its database and settings',
      places: ['config', ''],
      container: '/config',
      signs: [{ path: DATABASE, kind: 'sqlite' }],
      databases: [{ path: DATABASE, kind: 'sqlite', what: 'users, progress, libraries, settings' }],
      paths: [{ path: 'migrations', role: 'precious', what: 'what upgrades of the database are undone with' }],
    },
    {
      name: 'metadata',
      what: 'covers, details, caches',
      places: ['metadata'],
      container: '/metadata',
      signs: [],
      anyOf: [
        { path: 'items', kind: 'folder' },
        { path: 'authors', kind: 'folder' },
        { path: 'cache', kind: 'folder' },
        { path: 'logs', kind: 'folder' },
        { path: 'streams', kind: 'folder' },
        { path: 'backups', kind: 'folder' },
      ],
      anyOfMin: 2,
      apart: [
        { path: 'cache/items', kind: 'folder' },
        { path: 'cache/covers', kind: 'folder' },
        { path: 'cache/images', kind: 'folder' },
        { path: 'logs/daily', kind: 'folder' },
        { path: 'logs/scans', kind: 'folder' },
      ],
      databases: [],
      paths: [
        { path: 'items', role: 'precious', what: 'covers and details that are not kept beside the books' },
        { path: 'authors', role: 'precious', what: 'pictures of authors' },
        { path: 'cache/items', role: 'precious', what: 'originals: files as they were before they were written into' },
        { path: 'cache/covers', role: 'rebuildable', what: 'covers in other sizes' },
        { path: 'cache/images', role: 'rebuildable', what: 'pictures in other sizes' },
        { path: 'logs', role: 'rebuildable', what: 'logs' },
        { path: 'streams', role: 'rebuildable', what: 'what is being transcoded' },
        { path: 'tmp', role: 'rebuildable', what: 'work files' },
        { path: 'backups', role: 'backups', what: "the server's own backups" },
      ],
    },
  ],
  folders: [
    {
      part: 'config',
      database: DATABASE,
      table: 'libraryFolders',
      column: 'path',
      what: 'library folder',
      use: 'library',
    },
    {
      part: 'config',
      database: DATABASE,
      table: 'settings',
      column: 'value',
      member: 'backupPath',
      where: { column: 'key', equals: 'server-settings' },
      what: "folder of the server's own backups",
      use: 'backups',
      leftOut: '*.audiobookshelf',
    },
  ],
  pathColumns: [
    column('libraryFolders', 'path', 'text'),
    column('libraryItems', 'path', 'text'),
    column('libraryItems', 'libraryFiles', 'json'),
    column('books', 'coverPath', 'text'),
    column('books', 'audioFiles', 'json'),
    column('books', 'ebookFile', 'json'),
    column('podcasts', 'coverPath', 'text'),
    column('podcastEpisodes', 'audioFile', 'json'),
    column('authors', 'imagePath', 'text'),
    column('feeds', 'coverPath', 'text'),
    column('feedEpisodes', 'filePath', 'text'),
    column('playbackSessions', 'coverPath', 'text'),
    column('settings', 'value', 'json'),
  ],
  checks: ['audiobookshelf-items'],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker stop audiobookshelf, or systemctl stop audiobookshelf',
    start: 'docker start audiobookshelf, or systemctl start audiobookshelf',
    afterwards: 'Scan each library once: it takes the files for those that it knows by their paths',
  },
  advice: ["The server's own backups hold neither audio nor e-books: the library folders belong into the sources"],
};
