/** One entry of an archive, whatever its format: what tar and zip readers give, and what their writers take. */

import type { Time } from '../base/stat.ts';

export type ArchiveEntryType = 'file' | 'dir' | 'symlink' | 'hardlink' | 'fifo' | 'chardev' | 'dev';

export interface ArchiveEntry {
  /** As it stands in the archive; written without slashes at either end. */
  readonly path: Buffer;
  readonly type: ArchiveEntryType;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** Of a file, in bytes, holes included. */
  readonly size: number;
  readonly mtime: Time;
  /** Of a symbolic link, or the path in the archive that a hard link names. */
  readonly linkTarget: Buffer | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly attributes: readonly { readonly name: Buffer; readonly value: Buffer }[];
  /** Where a sparse file has data, in order; undefined for a file without holes. */
  readonly regions: readonly Region[] | undefined;
}

export interface Region {
  readonly offset: number;
  readonly length: number;
}
