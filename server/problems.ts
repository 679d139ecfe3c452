/** Errors as a client sees them: problem details (RFC 9457) with the engine's code. */

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { EngineError, type ErrorCode, isEngineError } from '../engine/index.ts';

/** What went wrong in the server itself; the engine's own codes come beside them. */
export const SERVER_CODES = [
  'REQUEST_INVALID',
  'NOT_SIGNED_IN',
  'SIGN_IN_FAILED',
  'CSRF_MISSING',
  'SCOPE_MISSING',
  'SETUP_LINK_INVALID',
  'NOT_FOUND',
  'CONFLICT',
  'TOO_MANY_REQUESTS',
  'TOO_LARGE',
  'MEDIA_TYPE_UNKNOWN',
  'METHOD_WRONG',
  'RANGE_INVALID',
  'BUSY',
] as const;
export type ServerCode = (typeof SERVER_CODES)[number];

/** A new code does not compile until it is placed. */
const STATUS = {
  REQUEST_INVALID: 400,
  NOT_SIGNED_IN: 401,
  SIGN_IN_FAILED: 401,
  CSRF_MISSING: 403,
  SCOPE_MISSING: 403,
  SETUP_LINK_INVALID: 403,
  NOT_FOUND: 404,
  METHOD_WRONG: 405,
  CONFLICT: 409,
  TOO_MANY_REQUESTS: 429,
  TOO_LARGE: 413,
  MEDIA_TYPE_UNKNOWN: 415,
  RANGE_INVALID: 416,
  BUSY: 503,

  INVALID_ARGUMENT: 400,
  REPOSITORY_NOT_FOUND: 503,
  REPOSITORY_EXISTS: 409,
  REPOSITORY_UNSUPPORTED: 503,
  REPOSITORY_CHANGED: 503,
  REPOSITORY_LOCKED: 409,
  LEASE_LOST: 409,
  CLOCKS_DISAGREE: 503,
  PASSWORD_WRONG: 503,
  PASSWORD_MISSING: 503,
  KEY_NOT_FOUND: 404,
  KEY_LAST: 409,
  SNAPSHOT_NOT_FOUND: 404,
  SNAPSHOT_AMBIGUOUS: 409,
  RETENTION_REFUSED: 409,
  PATH_NOT_FOUND: 404,
  SOURCE_MISSING: 409,
  TARGET_NOT_EMPTY: 409,
  TARGET_IN_USE: 409,
  DELETION_REFUSED: 409,
  TARGET_UNSAFE: 409,
  TARGET_FAILED: 507,
  OBJECT_MISSING: 500,
  OBJECT_CORRUPT: 500,
  OBJECT_UNREADABLE: 500,
  STORAGE_FAILED: 503,
  OBJECT_EXISTS: 409,
  LIMIT_EXCEEDED: 422,
  INTERRUPTED: 503,
  ARCHIVE_INVALID: 422,
  DATABASE_FAILED: 500,
  PROBLEMS_FOUND: 409,
  COMMAND_FAILED: 500,
  INTERNAL: 500,
} as const satisfies Record<ErrorCode | ServerCode, number>;

export type ProblemCode = keyof typeof STATUS;

export const PROBLEM_CODES = Object.keys(STATUS) as readonly ProblemCode[];

export function statusOf(code: ProblemCode): number {
  return STATUS[code];
}

export interface ProblemDetails {
  /** A URN, since there is no page to point to. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ProblemCode;
}

/** An answer that is not what was asked for. `headers` go with it. */
export class ServerError extends Error {
  readonly code: ServerCode;
  readonly headers: { readonly [name: string]: string };

  constructor(code: ServerCode, message: string, headers: { readonly [name: string]: string } = {}) {
    super(message);
    this.name = 'ServerError';
    this.code = code;
    this.headers = headers;
  }
}

/** `SNAPSHOT_NOT_FOUND` as `Snapshot not found`. */
function titleOf(code: ProblemCode): string {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
}

export function problemDetails(code: ProblemCode, detail: string): ProblemDetails {
  return {
    type: `urn:snap:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: titleOf(code),
    status: STATUS[code],
    detail,
    code,
  };
}

/** What a person is told of an error. What only programmers understand stays in the log. */
export function problemOf(error: unknown): ProblemDetails {
  if (error instanceof ServerError) return problemDetails(error.code, error.message);
  if (isEngineError(error) && error.code !== 'INTERNAL') return problemDetails(error.code, error.message);
  if (isFastifyError(error)) return problemOfFastify(error);
  if (isFullState(error)) {
    return problemDetails('STORAGE_FAILED', "The server's own state cannot be written: its disk is full, or fails");
  }
  return problemDetails('INTERNAL', 'The server failed at this; its log says more');
}

/** Of SQLite, where the state lies. */
function isFullState(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^SQLITE_(?:FULL|IOERR|READONLY)/.test(String(error.code));
}

function isFastifyError(error: unknown): error is FastifyError {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
}

const CODE_BY_STATUS: { readonly [status: number]: ProblemCode } = {
  401: 'NOT_SIGNED_IN',
  404: 'NOT_FOUND',
  413: 'TOO_LARGE',
  415: 'MEDIA_TYPE_UNKNOWN',
  416: 'RANGE_INVALID',
  429: 'TOO_MANY_REQUESTS',
  503: 'BUSY',
};

function problemOfFastify(error: FastifyError): ProblemDetails {
  const { validation, validationContext } = error;
  if (validation !== undefined) {
    const words = validation.map((one) => `${validationContext ?? 'request'}${one.instancePath} ${one.message ?? ''}`);
    return problemDetails('REQUEST_INVALID', words.slice(0, 5).join('; '));
  }
  const status = error.statusCode ?? 500;
  if (status >= 500 && status !== 503) {
    return problemDetails('INTERNAL', 'The server failed at this; its log says more');
  }
  return problemDetails(CODE_BY_STATUS[status] ?? 'REQUEST_INVALID', error.message);
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Fastify's error handler. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const problem = problemOf(error);
  // Whoever went away stopped the work: that is no failure.
  if (problem.code === 'INTERRUPTED' && reply.raw.destroyed) request.log.debug('A client went away');
  else if (problem.status >= 500) request.log.error({ err: error }, 'A request failed');
  else request.log.debug({ code: problem.code }, 'A request was refused');
  // An answer that is under way already can only be cut off.
  if (reply.sent) return;
  if (error instanceof ServerError) reply.headers(error.headers);
  reply
    .code(problem.status)
    .header('cache-control', 'no-store')
    .type(PROBLEM_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problem);
}

export function notFound(what: string): ServerError {
  return new ServerError('NOT_FOUND', what);
}

/** What another process told of an error, as one again. */
export function engineErrorOf(code: ErrorCode, message: string): EngineError {
  return new EngineError(code, message);
}
