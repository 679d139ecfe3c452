/**
 * Calibre-Web Automated: Calibre-Web with a database of its own, and a folder of what went through its hands. Verified in
 * its sources: cwa.db and its tables (cwa_enforcement.epub_path is called file_path in newer versions), the library's usual
 * place. From its documentation: processed_books. What Calibre-Web's profile says holds, too.
 */

import { CALIBRE_LIBRARY } from './calibre.ts';
import { CALIBRE_WEB_CONFIG, CALIBRE_WEB_FOLDERS, CALIBRE_WEB_PATHS } from './calibre-web.ts';
import type { Profile } from './types.ts';

export const CALIBRE_WEB_AUTOMATED: Profile = {
  name: 'calibre-web-automated',
  title: 'Calibre-Web Automated',
  supersedes: ['calibre-web'],
  parts: [
    {
      ...CALIBRE_WEB_CONFIG,
      signs: [
        { path: 'app.db', kind: 'sqlite' },
        { path: 'cwa.db', kind: 'sqlite' },
      ],
      anyOf: [],
      databases: [
        ...CALIBRE_WEB_CONFIG.databases,
        { path: 'cwa.db', kind: 'sqlite', what: 'settings and history of the automation', moment: 'library' },
      ],
      paths: [
        ...CALIBRE_WEB_CONFIG.paths,
        { path: 'processed_books', role: 'optional', what: 'originals of what was imported, converted or fixed' },
      ],
    },
    { ...CALIBRE_LIBRARY, container: '/calibre-library' },
  ],
  folders: CALIBRE_WEB_FOLDERS,
  pathColumns: [
    ...CALIBRE_WEB_PATHS,
    ...['epub_path', 'file_path'].map((column) => ({
      part: 'config',
      database: 'cwa.db',
      table: 'cwa_enforcement',
      column,
      form: 'text' as const,
      someVersions: true,
    })),
  ],
  checks: ['calibre-books'],
  restoreOrder: 'files first',
  handling: {
    stop: 'docker stop calibre-web-automated, or systemctl stop calibre-web-automated',
    start: 'docker start calibre-web-automated, or systemctl start calibre-web-automated',
    moved: 'Settings may name programs (converters, unrar): see that they lie there on this machine',
  },
  advice: [],
};
