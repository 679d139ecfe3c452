/**
 * The one error the engine throws, and the closed set of its codes.
 *
 * A message says which action failed, on which object, with which facts, and what to do next, in that order. Doors map
 * codes to exit codes or HTTP statuses in exhaustive tables, so that a new code does not compile until it is placed.
 */

export const ERROR_CODES = [
  /** A bad value from the caller: an option, a path, a pattern. */
  'INVALID_ARGUMENT',
  /** No repository lies at the place that was named. */
  'REPOSITORY_NOT_FOUND',
  /** init was asked for a place where a repository already lies. */
  'REPOSITORY_EXISTS',
  /** The repository needs a newer program, or a feature that this one does not know. */
  'REPOSITORY_UNSUPPORTED',
  /** Another repository answers at a place this client knows: it is not fed. */
  'REPOSITORY_CHANGED',
  /** Somebody alive holds the repository exclusively. */
  'REPOSITORY_LOCKED',
  /** This run was taken for dead by another one, and what it refers to may be gone. */
  'LEASE_LOST',
  /** Clocks disagree so much that nobody can tell which runs live. */
  'CLOCKS_DISAGREE',
  'PASSWORD_WRONG',
  /** No password was given, and there is no terminal to ask on. */
  'PASSWORD_MISSING',
  'KEY_NOT_FOUND',
  /** The last key cannot be removed. */
  'KEY_LAST',
  'SNAPSHOT_NOT_FOUND',
  /** A prefix that fits more than one snapshot. */
  'SNAPSHOT_AMBIGUOUS',
  /** Retention that would lose what must stay: nothing is kept, a tag that no snapshot has, a pinned one, all of them. */
  'RETENTION_REFUSED',
  'PATH_NOT_FOUND',
  /** No source path exists, or nothing is left of them after the exclusions. */
  'SOURCE_MISSING',
  /** A target that is not empty, and no overwrite policy. */
  'TARGET_NOT_EMPTY',
  /** A program holds a database that is to be replaced. */
  'TARGET_IN_USE',
  /** More than half of what is there would be removed, and nobody said that this is meant. */
  'DELETION_REFUSED',
  /** A path cannot be written without following a link out of the target. */
  'TARGET_UNSAFE',
  /** The target cannot be written: full, read-only, an I/O error. */
  'TARGET_FAILED',
  /** A repository file that is named somewhere does not exist. */
  'OBJECT_MISSING',
  /** A repository file or blob whose bytes are not what was written. */
  'OBJECT_CORRUPT',
  /** A repository file that lies there and cannot be read, though the store answers: a bad sector, a wrong owner. Never as if it were absent. */
  'OBJECT_UNREADABLE',
  /** The store refused or failed: full, read-only, unreachable. Never a problem of a source file. */
  'STORAGE_FAILED',
  /** A write-once object exists already. */
  'OBJECT_EXISTS',
  /** One limit of limits.ts would be passed. */
  'LIMIT_EXCEEDED',
  /** The caller's AbortSignal fired. */
  'INTERRUPTED',
  /** An archive that is to be imported is none, is damaged, was cut off, or uses what is not known here. */
  'ARCHIVE_INVALID',
  /** A database could not be exported, checked or swapped. */
  'DATABASE_FAILED',
  /** --strict: problems were met and no snapshot was kept. */
  'PROBLEMS_FOUND',
  /** A program that was started failed. */
  'COMMAND_FAILED',
  /** A bug: something that cannot happen did. */
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export class EngineError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EngineError';
    this.code = code;
  }
}

/** True where `error` is an EngineError, with `code` if one is given. */
export function isEngineError(error: unknown, code?: ErrorCode): error is EngineError {
  return error instanceof EngineError && (code === undefined || error.code === code);
}

/** The errno name (`ENOENT`) of a system error, or undefined. */
export function errnoCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined;
}

/** What an error says, in one line, for a problem list. */
/** What a failure in one thread is told as in another one. */
export function portableError(error: unknown): { readonly code: ErrorCode; readonly message: string } {
  if (error instanceof EngineError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: errorMessage(error) };
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws INTERRUPTED once `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new EngineError('INTERRUPTED', 'Interrupted before the end');
}

/**
 * Something that went wrong with one source or target file: reported, counted, survived.
 * `path` is what a person would read; `pathBytes` is set where the name is not UTF-8.
 */
export interface Problem {
  readonly path: string;
  /** What was being done: `list`, `stat`, `open`, `read`, `export`, `write`, `metadata` ... */
  readonly during: string;
  /** An errno name, or a word of our own (`CHANGED_WHILE_READ`). */
  readonly code: string;
  readonly message: string;
  readonly pathBase64?: string;
}
