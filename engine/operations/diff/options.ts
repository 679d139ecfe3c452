/** What a diff is asked and what it tells. */

import type { Problem } from '../../base/errors.ts';
import type { NodeType } from '../../base/stat.ts';
import type { MetadataField } from '../../repository/entry-difference.ts';
import type { Snapshot, SnapshotFilter } from '../../repository/snapshots.ts';

export const CHANGE_KINDS = ['added', 'removed', 'content', 'metadata', 'type', 'moved', 'bitrot'] as const;
export type ChangeKind = (typeof CHANGE_KINDS)[number];

export interface DiffOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly before: string;
  /** The same, or the disk as it is now: the sources of `before`, by the rules with which it was taken. */
  readonly after: string | { readonly live: LiveOptions };
  readonly filter?: SnapshotFilter | undefined;
  /** Only this path and what lies below it. */
  readonly path?: Buffer | undefined;
  /** Table by table for SQLite databases that were captured (default: true). */
  readonly tables?: boolean | undefined;
  /** Rows as well, at most DIFF_TABLE_ROWS_MAX a table. */
  readonly rows?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface LiveOptions {
  /** Reads files that look unchanged, too: what differs without a changed size or time is bitrot. */
  readonly readData?: boolean | undefined;
  /** Told of each file that was read, and of its length in bytes. */
  readonly onRead?: ((path: Buffer, bytes: number) => void) | undefined;
  /** For file systems that change them by themselves. */
  readonly ignoreInode?: boolean | undefined;
  readonly ignoreCtime?: boolean | undefined;
}

/** One entry that differs. Sizes and bytes in bytes; a directory has no size of its own. */
export interface Change {
  readonly event: 'change';
  /** Where it is now; where it was, for `removed`. */
  readonly path: Buffer;
  readonly type: NodeType;
  /** For `type`: what it was. */
  readonly typeBefore: NodeType | undefined;
  readonly change: ChangeKind;
  /** Where it was, if that was another path. */
  readonly from: Buffer | undefined;
  /** Metadata that differ; also beside `content` and `moved`. */
  readonly fields: readonly MetadataField[];
  readonly sizeBefore: number | undefined;
  readonly sizeAfter: number | undefined;
  /**
   * Plaintext bytes that only the one or the other has: by chunks between snapshots. Of a file on the disk that was not
   * read, all of them.
   */
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
}

/** One table of a database that differs. Counts are undefined where its rows cannot be compared; `note` says why. */
export interface TableChange {
  readonly event: 'table';
  readonly path: Buffer;
  readonly table: string;
  readonly change: 'added' | 'removed' | 'content';
  readonly rowsAdded: number | undefined;
  readonly rowsRemoved: number | undefined;
  readonly rowsChanged: number | undefined;
  readonly columnsAdded: readonly string[];
  readonly columnsRemoved: readonly string[];
  readonly note: string | undefined;
}

/** Text, a number, null, or bytes. */
export type CellValue = string | number | bigint | Buffer | null;

/** One row that differs. `before` and `after` hold the columns that differ; all of them where the row is new or gone. */
export interface TableRowChange {
  readonly event: 'row';
  readonly path: Buffer;
  readonly table: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly key: { readonly [column: string]: CellValue };
  readonly before: { readonly [column: string]: CellValue } | undefined;
  readonly after: { readonly [column: string]: CellValue } | undefined;
}

/** Something on the disk that could not be read: whether it changed is not known. */
export interface DiffProblem {
  readonly event: 'problem';
  readonly problem: Problem;
}

export interface DiffSummary {
  readonly event: 'summary';
  readonly before: Snapshot;
  /** Undefined for the disk. */
  readonly after: Snapshot | undefined;
  /** Lines of each kind. */
  readonly counts: { readonly [kind in ChangeKind]: number };
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
  readonly problems: number;
}

export type DiffEvent = Change | TableChange | TableRowChange | DiffProblem | DiffSummary;
