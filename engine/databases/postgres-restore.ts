/**
 * A plain dump back into Postgres, through psql and in one transaction. The COMMIT is the last line that psql is fed, so
 * that whatever ends early (psql, this process, the connection, the snapshot's bytes) leaves what was there: psql takes
 * the end of its input for the end of all, rows and its own --single-transaction included, and would commit a half.
 */

import { randomBytes } from 'node:crypto';
import { EngineError } from '../base/errors.ts';
import { DUMP_LOCK_WAIT_MS_MAX } from '../base/limits.ts';
import { feedClient } from './client-process.ts';
import { askPostgres, askUsualDatabase, postgresCommand, postgresUrl } from './postgres.ts';
import { PostgresScanner } from './postgres-scanner.ts';
import type { DatabaseState, DatabaseTarget } from './restore-target.ts';
import type { TableRows } from './table-rows.ts';

/** What is not the system's, nor an extension's. */
const OBJECTS_QUESTION = `SELECT json_build_object('objects',
  (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r','p','v','m','S','f')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
  + (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
  + (SELECT count(*) FROM pg_largeobject_metadata))`;

export async function lookAtPostgres(target: DatabaseTarget): Promise<DatabaseState> {
  const { address, database, signal } = target;
  const sql = `SELECT json_build_object('name', datname) FROM pg_database WHERE datname = ${literal(database)}`;
  const found = await askUsualDatabase(address, sql, signal);
  if (found.length === 0) return { exists: false, objects: 0 };
  const [held] = await askPostgres(address, { database, sql: OBJECTS_QUESTION, signal });
  return { exists: true, objects: Number(held?.['objects'] ?? 0) };
}

/** Returns the rows that were restored. DATABASE_FAILED: nothing has changed, but for an empty database that was made. */
export async function restorePostgres(
  target: DatabaseTarget,
  state: DatabaseState,
  dump: AsyncIterable<Buffer>,
): Promise<readonly TableRows[]> {
  if (!state.exists) await create(target);
  try {
    return await feed(target, state, dump);
  } catch (error) {
    if (!state.exists) await drop(target).catch(() => undefined);
    throw explained(error);
  }
}

async function feed(
  target: DatabaseTarget,
  state: DatabaseState,
  dump: AsyncIterable<Buffer>,
): Promise<readonly TableRows[]> {
  const { address, database, signal } = target;
  const scanner = new PostgresScanner({ restoring: true });
  async function* script(): AsyncGenerator<Buffer> {
    yield Buffer.from(`BEGIN;\nSET LOCAL lock_timeout = ${DUMP_LOCK_WAIT_MS_MAX};\n`);
    if (state.objects > 0) yield Buffer.from(emptyingScript());
    for await (const piece of dump) yield* scanner.feed(piece);
    if (!scanner.isBetweenStatements) {
      throw new EngineError('DATABASE_FAILED', 'The dump ends in the middle of a statement: it is not restored');
    }
    yield Buffer.from('\nCOMMIT;\n');
  }
  const url = postgresUrl(address, database);
  const parameters = ['-X', '-q', '-w', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', url, '-f', '-'];
  await feedClient(postgresCommand(address, 'psql', parameters), script(), signal);
  return scanner.rows.list;
}

async function create({ address, database, facts, signal, onNote }: DatabaseTarget): Promise<void> {
  const text = (name: string): string | undefined => {
    const value = facts[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const { encoding, collate, ctype } = { encoding: text('encoding'), collate: text('collate'), ctype: text('ctype') };
  const begin = `CREATE DATABASE ${identifier(database)} TEMPLATE template0`;
  const coded = encoding === undefined ? '' : ` ENCODING ${literal(encoding)}`;
  const locale =
    collate === undefined || ctype === undefined ? '' : ` LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`;
  try {
    await askUsualDatabase(address, `${begin}${coded}${locale}`, signal);
  } catch (error) {
    if (!(error instanceof EngineError) || !/invalid (?:LC_COLLATE )?locale name/.test(error.message)) throw error;
    onNote(`This server has no locale ${collate ?? ''}: the database "${database}" is made with the server's own`);
    await askUsualDatabase(address, `${begin}${coded}`, signal);
  }
}

async function drop({ address, database }: DatabaseTarget): Promise<void> {
  await askUsualDatabase(address, `DROP DATABASE IF EXISTS ${identifier(database)}`, undefined);
}

/** What is missing is often a role, and those are at hand. */
function explained(error: unknown): unknown {
  if (!(error instanceof EngineError) || !/role "[^"]*" does not exist/.test(error.message)) return error;
  return new EngineError(
    error.code,
    `${error.message}. The roles of the server lie beside the dump: "snap cat SNAP:/.snap-databases/postgresql/globals.sql | psql" brings them back`,
    error,
  );
}

/** All but the system's own, in the transaction of the restore. The schema public comes back as a new database has it. */
function emptyingScript(): string {
  const tag = `$snap_${randomBytes(6).toString('hex')}$`;
  return `DO ${tag} DECLARE one record; owner name; BEGIN
FOR one IN SELECT evtname AS name FROM pg_event_trigger LOOP EXECUTE format('DROP EVENT TRIGGER %I CASCADE', one.name); END LOOP;
FOR one IN SELECT pubname AS name FROM pg_publication LOOP EXECUTE format('DROP PUBLICATION %I CASCADE', one.name); END LOOP;
FOR one IN SELECT extname AS name FROM pg_extension WHERE extname <> 'plpgsql' LOOP EXECUTE format('DROP EXTENSION IF EXISTS %I CASCADE', one.name); END LOOP;
FOR one IN SELECT fdwname AS name FROM pg_foreign_data_wrapper LOOP EXECUTE format('DROP FOREIGN DATA WRAPPER %I CASCADE', one.name); END LOOP;
PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
SELECT pg_get_userbyid(nspowner) INTO owner FROM pg_namespace WHERE nspname = 'public';
FOR one IN SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP EXECUTE format('DROP SCHEMA %I CASCADE', one.name); END LOOP;
EXECUTE format('CREATE SCHEMA public AUTHORIZATION %I', coalesce(owner, current_user));
COMMENT ON SCHEMA public IS 'standard public schema';
IF current_setting('server_version_num')::int >= 150000 THEN GRANT USAGE ON SCHEMA public TO PUBLIC;
ELSE GRANT ALL ON SCHEMA public TO PUBLIC; END IF;
END ${tag};\n`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
