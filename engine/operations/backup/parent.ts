/** The snapshot that a run compares with, and how far its times are to be trusted. */

import { hostname } from 'node:os';
import { HeldLease } from '../../repository/leases.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { BackupOptions } from './options.ts';

/** The one that was named, or the newest of the same paths, this host's before others'. */
export async function findParent(repository: Repository, options: BackupOptions): Promise<Snapshot | undefined> {
  if (options.parent !== undefined) return repository.snapshots.find(options.parent);
  const host = options.host ?? hostname();
  // An unreadable snapshot is no reason not to take the next one; check names it.
  const all = await repository.snapshots.list({}, () => undefined);
  const paths = pathsKey(sourcePaths(options));
  const same = all.filter((snapshot) => pathsKey(snapshot.paths) === paths);
  return same.findLast((snapshot) => snapshot.host === host) ?? same.at(-1);
}

/**
 * Makes the run's lease (none for a dry run), which names its parent: prune keeps what that refers to. A parent that was forgotten before the
 * lease was there may be about to go, and another one is looked for.
 */
export async function leaseWithParent(
  repository: Repository,
  options: BackupOptions,
): Promise<{ readonly lease: HeldLease | undefined; readonly parent: Snapshot | undefined }> {
  for (;;) {
    const parent = await findParent(repository, options);
    if (options.dryRun === true) return { lease: undefined, parent };
    const parents = parent === undefined ? [] : [parent.id];
    const lease = await HeldLease.acquire(repository, { verb: 'backup', exclusive: false, parents });
    try {
      if (parent === undefined || (await repository.snapshots.isListed(parent.id))) return { lease, parent };
    } catch (error) {
      await lease.release();
      throw error;
    }
    await lease.release();
  }
}

/** The same for the same paths in any order. */
export function pathsKey(paths: readonly Buffer[]): string {
  return [...new Set(paths.map((path) => path.toString('latin1')))].sort().join('\0');
}

/** What a snapshot names as its sources. */
export function sourcePaths(options: BackupOptions): readonly Buffer[] {
  if (options.stdin === undefined) return options.paths;
  return [Buffer.concat([Buffer.from('/'), options.stdin.name])];
}
