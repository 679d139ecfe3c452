/**
 * Kavita. Verified in its sources: MangaFile.FilePath (absolute) and the way from it to a series, FolderPath.Path,
 * Series.FolderPath and LowestFolderPath, ServerSetting with its keys 5 (folder of its backups) and 12 (that of the
 * bookmarks), the names of its backups, the folders below `config`; MediaError.FilePath. Covers, bookmarks, themes and fonts
 * have names there, and no paths.
 */

import type { PathColumn, Profile } from './types.ts';

const DATABASE = 'kavita.db';

function column(table: string, name: string, more: Pick<PathColumn, 'someVersions'> = {}): PathColumn {
  return { part: 'config', database: DATABASE, table, column: name, form: 'text', ...more };
}

export const KAVITA: Profile = {
  name: 'kavita',
  title: 'Kavita',
  parts: [
    {
      name: 'config',
      what: 'its database, settings and pictures',
      places: ['config', ''],
      container: '/kavita/config',
      signs: [{ path: DATABASE, kind: 'sqlite' }],
      databases: [{ path: DATABASE, kind: 'sqlite', what: 'users, progress, libraries, settings' }],
      paths: [
        { path: 'appsettings.json', role: 'secret', what: 'settings, and the key that signs logins' },
        { path: 'covers', role: 'precious', what: 'covers, chosen ones too' },
        { path: 'bookmarks', role: 'precious', what: 'pages that were marked' },
        { path: 'themes', role: 'precious', what: 'themes' },
        { path: 'fonts', role: 'precious', what: 'fonts' },
        { path: 'cache', role: 'rebuildable', what: 'unpacked pages' },
        { path: 'temp', role: 'rebuildable', what: 'work files' },
        { path: 'logs', role: 'rebuildable', what: 'logs' },
        { path: 'Hangfire*.db*', role: 'rebuildable', what: 'the queue of jobs' },
        { path: 'backups', role: 'backups', what: "the server's own backups" },
      ],
    },
  ],
  folders: [
    { part: 'config', database: DATABASE, table: 'FolderPath', column: 'Path', what: 'library folder', use: 'library' },
    {
      part: 'config',
      database: DATABASE,
      table: 'ServerSetting',
      column: 'Value',
      where: { column: 'Key', equals: 12 },
      what: 'folder of the bookmarks',
      use: 'library',
    },
    {
      part: 'config',
      database: DATABASE,
      table: 'ServerSetting',
      column: 'Value',
      where: { column: 'Key', equals: 5 },
      what: "folder of the server's own backups",
      use: 'backups',
      leftOut: 'kavita_backup_*.zip',
    },
  ],
  pathColumns: [
    column('FolderPath', 'Path'),
    column('MangaFile', 'FilePath'),
    column('Series', 'FolderPath'),
    column('Series', 'LowestFolderPath', { someVersions: true }),
    column('ServerSetting', 'Value'),
    column('MediaError', 'FilePath', { someVersions: true }),
  ],
  checks: ['kavita-files'],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker stop kavita, or systemctl stop kavita',
    start: 'docker start kavita, or systemctl start kavita',
    afterwards: 'Scan each library once: it takes the files for those that it knows by their paths',
  },
  advice: [],
};
