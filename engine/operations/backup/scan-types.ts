/** What the scan's parts say to each other. */

import type { BlobId } from '../../base/ids.ts';
import { readMode, readSize, S_IFDIR, S_IFMT, S_IFREG } from '../../base/stat.ts';
import { LISTING_EXTRA_WORDS, type Listing } from '../../filesystem/types.ts';
import { decodeRow, ROW_STAT_OFFSET, rowLengthAt } from '../../format/row.ts';
import type { RowReference } from '../../repository/change-rules.ts';
import type { OpenDirectory } from './open-directory.ts';

export interface DirectoryResult {
  readonly treeId: BlobId;
  readonly filesBelow: number;
  readonly bytesBelow: number;
}

/** A directory that is being scanned. */
export interface DirectoryTask {
  readonly directory: OpenDirectory;
  readonly path: Buffer;
  /** `major:minor` */
  readonly device: string;
  readonly depth: number;
  /** True for a directory that only leads to sources: nothing else in it is looked at, and links are followed. */
  readonly leads?: boolean;
  /** True below a source that was named although a pattern fits it. */
  readonly unfiltered?: boolean;
  /** True below a directory that was renamed or moved since the parent snapshot. */
  readonly moved?: boolean;
}

/** One entry of a directory's listing. */
export interface ListedEntry {
  readonly name: Buffer;
  readonly listing: Listing;
  readonly index: number;
}

/** One row to come: bytes of the parent's tree, or bytes that are made, or nothing. */
export type Slot = RowReference | Buffer | undefined | Promise<Buffer | undefined>;

export function deviceOf(listing: Listing, index: number): string {
  const at = index * LISTING_EXTRA_WORDS;
  return `${listing.extras[at] ?? 0}:${listing.extras[at + 1] ?? 0}`;
}

/** Adds what a row stands for to the sums of its directory. */
export function addRow(sums: { filesBelow: number; bytesBelow: number }, bytes: Buffer, at: number): void {
  const mode = readMode(bytes, at + ROW_STAT_OFFSET) & S_IFMT;
  if (mode === S_IFDIR) {
    const { content } = decodeRow(bytes.subarray(at, at + rowLengthAt(bytes, at)), 'a row');
    if (content.kind !== 'tree') return;
    sums.filesBelow += content.filesBelow;
    sums.bytesBelow += content.bytesBelow;
    return;
  }
  sums.filesBelow++;
  if (mode === S_IFREG) sums.bytesBelow += readSize(bytes, at + ROW_STAT_OFFSET);
}
