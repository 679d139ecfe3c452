/** Which snapshots a copy has to make, and which one each is compared with. Pure. */

import { createHash } from 'node:crypto';
import type { BlobId, SnapshotId } from '../../base/ids.ts';
import { encodeSnapshot } from '../../format/snapshot.ts';
import { type Snapshot, sortSnapshots } from '../../repository/snapshots.ts';
import type { SnapshotPair } from './options.ts';

export interface CopyPlan {
  /** Oldest first, so that each finds its forerunner copied. */
  readonly toCopy: readonly Snapshot[];
  readonly present: readonly SnapshotPair[];
  /** All that lies in both repositories, wanted or not. */
  readonly pairs: readonly SnapshotPair[];
}

const NO_TREE = Buffer.alloc(0) as unknown as BlobId;

/** Equal for a snapshot and its copy, whose ids of content and of the parent are others. */
function identity(snapshot: Snapshot): string {
  const leftOut = { count: snapshot.leftOut.count, content: [] };
  // Tags and label may be edited on either side.
  const bare = { ...snapshot, tree: NO_TREE, parent: undefined, leftOut, tags: [], label: '' };
  return createHash('sha256').update(encodeSnapshot(bare)).digest('hex');
}

/** `wanted` are among `inSource`. A snapshot counts as present where the target has all that is recorded of it. */
export function planCopy(
  wanted: ReadonlySet<SnapshotId>,
  inSource: readonly Snapshot[],
  inTarget: readonly Snapshot[],
): CopyPlan {
  const there = new Map(inTarget.map((snapshot) => [identity(snapshot), snapshot]));
  const toCopy: Snapshot[] = [];
  const pairs: SnapshotPair[] = [];
  for (const source of inSource) {
    const target = there.get(identity(source));
    if (target !== undefined) pairs.push({ source, target });
    else if (wanted.has(source.id)) toCopy.push(source);
  }
  return { toCopy: sortSnapshots(toCopy), present: pairs.filter(({ source }) => wanted.has(source.id)), pairs };
}

/** The pair whose trees are most like the snapshot's: its parent's, else the newest of the same paths, else the newest. */
export function nearestPair(snapshot: Snapshot, pairs: readonly SnapshotPair[]): SnapshotPair | undefined {
  const parent = pairs.find(({ source }) => source.id === snapshot.parent);
  if (parent !== undefined) return parent;
  const newest = (candidates: readonly SnapshotPair[]): SnapshotPair | undefined =>
    candidates.reduce<SnapshotPair | undefined>(
      (best, pair) => (best === undefined || pair.source.startedNs >= best.source.startedNs ? pair : best),
      undefined,
    );
  return newest(pairs.filter(({ source }) => samePaths(source, snapshot))) ?? newest(pairs);
}

function samePaths(a: Snapshot, b: Snapshot): boolean {
  return a.paths.length === b.paths.length && a.paths.every((path) => b.paths.some((other) => other.equals(path)));
}
