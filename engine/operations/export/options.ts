/** What an export is asked for, and what it answers. */

import type { Problem } from '../../base/errors.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { NodeType } from '../../base/stat.ts';
import type { CrcStore } from '../../repository/crc-store.ts';
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

// ---- a zip of known length

/** A path of the snapshot, and what it is called in the archive: a folder with all that it holds, or one file or link. */
export interface ZipRoot {
  readonly path: Buffer;
  /** Relative, with slashes inside; empty for a single root whose entries are to lie at the archive's own root. */
  readonly as: Buffer;
}

/** A file that is not in the snapshot: a list of what is in the archive, say. */
export interface ZipFile {
  readonly as: Buffer;
  readonly content: Buffer;
}

export interface PlanZipOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  readonly filter?: SnapshotFilter | undefined;
  readonly roots: readonly ZipRoot[];
  /** They come first. */
  readonly files?: readonly ZipFile[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One entry below a root, as it stands in the archive. */
export interface ZipEntry {
  /** Name in the archive. */
  readonly path: Buffer;
  readonly type: 'file' | 'dir' | 'symlink';
  /** Of a file; else zero. */
  readonly bytes: number;
}

/** `why`: its type, for which a zip has no place, or that its name is too long for one. */
export interface ZipLeftOut {
  readonly path: Buffer;
  readonly why: NodeType | 'name';
}

/** What an archive will be. Plain data; some kilobytes for 100,000 entries. */
export interface ZipPlan {
  readonly snapshot: Snapshot;
  readonly roots: readonly ZipRoot[];
  readonly files: readonly ZipFile[];
  /** 32 hexadecimal digits that differ where the archive's bytes do: an ETag. */
  readonly id: string;
  /** Bytes of the archive. */
  readonly length: number;
  /** Entries by type, and the bytes of the files. */
  readonly counts: {
    readonly files: number;
    readonly directories: number;
    readonly symlinks: number;
    readonly bytes: number;
  };
  /** What is not in it, ZIP_LEFT_OUT_TOLD_MAX of `leftOutCount`. */
  readonly leftOut: readonly ZipLeftOut[];
  readonly leftOutCount: number;
  /** The archive's own directory. */
  readonly directory: { readonly entries: number; readonly offset: number; readonly bytes: number };
  /** Where reading may begin. */
  readonly places: readonly ZipPlace[];
}

/** Before which entry something is, and where that lies. */
export interface ZipPlace {
  /** Of the given files and then the roots, the one in which the entry is. */
  readonly part: number;
  /** Path of the entry of that root before it; undefined for its first one. */
  readonly after: Buffer | undefined;
  readonly offset: number;
  /** Of its record in the directory, from where that begins. */
  readonly centralOffset: number;
}

export interface ReadZipOptions {
  /** Bytes of the archive, from `start` to before `end`. Default: all. */
  readonly start?: number | undefined;
  readonly end?: number | undefined;
  /** Where sums of large files are found and kept. Default: in the cache directory (Repository.checksums). */
  readonly crcs?: CrcStore | undefined;
  readonly signal?: AbortSignal | undefined;
}
