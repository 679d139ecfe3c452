/**
 * Calibre-Web. Verified in its sources: settings in app.db and which of them are paths, `.key` beside it, credentials and logs in the same folder (which
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

function setting(column: string, isOfSomeVersions = false): PathColumn {
  return { ...SETTINGS, column, form: 'text', ...(isOfSomeVersions ? { someVersions: true } : {}) };
}

export const CALIBRE_WEB_PATHS: readonly PathColumn[] = [
  setting('config_calibre_dir'),
  setting('config_calibre_split_dir', true),
  setting('config_certfile'),
  setting('config_keyfile'),
  setting('config_logfile'),
  setting('config_access_logfile'),
  setting('config_ldap_cacert_path', true),
  setting('config_ldap_cert_path', true),
  setting('config_ldap_key_path', true),
  setting('config_binariesdir', true),
  setting('config_converterpath', true),
  setting('config_kepubifypath', true),
  setting('config_rarfile_location', true),
];

export const CALIBRE_WEB: Profile = {
  name: 'calibre-web',
  title: 'Calibre-Web',
  parts: [CALIBRE_WEB_CONFIG, CALIBRE_LIBRARY],
  folders: CALIBRE_WEB_FOLDERS,
  pathColumns: CALIBRE_WEB_PATHS,
  checks: ['calibre-books'],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker stop calibre-web, or systemctl stop calibre-web',
    start: 'docker start calibre-web, or systemctl start calibre-web',
    moved: 'Settings may name programs (converters, unrar): see that they lie there on this machine',
  },
  advice: [],
};
