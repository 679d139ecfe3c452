/**
 * Saves a snapshot beside a prune. A run that stood still for long (a laptop slept) may have been taken for dead, and what
 * it refers to removed. It finds that out here: before the snapshot is saved, and once more behind it, because it may have
 * slept in between.
 */

import { EngineError } from '../base/errors.ts';
import type { SnapshotRecord } from '../format/snapshot.ts';
import { isDamage } from './batch-reader.ts';
import type { HeldLease } from './leases.ts';
import { LiveBlobs } from './live-blobs.ts';
import { markedPacks } from './marks.ts';
import { markSnapshot } from './reachable.ts';
import type { Repository } from './repository.ts';
import { replaceSegments } from './segment-replacer.ts';
import type { Snapshot } from './snapshots.ts';

/** LEASE_LOST, with no snapshot, where the run was taken for dead and something it refers to is gone. */
export async function commitSnapshot(
  repository: Repository,
  lease: HeldLease | undefined,
  record: SnapshotRecord,
): Promise<Snapshot> {
  if (lease !== undefined && !(await lease.confirm())) await requireWhole(repository, record);
  const snapshot = await repository.snapshots.save(record);
  if (lease === undefined || (await lease.confirm())) return snapshot;
  try {
    await requireWhole(repository, record);
    return snapshot;
  } catch (error) {
    await repository.backend.remove('snapshot', snapshot.id);
    throw error;
  }
}

/** Looks for everything that a snapshot refers to, in the index as it is now and in packs that are there and not marked. */
async function requireWhole(repository: Repository, record: SnapshotRecord): Promise<void> {
  const { index } = repository;
  await index.refresh({ onlyExisting: true });
  const { dead, packs } = index.view();
  const marked = await markedPacks(repository);
  const isUsable = (pack: number): boolean => {
    const facts = packs.get(pack);
    return facts !== undefined && !dead.has(pack) && !marked.has(facts.packId);
  };
  const live = new LiveBlobs(index.view(), { isUsable, onDamage: () => index.failCold() });
  let missing: string | undefined;
  try {
    await markSnapshot(repository.blobs, live, record);
    missing = live.settle()?.toString('hex');
  } catch (error) {
    if (!isDamage(error)) throw error;
    missing = error.message;
  }
  if (missing === undefined) return;
  // What this run has written of its own may be gone as well, before it was named.
  await replaceSegments(index, { isGone: (pack) => dead.has(pack), merges: false, only: index.saved });
  throw new EngineError(
    'LEASE_LOST',
    `This run stood still for so long that another one took it for dead and removed what it refers to (${missing}): no snapshot was saved. Run it again; what is there is not stored twice`,
  );
}
