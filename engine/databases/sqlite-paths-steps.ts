/**
 * How paths are rewritten in an image, and what is looked at afterwards.
 *
 * Rows end with their paths changed and nothing else: triggers of the server, which would stamp times or call functions
 * that only it has, are taken out for the transaction and put back in it; foreign keys are not followed, since each column
 * of paths is rewritten by itself; full-text tables over a column that changed are built anew. What such a path column
 * feeds (indexes, generated columns) SQLite keeps up itself.
 */

import Database from 'better-sqlite3';
import { PATH_VALUE_BYTES_MAX } from '../base/limits.ts';
import { type PathForm, PathMapper, type PathRule } from './path-values.ts';
import { codeOf, databaseFiles } from './sqlite-files.ts';
import { loadSchema } from './sqlite-inspect.ts';
import type { ColumnCount, PathColumnRequest, PathsOrder, PathsReport, PathsStep } from './sqlite-paths.ts';
import { findLeftovers } from './sqlite-paths-scan.ts';
import { bytesIfReplaced, literal, pathsOf, quoted, textExpression, textFits } from './sqlite-paths-sql.ts';
import { removeIfThere } from './sqlite-swap-files.ts';

type Connection = Database.Database;

/** In front of a value that is half-way to its new path: no path begins so. */
const MARK = '\u0001snap:';

export async function rewriteImage(
  order: Omit<PathsOrder, 'traced' | 'image'> & { readonly image: Buffer },
  step: (step: PathsStep) => Promise<void>,
): Promise<PathsReport> {
  const { files, dispose } = databaseFiles(order.image, order.scratchDirectory);
  const removeBeside = (): void => {
    for (const path of [files.wal, files.shm, files.journal]) removeIfThere(path);
  };
  try {
    // An image is complete alone: what lies beside it was left by a run that was killed, and would be played into it.
    removeBeside();
    const connection = open(files.open);
    await step('started');
    let report: PathsReport;
    try {
      report = await new ImagePaths(connection, order.rules, step).run(order.columns);
    } finally {
      connection.close();
      removeBeside();
    }
    await step('closed');
    return report;
  } finally {
    dispose();
  }
}

function open(path: string): Connection {
  const connection = new Database(path, { fileMustExist: true });
  try {
    // The index of a WAL stays in memory then.
    connection.pragma('locking_mode = EXCLUSIVE');
    const schema = loadSchema(connection);
    if (typeof schema === 'string') throw new Error(`this SQLite cannot read its schema (${schema})`);
    // Whoever wants the image durable syncs it: a half-written one is thrown away.
    connection.pragma('synchronous = OFF');
    connection.pragma('foreign_keys = OFF');
    connection.pragma('trusted_schema = OFF');
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface CountedColumn extends PathColumnRequest {
  readonly values: number;
}

class ImagePaths {
  readonly #connection: Connection;
  readonly #mapper: PathMapper;
  readonly #step: (step: PathsStep) => Promise<void>;
  readonly #uses: number[];

  constructor(connection: Connection, rules: readonly PathRule[], step: (step: PathsStep) => Promise<void>) {
    this.#connection = connection;
    this.#mapper = new PathMapper(rules);
    this.#step = step;
    this.#uses = rules.map(() => 0);
    for (const form of ['json', 'url'] as const) defineFunction(connection, this.#mapper, form);
  }

  async run(columns: readonly PathColumnRequest[]): Promise<PathsReport> {
    const there = columns.filter((one) => this.#has(one));
    const missing = columns.filter((one) => !there.includes(one)).map(({ table, column }) => ({ table, column }));
    const counted = there.map((one) => ({ ...one, values: this.#count(one) }));
    await this.#step('counted');
    const changing = counted.filter(({ values }) => values > 0);
    if (changing.length > 0) await this.#change(changing);
    const leftovers = findLeftovers(this.#connection, this.#mapper, there);
    await this.#step('scanned');
    const rewritten: ColumnCount[] = counted.map(({ table, column, values }) => ({ table, column, values }));
    return { rewritten, missing, uses: this.#uses, leftovers };
  }

  /** A column that SQLite computes follows those that it is computed from. */
  #has({ table, column }: PathColumnRequest): boolean {
    const sql =
      "SELECT count(*) FROM pragma_table_xinfo(?) WHERE name = ? COLLATE NOCASE AND hidden = 0 AND EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name = ? COLLATE NOCASE)";
    return Number(this.#connection.prepare(sql).pluck().get(table, column, table)) > 0;
  }

  /** Rows of a column that will change; says which rules they are changed by. */
  #count({ table, column, form }: PathColumnRequest): number {
    const name = quoted(column);
    const values = this.#connection
      .prepare<[], [string, Buffer | null]>(
        `SELECT ${name}, ${bytesIfReplaced(name)} FROM ${quoted(table)} WHERE ${pathsOf(name)}`,
      )
      .raw()
      .iterate();
    let count = 0;
    for (const [value, bytes] of values) {
      const changed = this.#mapper.rewrite(form, value, bytes ?? undefined);
      if (changed === undefined) continue;
      count++;
      for (const rule of changed.rules) this.#uses[rule] = (this.#uses[rule] ?? 0) + 1;
    }
    return count;
  }

  async #change(columns: readonly CountedColumn[]): Promise<void> {
    const connection = this.#connection;
    const before = schemaOf(connection);
    connection.exec('BEGIN IMMEDIATE');
    await this.#step('begun');
    const triggers = takeTriggersOut(connection, columns);
    for (const column of columns) this.#rewrite(column);
    for (const table of fullTextOver(connection, columns)) {
      connection.exec(`INSERT INTO ${quoted(table)} (${quoted(table)}) VALUES ('rebuild')`);
    }
    for (const sql of triggers) connection.exec(sql);
    await this.#step('changed');
    connection.exec('COMMIT');
    if (schemaOf(connection) !== before)
      throw new Error('its schema is not what it was before its paths were rewritten');
    await this.#step('committed');
    // Of a database in rollback mode there is nothing to take over.
    connection.pragma('wal_checkpoint(TRUNCATE)');
    await this.#step('checkpointed');
  }

  #rewrite(column: CountedColumn): void {
    const { table, values } = column;
    const connection = this.#connection;
    connection.exec('SAVEPOINT one_column');
    let changed: number;
    try {
      changed = this.#rewriteAtOnce(column);
    } catch (error) {
      if (!/^SQLITE_CONSTRAINT_(?:UNIQUE|PRIMARYKEY)/.test(codeOf(error))) throw error;
      connection.exec('ROLLBACK TO one_column');
      changed = this.#rewriteByWay(column);
    }
    connection.exec('RELEASE one_column');
    if (changed === values) return;
    throw new Error(`${changed} rows of ${table}.${column.column} changed, and ${values} have paths that fit`);
  }

  #rewriteAtOnce({ table, column, form }: CountedColumn): number {
    const name = quoted(column);
    const sql = `UPDATE ${quoted(table)} SET ${name} = ${this.#changed(form, name)} WHERE ${this.#fits(form, name)}`;
    return this.#connection.prepare(sql).run().changes;
  }

  /** Where each value is there once, a row may have to wait for another one to give up the path that it gets. */
  #rewriteByWay({ table, column, form }: CountedColumn): number {
    const name = quoted(column);
    const mark = literal(MARK);
    const rest = `substr(${name}, ${MARK.length + 1})`;
    try {
      const marked = this.#connection
        .prepare(`UPDATE ${quoted(table)} SET ${name} = ${mark} || ${name} WHERE ${this.#fits(form, name)}`)
        .run().changes;
      const changed = this.#connection
        .prepare(
          `UPDATE ${quoted(table)} SET ${name} = ${this.#changed(form, rest)} WHERE substr(${name}, 1, ${MARK.length}) = ${mark}`,
        )
        .run().changes;
      if (marked === changed) return changed;
      throw new Error(`rows of ${table}.${column} had the mark of a rewriting before it`);
    } catch (error) {
      if (!/^SQLITE_CONSTRAINT_(?:UNIQUE|PRIMARYKEY)/.test(codeOf(error))) throw error;
      throw new Error(
        `two rows of ${table}.${column} would have the same path, since one is there already; map to a path that no row has`,
      );
    }
  }

  #fits(form: PathForm, value: string): string {
    const paths = pathsOf(value);
    if (form === 'text') return `${paths} AND ${textFits(this.#mapper.ordered, value)}`;
    return `${paths} AND ${rewritten(form, value)} IS NOT NULL`;
  }

  #changed(form: PathForm, value: string): string {
    return form === 'text' ? textExpression(this.#mapper.ordered, value) : rewritten(form, value);
  }
}

function functionName(form: PathForm): string {
  return `snap_${form}_path`;
}

function rewritten(form: PathForm, value: string): string {
  return `${functionName(form)}(${value}, ${bytesIfReplaced(value)})`;
}

/** NULL for a value in which nothing fits. A statement asks for each value twice, one after the other. */
function defineFunction(connection: Connection, mapper: PathMapper, form: PathForm): void {
  let last: { readonly value: string; readonly changed: string | null } | undefined;
  connection.function(functionName(form), { deterministic: true }, (value: unknown, bytes: unknown) => {
    if (typeof value !== 'string' || value.length > PATH_VALUE_BYTES_MAX) return null;
    // Other bytes may make the same text where they are none.
    if (bytes instanceof Uint8Array) return mapper.rewrite(form, value, bytes)?.value ?? null;
    if (last?.value !== value) last = { value, changed: mapper.rewrite(form, value)?.value ?? null };
    return last.changed;
  });
}

function schemaOf(connection: Connection): string {
  const rows = connection
    .prepare('SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name')
    .raw()
    .all();
  return JSON.stringify(rows);
}

/** Statements that make the triggers again that are gone now, in their order. */
function takeTriggersOut(connection: Connection, columns: readonly PathColumnRequest[]): string[] {
  const find = connection.prepare<[string], { readonly name: string; readonly sql: string }>(
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY rowid",
  );
  const tables = [...new Map(columns.map(({ table }) => [table.toLowerCase(), table])).values()];
  const triggers = tables.flatMap((table) => find.all(table));
  for (const { name } of triggers) connection.exec(`DROP TRIGGER ${quoted(name)}`);
  return triggers.map(({ sql }) => sql);
}

/** Full-text tables that index one of these columns and leave it to triggers to tell them what changed. */
function fullTextOver(connection: Connection, columns: readonly PathColumnRequest[]): string[] {
  const virtual = connection
    .prepare<[], { readonly name: string; readonly sql: string }>(
      "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name",
    )
    .all();
  const columnsOf = connection.prepare<[string], string>('SELECT lower(name) FROM pragma_table_info(?)').pluck();
  return virtual.flatMap(({ name, sql }) => {
    if (!/\busing\s+fts[345]\b/i.test(sql)) return [];
    const content = /\bcontent\s*=\s*(?:"([^"]+)"|'([^']+)'|`([^`]+)`|\[([^\]]+)\]|([^\s,)"'`]+))/i.exec(sql);
    const table = content?.slice(1).find((one) => one !== undefined);
    if (table === undefined) return [];
    const own = new Set(columnsOf.all(name));
    const isOver = columns.some(
      (one) => one.table.toLowerCase() === table.toLowerCase() && own.has(one.column.toLowerCase()),
    );
    return isOver ? [name] : [];
  });
}
