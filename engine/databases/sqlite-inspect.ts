/** Looks into the image of a captured database: what it is, and whether it is whole. */

import { createHash } from 'node:crypto';
import Database from 'better-sqlite3';
import { DATABASE_COUNT_MS_MAX, DATABASE_MESSAGES_MAX, DATABASE_TABLES_COUNTED_MAX } from '../base/limits.ts';
import type { SqliteCapture } from './sqlite-capture.ts';
import { removeSideFiles } from './sqlite-copy-steps.ts';
import { codeOf } from './sqlite-files.ts';

type Connection = Database.Database;

export type Inspection = Pick<
  SqliteCapture,
  | 'pageSize'
  | 'pageCount'
  | 'userVersion'
  | 'applicationId'
  | 'schemaHash'
  | 'sqliteVersion'
  | 'check'
  | 'checkMessages'
  | 'rowCounts'
>;

interface SchemaItem {
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

/** Thrown where the image is damaged, which its live database is then too. */
export class Damaged extends Error {}

export function inspectImage(image: string): Inspection {
  const connection = new Database(image, { fileMustExist: true });
  try {
    const schema = loadSchema(connection);
    const facts = {
      pageSize: number(connection, 'page_size'),
      userVersion: number(connection, 'user_version'),
      applicationId: number(connection, 'application_id'),
      sqliteVersion: sqliteVersion(),
    };
    if (typeof schema === 'string') {
      return {
        ...facts,
        pageCount: 0,
        schemaHash: '',
        check: 'schema-unparsable',
        checkMessages: [schema],
        rowCounts: [],
      };
    }
    const unchecked = quickCheck(connection);
    return {
      ...facts,
      pageCount: number(connection, 'page_count'),
      schemaHash: schemaHash(schema),
      check: unchecked.length === 0 ? 'ok' : 'partly-checked',
      checkMessages: unchecked,
      rowCounts: countRows(connection, schema),
    };
  } finally {
    connection.close();
    removeSideFiles(image);
  }
}

function number(connection: Connection, pragma: string): number {
  return Number(connection.pragma(pragma, { simple: true }));
}

function sqliteVersion(): string {
  const memory = new Database(':memory:');
  try {
    return String(memory.prepare('SELECT sqlite_version()').pluck().get());
  } finally {
    memory.close();
  }
}

/** `integrity_check` holds each index against its table, too, which takes far longer. */
export type PageCheck = 'quick_check' | 'integrity_check';

/**
 * Throws Damaged where pages are not as they must be. Answers what could not be checked: some programs bring collations,
 * functions and modules of their own, which are not here, and that is not damage.
 */
export function quickCheck(connection: Connection): readonly string[] {
  return checkPages(connection, 'quick_check');
}

/** The same by either check. */
export function checkPages(connection: Connection, check: PageCheck): readonly string[] {
  try {
    requireOk(connection, `PRAGMA ${check}(10)`);
    return [];
  } catch (error) {
    if (!isForeign(error)) throw error;
  }
  const unchecked: string[] = [];
  const tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all().map(String);
  for (const table of tables) {
    const name = `"${table.replaceAll('"', '""')}"`;
    try {
      requireOk(connection, `PRAGMA ${check}(${name})`);
    } catch (error) {
      if (!isForeign(error)) throw error;
      unchecked.push(`${table}: ${error instanceof Error ? error.message : String(error)}`);
      readThrough(connection, name);
    }
  }
  return unchecked.slice(0, DATABASE_MESSAGES_MAX);
}

function requireOk(connection: Connection, sql: string): void {
  const lines = connection.prepare(sql).pluck().all().map(String);
  if (lines.length !== 1 || lines[0] !== 'ok') throw new Damaged(lines.join('; '));
}

/** The least that can be done for a table that cannot be checked: its pages lead on from one to the next. */
function readThrough(connection: Connection, name: string): void {
  try {
    connection.prepare(`SELECT count(*) FROM ${name} NOT INDEXED`).pluck().get();
  } catch (error) {
    if (!isForeign(error)) throw error;
  }
}

/** SQLite has other codes for whatever is wrong with a file. */
export function isForeign(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_ERROR');
}

/** The schema, or why this SQLite cannot parse it: it may be newer, which is not damage. */
export function loadSchema(connection: Connection): readonly SchemaItem[] | string {
  try {
    return connection.prepare<[], SchemaItem>('SELECT type, name, sql FROM sqlite_master ORDER BY type, name').all();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Without a reason of the parser's, or with one of these, the rows of the schema themselves are damaged.
    if (/malformed database schema \(.*\) - (?!invalid rootpage|orphan index)|unsupported file format/s.test(message))
      return message;
    throw error;
  }
}

function schemaHash(schema: readonly SchemaItem[]): string {
  const hash = createHash('sha256');
  for (const item of schema) hash.update(`${item.type}\0${item.name}\0${item.sql ?? ''}\0`);
  return hash.digest('hex');
}

function countRows(
  connection: Connection,
  schema: readonly SchemaItem[],
): readonly { readonly table: string; readonly rows: number }[] {
  const counts: { table: string; rows: number }[] = [];
  const end = performance.now() + DATABASE_COUNT_MS_MAX;
  for (const { type, name } of schema) {
    if (type !== 'table' || counts.length >= DATABASE_TABLES_COUNTED_MAX || performance.now() > end) continue;
    try {
      const count = connection.prepare(`SELECT count(*) FROM "${name.replaceAll('"', '""')}"`).pluck();
      counts.push({ table: name, rows: Number(count.get()) });
    } catch {
      // A virtual table whose module is not here: its rows are in other tables.
    }
  }
  return counts;
}
