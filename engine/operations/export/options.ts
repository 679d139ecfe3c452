/** What an export is asked for, and what it answers. */

import type { Problem } from '../../base/errors.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { NodeType } from '../../base/stat.ts';
import type { Snapshot, SnapshotFilter } from '../../repository/snapshots.ts';

export const ARCHIVE_FORMATS = ['tar', 'tar.zst', 'zip', 'audiobookshelf'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

export interface ExportOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Of a folder, what it holds is exported; of a file, the file under its name. Default: all. */
  readonly path?: Buffer | undefined;
  readonly filter?: SnapshotFilter | undefined;
  readonly format: ArchiveFormat;
  /** zstd level of tar.zst; `off`: a zip whose files are stored as they are. */
  readonly compression?: number | 'off' | undefined;
  /** For `audiobookshelf`. */
  readonly server?: ServerExportOptions | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ServerExportOptions {
  /** Folder in the snapshot that holds the server's `items` and `authors`; default: looked for near the database, then by name. */
  readonly metadata?: Buffer | undefined;
  /** Where the database does not tell it. */
  readonly version?: string | undefined;
  /** Take a database that was stored unverified, or does not pass a check. */
  readonly allowUnverified?: boolean | undefined;
}

export interface ExportResult {
  readonly snapshot: Snapshot;
  /** Entries of the archive that are no directories. */
  readonly files: number;
  /** Bytes of the files, holes included. */
  readonly bytes: number;
  /** Bytes of the archive. */
  readonly archiveBytes: number;
  /** Entries for which the format has no place, by type: sockets, and of a zip fifos and devices. */
  readonly leftOut: { readonly [type in NodeType]?: number };
  /** What should be in the archive and is not. */
  readonly problems: readonly Problem[];
  /** Seconds. */
  readonly totalDuration: number;
}
