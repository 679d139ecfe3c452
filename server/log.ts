/** The log: JSON lines, or lines for people on a terminal. Never a password, a token or a cookie. */

import { Writable } from 'node:stream';
import type { FastifyRequest, FastifyServerOptions } from 'fastify';
import type { LogOptions } from './options.ts';

/** Fields whose values never reach a log, wherever they stand. */
const SECRETS = ['authorization', 'cookie', 'password', 'token', 'csrf_token', 'credential'];

const LEVEL_NAMES: { readonly [level: number]: string } = {
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};
/** What every line has, or what says nothing to people. */
const QUIET_FIELDS = new Set(['level', 'time', 'pid', 'hostname', 'msg', 'reqId', 'req', 'res', 'err']);

export function loggerOptions({ level, format, write }: LogOptions): FastifyServerOptions['logger'] {
  const stream = new Writable({
    decodeStrings: false,
    write: (line: string | Buffer, _encoding, done) => {
      const text = line.toString();
      write(format === 'json' ? text : textLine(text));
      done();
    },
  });
  return {
    level,
    stream,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    serializers: {
      // Of an address only what names the route: a query may name people's files.
      req: (request: FastifyRequest) => ({
        method: request.method,
        path: pathOf(request.url),
        address: request.ip,
      }),
    },
  };
}

export function pathOf(url: string | undefined): string {
  return (url ?? '').split(/[?#]/, 1)[0] ?? '';
}

interface LogLine {
  readonly level: string | number;
  readonly time: string;
  readonly msg?: string;
  readonly err?: { readonly message?: string };
  readonly req?: { readonly method: string; readonly path: string };
  readonly [field: string]: unknown;
}

/** `02:00:13 warn   A job failed  job=3 reason="..."` */
function textLine(json: string): string {
  let line: LogLine;
  try {
    line = JSON.parse(json) as LogLine;
  } catch {
    return json;
  }
  const level = typeof line.level === 'number' ? (LEVEL_NAMES[line.level] ?? '') : line.level;
  const fields = Object.entries(line)
    .filter(([name, value]) => !QUIET_FIELDS.has(name) && value !== undefined && value !== null)
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : JSON.stringify(value)}`,
    );
  const error = line.err?.message === undefined ? [] : [line.err.message];
  const request = line.req === undefined ? [] : [`${line.req.method} ${line.req.path}`];
  const time = new Date(line.time).toTimeString().slice(0, 8);
  return `${printable([`${time} ${level.padEnd(6)} ${line.msg ?? ''}`, ...request, ...error, ...fields].join('  '))}\n`;
}

/** Names may hold anything: control characters never reach a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
