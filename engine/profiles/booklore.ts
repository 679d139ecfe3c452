/** BookLore. Verified in its documentation: the folders and that its database is MariaDB. Not verified: what lies in `data`. */

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
      databases: [{ path: undefined, kind: 'mariadb', what: 'users, progress, libraries' }],
      paths: [
        { path: 'data', role: 'precious', what: 'covers and settings' },
        { path: 'books', role: 'precious', what: 'the books' },
        { path: 'bookdrop', role: 'optional', what: 'books that wait to be imported' },
      ],
      warnings: [
        {
          ifPresent: 'config/mariadb',
          text: 'config/mariadb holds the files of a running MariaDB, which are worth nothing when they are copied: dump the database instead, and exclude that folder',
        },
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
  advice: [],
};
