/**
 * Compares two images of a SQLite database table by table. A table none of whose pages differ holds the same rows and is
 * stepped over: which pages are whose, SQLite's own dbstat says.
 */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import Database from 'better-sqlite3';
import { MIB } from '../base/limits.ts';

type Connection = Database.Database;
type Side = 'main' | 'young';

export type Cell = string | number | bigint | Uint8Array | null;
export type Cells = { readonly [column: string]: Cell };

export interface ComparedTable {
  readonly kind: 'table';
  readonly table: string;
  readonly change: 'added' | 'removed' | 'content';
  readonly rowsAdded: number | undefined;
  readonly rowsRemoved: number | undefined;
  readonly rowsChanged: number | undefined;
  readonly columnsAdded: readonly string[];
  readonly columnsRemoved: readonly string[];
  /** Why its rows could not be compared. */
  readonly note: string | undefined;
}

export interface ComparedRow {
  readonly kind: 'row';
  readonly table: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly key: Cells;
  readonly before: Cells | undefined;
  readonly after: Cells | undefined;
}

interface Table {
  readonly name: string;
  readonly rootPage: number;
  readonly sql: string;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

const COMPARE_STEP_BYTES = 4 * MIB;

/** Numbers of pages, counted from 1, that differ or that only one image has; `all` where the page sizes differ. */
function differingPages(before: string, after: string, pageSize: number): (page: number) => boolean {
  const files = [openSync(before, 'r'), openSync(after, 'r')] as const;
  try {
    const [bytesBefore, bytesAfter] = [fstatSync(files[0]).size, fstatSync(files[1]).size];
    const common = Math.min(bytesBefore, bytesAfter);
    const differing = new Set<number>();
    const step = Math.max(pageSize, COMPARE_STEP_BYTES - (COMPARE_STEP_BYTES % pageSize));
    const [left, right] = [Buffer.allocUnsafeSlow(step), Buffer.allocUnsafeSlow(step)];
    for (let at = 0; at < common; at += step) {
      const length = Math.min(step, common - at);
      readSync(files[0], left, 0, length, at);
      readSync(files[1], right, 0, length, at);
      if (left.compare(right, 0, length, 0, length) === 0) continue;
      for (let page = 0; page < length; page += pageSize) {
        const end = Math.min(length, page + pageSize);
        if (left.compare(right, page, end, page, end) !== 0) differing.add((at + page) / pageSize + 1);
      }
    }
    const pagesInBoth = Math.floor(common / pageSize);
    return (page) => page > pagesInBoth || differing.has(page);
  } finally {
    for (const file of files) closeSync(file);
  }
}

/** Opens both: the one before as `main`, the other one as `young`. */
export function compareTables(
  before: string,
  after: string,
  options: { readonly rowsMax: number; readonly tell: (found: ComparedTable | ComparedRow) => void },
): void {
  const connection = new Database(before, { fileMustExist: true });
  try {
    connection.prepare('ATTACH ? AS young').run(after);
    connection.pragma('query_only = 1');
    connection.pragma('trusted_schema = 0');
    const touched = touchedTrees(connection, before, after);
    const tables = { main: tablesOf(connection, 'main'), young: tablesOf(connection, 'young') };
    const names = new Set([...tables.main.keys(), ...tables.young.keys()]);
    for (const name of [...names].sort()) {
      const [old, young] = [tables.main.get(name), tables.young.get(name)];
      if (old !== undefined && young !== undefined) {
        const isSame = old.rootPage === young.rootPage && old.sql === young.sql && !touched(name);
        if (!isSame) compareTable(connection, name, options);
      } else tellWhole(connection, name, young === undefined ? 'main' : 'young', options);
    }
  } finally {
    connection.close();
  }
}

/** Tables and indexes that own a page that differs, in the one image or the other. */
function touchedTrees(connection: Connection, before: string, after: string): (name: string) => boolean {
  const sizes = (['main', 'young'] as const).map((side) =>
    Number(connection.pragma(`${side}.page_size`, { simple: true })),
  );
  const [pageSize = 0, other] = sizes;
  if (pageSize !== other) return () => true;
  const differs = differingPages(before, after, pageSize);
  const names = new Set<string>();
  for (const side of ['main', 'young']) {
    const pages = connection.prepare<[string], { name: string; pageno: number }>(
      'SELECT name, pageno FROM dbstat WHERE schema = ?',
    );
    for (const { name, pageno } of pages.iterate(side)) if (differs(pageno)) names.add(name);
  }
  return (name) => names.has(name);
}

/** Tables with rows of their own: no virtual ones, and none of SQLite's. */
function tablesOf(connection: Connection, side: Side): Map<string, Table> {
  const query = `SELECT name, rootpage AS rootPage, sql FROM ${side}.sqlite_master
    WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`;
  return new Map(
    connection
      .prepare<[], Table>(query)
      .all()
      .map((table) => [table.name, table]),
  );
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Columns that are stored, generated ones left aside. */
function columnsOf(connection: Connection, side: Side, table: string): Column[] {
  const query = 'SELECT name, type, pk FROM pragma_table_xinfo(?, ?) WHERE hidden = 0';
  return connection.prepare<[string, string], Column>(query).all(table, side);
}

function count(connection: Connection, sql: string): number {
  return Number(connection.prepare(sql).pluck().get());
}

function tellWhole(
  connection: Connection,
  table: string,
  side: Side,
  options: { readonly rowsMax: number; readonly tell: (found: ComparedTable | ComparedRow) => void },
): void {
  const rows = count(connection, `SELECT count(*) FROM ${side}.${quoted(table)}`);
  const isNew = side === 'young';
  options.tell({
    kind: 'table',
    table,
    change: isNew ? 'added' : 'removed',
    rowsAdded: isNew ? rows : 0,
    rowsRemoved: isNew ? 0 : rows,
    rowsChanged: 0,
    columnsAdded: [],
    columnsRemoved: [],
    note: undefined,
  });
}

function compareTable(
  connection: Connection,
  table: string,
  options: { readonly rowsMax: number; readonly tell: (found: ComparedTable | ComparedRow) => void },
): void {
  const old = columnsOf(connection, 'main', table);
  const young = columnsOf(connection, 'young', table);
  const missingIn = (names: readonly Column[], others: readonly Column[]): string[] =>
    names.map(({ name }) => name).filter((name) => !others.some((other) => other.name === name));
  const columnsAdded = missingIn(young, old);
  const columnsRemoved = missingIn(old, young);
  const shared = old.map(({ name }) => name).filter((name) => !columnsRemoved.includes(name));
  const facts = { kind: 'table', table, change: 'content', columnsAdded, columnsRemoved } as const;
  try {
    const comparison = new RowComparison(connection, table, { key: keyOf(connection, table, { old, young }), shared });
    const counts = comparison.counts();
    const rows = counts.rowsAdded + counts.rowsRemoved + counts.rowsChanged;
    if (rows === 0 && columnsAdded.length + columnsRemoved.length === 0) return;
    options.tell({ ...facts, ...counts, note: undefined });
    if (options.rowsMax > 0) for (const row of comparison.rows(options.rowsMax)) options.tell(row);
  } catch (error) {
    // A collation or function that only the owner's program has, for instance.
    const note = `its rows cannot be compared: ${error instanceof Error ? error.message : String(error)}`;
    const unknown = { rowsAdded: undefined, rowsRemoved: undefined, rowsChanged: undefined };
    options.tell({ ...facts, ...unknown, note });
  }
}

/** Columns that name a row: the primary key, if it surely does; else the rowid, which a VACUUM may give anew. */
function keyOf(
  connection: Connection,
  table: string,
  columns: { readonly old: readonly Column[]; readonly young: readonly Column[] },
): string[] {
  const primary = (all: readonly Column[]): string[] =>
    all
      .filter(({ pk }) => pk > 0)
      .sort((a, b) => a.pk - b.pk)
      .map(({ name }) => name);
  const key = primary(columns.old);
  const isSame = key.join('\0') === primary(columns.young).join('\0');
  if (isSame && key.length > 0 && !hasNull(connection, table, key)) return key;
  const taken = new Set([...columns.old, ...columns.young].map(({ name }) => name.toLowerCase()));
  const rowid = ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name));
  if (rowid === undefined) throw new Error('it has neither a key that holds nor a row id that can be named');
  return [rowid];
}

/** SQLite lets a primary key be null, and null any number of times. */
function hasNull(connection: Connection, table: string, key: readonly string[]): boolean {
  const isNull = key.map((name) => `${quoted(name)} IS NULL`).join(' OR ');
  return (['main', 'young'] as const).some(
    (side) => count(connection, `SELECT EXISTS (SELECT 1 FROM ${side}.${quoted(table)} WHERE ${isNull})`) === 1,
  );
}

class RowComparison {
  readonly #connection: Connection;
  readonly #table: string;
  readonly #key: readonly string[];
  readonly #shared: readonly string[];
  readonly #from: string;
  readonly #same: string;
  readonly #differs: string;

  constructor(
    connection: Connection,
    table: string,
    columns: { readonly key: readonly string[]; readonly shared: readonly string[] },
  ) {
    this.#connection = connection;
    this.#table = table;
    this.#key = columns.key;
    this.#shared = columns.shared;
    this.#from = quoted(table);
    this.#same = columns.key.map((name) => `a.${quoted(name)} = b.${quoted(name)}`).join(' AND ');
    // 1 and 1.0 are equal to SQL, and 'A' is 'a' where a column's collation says so.
    const differing = columns.shared.map((name) => {
      const [a, b] = [`a.${quoted(name)}`, `b.${quoted(name)}`];
      return `typeof(${a}) <> typeof(${b}) OR ${a} IS NOT (${b} COLLATE BINARY)`;
    });
    this.#differs = differing.length === 0 ? '0' : differing.join(' OR ');
  }

  #only(here: Side, there: Side, what: string): string {
    const other = `SELECT 1 FROM ${there}.${this.#from} AS b WHERE ${this.#same}`;
    return `SELECT ${what} FROM ${here}.${this.#from} AS a WHERE NOT EXISTS (${other})`;
  }

  #changed(what: string): string {
    return `SELECT ${what} FROM main.${this.#from} AS a JOIN young.${this.#from} AS b ON ${this.#same} WHERE ${this.#differs}`;
  }

  counts(): { readonly rowsAdded: number; readonly rowsRemoved: number; readonly rowsChanged: number } {
    return {
      rowsAdded: count(this.#connection, this.#only('young', 'main', 'count(*)')),
      rowsRemoved: count(this.#connection, this.#only('main', 'young', 'count(*)')),
      rowsChanged: count(this.#connection, this.#changed('count(*)')),
    };
  }

  *rows(rowsMax: number): Generator<ComparedRow> {
    const table = this.#table;
    let left = rowsMax;
    const whole = `${this.#keyList('a')}, a.*`;
    for (const [change, sql] of [
      ['removed', this.#only('main', 'young', whole)],
      ['added', this.#only('young', 'main', whole)],
    ] as const) {
      for (const values of this.#values(sql, left)) {
        left--;
        const { key, cells } = this.#split(values.row, values.names);
        yield {
          kind: 'row',
          table,
          change,
          key,
          before: change === 'removed' ? cells : undefined,
          after: change === 'added' ? cells : undefined,
        };
      }
    }
    const both = ['a', 'b'].flatMap((side) => this.#shared.map((name) => `${side}.${quoted(name)}`));
    for (const { row } of this.#values(this.#changed([this.#keyList('a'), ...both].join(', ')), left)) {
      yield { kind: 'row', table, change: 'changed', ...this.#differences(row) };
    }
  }

  #keyList(side: string): string {
    return this.#key.map((name) => `${side}.${quoted(name)}`).join(', ');
  }

  *#values(
    sql: string,
    limit: number,
  ): Generator<{ readonly row: readonly Cell[]; readonly names: readonly string[] }> {
    if (limit <= 0) return;
    const statement = this.#connection.prepare(`${sql} LIMIT ${limit}`).raw().safeIntegers();
    const names = statement.columns().map(({ name }) => name);
    for (const row of statement.iterate()) yield { row: row as Cell[], names };
  }

  #split(row: readonly Cell[], names: readonly string[]): { readonly key: Cells; readonly cells: Cells } {
    const cells: { [column: string]: Cell } = {};
    for (let index = this.#key.length; index < row.length; index++) cells[names[index] ?? ''] = row[index] ?? null;
    return { key: this.#keyCells(row), cells };
  }

  #keyCells(row: readonly Cell[]): Cells {
    return Object.fromEntries(this.#key.map((name, index) => [name, row[index] ?? null]));
  }

  #differences(row: readonly Cell[]): { readonly key: Cells; readonly before: Cells; readonly after: Cells } {
    const before: { [column: string]: Cell } = {};
    const after: { [column: string]: Cell } = {};
    const start = this.#key.length;
    for (const [index, name] of this.#shared.entries()) {
      const old = row[start + index] ?? null;
      const young = row[start + this.#shared.length + index] ?? null;
      if (isSameCell(old, young)) continue;
      before[name] = old;
      after[name] = young;
    }
    return { key: this.#keyCells(row), before, after };
  }
}

function isSameCell(a: Cell, b: Cell): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return a === b;
}
