/** Who else works in the repository, and which marked packs nobody can refer to any more. */

import type { PackId } from '../../base/ids.ts';
import { leasesByStoreClock } from '../../repository/clocks.ts';
import { type HeldLease, isLeaseAliveByStore, type Lease } from '../../repository/leases.ts';
import type { Mark } from '../../repository/marks.ts';
import type { Repository } from '../../repository/repository.ts';

/**
 * Leases of other runs that live. Those of runs that are over are removed first, and then all are listed anew: a run that
 * was taken for dead finds its lease gone, or its new one is found here (HeldLease.confirm).
 */
export async function livingOthers(repository: Repository, own: HeldLease): Promise<readonly Lease[]> {
  for (;;) {
    const { leases, storeNowMs } = await leasesByStoreClock(repository, own);
    const others = leases.filter(({ run }) => run !== own.run);
    const dead = others.filter((lease) => !isLeaseAliveByStore(lease, storeNowMs));
    if (dead.length === 0) return others;
    for (const { id } of dead) await repository.backend.remove('lock', id);
  }
}

/** Packs by what their marks say: `due` may go at once, the others wait for runs or for their grace. */
export interface MarkedPacks {
  readonly due: ReadonlySet<PackId>;
  readonly waiting: ReadonlySet<PackId>;
}

export function sortMarks(
  marks: readonly Mark[],
  now: { readonly others: readonly Lease[]; readonly nowMs: number; readonly graceMs: number },
): MarkedPacks {
  const alive = new Set(now.others.map(({ run }) => run));
  const due = new Set<PackId>();
  const waiting = new Set<PackId>();
  for (const mark of marks) {
    // One whose writer never looked who was there says nothing: its packs are marked anew.
    if (mark.runs === undefined) continue;
    const isDue = now.nowMs - mark.timeMs >= now.graceMs && !mark.runs.some((run) => alive.has(run));
    for (const pack of mark.packs) (isDue ? due : waiting).add(pack);
  }
  for (const pack of due) waiting.delete(pack);
  return { due, waiting };
}
