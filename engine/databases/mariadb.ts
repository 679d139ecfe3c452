/** A MariaDB server's databases as dumps, each of one moment as far as its tables are transactional. */

import { DUMP_CONNECT_SECONDS_MAX } from '../base/limits.ts';
import { askClient, type ClientCommand, findProgram } from './client-process.ts';
import { MariadbScanner } from './mariadb-scanner.ts';
import { describeServer, fileName, type ServerAddress } from './server-address.ts';
import { type DumpPlan, type ServerDumps, streamDump } from './server-dump.ts';

const PACKAGE = 'the MariaDB client programs (Debian: mariadb-client)';
const LAST_LINE = /-- Dump completed(?: on [^\n]*)?\n\s*$/;
const SYSTEM_DATABASES = new Set(['information_schema', 'performance_schema', 'mysql', 'sys']);

/** What each program is called here, and was called before. */
const PROGRAMS = { client: ['mariadb', 'mysql'], dumper: ['mariadb-dump', 'mysqldump'] } as const;

export function mariadbCommand(
  address: ServerAddress,
  program: keyof typeof PROGRAMS,
  parameters: readonly string[],
): ClientCommand {
  const { host, port, socket, user, settings, environment, secrets } = address;
  const defaults = settings.get('defaults-extra-file');
  return {
    program: findProgram(PROGRAMS[program], environment, PACKAGE),
    parameters: [
      // It has to come first.
      ...(defaults === undefined ? [] : [`--defaults-extra-file=${defaults}`]),
      ...(host === undefined ? [] : [`--host=${host}`]),
      ...(port === undefined ? [] : [`--port=${port}`]),
      ...(host !== undefined && port !== undefined ? ['--protocol=tcp'] : []),
      ...(socket === undefined ? [] : [`--socket=${socket}`]),
      ...(user === undefined ? [] : [`--user=${user}`]),
      ...[...settings].filter(([name]) => name !== 'defaults-extra-file').map(([name, value]) => `--${name}=${value}`),
      ...parameters,
    ],
    environment,
    secrets,
  };
}

/** Answers of a query that gives one JSON text a row. */
export async function askMariadb(
  address: ServerAddress,
  sql: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly [name: string]: unknown }[]> {
  const parameters = [
    '--batch',
    '--raw',
    '--skip-column-names',
    '--default-character-set=utf8mb4',
    `--connect-timeout=${DUMP_CONNECT_SECONDS_MAX}`,
    `--execute=${sql}`,
  ];
  const answer = await askClient(mariadbCommand(address, 'client', parameters), signal);
  return answer
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { readonly [name: string]: unknown });
}

const DATABASES_QUESTION = `SELECT JSON_OBJECT('name', s.SCHEMA_NAME, 'charset', s.DEFAULT_CHARACTER_SET_NAME,
  'collation', s.DEFAULT_COLLATION_NAME, 'version', VERSION(), 'plainTables', (SELECT COUNT(*) FROM information_schema.TABLES t
  WHERE t.TABLE_SCHEMA = s.SCHEMA_NAME AND t.TABLE_TYPE = 'BASE TABLE' AND t.ENGINE <> 'InnoDB'))
  FROM information_schema.SCHEMATA s ORDER BY s.SCHEMA_NAME`;

/** As for Postgres; accounts are no part of it. */
export async function planMariadbDumps(
  address: ServerAddress,
  names: ReadonlySet<string> | undefined,
  signal: AbortSignal | undefined,
): Promise<ServerDumps> {
  const found = await askMariadb(address, DATABASES_QUESTION, signal);
  const version = await askClient(mariadbCommand(address, 'dumper', ['--version']), signal);
  const wanted = found.filter(({ name }) =>
    names === undefined ? !SYSTEM_DATABASES.has(String(name)) : names.has(String(name)),
  );
  const missing = [...(names ?? [])].filter((name) => !wanted.some((one) => one['name'] === name));
  return {
    kind: 'mariadb',
    serverVersion: String(found[0]?.['version'] ?? ''),
    dumperVersion: version.trim(),
    dumps: wanted.map((facts) => databasePlan(address, facts)),
    missing: missing.map((database) => ({
      database,
      message: `There is no database "${database}" in ${describeServer(address)}, or this user may not see it`,
    })),
  };
}

/** Rows in order of their keys and without a date, so that what did not change is the same bytes each night. */
export const DUMP_FLAGS: readonly string[] = [
  '--single-transaction',
  '--quick',
  '--routines',
  '--events',
  '--triggers',
  '--skip-dump-date',
  '--order-by-primary',
  '--hex-blob',
  '--default-character-set=utf8mb4',
  '--max-allowed-packet=1G',
];

function databasePlan(address: ServerAddress, found: { readonly [name: string]: unknown }): DumpPlan {
  const database = String(found['name']);
  const plainTables = Number(found['plainTables']);
  return {
    database,
    fileName: `${fileName(database)}.sql`,
    facts: { charset: String(found['charset']), collation: String(found['collation']), plainTables },
    notes:
      plainTables === 0
        ? []
        : [
            `${plainTables} tables of the database "${database}" are not InnoDB: their rows are not of one moment if somebody writes meanwhile`,
          ],
    dump: (sink) =>
      streamDump(mariadbCommand(address, 'dumper', [...DUMP_FLAGS, '--', database]), sink, {
        scanner: new MariadbScanner(),
        lastLine: LAST_LINE,
      }),
  };
}
