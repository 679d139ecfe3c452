/**
 * How much of each pack is reachable, in columns by the pack's number. Of a blob that lies in several places one copy is
 * chosen to be kept, and it alone counts as live: the others are duplicates.
 */

import type { IndexView } from './chunk-index.ts';
import { forEachBlob, type MergedEntry } from './entry-merge.ts';
import type { LiveBlobs } from './live-blobs.ts';

export interface PackUsages {
  readonly liveBlobs: Uint32Array;
  /** Plaintext, in bytes. */
  readonly liveBytes: Float64Array;
  readonly plainBytes: Float64Array;
  /** Copies of reachable blobs that are kept elsewhere. */
  readonly duplicateBlobs: Uint32Array;
}

export interface UsageOptions {
  readonly isUsable: (pack: number) => boolean;
  /** True for packs that are marked: what else has a blob is chosen before them. */
  readonly isMarked: (pack: number) => boolean;
  readonly onDamage: () => never;
}

/** Takes the bits of the copies that are not chosen from `live`. */
export function countUsage(view: IndexView, live: LiveBlobs, options: UsageOptions): PackUsages {
  const { count } = view.packs;
  const usages = {
    liveBlobs: new Uint32Array(count),
    liveBytes: new Float64Array(count),
    plainBytes: new Float64Array(count),
    duplicateBlobs: new Uint32Array(count),
  };
  const { liveBlobs, liveBytes, plainBytes, duplicateBlobs } = usages;
  const useful = (entries: readonly MergedEntry[]): MergedEntry[] =>
    entries.filter(({ part, entry, pack }) => live.isLive(part, entry) && options.isUsable(pack));
  let hasDuplicates = false;
  const keep = ({ pack, length }: MergedEntry): void => {
    liveBlobs[pack] = (liveBlobs[pack] ?? 0) + 1;
    liveBytes[pack] = (liveBytes[pack] ?? 0) + length;
  };
  const whole = forEachBlob(view, (entries) => {
    for (const { pack, length } of entries) plainBytes[pack] = (plainBytes[pack] ?? 0) + length;
    const copies = useful(entries);
    const [only] = copies;
    if (copies.length > 1) hasDuplicates = true;
    else if (only !== undefined) keep(only);
  });
  if (!whole) options.onDamage();
  if (!hasDuplicates) return usages;
  // Copies are chosen by what their packs hold alone, in one order for all blobs: so packs empty that can be empty.
  const alone = liveBytes.slice();
  const isBetter = (a: number, b: number): boolean => {
    if (options.isMarked(a) !== options.isMarked(b)) return !options.isMarked(a);
    const [aAlone, bAlone] = [alone[a] ?? 0, alone[b] ?? 0];
    return aAlone === bAlone ? a < b : aAlone > bAlone;
  };
  const again = forEachBlob(view, (entries) => {
    const copies = useful(entries);
    if (copies.length < 2) return;
    const chosen = copies.reduce((best, copy) => (isBetter(copy.pack, best.pack) ? copy : best));
    keep(chosen);
    for (const copy of copies) {
      if (copy === chosen) continue;
      duplicateBlobs[copy.pack] = (duplicateBlobs[copy.pack] ?? 0) + 1;
      live.clear(copy.part, copy.entry);
    }
  });
  if (!again) options.onDamage();
  return usages;
}
