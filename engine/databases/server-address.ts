/** Where a database server is, from a URL. Passwords never stand in one: it shows in lists of processes and in logs. */

import { readFileSync } from 'node:fs';
import { EngineError, errorMessage } from '../base/errors.ts';

export type ServerKind = 'postgresql' | 'mariadb';

/** Variables that client programs are started with: the door's own, as the engine reads none. */
export type Environment = { readonly [name: string]: string | undefined };

/** A server as a door names it. */
export interface DatabaseServer {
  /** `postgresql://[USER@]HOST[:PORT][/DATABASE]` or `mariadb://...`; `?host=` or `?socket=` for a socket. */
  readonly url: string;
  readonly environment: Environment;
}

export interface ServerAddress {
  readonly kind: ServerKind;
  readonly host: string | undefined;
  readonly port: string | undefined;
  /** Folder of the socket (Postgres), or its path (MariaDB). */
  readonly socket: string | undefined;
  readonly user: string | undefined;
  /** Without one all databases are meant. */
  readonly database: string | undefined;
  /** Settings of the connection that are handed on, such as sslmode. */
  readonly settings: ReadonlyMap<string, string>;
  /** With the password of `password_file`, if one was named. */
  readonly environment: Environment;
  /** Not to appear in any message. */
  readonly secrets: readonly string[];
}

const KINDS: { readonly [scheme: string]: ServerKind } = {
  'postgresql:': 'postgresql',
  'postgres:': 'postgresql',
  'mariadb:': 'mariadb',
  'mysql:': 'mariadb',
};

const SETTINGS: { readonly [kind in ServerKind]: ReadonlySet<string> } = {
  postgresql: new Set(
    'sslmode sslrootcert sslcert sslkey sslcrl connect_timeout passfile service application_name keepalives'.split(' '),
  ),
  mariadb: new Set('ssl-ca ssl-cert ssl-key ssl-verify-server-cert defaults-extra-file'.split(' ')),
};

const WAYS: { readonly [kind in ServerKind]: string } = {
  postgresql: 'PGPASSFILE (or ~/.pgpass), PGPASSWORD, or ?password_file=FILE in the URL',
  mariadb: 'an option file (~/.my.cnf, or ?defaults-extra-file=FILE in the URL), MYSQL_PWD, or ?password_file=FILE',
};

interface UrlParts {
  readonly scheme: string;
  readonly user: string;
  readonly hasPassword: boolean;
  readonly host: string;
  readonly port: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** As libpq reads it: a user may stand before no host at all, which URL's own parser refuses. */
function splitUrl(text: string): UrlParts | undefined {
  const [, scheme = '', authority = '', path = '', query = ''] =
    /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(text) ?? [];
  const at = authority.lastIndexOf('@');
  const [user = '', ...password] = authority.slice(0, Math.max(0, at)).split(':');
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:[\]]*)(?::(\d{1,5}))?$/.exec(authority.slice(at + 1)) ?? [
    '',
    undefined,
  ];
  const isWhole = scheme !== '' && (host !== '' || authority.slice(at + 1) === '' || port !== '');
  // An "@" behind the authority is the end of a password with a "/" in it, or has to be written as %40.
  if (!isWhole || path.includes('@')) return undefined;
  const hasPassword = password.length > 0;
  return { scheme: `${scheme.toLowerCase()}:`, user, hasPassword, host, port, path, query: new URLSearchParams(query) };
}

/** INVALID_ARGUMENT for what is no URL of a known server, and for one with a password in it, which no message repeats. */
export function parseServer({ url: text, environment }: DatabaseServer): ServerAddress {
  const url = splitUrl(text);
  if (url === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'The URL of a database server cannot be read. It looks like postgresql://user@host:5432/database or mariadb://user@host/database, without a password',
    );
  }
  const kind = KINDS[url.scheme];
  if (kind === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `A database server is named by postgresql:// or mariadb://, not "${url.scheme}"`,
    );
  }
  if (url.hasPassword || ['password', 'sslpassword'].some((name) => url.query.has(name))) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `The URL of the ${kind} server holds a password, which everyone on this machine could read: give it by ${WAYS[kind]}`,
    );
  }
  return addressOf(kind, url, environment);
}

function addressOf(kind: ServerKind, url: UrlParts, environment: Environment): ServerAddress {
  const given = new Map(url.query);
  const take = (name: string): string | undefined => {
    const value = given.get(name);
    given.delete(name);
    return value === '' ? undefined : value;
  };
  const named = decoded(url.host.replace(/^\[(.*)\]$/, '$1')) ?? take('host');
  const socket = kind === 'mariadb' ? take('socket') : named?.startsWith('/') === true ? named : undefined;
  const port = url.port === '' ? take('port') : url.port;
  const passwordFile = take('password_file');
  const unknown = [...given.keys()].find((name) => !SETTINGS[kind].has(name));
  if (unknown !== undefined) {
    throw new EngineError('INVALID_ARGUMENT', `The URL of the ${kind} server has an unknown setting "${unknown}"`);
  }
  const password = passwordFile === undefined ? undefined : readPassword(passwordFile);
  const variable = kind === 'postgresql' ? 'PGPASSWORD' : 'MYSQL_PWD';
  const full = password === undefined ? environment : { ...environment, [variable]: password };
  return {
    kind,
    host: socket === undefined ? named : undefined,
    port,
    socket,
    user: decoded(url.user),
    database: decoded(url.path),
    settings: given,
    environment: full,
    secrets: [full[variable] ?? ''].filter((secret) => secret !== ''),
  };
}

function decoded(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new EngineError('INVALID_ARGUMENT', 'The URL of a database server has a "%" that begins no byte');
  }
}

/** One closing line break is not part of it. */
function readPassword(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `The password file of a database server cannot be read: ${errorMessage(error)}`,
    );
  }
}

/** For people: `postgresql at /run/postgresql`, `mariadb at db:3306`. */
export function describeServer(address: ServerAddress): string {
  const { kind, host, port, socket } = address;
  if (socket !== undefined) return `${kind} at ${socket}`;
  return `${kind} at ${host ?? 'its usual place'}${port === undefined ? '' : `:${port}`}`;
}

/** The same for all URLs of one server; fit for a folder's name. */
export function serverName({ host, port, socket }: ServerAddress): string {
  return fileName(`${socket ?? host ?? 'local'}${port === undefined ? '' : `_${port}`}`);
}

/** A name as one component of a path, different for different names. */
export function fileName(text: string): string {
  const coded = (character: string): string =>
    `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  return text.replace(/[%/\\]|\p{Cc}/gu, coded).replace(/^\./, coded);
}
