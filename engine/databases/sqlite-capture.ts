/** What a capture of a SQLite database is, and what the capturing process is asked and answers. */

/** A live file as it was; a database whose files all still have theirs is unchanged. */
export interface Stamp {
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
  readonly inode: bigint;
}

/** The live files as they were when the image was taken, or before. */
export interface LiveFiles {
  readonly main: Stamp;
  readonly wal: Stamp | undefined;
  readonly journal: Stamp | undefined;
}

/** How the pages were copied; see sqlite-copy.ts and sqlite-moment.ts. */
export type CaptureMethod = 'wal-transaction' | 'under-lock' | 'reflink' | 'between-writers' | 'private-copy';

export interface SqliteCapture {
  /** The image, a database that opens by itself. The caller removes it. */
  readonly imagePath: string;
  readonly bytes: number;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly journalMode: 'wal' | 'rollback';
  /** SHA-256 of the sorted statements of the schema; empty where it cannot be parsed. */
  readonly schemaHash: string;
  readonly sqliteVersion: string;
  /** A schema that this SQLite cannot parse is not damage, nor is a table that needs what the database's own program brings. */
  readonly check: 'ok' | 'partly-checked' | 'schema-unparsable';
  readonly checkMessages: readonly string[];
  readonly method: CaptureMethod;
  readonly durationSeconds: number;
  /** How long writers could have waited. */
  readonly holdMs: number;
  readonly rowCounts: readonly { readonly table: string; readonly rows: number }[];
  readonly live: LiveFiles;
}

/** `other`: a file that is no database (any more); `vanished`: there is none. Neither is a problem. */
export type CaptureOutcome =
  | { readonly kind: 'captured'; readonly capture: SqliteCapture }
  | { readonly kind: 'other' }
  | { readonly kind: 'vanished' };

/** What becomes of one of several: `message` says why it failed for good. */
export type MemberReply = CaptureOutcome | { readonly kind: 'failed'; readonly message: string };

export interface CaptureRequest {
  readonly id: number;
  /** Several are captured as of one moment, if that can be had. */
  readonly paths: readonly Uint8Array[];
  readonly scratchDirectory: string;
  readonly busyTimeoutMs: number;
  readonly holdMsMax: number;
}

export interface CaptureReply {
  readonly id: number;
  /** In the order of the paths. */
  readonly members: readonly MemberReply[];
  /** Why several are not of one moment; undefined where they are. */
  readonly apart: string | undefined;
}
