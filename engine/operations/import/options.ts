/** What an import is asked for, and what it answers. */

import type { Problem } from '../../base/errors.ts';
import type { Monitor } from '../../base/monitor.ts';
import type { BackupCounts } from '../../format/snapshot.ts';
import type { Snapshot } from '../../repository/snapshots.ts';

export interface ImportOptions {
  /** A file (zip, audiobookshelf, tar, tar.zst, tar.gz), or a stream of any of these but zip. */
  readonly source: { readonly file: Buffer } | { readonly stream: AsyncIterable<Buffer> };
  /** Absolute path in the snapshot below which everything is put; default: `/`. */
  readonly prefix?: Buffer | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly label?: string | undefined;
  /** Default: the machine's name. */
  readonly host?: string | undefined;
  /** The snapshot's time; default: now, or the time that a server's backup names. */
  readonly time?: Date | undefined;
  readonly compression?: number | 'off' | undefined;
  /** What the archive has to be; default: what it looks like. `zip` takes a server's backup as it lies there. */
  readonly format?: ImportFormat | undefined;
  /** Where entries go; default: where their names say. */
  readonly layout?: ImportLayout | undefined;
  /** How many times its compressed length an archive may unfold to; default: IMPORT_EXPANSION_MAX. */
  readonly expansionMax?: number | undefined;
  /** Throw PROBLEMS_FOUND instead of saving a snapshot with problems. */
  readonly strict?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly program?: string | undefined;
}

/** The snapshot that a zip was made of, so that an import of it is one of the same places. */
export interface ImportLayout {
  /** Absolute path of an entry in the snapshot; undefined: the entry is not taken. */
  readonly placeOf: (path: Buffer) => Buffer | undefined;
  /** Sources of the snapshot. */
  readonly paths: readonly Buffer[];
  /** Entries that are images of SQLite databases, by their places; a restore swaps them in. */
  readonly databases: readonly ImportedDatabase[];
}

export interface ImportedDatabase {
  readonly path: Buffer;
  readonly bytes: number;
  /** What its check said when it was captured. A restore checks it again. */
  readonly check: string;
}

export const IMPORT_FORMATS = ['tar', 'tar.zst', 'tar.gz', 'zip', 'audiobookshelf'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

export interface ImportResult {
  readonly snapshot: Snapshot;
  readonly format: ImportFormat;
  readonly counts: BackupCounts;
  /** Entries that were refused, each with its reason. At most SNAPSHOT_PROBLEMS_MAX of problemCount. */
  readonly problems: readonly Problem[];
  readonly problemCount: number;
  /** Names that came more than once: the last one counts. */
  readonly duplicates: number;
}
