/**
 * Real database servers for tests, each with data and socket of its own in a private folder, as a user without rights
 * where this is root (Postgres insists). Where a server's programs are missing they are installed; where that is not
 * possible a test is skipped and says why.
 */

import { type ChildProcess, execFileSync, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;
const asNobody = isRoot ? { uid: NOBODY, gid: NOBODY } : {};

export interface TestServer {
  readonly kind: 'postgresql' | 'mariadb';
  readonly folder: string;
  /** Without a database; of a superuser, through the socket. */
  readonly url: string;
  /** Of a database, or another user, or with further settings. */
  urlOf(database: string, more?: { readonly user?: string; readonly query?: string }): string;
  /** Through TCP. */
  readonly tcpUrl: string;
  readonly pid: number;
  /** Runs statements and returns what they print, values apart by tabs. */
  sql(database: string, statements: string): string;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

interface Programs {
  readonly package: string;
  readonly find: () => string | undefined;
}

function findIn(folders: readonly string[], name: string): string | undefined {
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

const PATH_FOLDERS = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];

/** Debian keeps a server's programs off the PATH, by version. */
function postgresFolders(): string[] {
  const base = '/usr/lib/postgresql';
  const versions = existsSync(base) ? readdirSync(base).sort((a, b) => Number(b) - Number(a)) : [];
  return [...versions.map((version) => join(base, version, 'bin')), ...PATH_FOLDERS];
}

const PROGRAMS: { readonly [kind in TestServer['kind']]: Programs } = {
  postgresql: {
    package: 'postgresql',
    find: () => (findIn(PATH_FOLDERS, 'pg_dump') === undefined ? undefined : findIn(postgresFolders(), 'initdb')),
  },
  mariadb: { package: 'mariadb-server', find: () => findIn(PATH_FOLDERS, 'mariadbd') },
};

/** Where the server's main program lies, or why there is none. */
function programOf(kind: TestServer['kind']): { readonly path: string } | { readonly missing: string } {
  const { find, package: wanted } = PROGRAMS[kind];
  const path = find();
  if (path !== undefined) return { path };
  return { missing: `${wanted} is not installed (test/setup.mjs installs it where it may)` };
}

/** For a test's `skip`: a reason, or false. */
export function lacks(kind: TestServer['kind']): string | false {
  const found = programOf(kind);
  return 'missing' in found ? found.missing : false;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function serverFolder(): string {
  // Paths of sockets are short.
  const folder = mkdtempSync(join(tmpdir(), 'snap-db-'));
  chmodSync(folder, 0o755);
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  return folder;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const over = once(child, 'exit');
  child.kill(signal);
  await over;
}

async function until(what: string, isReady: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (isReady()) return;
    await sleep(100);
  }
  throw new Error(`${what} did not start within 30 seconds`);
}

/** A server that ends with this process, however that ends. */
function startProgram(program: string, parameters: readonly string[], options: SpawnOptions): ChildProcess {
  const setpriv = findIn(PATH_FOLDERS, 'setpriv');
  return setpriv === undefined
    ? spawn(program, parameters, options)
    : spawn(setpriv, ['--pdeathsig', 'KILL', program, ...parameters], options);
}

const running = new Set<{ readonly child: ChildProcess; readonly folder: string }>();

process.on('exit', () => {
  for (const { child, folder } of running) {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
});

function keep(child: ChildProcess, folder: string): (signal: NodeJS.Signals) => Promise<void> {
  const entry = { child, folder };
  running.add(entry);
  return async (signal) => {
    await end(child, signal);
    running.delete(entry);
    rmSync(folder, { recursive: true, force: true });
  };
}

export async function startServer(kind: TestServer['kind']): Promise<TestServer> {
  return kind === 'postgresql' ? startPostgres() : startMariadb();
}

async function startPostgres(): Promise<TestServer> {
  const found = programOf('postgresql');
  if ('missing' in found) throw new Error(found.missing);
  const folder = serverFolder();
  const data = join(folder, 'data');
  const port = await freePort();
  const env = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' };
  execFileSync(found.path, ['-D', data, '-U', 'owner', '-A', 'trust', '-E', 'UTF8', '--no-sync'], {
    ...asNobody,
    env,
    cwd: folder,
    stdio: 'ignore',
  });
  // Through TCP a password is asked for.
  execFileSync(
    'sh',
    ['-c', `printf 'local all all trust\\nhost all all 127.0.0.1/32 scram-sha-256\\n' > ${data}/pg_hba.conf`],
    {
      ...asNobody,
    },
  );
  const parameters = ['-D', data, '-k', folder, '-p', `${port}`, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'];
  const child = startProgram(join(found.path, '..', 'postgres'), parameters, {
    ...asNobody,
    env,
    cwd: folder,
    stdio: 'ignore',
  });
  const stop = keep(child, folder);
  const query = `host=${encodeURIComponent(folder)}&port=${port}`;
  const urlOf: TestServer['urlOf'] = (database, more = {}) =>
    `postgresql://${more.user ?? 'owner'}@/${encodeURIComponent(database)}?${query}${more.query === undefined ? '' : `&${more.query}`}`;
  const sql = (database: string, statements: string): string =>
    execFileSync('psql', ['-XAtq', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', urlOf(database), '-f', '-'], {
      encoding: 'utf8',
      input: statements,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  await until('postgres', () => spawnSync('psql', ['-XAtq', '-d', urlOf('postgres'), '-c', 'SELECT 1']).status === 0);
  return {
    kind: 'postgresql',
    folder,
    url: `postgresql://owner@/?${query}`,
    urlOf,
    tcpUrl: `postgresql://owner@127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    sql,
    stop: (signal = 'SIGINT') => stop(signal),
  };
}

async function startMariadb(): Promise<TestServer> {
  const found = programOf('mariadb');
  if ('missing' in found) throw new Error(found.missing);
  const folder = serverFolder();
  const data = join(folder, 'data');
  const socket = join(folder, 'sock');
  const port = await freePort();
  const install = ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'];
  execFileSync('mariadb-install-db', install, { ...asNobody, cwd: folder, stdio: 'ignore' });
  const parameters = [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${socket}`,
    `--pid-file=${folder}/pid`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--innodb-flush-log-at-trx-commit=0',
    '--character-set-server=utf8mb4',
    `--tmpdir=${folder}`,
  ];
  const child = startProgram(found.path, parameters, { ...asNobody, cwd: folder, stdio: 'ignore' });
  const stop = keep(child, folder);
  const sql = (database: string, statements: string): string =>
    execFileSync('mariadb', ['--no-defaults', '-u', 'root', '-S', socket, '-N', '-B', '-r', `--database=${database}`], {
      encoding: 'utf8',
      input: statements,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  await until(
    'mariadbd',
    () => spawnSync('mariadb', ['--no-defaults', '-u', 'root', '-S', socket, '-e', 'SELECT 1']).status === 0,
  );
  const query = `socket=${encodeURIComponent(socket)}`;
  return {
    kind: 'mariadb',
    folder,
    url: `mariadb://root@/?${query}`,
    urlOf: (database, more = {}) =>
      `mariadb://${more.user ?? 'root'}@/${encodeURIComponent(database)}?${query}${more.query === undefined ? '' : `&${more.query}`}`,
    tcpUrl: `mariadb://root@127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    sql,
    stop: (signal = 'SIGTERM') => stop(signal),
  };
}

/** The environment that a door hands on. */
export function ownEnvironment(more: { readonly [name: string]: string } = {}): { [name: string]: string | undefined } {
  return { ...process.env, ...more };
}
