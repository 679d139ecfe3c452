/** What the library is: which folders hold its database, its covers, its books. Set by people, else detected, else guessed. */

import { type Static, Type } from 'typebox';
import { Nullable } from '../schemas.ts';
import type { Setting, Settings } from '../settings.ts';
import { uncoveredPaths } from './uncovered.ts';

const Paths = Type.Array(Type.String({ minLength: 1, maxLength: 4096, pattern: '^/' }), { maxItems: 1000 });

export const LibrarySchema = Type.Object(
  {
    database_paths: Paths,
    cover_paths: Paths,
    book_paths: Paths,
    other_paths: Paths,
    profile: Nullable(Type.String({ maxLength: 100, description: 'Whose library it is: a profile of the engine' })),
  },
  { additionalProperties: false },
);
/** Its lists of paths. */
export const LIBRARY_LISTS = ['database_paths', 'cover_paths', 'book_paths', 'other_paths'] as const;

export type LibraryPaths = Static<typeof LibrarySchema>;

/** Until somebody says it, all sources are books. */
export const LIBRARY: Setting<typeof LibrarySchema> = {
  key: 'library',
  schema: LibrarySchema,
  initial: ({ sources }) => ({
    database_paths: [],
    cover_paths: [],
    book_paths: sources.map((path) => path.toString('utf8')),
    other_paths: [],
    profile: null,
  }),
};

/** What the detection found last. It holds until somebody sets something else. */
export const LIBRARY_DETECTED: Setting<typeof LibrarySchema> = { ...LIBRARY, key: 'library.detected' };

export type LibraryOrigin = 'set' | 'detected' | 'initial';

/** What holds now, and where it comes from. */
export function libraryOf(settings: Settings): { readonly library: LibraryPaths; readonly origin: LibraryOrigin } {
  if (settings.isSet(LIBRARY)) return { library: settings.get(LIBRARY), origin: 'set' };
  const isDetected = settings.isSet(LIBRARY_DETECTED);
  return { library: settings.get(LIBRARY_DETECTED), origin: isDetected ? 'detected' : 'initial' };
}

export interface Includes {
  readonly books: boolean;
  readonly covers: boolean;
}

/**
 * Sources of a backup; the database is always among them. What was only detected must lose nothing: whatever else lies in
 * the server's sources comes along.
 */
export function pathsOf(
  { library, origin }: ReturnType<typeof libraryOf>,
  sources: readonly Buffer[],
  { books, covers }: Includes,
): readonly Buffer[] {
  const { database_paths, cover_paths, book_paths, other_paths } = library;
  const known = [...database_paths, ...cover_paths, ...book_paths, ...other_paths];
  const rest = origin === 'detected' ? uncoveredPaths(sources, known.map(bytesOf)) : [];
  const paths = [...database_paths, ...other_paths, ...(covers ? cover_paths : []), ...(books ? book_paths : [])];
  return uniquePaths([...paths.map(bytesOf), ...rest]);
}

function bytesOf(path: string): Buffer {
  return Buffer.from(path);
}

function uniquePaths(paths: readonly Buffer[]): readonly Buffer[] {
  return paths.filter((path, index) => paths.findIndex((other) => other.equals(path)) === index);
}
