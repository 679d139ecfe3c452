/** What a restore with a profile says about the server. */

import type { EngineError } from '../../base/errors.ts';
import type { ColumnCount } from '../../databases/sqlite-paths.ts';
import type { ServerCheck } from '../../repository/server-check.ts';

/**
 * `planned`: a dry run would rewrite it. `rewritten`: now. `kept`: what lies there was left alone: an earlier restore like
 * this one left it, or the policy says so. `failed`: a problem says why; what lies there is what was there. `unchanged`: no path in it fits a mapping.
 */
export type RewriteState = 'planned' | 'rewritten' | 'kept' | 'failed' | 'unchanged';

/** One of the server's databases, where mappings were given. */
export interface RewrittenDatabase {
  /** On the disk. */
  readonly path: Buffer;
  readonly state: RewriteState;
  /** Rows whose paths changed, or would. */
  readonly columns: readonly ColumnCount[];
  /** Columns of the profile that this version of the server does not have. */
  readonly missing: readonly { readonly table: string; readonly column: string }[];
  /** Rows that still hold an old path, anywhere in the database: of a column that the profile does not know, say. */
  readonly leftovers: readonly ColumnCount[];
}

/**
 * `database`: a dump that is still to be restored. `moved`: what else has to follow the new paths. `start`: how it is
 * started. `afterwards`: what to do then.
 */
export interface NextStep {
  readonly kind: 'database' | 'moved' | 'start' | 'afterwards';
  /** A sentence without its full stop. */
  readonly text: string;
  /** For a shell. */
  readonly command?: string;
}

export interface RestoredServer {
  /** Name of its profile. */
  readonly profile: string;
  readonly title: string;
  /** The server's folder in the snapshot. */
  readonly folder: Buffer;
  /** Folders of the snapshot that were restored. */
  readonly paths: readonly Buffer[];
  /** Empty where no mapping was given. */
  readonly databases: readonly RewrittenDatabase[];
  /** Its rows held against the files that came back with them; none of a dry run. */
  readonly checks: readonly ServerCheck[];
  /** Why they were not made to the end. */
  readonly checksError: EngineError | undefined;
  /** In the order in which it is to be done. */
  readonly next: readonly NextStep[];
}
