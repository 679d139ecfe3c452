/** Passwords of a repository, and the recovery sheet that opens it without one. */

import { createHash } from 'node:crypto';
import { EngineError } from '../base/errors.ts';
import type { Credential, KeyDescription } from '../repository/keys.ts';
import { type NewKeyOptions, Repository } from '../repository/repository.ts';
import type { Backend } from '../storage/backend.ts';

/** All keys, the oldest first. */
export function listKeys(repository: Repository): Promise<KeyDescription[]> {
  return repository.listKeys();
}

/** The key that a password opens, for a program that asks for it once more; undefined for a wrong one. */
export function findKey(repository: Repository, credential: Credential): Promise<KeyDescription | undefined> {
  return repository.findKey(credential);
}

export function addKey(repository: Repository, options: NewKeyOptions): Promise<KeyDescription> {
  return repository.addKey(options);
}

/** By id or unique prefix. KEY_NOT_FOUND, KEY_LAST. */
export function removeKey(repository: Repository, prefix: string): Promise<KeyDescription> {
  return repository.removeKey(prefix);
}

/** The new key is there before the one that opened the repository goes. */
export async function changePassword(repository: Repository, options: NewKeyOptions): Promise<KeyDescription> {
  const added = await repository.addKey(options);
  await repository.removeKey(repository.keyId);
  return added;
}

const GROUP_DIGITS = 8;
const CHECK_DIGITS = 4;

/** Hexadecimal lines of 16 bytes, each with a check of four digits that knows its line number. */
function sheetLines(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const digits = bytes.toString('hex', at, at + 16);
    const groups = digits.match(new RegExp(`.{${GROUP_DIGITS}}`, 'g')) ?? [];
    const number = lines.length + 1;
    lines.push(`${number}  ${groups.join(' ')}  ${lineCheck(number, digits)}`);
  }
  return lines;
}

function lineCheck(number: number, digits: string): string {
  return createHash('sha256').update(`${number} ${digits}`).digest('hex').slice(0, CHECK_DIGITS);
}

/** A text to print and lock away: whoever has it and the repository's files can read everything. */
export function exportRecoverySheet(repository: Repository, now: Date): string {
  const { content, seal } = repository.keys.secrets;
  return [
    'snap recovery sheet',
    '',
    `repository  ${repository.config.id}`,
    `location    ${repository.backend.location}`,
    `printed     ${now.toISOString()}`,
    '',
    'Whoever has this sheet and the files of the repository can read everything in it.',
    'Keep it where you keep what cannot be replaced. Each line ends with a check of four digits.',
    '',
    ...sheetLines(Buffer.concat([content, seal])),
    '',
  ].join('\n');
}

/** The secrets on a sheet, as it was printed or typed. INVALID_ARGUMENT names the line that is wrong. */
export function parseRecoverySheet(text: string): { readonly content: Buffer; readonly seal: Buffer } {
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*(\d+)\s+((?:[0-9a-f]{8}\s+){4})([0-9a-f]{4})\s*$/i.exec(line);
    if (match === null) continue;
    const number = Number(match[1]);
    const digits = (match[2] ?? '').replace(/\s+/g, '').toLowerCase();
    if (lineCheck(number, digits) !== match[3]?.toLowerCase()) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        `Line ${number} of the recovery sheet has a mistake: its check does not fit`,
      );
    }
    lines[number - 1] = digits;
  }
  const bytes = Buffer.from(lines.join(''), 'hex');
  if (bytes.length !== 64) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `The recovery sheet is not whole: ${lines.filter(Boolean).length} of 4 lines were found`,
    );
  }
  return { content: bytes.subarray(0, 32), seal: bytes.subarray(32) };
}

/**
 * Adds a password to a repository that no password opens any more. INVALID_ARGUMENT for a sheet with a mistake,
 * PASSWORD_WRONG for another repository's.
 */
export function recoverKey(
  backend: Backend,
  options: NewKeyOptions & { readonly sheet: string },
): Promise<KeyDescription> {
  return Repository.recover(backend, parseRecoverySheet(options.sheet), options);
}
