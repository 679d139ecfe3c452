/**
 * Verbs that end with a look at what servers say of the files of a snapshot. Belongs to index.ts: here the verbs are put
 * together, which know nothing of each other.
 */

import { EngineError, errorMessage, isEngineError } from './base/errors.ts';
import type { BackupOptions, BackupResult } from './operations/backup/options.ts';
import type { CheckOptions, CheckResult } from './operations/check/check.ts';
import type { RestoreOptions, RestoreResult } from './operations/restore/options.ts';
import type { Repository } from './repository/repository.ts';

/** A backup whose profiles check what was saved. */
export async function backupAndCheck(repository: Repository, options: BackupOptions): Promise<BackupResult> {
  const { backup } = await import('./operations/backup/backup.ts');
  return backup(repository, options, async (snapshot) => {
    const { checkServers } = await import('./operations/servers/check-servers.ts');
    return checkServers(repository, { snapshot, recordedOnly: true, signal: options.signal });
  });
}

/** A check that, where it looks through databases, looks at the servers of the same snapshots, too. */
export async function checkAll(repository: Repository, options: CheckOptions = {}): Promise<CheckResult> {
  const { check } = await import('./operations/check/check.ts');
  return check(repository, options, async (snapshot) => {
    const { checkServers } = await import('./operations/servers/check-servers.ts');
    return checkServers(repository, { snapshot, monitor: options.monitor, signal: options.signal });
  });
}

/**
 * What came back of a server, with its rows held against its files, as the snapshot has them: nothing is said where only a
 * part of it came back. A check that cannot be made never fails the restore.
 */
export async function checkRestored(
  repository: Repository,
  result: RestoreResult,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const { server, snapshot } = result;
  const { dryRun, databases, include, exclude, monitor, signal } = options;
  const isPart = databases === false || include !== undefined || exclude !== undefined;
  if (server === undefined || dryRun === true || isPart) return result;
  const isOfIt = ({ profile, folder }: { readonly profile: string; readonly folder: Buffer }): boolean =>
    profile === server.profile && folder.equals(server.folder);
  try {
    const { checkServers } = await import('./operations/servers/check-servers.ts');
    const checks = await checkServers(repository, { snapshot, monitor, signal });
    return { ...result, server: { ...server, checks: checks.filter(isOfIt) } };
  } catch (error) {
    const checksError = isEngineError(error) ? error : new EngineError('INTERNAL', errorMessage(error), error);
    return { ...result, server: { ...server, checksError } };
  }
}
