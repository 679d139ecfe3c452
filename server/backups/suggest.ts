/** Makes of servers that were recognised what the library is. Pure. */

import type { DetectedServer } from '../../engine/index.ts';
import type { LibraryPaths } from './library.ts';
import { isWithin } from './uncovered.ts';

/** A part that is the library itself: its database lies among the books. */
const LIBRARY_PART = 'library';

/** Undefined where no server was recognised. */
export function suggestLibrary(servers: readonly DetectedServer[]): LibraryPaths | undefined {
  const [first] = servers;
  if (first === undefined) return undefined;
  const library = { database_paths: [], cover_paths: [], book_paths: [], other_paths: [] };
  const lists: { readonly [list in keyof typeof library]: string[] } = library;
  const add = (list: keyof typeof library, path: Buffer): void => {
    const text = path.toString('utf8');
    // A name that is not UTF-8 cannot be a setting; it stays among what the sources hold beside these.
    if (Buffer.from(text).equals(path) && !lists[list].includes(text)) lists[list].push(text);
  };
  for (const { parts, databases, folders } of servers) {
    for (const { name, folder } of parts) {
      const inPart = databases.filter(({ path }) => isWithin(path, folder));
      if (inPart.length === 0) add(isOfCovers(name) ? 'cover_paths' : 'other_paths', folder);
      else if (name !== LIBRARY_PART) add('database_paths', folder);
      else {
        for (const { path } of inPart) add('database_paths', path);
        add('book_paths', folder);
      }
    }
    for (const { rule, path } of folders) {
      if (rule.use === 'library' && path !== undefined) add('book_paths', path);
    }
  }
  return { ...library, profile: first.profile };
}

function isOfCovers(part: string): boolean {
  return part === 'metadata' || part === 'covers';
}
