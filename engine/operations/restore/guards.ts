/** What of a plan is refused, unless somebody says that it is meant: decided from facts alone. */

import { describeHolders, type Holder } from '../../databases/open-holders.ts';
import type { Profile } from '../../profiles/types.ts';
import type { AgreedRemovals, DeletedShare, RestorePlan } from './options.ts';

/** True where carrying the plan out may change anything. */
export function hasWork(plan: RestorePlan): boolean {
  const work =
    plan.filesToCreate +
    plan.filesToReplace +
    plan.filesToCompare +
    plan.filesToDelete +
    plan.directoriesToDelete +
    plan.directoriesToMend +
    plan.directoriesToMake;
  return work > 0;
}

/** The first source of whose files more than half would be removed. */
export function mostlyDeleted(shares: readonly DeletedShare[]): DeletedShare | undefined {
  return shares.find(({ present, deleted }) => deleted * 2 > present);
}

/**
 * True where a plan removes what somebody agreed to. `resumed`: a restore that was cut off removed a part of it already, so
 * that only more than that is something else.
 */
export function fitsAgreement(
  { removals }: RestorePlan,
  agreed: AgreedRemovals,
  { resumed }: { readonly resumed: boolean },
): boolean {
  if (resumed) return removals.count <= agreed.count;
  return removals.count === agreed.count && (agreed.digest === undefined || agreed.digest === removals.digest);
}

/** Why a restore is refused whose databases somebody uses: the server whose profile this is, it seems. */
export function refusalOf(holders: readonly Holder[], profile: Profile | undefined): string {
  const path = holders[0]?.path.toString('utf8') ?? '';
  const what = profile === undefined ? 'A program' : profile.title;
  const stop = profile === undefined ? 'Stop it' : `Stop ${profile.title} (${profile.handling.stop})`;
  return (
    `${path} is in use by ${describeHolders(holders)}: nothing was changed. ${what} whose database is replaced while it ` +
    `runs fails, or goes on with the old one. ${stop} and try again, leave databases out with --no-databases, or use --force`
  );
}
