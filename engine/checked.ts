/**
 * Verbs that end with a look at what servers say of the files of a snapshot. Belongs to index.ts: here the verbs are put
 * together, which know nothing of each other.
 */

import type { BackupOptions, BackupResult } from './operations/backup/options.ts';
import type { CheckOptions, CheckResult } from './operations/check/check.ts';
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
