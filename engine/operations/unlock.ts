/** Removes leases of runs that are over. */

import { isLeaseAlive, type Lease, listLeases } from '../repository/leases.ts';
import type { Repository } from '../repository/repository.ts';

export interface UnlockResult {
  readonly removed: readonly Lease[];
  /** Of runs that may be alive. */
  readonly kept: readonly Lease[];
  /** Lease files that cannot be read; they hold nobody up, and are removed. */
  readonly unreadable: readonly string[];
}

/** With `all`, those of runs that may be alive go too: only for somebody who knows that none is. */
export async function unlock(repository: Repository, options: { readonly all?: boolean } = {}): Promise<UnlockResult> {
  const { leases, unreadable } = await listLeases(repository);
  const now = Date.now();
  const removed: Lease[] = [];
  const kept: Lease[] = [];
  for (const lease of leases) {
    if (options.all !== true && isLeaseAlive(lease, now)) {
      kept.push(lease);
      continue;
    }
    await repository.backend.remove('lock', lease.id);
    removed.push(lease);
  }
  for (const name of unreadable) await repository.backend.remove('lock', name);
  return { removed, kept, unreadable };
}
