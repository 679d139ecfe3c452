/** Looks through all of a private image of a SQLite database: its pages, its indexes, and where its references lead. */

import { askChild } from './asked-child.ts';

/** References from one table to another that lead nowhere. */
export interface BrokenReferences {
  readonly table: string;
  readonly parent: string;
  readonly rows: number;
}

export interface SqliteAudit {
  /**
   * `damaged`: pages or indexes are not as they must be. `partly-checked` and `schema-unparsable`: what needs collations,
   * functions or a SQLite that are not here could not be checked, which is no damage.
   */
  readonly check: 'ok' | 'partly-checked' | 'schema-unparsable' | 'damaged';
  /** What is damaged, or could not be checked. */
  readonly messages: readonly string[];
  /** Rows whose references lead nowhere, in all; at most DATABASE_REFERENCES_MAX pairs of tables are named. */
  readonly brokenCount: number;
  readonly broken: readonly BrokenReferences[];
}

export interface AuditRequest {
  readonly image: string;
}

/** `why`: it could not be looked at, which says nothing about it. */
export type AuditReply = { readonly audit: SqliteAudit } | { readonly why: string };

/** INTERRUPTED after the signal. */
export async function auditSqliteImage(image: string, signal?: AbortSignal): Promise<AuditReply> {
  const request: AuditRequest = { image };
  const answer = await askChild<AuditReply>('./sqlite-audit-child.js', request, signal);
  return 'reply' in answer ? answer.reply : { why: `the process that looked into it ended (${answer.ended})` };
}
