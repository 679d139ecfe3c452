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
  /** This client has seen that the store keeps the backend's contract. */
  readonly probed: boolean;
}

function fileFor(cacheDirectory: string, location: string): string {
  const name = createHash('sha256').update(location).digest('hex').slice(0, 32);
  return join(cacheDirectory, 'known', `${name}.json`);
}

async function recall(file: string): Promise<Memory | undefined> {
  try {
    const { id, fingerprint, probed } = JSON.parse(await readFile(file, 'utf8')) as Partial<Memory>;
    return id === undefined || fingerprint === undefined ? undefined : { id, fingerprint, probed: probed === true };
  } catch {
    return undefined;
  }
}

export interface SeenRepository {
  readonly id: string;
  readonly fingerprint: string;
  readonly location: string;
}

/** What is remembered of a repository; undefined at first sight. REPOSITORY_CHANGED where another one answered at this location before. */
export async function recogniseRepository(
  cacheDirectory: string,
  repository: SeenRepository,
): Promise<{ readonly probed: boolean } | undefined> {
  const file = fileFor(cacheDirectory, repository.location);
  const known = await recall(file);
  if (known === undefined) return undefined;
  if (known.id === repository.id && known.fingerprint === repository.fingerprint) return known;
  throw new EngineError(
    'REPOSITORY_CHANGED',
    `The repository at ${repository.location} is not the one that was used here before (id ${repository.id} instead of ${known.id}). ` +
      `If it was replaced on purpose, remove ${file} and try again`,
  );
}

/** Remembers a repository. A cache that cannot be written is no reason to fail. */
export async function rememberRepository(
  cacheDirectory: string,
  repository: SeenRepository & { readonly probed: boolean },
): Promise<void> {
  const file = fileFor(cacheDirectory, repository.location);
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    makeDirectories(join(cacheDirectory, 'known'), 0o700);
    const { id, fingerprint, probed } = repository;
    await writeFile(temporary, JSON.stringify({ id, fingerprint, probed } satisfies Memory), { mode: 0o600 });
    await rename(temporary, file);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
  }
}
