/** The child process behind sqlite-audit.ts. */

import Database from 'better-sqlite3';
import { DATABASE_MESSAGES_MAX, DATABASE_REFERENCES_MAX } from '../base/limits.ts';
import { answerOnce } from './asked-child.ts';
import type { AuditReply, AuditRequest, BrokenReferences, SqliteAudit } from './sqlite-audit.ts';
import { codeOf } from './sqlite-files.ts';
import { checkPages, Damaged, isForeign, loadSchema } from './sqlite-inspect.ts';

type Connection = Database.Database;

interface Violation {
  readonly table: string;
  readonly parent: string;
}

function audit(connection: Connection): SqliteAudit {
  const schema = loadSchema(connection);
  if (typeof schema === 'string') {
    return { check: 'schema-unparsable', messages: [schema], brokenCount: 0, broken: [] };
  }
  const unchecked = checkPages(connection, 'integrity_check');
  const references = checkReferences(connection);
  const messages = [...unchecked, ...references.unchecked].slice(0, DATABASE_MESSAGES_MAX);
  const { brokenCount, broken } = references;
  return { check: messages.length === 0 ? 'ok' : 'partly-checked', messages, brokenCount, broken };
}

/** Table by table: a reference that makes no sense keeps only its own table from being checked. */
function checkReferences(connection: Connection): {
  readonly unchecked: readonly string[];
  readonly brokenCount: number;
  readonly broken: readonly BrokenReferences[];
} {
  const unchecked: string[] = [];
  const rows = new Map<string, { table: string; parent: string; rows: number }>();
  let brokenCount = 0;
  const tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all().map(String);
  for (const name of tables) {
    try {
      const sql = `PRAGMA foreign_key_check("${name.replaceAll('"', '""')}")`;
      for (const { table, parent } of connection.prepare<[], Violation>(sql).iterate()) {
        brokenCount++;
        const key = `${table}\0${parent}`;
        const known = rows.get(key);
        if (known !== undefined) known.rows++;
        else if (rows.size < DATABASE_REFERENCES_MAX) rows.set(key, { table, parent, rows: 1 });
      }
    } catch (error) {
      if (!isForeign(error)) throw error;
      unchecked.push(`references of ${name}: ${messageOf(error)}`);
    }
  }
  return { unchecked, brokenCount, broken: [...rows.values()] };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

answerOnce<AuditRequest, AuditReply>(({ image }) => {
  try {
    const connection = new Database(image, { fileMustExist: true });
    connection.pragma('trusted_schema = OFF');
    return { audit: audit(connection) };
  } catch (error) {
    const code = codeOf(error);
    const isDamage = error instanceof Damaged || code.startsWith('SQLITE_CORRUPT') || code.startsWith('SQLITE_NOTADB');
    if (!isDamage) return { why: messageOf(error) };
    return { audit: { check: 'damaged', messages: [messageOf(error)], brokenCount: 0, broken: [] } };
  }
});
