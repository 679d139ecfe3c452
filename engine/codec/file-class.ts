/**
 * Which chunk sizes fit a file: by its header, its type and its size alone, so that every run cuts it alike. What comes
 * from a database server is known to be rows before its first byte.
 */

import { CHUNK_PAGE_BYTES_MIN, LARGE_CLASS_BYTES_MIN, MEDIA_CLASS_BYTES_MIN } from '../base/limits.ts';

export interface FileClass {
  readonly name: 'pages' | 'rows' | 'small' | 'large';
  /** For `pages`: bytes of a chunk; else 0. */
  readonly pageBytes: number;
}

const SMALL: FileClass = { name: 'small', pageBytes: 0 };
export const ROWS_CLASS: FileClass = { name: 'rows', pageBytes: 0 };
const LARGE: FileClass = { name: 'large', pageBytes: 0 };
const SQLITE_MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

const MEDIA_EXTENSIONS = new Set(
  (
    'mp3 m4a m4b aac flac ogg oga opus wma mka ape wv mp4 m4v mkv avi mov webm mpg mpeg wmv flv ts m2ts ' +
    'jpg jpeg jpe png webp heic heif avif gif jxl cr2 cr3 nef arw dng orf raf rw2 psd ' +
    'cbz cbr cb7 zip rar 7z gz tgz xz txz zst bz2 lz4 br pdf djvu iso dmg apk jar docx xlsx pptx'
  ).split(' '),
);

/** Types that an edit changes in the middle, so that small chunks pay though they are compressed. */
const EDITED_EXTENSIONS = new Set(['epub', 'kepub', 'odt', 'azw3', 'mobi']);

const MAGICS: readonly { readonly at: number; readonly bytes: Buffer }[] = [
  { at: 0, bytes: Buffer.from([0xff, 0xd8, 0xff]) },
  { at: 0, bytes: Buffer.from([0x89, 0x50, 0x4e, 0x47]) },
  { at: 0, bytes: Buffer.from('ID3') },
  { at: 0, bytes: Buffer.from('fLaC') },
  { at: 0, bytes: Buffer.from('OggS') },
  { at: 4, bytes: Buffer.from('ftyp') },
  { at: 0, bytes: Buffer.from([0x1a, 0x45, 0xdf, 0xa3]) },
  { at: 0, bytes: Buffer.from([0x1f, 0x8b]) },
  { at: 0, bytes: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]) },
  { at: 0, bytes: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a]) },
  { at: 0, bytes: Buffer.from('7z\xbc\xaf', 'latin1') },
  { at: 0, bytes: Buffer.from('Rar!') },
];

function extensionOf(name: Buffer): string {
  const dot = name.lastIndexOf(0x2e);
  return dot < 1 || name.length - dot > 9 ? '' : name.toString('latin1', dot + 1).toLowerCase();
}

/** True for the first bytes of a SQLite database. */
export function isSqliteHead(head: Buffer): boolean {
  return (
    head.length >= SQLITE_MAGIC.length &&
    head[0] === SQLITE_MAGIC[0] &&
    head.compare(SQLITE_MAGIC, 0, SQLITE_MAGIC.length, 0, SQLITE_MAGIC.length) === 0
  );
}

/** `head` is the first few hundred bytes, or all of a shorter file. */
export function fileClass(name: Buffer, size: number, head: Buffer): FileClass {
  if (isSqliteHead(head) && head.length >= 18) {
    const coded = head.readUInt16BE(16);
    const pageBytes = coded === 1 ? 65_536 : coded;
    const isPowerOfTwo = pageBytes >= 512 && (pageBytes & (pageBytes - 1)) === 0;
    if (isPowerOfTwo) return { name: 'pages', pageBytes: Math.max(pageBytes, CHUNK_PAGE_BYTES_MIN) };
  }
  if (size >= LARGE_CLASS_BYTES_MIN) return LARGE;
  if (size < MEDIA_CLASS_BYTES_MIN) return SMALL;
  const extension = extensionOf(name);
  if (EDITED_EXTENSIONS.has(extension)) return SMALL;
  if (MEDIA_EXTENSIONS.has(extension)) return LARGE;
  const hasMagic = MAGICS.some(
    ({ at, bytes }) =>
      head.length >= at + bytes.length && head.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0,
  );
  return hasMagic ? LARGE : SMALL;
}
