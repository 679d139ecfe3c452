/** Any folder: every SQLite database is found by its header anyhow, and caches that say so are left out. */

import type { Profile } from './types.ts';

export const GENERIC: Profile = {
  name: 'generic',
  title: 'any other folder',
  parts: [],
  folders: [],
  pathColumns: [],
  checks: [],
  restoreOrder: 'files first',
  handling: {
    stop: 'stop the program that uses it',
    start: 'start the program that uses it',
  },
  leavesOutCaches: true,
  advice: [],
};
