/**
 * Komga. Verified in its migrations and settings: LIBRARY.ROOT, SERIES.URL, BOOK.URL, SIDECAR.URL and PARENT_URL, that
 * tasks.sqlite is the queue of jobs, and each folder and file below its configuration folder.
 */

import type { PathColumn, Profile } from './types.ts';

const DATABASE = 'database.sqlite';

function url(table: string, name: string): PathColumn {
  return { part: 'config', database: DATABASE, table, column: name, form: 'url' };
}

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
    url('SIDECAR', 'URL'),
    url('SIDECAR', 'PARENT_URL'),
  ],
  checks: [],
  advice: [],
};
