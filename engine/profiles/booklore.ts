/**
 * BookLore. Verified in its documentation and sources: the folders, that its database is MariaDB, and that `data` has covers
 * (`thumbs`), metadata from before a change (`metadata_backup`) and caches of unpacked pages. From the MariaDB container
 * that its documentation uses: where that keeps its files.
 */

import type { Profile } from './types.ts';

export const BOOKLORE: Profile = {
  name: 'booklore',
  title: 'BookLore',
  parts: [
    {
      name: 'booklore',
      what: 'its data, books and drop folder',
      places: [''],
      signs: [
        { path: 'data', kind: 'folder' },
        { path: 'books', kind: 'folder' },
        { path: 'bookdrop', kind: 'folder' },
      ],
      databases: [{ path: undefined, kind: 'mariadb', name: 'booklore', what: 'users, progress, libraries' }],
      paths: [
        { path: 'data', role: 'precious', what: 'covers, chosen ones too, and metadata from before a change' },
        { path: 'books', role: 'precious', what: 'the books' },
        { path: 'bookdrop', role: 'optional', what: 'books that wait to be imported' },
        { path: 'data/cbx_cache', role: 'rebuildable', what: 'unpacked pages' },
        { path: 'data/pdf_cache', role: 'rebuildable', what: 'unpacked pages' },
        { path: 'config/mariadb/databases', role: 'server-files', what: 'the files of a running MariaDB' },
        { path: 'mariadb/config/databases', role: 'server-files', what: 'the files of a running MariaDB' },
      ],
    },
  ],
  folders: [],
  pathColumns: [],
  checks: [],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker compose stop booklore',
    start: 'docker compose up -d',
    moved: 'Its database is a dump, in which no paths are rewritten: let its container see the paths that it saw',
  },
  advice: ['Further library folders are named only in its database: add them to the sources'],
};
