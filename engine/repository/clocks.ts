/**
 * Time that is safe to decide by: the store's own, as it stands on a file that was just written. Clocks that disagree with
 * it are refused, because times in records could not be compared (trap 15).
 */

import { EngineError } from '../base/errors.ts';
import { CLOCK_SKEW_MS_MAX } from '../base/limits.ts';
import { type HeldLease, type Lease, listLeases } from './leases.ts';
import type { Store } from './sealed-files.ts';

function refuse(whose: string, skewMs: number): never {
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const apart = minutes >= 120 ? `${Math.round(minutes / 60)} hours` : `${minutes} minutes`;
  throw new EngineError(
    'CLOCKS_DISAGREE',
    `${whose} ${apart} ${skewMs > 0 ? 'ahead of' : 'behind'} the repository's: nobody could tell which runs live, so nothing was removed. Set the clocks and try again`,
  );
}

/** Leases that can be read, and what the store's clock says. CLOCKS_DISAGREE; OBJECT_CORRUPT for a lease that cannot be read. */
export async function leasesByStoreClock(
  store: Store,
  own: HeldLease,
): Promise<{ readonly leases: readonly Lease[]; readonly storeNowMs: number }> {
  if (!(await own.confirm())) throw leaseLost();
  const leases = await readableLeases(store);
  const mine = leases.find((lease) => lease.run === own.run);
  if (mine === undefined) throw leaseLost();
  const skewMs = mine.refreshedMs - mine.modifiedMs;
  if (Math.abs(skewMs) > CLOCK_SKEW_MS_MAX) refuse("This machine's clock is", skewMs);
  const storeNowMs = mine.modifiedMs + Math.max(0, Date.now() - mine.refreshedMs);
  for (const lease of leases) {
    const otherMs = lease.refreshedMs - lease.modifiedMs;
    if (Math.abs(otherMs) <= CLOCK_SKEW_MS_MAX) continue;
    refuse(
      `The lease of "snap ${lease.verb}" ("snap unlock" removes it if that run is over) says that the clock of ${lease.host} is`,
      otherMs,
    );
  }
  for (const kind of ['snapshot', 'index', 'mark', 'lock'] as const) {
    for await (const file of store.backend.list(kind)) {
      const aheadMs = file.modifiedMs - storeNowMs;
      if (aheadMs > CLOCK_SKEW_MS_MAX)
        refuse(`The store says that ${kind} ${file.name.slice(0, 8)} was written by a clock`, aheadMs);
    }
  }
  return { leases, storeNowMs };
}

/** OBJECT_CORRUPT for one that cannot be read: its run may be alive. */
export async function readableLeases(store: Store): Promise<readonly Lease[]> {
  const { leases, unreadable } = await listLeases(store);
  const [first] = unreadable;
  if (first === undefined) return leases;
  throw new EngineError(
    'OBJECT_CORRUPT',
    `Lease ${first} cannot be read, and its run may be alive: nothing was removed. "snap unlock" removes it once that run is over`,
  );
}

export function leaseLost(): EngineError {
  return new EngineError(
    'LEASE_LOST',
    'This run stood still for so long that another one took it for dead: it stopped before it did anything on old knowledge. Run it again',
  );
}
