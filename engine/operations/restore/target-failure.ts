/** Tells failures of one file from failures of the whole target (a full disk is nobody's bad file, trap 2). */

import { EngineError, errnoCode } from '../../base/errors.ts';

const REASONS: { readonly [code: string]: string } = {
  ENOSPC: 'it is full',
  EDQUOT: 'the quota is used up',
  EROFS: 'it is read-only',
  EIO: 'it answers with input/output errors',
  EMFILE: 'this process may not open more files',
  ENFILE: 'this machine may not open more files',
  ENOMEM: 'there is no memory left',
};

/** The error that ends the restore, where the system's error concerns more than one file. */
export function targetFailure(error: unknown, path: Buffer): EngineError | undefined {
  const code = errnoCode(error);
  const reason = code === undefined ? undefined : REASONS[code];
  if (reason === undefined) return undefined;
  return new EngineError(
    'TARGET_FAILED',
    `Cannot write below ${path.toString('utf8')}: ${reason} (${code}). ` +
      'What is finished stays; the same command goes on from there',
    error,
  );
}
