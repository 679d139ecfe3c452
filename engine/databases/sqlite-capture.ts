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

export interface SqliteCapture {
  /** The image, a database that opens by itself. The caller removes it. */
  readonly imagePath: string;
  readonly bytes: number;
  readonly pageSize: number;
  readonly pageCount: number;
  readonly userVersion: number;
  readonly applicationId: number;
  readonly journalMode: 'wal' | 'rollback';
  /** SHA-256 of the sorted statements of the schema. */
  readonly schemaHash: string;
  readonly sqliteVersion: string;
  /** A schema that this SQLite cannot parse is not damage. */
  readonly check: 'ok' | 'schema-unparsable';
  readonly checkMessages: readonly string[];
  /** How the pages were copied; see sqlite-child.ts. */
  readonly method: 'single-step' | 'reflink' | 'bounded-steps' | 'private-copy';
  readonly durationSeconds: number;
  /** How long writers could have waited. */
  readonly holdMs: number;
  readonly rowCounts: readonly { readonly table: string; readonly rows: number }[];
  readonly live: { readonly main: Stamp; readonly wal: Stamp | undefined; readonly journal: Stamp | undefined };
}

export interface CaptureRequest {
  readonly id: number;
  readonly path: Uint8Array;
  readonly scratchDirectory: string;
  readonly busyTimeoutMs: number;
  readonly holdMsMax: number;
}

export interface CaptureReply {
  readonly id: number;
  readonly capture?: SqliteCapture;
  readonly message?: string;
}
