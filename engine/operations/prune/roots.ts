/** Which snapshots hold data: those that are not forgotten, and those that running verbs build upon. */

import { EngineError } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import type { Annotations } from '../../repository/annotations.ts';
import type { Lease } from '../../repository/leases.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { refusal } from '../../repository/survey.ts';

export interface Roots {
  readonly live: readonly Snapshot[];
  /** Forgotten, and nobody's parent. */
  readonly forgotten: readonly Snapshot[];
  readonly annotations: Annotations;
}

/**
 * Snapshots are listed before leases: a run that ends in between has saved its snapshot by then, which is found when all
 * are listed anew. `leases` gives those that are alive. OBJECT_CORRUPT for one snapshot or annotation that cannot be read.
 */
export async function loadRoots(repository: Repository, leases: () => Promise<readonly Lease[]>): Promise<Roots> {
  const annotations = await repository.snapshots.annotations();
  const [damaged] = annotations.damage;
  if (damaged !== undefined) throw refusal(damaged.object, damaged.error);
  const all = await loadSnapshots(repository, annotations);
  const parents = new Set<SnapshotId>((await leases()).flatMap(({ parents }) => parents));
  return {
    live: all.filter(({ id, forgotten }) => !forgotten || parents.has(id)),
    forgotten: all.filter(({ id, forgotten }) => forgotten && !parents.has(id)),
    annotations,
  };
}

async function loadSnapshots(repository: Repository, annotations: Annotations): Promise<Snapshot[]> {
  const all: Snapshot[] = [];
  for (const id of await repository.snapshots.ids()) {
    try {
      all.push(await repository.snapshots.load(id, annotations));
    } catch (error) {
      if (error instanceof EngineError && error.code !== 'STORAGE_FAILED') throw refusal(`snapshots/${id}`, error);
      throw error;
    }
  }
  return all;
}
