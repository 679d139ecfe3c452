/** The child process behind audiobookshelf.ts. */

import { closeSync, fstatSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { SERVER_SETTINGS_BYTES_MAX } from '../base/limits.ts';
import { answerOnce } from './asked-child.ts';
import type { ServerDatabase, ServerDatabaseReply, ServerDatabaseRequest } from './audiobookshelf.ts';
import { readHeader } from './sqlite-files.ts';
import { Damaged, inspectImage } from './sqlite-inspect.ts';

/** Without these it is another program's database, or of a generation of the server that is not known here. */
const COLUMNS: { readonly [table: string]: readonly string[] } = {
  settings: ['key', 'value'],
  users: ['id', 'username'],
  libraries: ['id', 'name'],
  libraryItems: ['id', 'mediaId'],
};

/** Its message is whole. */
class Refused extends Error {}

function journalModeOf(path: string): ServerDatabase['journalMode'] {
  const fd = openSync(path, 'r');
  try {
    if (fstatSync(fd).size === 0) throw new Refused('it is empty');
    const header = readHeader(fd);
    if (header === undefined) throw new Refused('it is no SQLite database');
    return header.wal ? 'wal' : 'rollback';
  } finally {
    closeSync(fd);
  }
}

function requireColumns(connection: Database.Database): void {
  const columnsOf = connection.prepare('SELECT name FROM pragma_table_info(?)').pluck();
  for (const [table, wanted] of Object.entries(COLUMNS)) {
    const columns = new Set(columnsOf.all(table).map(String));
    if (columns.size === 0) throw new Refused(`it is not Audiobookshelf's: it has no table "${table}"`);
    const missing = wanted.find((column) => !columns.has(column));
    if (missing === undefined) continue;
    throw new Refused(`its structure is not known here: the table "${table}" has no column "${missing}"`);
  }
}

function versionOf(connection: Database.Database): string | undefined {
  if (count(connection, "SELECT count(*) FROM pragma_table_info('settings') WHERE name IN ('key', 'value')") !== 2)
    return undefined;
  const sql = `SELECT substr(value, 1, ${SERVER_SETTINGS_BYTES_MAX}) FROM settings WHERE key = 'server-settings'`;
  const value = connection.prepare(sql).pluck().get();
  if (typeof value !== 'string') return undefined;
  try {
    const settings: unknown = JSON.parse(value);
    if (typeof settings !== 'object' || settings === null || !('version' in settings)) return undefined;
    return typeof settings.version === 'string' ? settings.version : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing where there is no such table. */
function count(connection: Database.Database, sql: string): number {
  try {
    return Number(connection.prepare(sql).pluck().get());
  } catch {
    return 0;
  }
}

function inspect({ path, isStructureNeeded }: ServerDatabaseRequest): ServerDatabase {
  const journalMode = journalModeOf(path);
  const inspection = inspectImage(path);
  if (inspection.check !== 'ok') {
    const why = inspection.checkMessages.join('; ');
    throw new Refused(`it cannot be checked by SQLite ${inspection.sqliteVersion} (${why})`);
  }
  const connection = new Database(path, { fileMustExist: true });
  try {
    // Views and triggers of a stranger's database call nothing but what is harmless.
    connection.pragma('trusted_schema = OFF');
    if (isStructureNeeded) requireColumns(connection);
    return {
      inspection,
      journalMode,
      serverVersion: versionOf(connection),
      libraryItems: count(connection, 'SELECT count(*) FROM libraryItems'),
      authorImages: count(connection, "SELECT count(*) FROM authors WHERE imagePath IS NOT NULL AND imagePath != ''"),
    };
  } finally {
    connection.close();
  }
}

function explain(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused) return message;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('SQLITE_NOTADB')) return `it is encrypted, or damaged (${message})`;
  if (code.startsWith('SQLITE_CORRUPT') || error instanceof Damaged) return `it is damaged (${message})`;
  return message;
}

answerOnce<ServerDatabaseRequest, ServerDatabaseReply>((request) => {
  try {
    return { database: inspect(request) };
  } catch (error) {
    return { why: explain(error) };
  }
});
