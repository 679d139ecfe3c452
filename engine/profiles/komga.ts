/**
 * Komga. Verified in its migrations and settings: every column of URLs (of files: `file:` and the path, as Java encodes it),
 * that tasks.sqlite is the queue of jobs, with what each job is about as JSON, and each folder and file below its
 * configuration folder. In its sources: the history has plain paths.
 */

import type { PathColumn, Profile } from './types.ts';

const DATABASE = 'database.sqlite';

function url(table: string, name: string, more: Pick<PathColumn, 'someVersions'> = {}): PathColumn {
  return { part: 'config', database: DATABASE, table, column: name, form: 'url', ...more };
}

const SOME = { someVersions: true };

export const KOMGA: Profile = {
  name: 'komga',
  title: 'Komga',
  parts: [
    {
      name: 'config',
      what: 'its databases',
      places: ['config', '.komga', ''],
      container: '/config',
      signs: [{ path: DATABASE, kind: 'sqlite' }],
      anyOf: [
        { path: 'tasks.sqlite', kind: 'sqlite' },
        { path: 'lucene', kind: 'folder' },
        { path: 'artemis', kind: 'folder' },
        { path: 'application.yml', kind: 'file' },
      ],
      databases: [
        { path: DATABASE, kind: 'sqlite', what: 'users, progress, libraries, posters' },
        { path: 'tasks.sqlite', kind: 'sqlite', what: 'the queue of jobs', rebuildable: true },
      ],
      paths: [
        { path: 'application.yml', role: 'secret', what: 'settings, and credentials of login services' },
        { path: 'application.yaml', role: 'secret', what: 'settings, and credentials of login services' },
        { path: 'application.properties', role: 'secret', what: 'settings, and credentials of login services' },
        { path: 'fonts', role: 'precious', what: 'fonts that somebody added' },
        { path: 'lucene', role: 'rebuildable', what: 'the search index' },
        { path: 'artemis', role: 'rebuildable', what: 'the queue of jobs of old versions' },
        { path: 'logs', role: 'rebuildable', what: 'logs' },
      ],
    },
  ],
  folders: [
    {
      part: 'config',
      database: DATABASE,
      table: 'LIBRARY',
      column: 'ROOT',
      form: 'url',
      what: 'library folder',
      use: 'library',
    },
  ],
  pathColumns: [
    url('LIBRARY', 'ROOT'),
    url('SERIES', 'URL'),
    url('BOOK', 'URL'),
    url('SIDECAR', 'URL', SOME),
    url('SIDECAR', 'PARENT_URL', SOME),
    url('THUMBNAIL_BOOK', 'URL', SOME),
    url('THUMBNAIL_SERIES', 'URL', SOME),
    url('TEMP_URL_LIST', 'URL', SOME),
    {
      ...SOME,
      part: 'config',
      database: DATABASE,
      table: 'HISTORICAL_EVENT_PROPERTIES',
      column: 'VALUE',
      form: 'text',
    },
    { ...SOME, part: 'config', database: 'tasks.sqlite', table: 'TASK', column: 'PAYLOAD', form: 'json' },
  ],
  checks: [],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker stop komga, or systemctl stop komga',
    start: 'docker start komga, or systemctl start komga',
    afterwards: 'Scan each library once: it takes the files for those that it knows by their paths',
  },
  advice: [],
};
