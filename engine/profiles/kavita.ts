/**
 * Kavita. Verified in its sources: the tables' names, MangaFile.FilePath and MediaError.FilePath (absolute), FolderPath.Path,
 * Series.FolderPath and LowestFolderPath, the settings of folders in ServerSetting (key 12 is that of the bookmarks), the
 * folders below `config`. Covers, bookmarks, themes and fonts have names there, and no paths.
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
