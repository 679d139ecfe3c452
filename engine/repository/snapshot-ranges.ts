/**
 * In which snapshots something lived, as ranges. Snapshots of other sources lie between without interrupting a range:
 * they could not have held it.
 */

import { isWithin } from '../base/paths.ts';
import type { Snapshot } from './snapshots.ts';

export interface SnapshotRange {
  readonly first: Snapshot;
  readonly last: Snapshot;
  /** Snapshots from the first to the last that could hold it, both included. */
  readonly snapshots: number;
}

/** True where the path is a source, lies in one, or leads to one. */
export function covers(snapshot: Snapshot, path: Buffer): boolean {
  const { paths } = snapshot;
  return paths.length === 0 || paths.some((source) => isWithin(path, source) || isWithin(source, path));
}

/** `present`: numbers of the snapshots that hold the path, in any order. `snapshots` are in order of time. */
export function rangesOf(
  snapshots: readonly Snapshot[],
  path: Buffer,
  present: ReadonlySet<number>,
): readonly SnapshotRange[] {
  const [first, last] = [snapshots[0], snapshots.at(-1)];
  if (present.size === snapshots.length && first !== undefined && last !== undefined) {
    return [{ first, last, snapshots: snapshots.length }];
  }
  const ranges: SnapshotRange[] = [];
  let open: SnapshotRange | undefined;
  for (const [number, snapshot] of snapshots.entries()) {
    if (present.has(number)) {
      open = { first: open?.first ?? snapshot, last: snapshot, snapshots: (open?.snapshots ?? 0) + 1 };
    } else if (open !== undefined && covers(snapshot, path)) {
      ranges.push(open);
      open = undefined;
    }
  }
  if (open !== undefined) ranges.push(open);
  return ranges;
}
