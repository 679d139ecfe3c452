/**
 * Immich. Verified in its documentation and sources: the folders, which of them hold originals, that each needs its
 * `.immich` marker, without which the server does not start, and that its database is Postgres alone, whose files are no
 * backup; UPLOAD_LOCATION and DB_DATA_LOCATION in the `.env` beside its compose file. From its documentation of places of
 * one's own: PROFILE_LOCATION. From what its folders hold: `backups`, its own dumps.
 */

import type { DatabaseRule, Part, Profile, Setting } from './types.ts';

const MARKER = '.immich';

const FOLDERS: Part['paths'] = [
  { path: 'library', role: 'precious', what: 'originals, where the storage template is used' },
  { path: 'upload', role: 'precious', what: 'originals' },
  { path: 'profile', role: 'precious', what: 'pictures of users' },
  { path: 'backups', role: 'backups', what: "the server's own dumps of its database", keeps: [MARKER] },
  { path: 'thumbs', role: 'rebuildable', what: 'thumbnails', keeps: [MARKER] },
  { path: 'encoded-video', role: 'rebuildable', what: 'videos in other formats', keeps: [MARKER] },
];

const DATABASE: DatabaseRule = {
  path: undefined,
  kind: 'postgresql',
  name: 'immich',
  what: 'users, albums, faces, where each picture lies',
};

function setting(name: string): Setting {
  return { part: 'compose', file: '.env', setting: name };
}

export const IMMICH: Profile = {
  name: 'immich',
  title: 'Immich',
  leads: ['upload', 'compose'],
  parts: [
    {
      name: 'upload',
      what: 'its upload location',
      places: ['', 'library', 'upload', 'data'],
      container: '/data',
      signs: [{ path: 'upload', kind: 'folder' }],
      anyOf: FOLDERS.map(({ path }) => ({ path: `${path}/${MARKER}`, kind: 'file' as const })),
      databases: [DATABASE],
      paths: FOLDERS,
    },
    {
      name: 'compose',
      what: 'its compose file and settings',
      places: [''],
      isOptional: true,
      signs: [{ path: '.env', kind: 'file', setting: 'UPLOAD_LOCATION' }],
      anyOf: ['docker-compose.yml', 'docker-compose.yaml', 'compose.yml', 'compose.yaml'].map((path) => ({
        path,
        kind: 'file',
      })),
      databases: [DATABASE],
      paths: [
        { path: '.env', role: 'secret', what: 'settings, and the password of the database' },
        { path: 'docker-compose.yml', role: 'precious', what: 'how it is started' },
        { path: 'docker-compose.yaml', role: 'precious', what: 'how it is started' },
        { path: 'compose.yml', role: 'precious', what: 'how it is started' },
        { path: 'compose.yaml', role: 'precious', what: 'how it is started' },
      ],
    },
  ],
  folders: [
    { ...setting('UPLOAD_LOCATION'), what: 'upload location', use: 'library', isPart: 'upload' },
    { ...setting('PROFILE_LOCATION'), what: 'folder of the pictures of users', use: 'library' },
    {
      ...setting('DB_DATA_LOCATION'),
      what: 'the files of a running Postgres',
      use: 'server-files',
      signs: [
        { path: 'PG_VERSION', kind: 'file' },
        { path: 'base', kind: 'folder' },
        { path: 'global', kind: 'folder' },
      ],
    },
  ],
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
