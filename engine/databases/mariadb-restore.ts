/**
 * A dump back into MariaDB, whose DDL is no part of a transaction. So all of it goes into a database beside the target
 * first, which proves that it loads; then one RENAME TABLE, which is atomic, takes the old tables out and puts the new
 * ones in. Triggers, views, routines and events cannot be renamed: the old ones go just before, the new ones are made
 * just behind. A failure or a kill before that leaves the target as it was; what lies beside it is removed by the next
 * restore of the same target.
 */

import { randomBytes } from 'node:crypto';
import { EngineError } from '../base/errors.ts';
import { DUMP_CODE_BYTES_MAX, DUMP_LOCK_WAIT_MS_MAX } from '../base/limits.ts';
import { feedClient, readClient } from './client-process.ts';
import { askMariadb, mariadbCommand } from './mariadb.ts';
import { MariadbScanner } from './mariadb-scanner.ts';
import type { DatabaseState, DatabaseTarget } from './restore-target.ts';
import type { TableRows } from './table-rows.ts';

const SCRATCH_MARK = '#snap-new-';
const ASIDE_MARK = '#snap-old-';
/** Of a name, in characters. */
const NAME_LENGTH = 64;
const MARK_HEX = 8;

export async function lookAtMariadb(target: DatabaseTarget): Promise<DatabaseState> {
  const name = literal(target.database);
  const sql = `SELECT JSON_OBJECT('objects', (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${name})
    + (SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ${name})
    + (SELECT COUNT(*) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ${name}))
    FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ${name}`;
  const [found] = await askMariadb(target.address, sql, target.signal);
  return { exists: found !== undefined, objects: Number(found?.['objects'] ?? 0) };
}

/** Returns the rows that were restored. DATABASE_FAILED says whether the target is as it was. */
export async function restoreMariadb(
  target: DatabaseTarget,
  state: DatabaseState,
  dump: AsyncIterable<Buffer>,
): Promise<readonly TableRows[]> {
  const names = namesBeside(target.database);
  await sweep(target, names);
  try {
    const rows = await load(target, names.scratch, dump);
    await swap(target, state, names);
    return rows;
  } finally {
    // After an interruption, too: without the signal.
    await run({ ...target, signal: undefined }, `DROP DATABASE IF EXISTS ${identifier(names.scratch)};`).catch(() =>
      target.onNote(`The database "${names.scratch}" is left over and may be dropped`),
    );
  }
}

interface Names {
  readonly scratch: string;
  readonly aside: string;
  /** How all of this target's begin. */
  readonly prefixes: readonly [string, string];
}

function namesBeside(database: string): Names {
  const room = NAME_LENGTH - SCRATCH_MARK.length - MARK_HEX;
  const prefixes = [SCRATCH_MARK, ASIDE_MARK].map((mark) => `${database.slice(0, room)}${mark}`);
  const [scratch = '', aside = ''] = prefixes;
  const id = randomBytes(MARK_HEX / 2).toString('hex');
  return { scratch: `${scratch}${id}`, aside: `${aside}${id}`, prefixes: [scratch, aside] };
}

/** Removes what restores of this target left that were killed. */
async function sweep(target: DatabaseTarget, { prefixes }: Names): Promise<void> {
  const [scratch, aside] = prefixes;
  const all = await askMariadb(
    target.address,
    "SELECT JSON_OBJECT('name', SCHEMA_NAME) FROM information_schema.SCHEMATA",
    target.signal,
  );
  for (const name of all.map((one) => String(one['name']))) {
    const isScratch = name.startsWith(scratch) && name.length === scratch.length + MARK_HEX;
    if (isScratch) await run(target, `DROP DATABASE ${identifier(name)};`);
    else if (name.startsWith(aside)) {
      target.onNote(
        `The database "${name}" holds the tables that an interrupted restore took out of "${target.database}"`,
      );
    }
  }
}

async function load(
  target: DatabaseTarget,
  scratch: string,
  dump: AsyncIterable<Buffer>,
): Promise<readonly TableRows[]> {
  const { facts, signal, address } = target;
  await run(target, `CREATE DATABASE ${identifier(scratch)}${charset(facts)};`);
  const scanner = new MariadbScanner();
  async function* script(): AsyncGenerator<Buffer> {
    for await (const piece of dump) yield* scanner.feed(piece);
  }
  const parameters = ['--batch', '--max-allowed-packet=1G', '--default-character-set=utf8mb4', `--database=${scratch}`];
  try {
    await feedClient(mariadbCommand(address, 'client', parameters), script(), signal);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'DATABASE_FAILED') throw error;
    throw new EngineError(error.code, `${error.message}. The database "${target.database}" is as it was`, error);
  }
  return scanner.rows.list;
}

function charset(facts: DatabaseTarget['facts']): string {
  const word = (name: string): string => {
    const value = facts[name];
    return typeof value === 'string' && /^\w+$/.test(value) ? value : '';
  };
  const [set, collation] = [word('charset'), word('collation')];
  return `${set === '' ? '' : ` CHARACTER SET ${set}`}${collation === '' ? '' : ` COLLATE ${collation}`}`;
}

interface Objects {
  readonly tables: readonly string[];
  readonly views: readonly string[];
  readonly triggers: readonly string[];
  readonly routines: readonly { readonly name: string; readonly type: string }[];
  readonly events: readonly string[];
}

async function objectsOf(target: DatabaseTarget, database: string): Promise<Objects> {
  const name = literal(database);
  const sql = `SELECT JSON_OBJECT('kind', TABLE_TYPE, 'name', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ${name}
    UNION ALL SELECT JSON_OBJECT('kind', 'TRIGGER', 'name', TRIGGER_NAME) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ${name}
    UNION ALL SELECT JSON_OBJECT('kind', ROUTINE_TYPE, 'name', ROUTINE_NAME) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ${name}
    UNION ALL SELECT JSON_OBJECT('kind', 'EVENT', 'name', EVENT_NAME) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ${name}`;
  const found = (await askMariadb(target.address, sql, target.signal)).map((one) => ({
    kind: String(one['kind']),
    name: String(one['name']),
  }));
  const named = (...kinds: readonly string[]): string[] =>
    found.filter(({ kind }) => kinds.includes(kind)).map((one) => one.name);
  return {
    tables: named('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE'),
    views: named('VIEW'),
    triggers: named('TRIGGER'),
    routines: found
      .filter(({ kind }) => ['FUNCTION', 'PROCEDURE', 'PACKAGE', 'PACKAGE BODY'].includes(kind))
      .map(({ kind, name: routine }) => ({ type: kind, name: routine })),
    events: named('EVENT'),
  };
}

async function swap(target: DatabaseTarget, state: DatabaseState, names: Names): Promise<void> {
  const { database } = target;
  const scratch = await objectsOf(target, names.scratch);
  const old = state.exists ? await objectsOf(target, database) : undefined;
  const code = await codeOf(target, names.scratch, [
    '--no-data',
    '--no-create-info',
    '--routines',
    '--events',
    '--triggers',
  ]);
  const views =
    scratch.views.length === 0
      ? Buffer.alloc(0)
      : await codeOf(target, names.scratch, ['--no-data', '--skip-triggers'], scratch.views);
  const at = (where: string, name: string): string => `${identifier(where)}.${identifier(name)}`;
  const renames = [
    ...(old?.tables ?? []).map((name) => `${at(database, name)} TO ${at(names.aside, name)}`),
    ...scratch.tables.map((name) => `${at(names.scratch, name)} TO ${at(database, name)}`),
  ];
  const before = [
    `SET SESSION lock_wait_timeout = ${Math.ceil(DUMP_LOCK_WAIT_MS_MAX / 1000)}`,
    'SET SESSION foreign_key_checks = 0',
    `CREATE DATABASE IF NOT EXISTS ${identifier(database)}${charset(target.facts)}`,
    ...(old === undefined ? [] : [`CREATE DATABASE ${identifier(names.aside)}`]),
    ...scratch.triggers.map((name) => `DROP TRIGGER ${at(names.scratch, name)}`),
    ...(old?.triggers ?? []).map((name) => `DROP TRIGGER ${at(database, name)}`),
    ...(renames.length === 0 ? [] : [`RENAME TABLE ${renames.join(', ')}`]),
    ...(old?.views ?? []).map((name) => `DROP VIEW ${at(database, name)}`),
    ...(old?.routines ?? []).map(({ type, name }) => `DROP ${type} ${at(database, name)}`),
    ...(old?.events ?? []).map((name) => `DROP EVENT ${at(database, name)}`),
    `USE ${identifier(database)}`,
  ];
  const after = [
    `DROP DATABASE ${identifier(names.scratch)}`,
    ...(old === undefined ? [] : [`DROP DATABASE ${identifier(names.aside)}`]),
  ];
  const script = [...before.map((one) => `${one};\n`), code, views, '\n', ...after.map((one) => `${one};\n`)];
  try {
    await run(target, ...script);
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'DATABASE_FAILED') throw error;
    throw new EngineError(
      error.code,
      `${error.message}. The dump itself loaded, but could not be put in place: look at "${database}", whose old tables lie in "${names.aside}" if they are gone from it`,
      error,
    );
  }
}

/** What cannot be renamed, as statements. */
async function codeOf(
  target: DatabaseTarget,
  database: string,
  flags: readonly string[],
  tables: readonly string[] = [],
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const parameters = [
    '--skip-dump-date',
    '--default-character-set=utf8mb4',
    '--skip-lock-tables',
    ...flags,
    '--',
    database,
  ];
  await readClient(mariadbCommand(target.address, 'dumper', [...parameters, ...tables]), {
    signal: target.signal,
    onPiece: async (piece) => {
      bytes += piece.length;
      if (bytes > DUMP_CODE_BYTES_MAX) {
        throw new EngineError(
          'LIMIT_EXCEEDED',
          `Triggers, routines and views are more than ${DUMP_CODE_BYTES_MAX} bytes`,
        );
      }
      pieces.push(piece);
    },
  });
  return Buffer.concat(pieces);
}

async function run(target: DatabaseTarget, ...script: readonly (string | Buffer)[]): Promise<void> {
  async function* pieces(): AsyncGenerator<Buffer> {
    for (const part of script) yield Buffer.from(part as string);
  }
  const parameters = ['--batch', '--default-character-set=utf8mb4'];
  await feedClient(mariadbCommand(target.address, 'client', parameters), pieces(), target.signal);
}

function literal(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

function identifier(text: string): string {
  return `\`${text.replaceAll('`', '``')}\``;
}
