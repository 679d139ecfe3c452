/**
 * Calibre. Verified in its sources: books (path, title, has_cover) and data (book, format, name), whose paths are
 * relative to the library; that a book's folder is called `Title (id)`, a format's file by its name and the format in lower
 * case, a cover `cover.jpg`; `.calnotes` (notes.db, resources, and notes of what was deleted, in `backup` and `retired`),
 * which nothing else has; `.caltrash`, from which a book can be brought back for 14 days.
 */

import type { Part, Profile } from './types.ts';

/** Other servers manage a Calibre library, too. */
export const CALIBRE_LIBRARY: Part = {
  name: 'library',
  what: 'a Calibre library',
  isLibrary: true,
  places: ['', 'library', 'books', 'calibre', 'calibre-library', 'Calibre Library'],
  signs: [{ path: 'metadata.db', kind: 'sqlite' }],
  databases: [
    { path: 'metadata.db', kind: 'sqlite', what: 'the library', moment: 'library' },
    { path: '.calnotes/notes.db', kind: 'sqlite', what: 'notes', moment: 'library' },
    { path: 'full-text-search.db', kind: 'sqlite', what: 'the full text search', rebuildable: true },
  ],
  paths: [
    { path: 'metadata_db_prefs_backup.json', role: 'precious', what: 'settings of the library' },
    { path: '.calnotes', role: 'precious', what: 'notes, their pictures, and those of what was deleted' },
    { path: '.caltrash', role: 'optional', what: 'books that were deleted not long ago' },
  ],
};

export const CALIBRE: Profile = {
  name: 'calibre',
  title: 'Calibre',
  parts: [CALIBRE_LIBRARY],
  folders: [],
  pathColumns: [],
  checks: ['calibre-books'],
  restoreOrder: 'files first',
  handling: {
    stop: 'quit Calibre, and its content server',
    start: 'start Calibre',
    afterwards: 'Library maintenance, Check library says whether each book has its files',
    moved: 'Show Calibre, and whatever else uses the library, its new folder: that stands in their own settings',
  },
  advice: [],
};
