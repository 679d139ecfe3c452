/**
 * Reads a zip entry by entry without storing anything, for those who want to judge one before they take it (trap 33). Its
 * directory is judged as an import does: entries that overlap, names that lead out, lengths and checksums that do not fit.
 */

import { throwIfAborted } from '../../base/errors.ts';
import { IMPORT_EXPANSION_MAX } from '../../base/limits.ts';
import type { Time } from '../../base/stat.ts';
import type { ArchiveEntryType } from '../../format/archive-entry.ts';
import { entryPlace } from './entry-path.ts';
import { Expansion } from './expansion.ts';
import { ArchiveFile, ZipReader } from './zip-reader.ts';

export interface ReadArchiveOptions {
  /** A zip. */
  readonly file: Buffer;
  /** How many times its compressed length it may unfold to. */
  readonly expansionMax?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ArchiveMember {
  /** As it stands in the archive, without the slash behind a folder. */
  readonly path: Buffer;
  /** Undefined where the entry is refused. */
  readonly type: ArchiveEntryType | undefined;
  /** Why it could not be imported: its name leads upwards or is absolute, or its type is none. */
  readonly refused: string | undefined;
  /** Of a file's content, as the directory has it. */
  readonly bytes: number;
  /** The same, as it lies in the archive. */
  readonly storedBytes: number;
  readonly mtime: Time | undefined;
  readonly linkTarget: Buffer | undefined;
  /** The bytes, checked against length and CRC-32. ARCHIVE_INVALID, LIMIT_EXCEEDED. */
  readonly content: () => AsyncIterable<Buffer>;
}

const SLASH = 0x2f;

async function* noContent(): AsyncGenerator<Buffer> {
  // What is refused has none.
}

/** In the order of its directory. ARCHIVE_INVALID where it is damaged or cut off; INVALID_ARGUMENT, INTERRUPTED. */
export async function* readArchive(options: ReadArchiveOptions): AsyncGenerator<ArchiveMember> {
  const { signal, expansionMax = IMPORT_EXPANSION_MAX } = options;
  const file = new ArchiveFile(options.file);
  try {
    const owner = { uid: 0, gid: 0 };
    for await (const item of new ZipReader(file, new Expansion(expansionMax), owner).items()) {
      throwIfAborted(signal);
      if ('why' in item) {
        yield { ...REFUSED, path: item.path, refused: item.why };
        continue;
      }
      const { entry, content, storedBytes = 0 } = item;
      const place = entryPlace(entry.path);
      if ('refused' in place) yield { ...REFUSED, path: entry.path, refused: place.refused };
      else if (place.wasAbsolute) yield { ...REFUSED, path: entry.path, refused: 'its name is absolute' };
      else {
        const { type, size: bytes, mtime, linkTarget } = entry;
        const path = entry.path.at(-1) === SLASH ? entry.path.subarray(0, -1) : entry.path;
        yield { path, type, refused: undefined, bytes, storedBytes, mtime, linkTarget, content };
      }
    }
  } finally {
    file.close();
  }
}

const REFUSED = {
  type: undefined,
  bytes: 0,
  storedBytes: 0,
  mtime: undefined,
  linkTarget: undefined,
  content: noContent,
} as const;
