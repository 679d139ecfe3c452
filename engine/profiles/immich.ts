/**
 * Immich. Verified in its documentation: the folders, which of them hold originals, and that each needs its `.immich`
 * marker, without which the server does not start.
 */

import type { Part, Profile } from './types.ts';

const MARKER = '.immich';

const FOLDERS: Part['paths'] = [
  { path: 'library', role: 'precious', what: 'originals, where the storage template is used' },
  { path: 'upload', role: 'precious', what: 'originals' },
  { path: 'profile', role: 'precious', what: 'pictures of users' },
  {
    path: 'backups',
    role: 'optional',
    what: 'dumps of the database, which are all there is of it unless it is dumped into the snapshot',
  },
  { path: 'thumbs', role: 'rebuildable', what: 'thumbnails', keeps: [MARKER] },
  { path: 'encoded-video', role: 'rebuildable', what: 'videos in other formats', keeps: [MARKER] },
];

export const IMMICH: Profile = {
  name: 'immich',
  title: 'Immich',
  parts: [
    {
      name: 'upload',
      what: 'its upload location',
      places: ['', 'library', 'upload', 'data'],
      container: '/data',
      signs: [{ path: 'upload', kind: 'folder' }],
      anyOf: FOLDERS.map(({ path }) => ({ path: `${path}/${MARKER}`, kind: 'file' as const })),
      databases: [{ path: undefined, kind: 'postgresql', what: 'users, albums, faces, where each picture lies' }],
      paths: FOLDERS,
    },
  ],
  folders: [],
  pathColumns: [],
  checks: [],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker compose stop immich-server',
    start: 'docker compose up -d',
    moved: 'Its database is a dump, in which no paths are rewritten: let its containers see the paths that they saw',
  },
  advice: ['External libraries are named only in that database: add their folders to the sources'],
};
