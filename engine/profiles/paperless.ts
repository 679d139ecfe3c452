/**
 * Paperless-ngx. Verified in its settings and documentation: the layout; that somebody has to ask for the index, thumbnails
 * and archive to be made again, so they stay in.
 */

import type { Profile } from './types.ts';

export const PAPERLESS: Profile = {
  name: 'paperless',
  title: 'Paperless-ngx',
  parts: [
    {
      name: 'media',
      what: 'the documents',
      places: ['media', ''],
      container: '/usr/src/paperless/media',
      signs: [{ path: 'documents/originals', kind: 'folder' }],
      databases: [],
      paths: [
        { path: 'documents/originals', role: 'precious', what: 'originals' },
        { path: 'documents/archive', role: 'optional', what: 'documents with the text that was recognised' },
        { path: 'documents/thumbnails', role: 'optional', what: 'thumbnails' },
      ],
    },
    {
      name: 'data',
      what: 'its database, index and model',
      places: ['data'],
      container: '/usr/src/paperless/data',
      signs: [],
      anyOf: [
        { path: 'db.sqlite3', kind: 'sqlite' },
        { path: 'index', kind: 'folder' },
        { path: 'classification_model.pickle', kind: 'file' },
        { path: 'migration_lock', kind: 'file' },
      ],
      // Many a program keeps a database of that name.
      apart: [
        { path: 'db.sqlite3', kind: 'sqlite' },
        { path: 'index', kind: 'folder' },
        { path: 'classification_model.pickle', kind: 'file' },
        { path: 'migration_lock', kind: 'file' },
      ],
      databases: [{ path: 'db.sqlite3', kind: 'sqlite', what: 'documents, tags, users' }],
      paths: [
        { path: 'index', role: 'optional', what: 'the search index' },
        { path: 'classification_model.pickle', role: 'optional', what: 'the model for tags' },
        { path: 'log', role: 'rebuildable', what: 'logs' },
      ],
      warnings: [
        {
          unlessPresent: 'db.sqlite3',
          unlessDumped: ['postgresql', 'mariadb'],
          text: 'the database is Postgres or MariaDB: without a dump of it in the snapshot (--postgres or --mariadb) tags, users and where each document lies are lost',
        },
      ],
    },
  ],
  folders: [],
  pathColumns: [],
  checks: [],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker compose stop webserver',
    start: 'docker compose up -d',
    afterwards: 'document_sanity_checker says whether each document has its files',
  },
  advice: [],
};
