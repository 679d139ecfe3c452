/** What readers of archives give, entry by entry. */

import type { ArchiveEntry } from '../../format/archive-entry.ts';
import type { Extension } from '../../format/row.ts';

export interface ArchiveItem {
  readonly entry: ArchiveEntry;
  /**
   * A file's bytes in order, without its holes. What is not read is passed over when the next item is asked for. Pieces
   * are views that are valid until the next one.
   */
  readonly content: () => AsyncIterable<Buffer>;
  /** Of the row to come. */
  readonly extensions?: readonly Extension[] | undefined;
  /** Length of the content as it lies in the archive, where that is known. */
  readonly storedBytes?: number;
}

/** An entry that its reader refuses. */
export interface RefusedItem {
  readonly path: Buffer;
  readonly code: string;
  readonly why: string;
}

export type ReadItem = ArchiveItem | RefusedItem;
