/** From the engine's error codes to exit codes. A new error code does not compile until it is placed here. */

import type { ErrorCode } from '../engine/index.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_PROBLEMS = 3;
export const EXIT_DAMAGE = 20;
export const EXIT_SIGINT = 130;
export const EXIT_SIGTERM = 143;

export const EXIT_CODES = {
  INVALID_ARGUMENT: EXIT_USAGE,
  REPOSITORY_NOT_FOUND: 10,
  REPOSITORY_EXISTS: EXIT_FAILED,
  REPOSITORY_UNSUPPORTED: EXIT_FAILED,
  REPOSITORY_CHANGED: 21,
  REPOSITORY_LOCKED: 11,
  LEASE_LOST: EXIT_FAILED,
  CLOCKS_DISAGREE: 21,
  PASSWORD_WRONG: 12,
  PASSWORD_MISSING: 12,
  KEY_NOT_FOUND: EXIT_FAILED,
  KEY_LAST: 21,
  SNAPSHOT_NOT_FOUND: EXIT_FAILED,
  SNAPSHOT_AMBIGUOUS: EXIT_FAILED,
  RETENTION_REFUSED: 21,
  PATH_NOT_FOUND: EXIT_FAILED,
  SOURCE_MISSING: EXIT_FAILED,
  TARGET_NOT_EMPTY: 21,
  TARGET_IN_USE: 21,
  DELETION_REFUSED: 21,
  TARGET_UNSAFE: EXIT_FAILED,
  TARGET_FAILED: EXIT_FAILED,
  OBJECT_MISSING: EXIT_DAMAGE,
  OBJECT_CORRUPT: EXIT_DAMAGE,
  OBJECT_UNREADABLE: EXIT_DAMAGE,
  STORAGE_FAILED: EXIT_FAILED,
  OBJECT_EXISTS: EXIT_FAILED,
  LIMIT_EXCEEDED: EXIT_FAILED,
  INTERRUPTED: EXIT_SIGINT,
  ARCHIVE_INVALID: EXIT_FAILED,
  DATABASE_FAILED: EXIT_FAILED,
  PROBLEMS_FOUND: EXIT_FAILED,
  COMMAND_FAILED: EXIT_FAILED,
  INTERNAL: EXIT_FAILED,
} as const satisfies Record<ErrorCode, number>;

/** From the least to the worst, for runs of several parts: what was not done at all weighs less than what is lost. */
const BY_WEIGHT: readonly number[] = [
  EXIT_OK,
  EXIT_PROBLEMS,
  EXIT_CODES.RETENTION_REFUSED,
  EXIT_USAGE,
  EXIT_FAILED,
  EXIT_CODES.REPOSITORY_LOCKED,
  EXIT_CODES.REPOSITORY_NOT_FOUND,
  EXIT_CODES.PASSWORD_WRONG,
  EXIT_DAMAGE,
  EXIT_SIGINT,
  EXIT_SIGTERM,
];

/** The worst of the exit codes of several parts. */
export function worstExitCode(codes: readonly number[]): number {
  return codes.reduce((worst, code) => (BY_WEIGHT.indexOf(code) > BY_WEIGHT.indexOf(worst) ? code : worst), EXIT_OK);
}

/** For the end of every verb's help. */
export const EXIT_CODE_HELP = `Exit codes:
  0 all done   1 failed, nothing half-done is visible   2 wrong usage
  3 done, but some files could not be read or written, or the snapshot is suspect
  10 no repository there   11 locked   12 wrong password   20 damage found   21 refused by a guard
  130, 143 interrupted: what was stored is kept`;
