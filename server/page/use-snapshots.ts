/** All snapshots, the newest first: for sliders and choices. */

import type { Snapshot } from './api-types.ts';
import { usePage } from './context.ts';
import { type Loaded, useLoaded } from './use-loaded.ts';

const SNAPSHOTS_A_PAGE = 1000;
/** Beyond it, older ones are found in the list of snapshots alone. */
const SNAPSHOTS_MAX = 10_000;

/** Kept by the server for its own ends: nobody means one of these by the newest. */
const ASIDE_LABELS = new Set(['before-restore', 'snap-server-state']);

/** Those that people mean where they choose none, in the same order; all where there are no others. */
export function ordinaryOf(snapshots: readonly Snapshot[]): readonly Snapshot[] {
  const ordinary = snapshots.filter(({ label }) => !ASIDE_LABELS.has(label));
  return ordinary.length > 0 ? ordinary : snapshots;
}

export function useSnapshots(): Loaded<readonly Snapshot[]> {
  const page = usePage();
  return useLoaded<readonly Snapshot[]>(
    async (signal) => {
      const all: Snapshot[] = [];
      let cursor: string | undefined;
      do {
        const { items, next_cursor } = await page.api.snapshots({ cursor, limit: SNAPSHOTS_A_PAGE, signal });
        all.push(...items);
        cursor = next_cursor ?? undefined;
      } while (cursor !== undefined && all.length < SNAPSHOTS_MAX);
      return all;
    },
    { live: ['snapshots', 'backups'] },
  );
}
