/** Looks for old paths in all texts of a database, whatever column they are in. */

import type Database from 'better-sqlite3';
import { PATH_COLUMNS_AT_ONCE_MAX, PATH_VALUE_BYTES_MAX } from '../base/limits.ts';
import type { PathMapper } from './path-values.ts';
import type { ColumnCount, PathColumnRequest } from './sqlite-paths.ts';
import { beginsLikePaths, quoted } from './sqlite-paths-sql.ts';

/** Of a column whose paths were rewritten: what lies below a new path was put there. */
interface ScannedColumn {
  readonly name: string;
  readonly isRewritten: boolean;
}

/** By table and column, those without any left out. A text that is too long to be looked at counts as one of them. */
export function findLeftovers(
  connection: Database.Database,
  mapper: PathMapper,
  rewritten: readonly PathColumnRequest[],
): ColumnCount[] {
  const key = (table: string, column: string): string => `${table}\0${column}`.toLowerCase();
  const own = new Set(rewritten.map(({ table, column }) => key(table, column)));
  const tables = connection
    .prepare<[], string>(
      // A virtual table has no page of its own; where it keeps texts, it does so in tables that have.
      "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .pluck()
    .all();
  const columnsOf = connection
    .prepare<[string], string>('SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid')
    .pluck();
  const found: ColumnCount[] = [];
  for (const table of tables) {
    const columns = columnsOf.all(table).map((name) => ({ name, isRewritten: own.has(key(table, name)) }));
    for (let first = 0; first < columns.length; first += PATH_COLUMNS_AT_ONCE_MAX) {
      const some = columns.slice(first, first + PATH_COLUMNS_AT_ONCE_MAX);
      const counts = scan(connection, mapper, table, some);
      found.push(...counts.filter(({ values }) => values > 0));
    }
  }
  return found;
}

function scan(
  connection: Database.Database,
  mapper: PathMapper,
  table: string,
  columns: readonly ScannedColumn[],
): ColumnCount[] {
  const counts = columns.map(() => 0);
  const wanted = columns.map(({ name }) => textOf(quoted(name)));
  const isAny = wanted.map((text) => `${text} IS NOT NULL`).join(' OR ');
  const rows = connection
    .prepare<[], readonly (string | null)[]>(`SELECT ${wanted.join(', ')} FROM ${quoted(table)} WHERE ${isAny}`)
    .raw()
    .iterate();
  for (const row of rows) {
    for (const [at, value] of row.entries()) {
      if (value === null) continue;
      const exceptTargets = columns[at]?.isRewritten === true;
      if (value === '' || mapper.holds(value, { exceptTargets })) counts[at] = (counts[at] ?? 0) + 1;
    }
  }
  return columns.map(({ name }, at) => ({ table, column: name, values: counts[at] ?? 0 }));
}

/** Nothing for what cannot hold a path; an empty text for one that is too long. */
function textOf(value: string): string {
  return `CASE WHEN typeof(${value}) = 'text' AND ${beginsLikePaths(value)} THEN CASE WHEN octet_length(${value}) <= ${PATH_VALUE_BYTES_MAX} THEN ${value} ELSE '' END END`;
}
