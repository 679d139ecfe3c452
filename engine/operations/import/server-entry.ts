/** What an entry of Audiobookshelf's backup file is, and where the server has it. Pure. */

import type { ArchiveEntry } from '../../format/archive-entry.ts';
import {
  SERVER_CONFIG,
  SERVER_DATABASE,
  SERVER_DETAILS,
  SERVER_FOLDERS,
  SERVER_METADATA,
} from '../../format/audiobookshelf.ts';
import { entryPlace } from './entry-path.ts';

export const SERVER_DATABASE_PLACE = `${SERVER_CONFIG}/${SERVER_DATABASE}`;

export type ServerEntry =
  | { readonly kind: 'database' | 'details' | 'other' }
  /** `path`: where the snapshot has it. */
  | { readonly kind: 'metadata'; readonly path: Buffer };

/**
 * Which part it is by its name alone; refused is whatever the server's own reader could take for something else than what
 * it says.
 */
export function serverEntry({ path, type }: ArchiveEntry): ServerEntry | { readonly refused: string } {
  const place = entryPlace(path);
  if ('refused' in place) return place;
  if (place.wasAbsolute) return { refused: 'its name is absolute' };
  const text = path.toString('latin1');
  const plain = type === 'dir' ? text.replace(/\/$/, '') : text;
  if (plain !== place.names.map((name) => name.toString('latin1')).join('/')) {
    return { refused: 'its name has empty parts or dots' };
  }
  if (type !== 'file' && type !== 'dir') return { refused: `it is a ${type}, and a backup has files and folders only` };
  if (plain.includes('\\')) return { refused: 'its name has backslashes' };
  if (plain === SERVER_DATABASE || plain === SERVER_DETAILS) {
    if (type === 'dir') return { refused: 'it is a folder where the backup has a file' };
    return { kind: plain === SERVER_DATABASE ? 'database' : 'details' };
  }
  const folder = SERVER_FOLDERS.find(({ inArchive }) => plain === inArchive || plain.startsWith(`${inArchive}/`));
  if (folder === undefined) return { kind: 'other' };
  if (plain === folder.inArchive && type !== 'dir') return { refused: 'it is a file where the backup has a folder' };
  const rest = plain.slice(folder.inArchive.length);
  return { kind: 'metadata', path: Buffer.from(`${SERVER_METADATA}/${folder.folder}${rest}`, 'latin1') };
}
