/** What the library is: which folders hold its database, its covers, its books. */

import { type Static, Type } from 'typebox';
import type { Setting } from '../settings.ts';

const Paths = Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: '^/' }), { maxItems: 1000 });

const Library = Type.Object(
  { database_paths: Paths, cover_paths: Paths, book_paths: Paths, other_paths: Paths },
  { additionalProperties: false },
);
export type LibraryPaths = Static<typeof Library>;

/** Until somebody says it, all sources are books. */
export const LIBRARY: Setting<typeof Library> = {
  key: 'library',
  schema: Library,
  initial: ({ sources }) => ({
    database_paths: [],
    cover_paths: [],
    book_paths: sources.map((path) => path.toString('utf8')),
    other_paths: [],
  }),
};

export interface Includes {
  readonly books: boolean;
  readonly covers: boolean;
}

/** Sources of a backup; the database is always among them. */
export function pathsOf(library: LibraryPaths, { books, covers }: Includes): readonly Buffer[] {
  const paths = [
    ...library.database_paths,
    ...library.other_paths,
    ...(covers ? library.cover_paths : []),
    ...(books ? library.book_paths : []),
  ];
  return [...new Set(paths)].map((path) => Buffer.from(path));
}
