/**
 * Jellyfin. Verified in its sources: BaseItems, BaseItemImageInfos and MediaStreamInfos (10.11 on), TypedBaseItems in
 * library.db (before), with Path (what lies in its own folders begins with `%`), Name, SeriesName, MediaType, IsFolder,
 * IsVirtualItem and TopParentId; the folders below its data folder, that it makes missing ones and their markers (`.jfcache`,
 * `.jflog` ...) itself, and that SQLiteBackups are copies of its database from before an upgrade. From its documentation:
 * `data/backups`.
 */

import type { PathColumn, Profile } from './types.ts';

const DATABASE = 'data/jellyfin.db';

function column(table: string, name: string, form: PathColumn['form']): PathColumn {
  return { part: 'data', database: DATABASE, table, column: name, form };
}

export const JELLYFIN: Profile = {
  name: 'jellyfin',
  title: 'Jellyfin',
  parts: [
    {
      name: 'data',
      what: 'its databases, metadata and plugins',
      places: ['', 'config', 'data'],
      container: '/config',
      signs: [{ path: DATABASE, kind: 'sqlite' }],
      databases: [
        { path: DATABASE, kind: 'sqlite', what: 'users, progress, items' },
        { path: 'data/library.db', kind: 'sqlite', what: 'items, before 10.11' },
      ],
      paths: [
        { path: 'config', role: 'precious', what: 'settings' },
        { path: 'root', role: 'precious', what: 'which folders make up a library' },
        { path: 'plugins', role: 'precious', what: 'plugins and their settings' },
        { path: 'data/collections', role: 'precious', what: 'collections' },
        { path: 'data/playlists', role: 'precious', what: 'playlists' },
        { path: 'data/ScheduledTasks', role: 'precious', what: 'when what was done' },
        { path: 'data/subtitles', role: 'precious', what: 'subtitles that were fetched' },
        { path: 'metadata', role: 'optional', what: 'pictures; chosen ones come from nowhere else' },
        { path: 'cache', role: 'rebuildable', what: 'pictures in other sizes' },
        { path: 'transcodes', role: 'rebuildable', what: 'what is being transcoded' },
        { path: 'data/transcodes', role: 'rebuildable', what: 'what is being transcoded' },
        { path: 'transcoding-temp', role: 'rebuildable', what: 'what is being transcoded' },
        { path: 'log', role: 'rebuildable', what: 'logs' },
        { path: 'trickplay', role: 'rebuildable', what: 'preview pictures' },
        { path: 'data/trickplay', role: 'rebuildable', what: 'preview pictures' },
        { path: 'data/backups', role: 'backups', what: "the server's own backups" },
        { path: 'data/SQLiteBackups', role: 'backups', what: 'copies of its database from before an upgrade' },
      ],
    },
  ],
  folders: [],
  pathColumns: [
    column('BaseItems', 'Path', 'text'),
    column('BaseItems', 'Data', 'json'),
    column('BaseItemImageInfos', 'Path', 'text'),
    column('MediaStreamInfos', 'Path', 'text'),
  ],
  checks: ['jellyfin-items'],
  advice: [
    'Library folders are named in files below root/default (*.mblink, options.xml): see that they are among the sources',
  ],
};
