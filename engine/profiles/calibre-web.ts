/**
 * Calibre-Web. Verified in its sources: settings in app.db, `.key` beside it, credentials and logs in the same folder (which
 * is the program's own where nothing else is said, so that its thumbnails lie in `cps/cache`); books lie in the split folder
 * where config_calibre_split is set. From folders of its usual container: `cache`.
 */

import { CALIBRE_LIBRARY } from './calibre.ts';
import type { NamedFolder, Part, PathColumn, Profile } from './types.ts';

const SETTINGS = { part: 'config', database: 'app.db', table: 'settings' } as const;

export const CALIBRE_WEB_CONFIG: Part = {
  name: 'config',
  what: 'its databases and keys',
  places: ['config', ''],
  container: '/config',
  signs: [{ path: 'app.db', kind: 'sqlite' }],
  anyOf: [
    { path: 'gdrive.db', kind: 'sqlite' },
    { path: '.key', kind: 'file' },
    { path: 'calibre-web.log', kind: 'file' },
    { path: 'client_secrets.json', kind: 'file' },
  ],
  databases: [
    { path: 'app.db', kind: 'sqlite', what: 'users, shelves, settings', moment: 'library' },
    { path: 'gdrive.db', kind: 'sqlite', what: 'what is known of Google Drive' },
  ],
  paths: [
    { path: '.key', role: 'secret', what: 'decrypts the passwords that are stored in app.db' },
    { path: 'client_secrets.json', role: 'secret', what: 'credentials for Google Drive' },
    { path: 'gdrive_credentials', role: 'secret', what: 'credentials for Google Drive' },
    { path: 'settings.yaml', role: 'secret', what: 'credentials for Google Drive' },
    { path: 'gmail.json', role: 'secret', what: 'credentials for mail' },
    { path: 'cache', role: 'rebuildable', what: 'thumbnails' },
    { path: 'cps/cache', role: 'rebuildable', what: 'thumbnails' },
    { path: 'calibre-web.log*', role: 'rebuildable', what: 'logs' },
    { path: 'access.log*', role: 'rebuildable', what: 'logs' },
  ],
  warnings: [
    {
      unlessPresent: '.key',
      text: 'no .key lies beside app.db: if the server keeps it elsewhere (beside its program), add it, since the passwords stored in app.db cannot be decrypted without it',
    },
  ],
};

export const CALIBRE_WEB_FOLDERS: readonly NamedFolder[] = [
  { ...SETTINGS, column: 'config_calibre_dir', what: 'Calibre library', use: 'library', isPart: 'library' },
  { ...SETTINGS, column: 'config_calibre_split_dir', what: 'folder of the books', use: 'library' },
];

export const CALIBRE_WEB_PATHS: readonly PathColumn[] = [
  { ...SETTINGS, column: 'config_calibre_dir', form: 'text' },
  { ...SETTINGS, column: 'config_calibre_split_dir', form: 'text' },
  { ...SETTINGS, column: 'config_certfile', form: 'text' },
  { ...SETTINGS, column: 'config_keyfile', form: 'text' },
  { ...SETTINGS, column: 'config_logfile', form: 'text' },
  { ...SETTINGS, column: 'config_access_logfile', form: 'text' },
];

export const CALIBRE_WEB: Profile = {
  name: 'calibre-web',
  title: 'Calibre-Web',
  parts: [CALIBRE_WEB_CONFIG, CALIBRE_LIBRARY],
  folders: CALIBRE_WEB_FOLDERS,
  pathColumns: CALIBRE_WEB_PATHS,
  checks: ['calibre-books'],
  advice: [],
};
