/**
 * The entries of a zip whose length is known before it is made: what they are, and where their bytes lie. All of it follows
 * from the trees of a snapshot, so nothing is kept of it: it is found out again by walking them, from a place on.
 */

import { S_IFMT, S_IFREG } from '../../base/stat.ts';
import type { ArchiveEntry } from '../../format/archive-entry.ts';
import { hasZipName, type ZipEntryBytes, zipEntryBytes } from '../../format/archive-zip.ts';
import type { Node } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';
import { type Snapshot, timeOf } from '../../repository/snapshots.ts';
import type { ZipFile, ZipPlace, ZipRoot } from './options.ts';
import { ArchiveWalk, ZIP_TYPES } from './walk.ts';

export const ZIP_START: ZipPlace = { part: 0, after: undefined, offset: 0, centralOffset: 0 };

export interface ZipItem {
  readonly entry: ArchiveEntry;
  /** What it is made of. */
  readonly source: Node | Buffer;
  /** Where it comes from, for people. */
  readonly path: Buffer;
  readonly offset: number;
  readonly centralOffset: number;
  readonly bytes: ZipEntryBytes;
  /** Its CRC-32 stands behind its data, because the trees do not tell it. */
  readonly hasDescriptor: boolean;
  /** The place behind it. */
  readonly next: ZipPlace;
}

export interface ZipParts {
  readonly snapshot: Snapshot;
  readonly files: readonly ZipFile[];
  readonly roots: readonly ZipRoot[];
}

export interface ZipItemsOptions extends ZipParts {
  readonly repository: Repository;
  /** Told of what has no place in a zip: its type, or that its name is too long. */
  readonly onLeftOut: (path: Buffer, why: Node['type'] | 'name') => void;
  readonly signal: AbortSignal | undefined;
}

const FILE_MODE = 0o644;

export class ZipItems {
  readonly #options: ZipItemsOptions;

  constructor(options: ZipItemsOptions) {
    this.#options = options;
  }

  /** The items from a place on, in order. */
  async *from(place: ZipPlace): AsyncGenerator<ZipItem> {
    const { files, roots, onLeftOut } = this.#options;
    let at = place;
    for (const file of files.slice(at.part)) {
      const item = itemOf(givenEntry(file, this.#options.snapshot), { source: file.content, path: file.as, at });
      at = { ...item.next, part: at.part + 1, after: undefined };
      yield { ...item, next: at };
    }
    for (let root = roots[at.part - files.length]; root !== undefined; root = roots[at.part - files.length]) {
      for await (const { entry, node, path } of this.#walk(root).entries(at.after)) {
        if (!hasZipName(entry)) {
          onLeftOut(path, 'name');
          continue;
        }
        const item = itemOf(entry, { source: node, path, at });
        at = item.next;
        yield item;
      }
      at = { ...at, part: at.part + 1, after: undefined };
    }
  }

  #walk({ path, as }: ZipRoot): ArchiveWalk {
    const { repository, snapshot, onLeftOut, signal } = this.#options;
    return new ArchiveWalk({
      repository,
      snapshot,
      path,
      as,
      types: ZIP_TYPES,
      hardLinks: false,
      ownEntry: as.length > 0,
      onLeftOut: ({ type }, at) => onLeftOut(at, type),
      signal,
    });
  }
}

function itemOf(
  entry: ArchiveEntry,
  { source, path, at }: { readonly source: Node | Buffer; readonly path: Buffer; readonly at: ZipPlace },
): ZipItem {
  const { offset, centralOffset, part } = at;
  const hasDescriptor = !Buffer.isBuffer(source) && isFile(source) && source.size > 0 && source.crc32 === undefined;
  const bytes = zipEntryBytes(entry, { offset, hasDescriptor });
  const next = {
    part,
    after: path,
    offset: offset + bytes.local + bytes.data + bytes.descriptor,
    centralOffset: centralOffset + bytes.central,
  };
  return { entry, source, path, offset, centralOffset, bytes, hasDescriptor, next };
}

function isFile({ mode }: Node): boolean {
  return (mode & S_IFMT) === S_IFREG;
}

function givenEntry({ as, content }: ZipFile, snapshot: Snapshot): ArchiveEntry {
  return {
    path: as,
    type: 'file',
    mode: FILE_MODE,
    uid: 0,
    gid: 0,
    user: undefined,
    group: undefined,
    size: content.length,
    mtime: { seconds: Math.floor(timeOf(snapshot) / 1000), nanoseconds: 0 },
    linkTarget: undefined,
    device: undefined,
    attributes: [],
    regions: undefined,
  };
}
