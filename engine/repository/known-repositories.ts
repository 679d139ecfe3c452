/**
 * What this client remembers of repositories: id and key fingerprint by location. A repository that was swapped for
 * another one is refused, not fed. The memory lies in the cache directory; losing it loses only this protection.
 */

import { createHash, randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, errnoCode } from '../base/errors.ts';
import { makeDirectories } from '../base/make-directories.ts';

interface Memory {
  readonly id: string;
  readonly fingerprint: string;
}

function fileFor(cacheDirectory: string, location: string): string {
  const name = createHash('sha256').update(location).digest('hex').slice(0, 32);
  return join(cacheDirectory, 'known', `${name}.json`);
}

async function recall(file: string): Promise<Memory | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Memory;
  } catch {
    return undefined;
  }
}

/** Throws REPOSITORY_CHANGED where another repository answered at this location before; true where it is seen for the first time. */
export async function recogniseRepository(
  cacheDirectory: string,
  repository: Memory & { readonly location: string },
): Promise<boolean> {
  const file = fileFor(cacheDirectory, repository.location);
  const known = await recall(file);
  if (known === undefined) return true;
  if (known.id === repository.id && known.fingerprint === repository.fingerprint) return false;
  throw new EngineError(
    'REPOSITORY_CHANGED',
    `The repository at ${repository.location} is not the one that was used here before (id ${repository.id} instead of ${known.id}). ` +
      `If it was replaced on purpose, remove ${file} and try again`,
  );
}

/** Remembers a repository. A cache that cannot be written is no reason to fail. */
export async function rememberRepository(
  cacheDirectory: string,
  repository: Memory & { readonly location: string },
): Promise<void> {
  const file = fileFor(cacheDirectory, repository.location);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    makeDirectories(join(cacheDirectory, 'known'), 0o700);
    await writeFile(temporary, JSON.stringify({ id: repository.id, fingerprint: repository.fingerprint }), {
      mode: 0o600,
    });
    await rename(temporary, file);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
  }
}
