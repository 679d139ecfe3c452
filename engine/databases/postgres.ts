/** A Postgres server's databases and roles as plain dumps, each of one moment. */

import { EngineError } from '../base/errors.ts';
import { DUMP_CONNECT_SECONDS_MAX, DUMP_LOCK_WAIT_MS_MAX } from '../base/limits.ts';
import { askClient, type ClientCommand, findProgram } from './client-process.ts';
import { PostgresScanner } from './postgres-scanner.ts';
import { describeServer, type Environment, fileName, type ServerAddress } from './server-address.ts';
import { type DumpPlan, type ServerDumps, streamDump } from './server-dump.ts';

const PACKAGE = 'the Postgres client programs (Debian: postgresql-client)';
const LAST_LINE = /-- PostgreSQL database dump complete\n--\n\s*$/;
const LAST_LINE_OF_ROLES = /-- PostgreSQL database cluster dump complete\n--\n\s*$/;
/** Connected to in order to ask for the others; the second where there is no first. */
const USUAL_DATABASES = ['postgres', 'template1'];

/** As libpq takes it, for one database. No password is in it. */
export function postgresUrl(address: ServerAddress, database: string): string {
  const { host, port, socket, user, settings } = address;
  const encode = encodeURIComponent;
  const query = [
    ...(socket === undefined ? [] : [`host=${encode(socket)}`]),
    ...(socket === undefined || port === undefined ? [] : [`port=${encode(port)}`]),
    ...[...settings].map(([name, value]) => `${encode(name)}=${encode(value)}`),
  ];
  const name = host?.includes(':') === true ? `[${host}]` : encode(host ?? '');
  const authority = `${user === undefined ? '' : `${encode(user)}@`}${name}${host === undefined || port === undefined ? '' : `:${port}`}`;
  return `postgresql://${authority}/${encode(database)}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

export function postgresCommand(
  address: ServerAddress,
  program: string,
  parameters: readonly string[],
  more: Environment = {},
): ClientCommand {
  const { environment, secrets } = address;
  return {
    program: findProgram([program], environment, PACKAGE),
    parameters,
    environment: { PGCONNECT_TIMEOUT: String(DUMP_CONNECT_SECONDS_MAX), ...environment, ...more },
    secrets,
  };
}

/** Answers of a query that gives one JSON text a row. */
export async function askPostgres(
  address: ServerAddress,
  question: { readonly database: string; readonly sql: string; readonly signal: AbortSignal | undefined },
): Promise<{ readonly [name: string]: unknown }[]> {
  const url = postgresUrl(address, question.database);
  const parameters = ['-X', '-A', '-t', '-q', '-w', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', question.sql];
  const command = postgresCommand(address, 'psql', parameters, { PGCLIENTENCODING: 'UTF8' });
  const answer = await askClient(command, question.signal);
  return answer
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { readonly [name: string]: unknown });
}

/** The same, of a database that is there on nearly every server. */
export async function askUsualDatabase(
  address: ServerAddress,
  sql: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly [name: string]: unknown }[]> {
  try {
    return await askPostgres(address, { database: USUAL_DATABASES[0] ?? '', sql, signal });
  } catch (error) {
    if (!(error instanceof EngineError) || !/database "postgres" does not exist/.test(error.message)) throw error;
    return askPostgres(address, { database: USUAL_DATABASES[1] ?? '', sql, signal });
  }
}

const SERVER_QUESTION = `SELECT json_build_object(
  'version', current_setting('server_version'),
  'isSuperuser', coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false))`;

const DATABASES_QUESTION = `SELECT json_build_object(
  'name', datname, 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype,
  'owner', pg_get_userbyid(datdba))
  FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname`;

/**
 * What there is to dump: the databases that `names` has, or all, and the roles. DATABASE_FAILED where the server does
 * not answer; INTERRUPTED.
 */
export async function planPostgresDumps(
  address: ServerAddress,
  names: ReadonlySet<string> | undefined,
  signal: AbortSignal | undefined,
): Promise<ServerDumps> {
  const [only] = names ?? [];
  const ask = (sql: string): Promise<{ readonly [name: string]: unknown }[]> =>
    only === undefined
      ? askUsualDatabase(address, sql, signal)
      : askPostgres(address, { database: only, sql, signal }).catch(() => askUsualDatabase(address, sql, signal));
  const [server = {}] = await ask(SERVER_QUESTION);
  const found = await ask(DATABASES_QUESTION);
  const version = await askClient(postgresCommand(address, 'pg_dump', ['--version']), signal);
  const wanted = found.filter(({ name }) => names === undefined || names.has(String(name)));
  const missing = [...(names ?? [])].filter((name) => !wanted.some((one) => one['name'] === name));
  return {
    kind: 'postgresql',
    serverVersion: String(server['version']),
    dumperVersion: version.trim(),
    dumps: [rolesPlan(address, server['isSuperuser'] === true), ...wanted.map((facts) => databasePlan(address, facts))],
    missing: missing.map((database) => ({
      database,
      message: `There is no database "${database}" in ${describeServer(address)}, or nobody may connect to it`,
    })),
  };
}

function databasePlan(address: ServerAddress, found: { readonly [name: string]: unknown }): DumpPlan {
  const { name, ...rest } = found;
  const database = String(name);
  const parameters = [
    '--format=plain',
    '--no-password',
    `--lock-wait-timeout=${DUMP_LOCK_WAIT_MS_MAX}`,
    `--dbname=${postgresUrl(address, database)}`,
  ];
  return {
    database,
    // A database of this name must not take the place of the roles.
    fileName: database === 'globals' ? '%67lobals.sql' : `${fileName(database)}.sql`,
    facts: Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, String(value)])),
    notes: [],
    dump: (sink) =>
      streamDump(postgresCommand(address, 'pg_dump', parameters), sink, {
        scanner: new PostgresScanner({ restoring: false }),
        lastLine: LAST_LINE,
      }),
  };
}

function rolesPlan(address: ServerAddress, hasPasswords: boolean): DumpPlan {
  const [usual = ''] = USUAL_DATABASES;
  const parameters = [
    '--globals-only',
    '--no-password',
    ...(hasPasswords ? [] : ['--no-role-passwords']),
    `--dbname=${postgresUrl(address, address.database ?? usual)}`,
  ];
  return {
    database: undefined,
    fileName: 'globals.sql',
    facts: { roles: true, rolePasswords: hasPasswords },
    notes: hasPasswords
      ? []
      : [`Roles of ${describeServer(address)} are stored without their passwords, which only a superuser may read`],
    dump: (sink) =>
      streamDump(postgresCommand(address, 'pg_dumpall', parameters), sink, {
        scanner: new PostgresScanner({ restoring: false }),
        lastLine: LAST_LINE_OF_ROLES,
      }),
  };
}
