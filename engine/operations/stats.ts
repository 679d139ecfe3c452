/** Sizes: what snapshots would restore to, what is stored for them, and what one of them alone holds. */

import { throwIfAborted } from '../base/errors.ts';
import type { BlobId, SnapshotId } from '../base/ids.ts';
import { FILE_KINDS_SHOWN, type FileKindShown, fileKindOf } from '../codec/file-kind.ts';
import { decodeRow, EXTENSION_DATABASE, type Node, rowLengthAt } from '../format/row.ts';
import { IdSet } from '../repository/id-set.ts';
import type { Repository } from '../repository/repository.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';
import { FILE_KINDS } from '../storage/backend.ts';

export interface StatsOptions {
  /** One snapshot; default: all that fit the filter. */
  readonly snapshot?: string | undefined;
  readonly filter?: SnapshotFilter | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Sizes in bytes. */
export interface Stats {
  readonly snapshots: number;
  readonly totalFileCount: number;
  readonly restoreSize: number;
  /** Plaintext of the distinct data blobs that these snapshots refer to. */
  readonly distinctSize: number;
  /** Plaintext of those that no other snapshot of the repository refers to: what forgetting these would free. */
  readonly uniqueSize: number;
  /** What the distinct ones take in the repository, their frames' other blobs left aside. */
  readonly storedSize: number;
  /** The same of the unique ones. */
  readonly uniqueStoredSize: number;
  /** distinctSize / storedSize */
  readonly compressionRatio: number;
  /** restoreSize / distinctSize */
  readonly dedupRatio: number;
  /** All files of the repository. */
  readonly repositoryBytes: number;
  /** Snapshots that cannot be read: nothing of them is in the sums. */
  readonly damaged: readonly { readonly id: SnapshotId; readonly message: string }[];
  /** By type of file, the largest first. What several types share counts for the first that was met. */
  readonly byType: readonly TypeStats[];
  /** What was added day by day, oldest first. */
  readonly growth: readonly DayGrowth[];
}

export interface TypeStats {
  readonly type: FileKindShown;
  /** Files with data that was not met before: one that several snapshots have unchanged, or a copy, counts once. */
  readonly files: number;
  readonly distinctSize: number;
  readonly uniqueSize: number;
}

export interface DayGrowth {
  /** `2026-03-01`, where the backup ran. */
  readonly date: string;
  readonly snapshots: number;
  /** Plaintext that was new to the repository. */
  readonly dataAdded: number;
  /** Bytes by which the repository grew. */
  readonly dataAddedPacked: number;
}

interface TypeSums {
  files: number;
  distinctSize: number;
  uniqueSize: number;
}

/** SNAPSHOT_NOT_FOUND, OBJECT_CORRUPT, OBJECT_MISSING, STORAGE_FAILED; INTERRUPTED after the signal. */
export async function stats(repository: Repository, options: StatsOptions = {}): Promise<Stats> {
  const damaged: { readonly id: SnapshotId; readonly message: string }[] = [];
  const all = await repository.snapshots.list({}, (id, { message }) => damaged.push({ id, message }));
  const chosen =
    options.snapshot === undefined
      ? await repository.snapshots.list(options.filter, () => undefined)
      : [await repository.snapshots.find(options.snapshot, options.filter)];
  const others = all.filter((snapshot) => !chosen.some(({ id }) => id === snapshot.id));
  await repository.loadIndex();
  const elsewhere = await blobsOf(repository, others, options.signal);
  const sums = await sumsOf(repository, chosen, { elsewhere, signal: options.signal });
  const repositoryBytes = await sizeOfRepository(repository, options.signal);
  const { byType, ...sizes } = sums;
  return {
    snapshots: chosen.length,
    ...sizes,
    storedSize: Math.round(sizes.storedSize),
    uniqueStoredSize: Math.round(sizes.uniqueStoredSize),
    compressionRatio: ratio(sizes.distinctSize, sizes.storedSize),
    dedupRatio: ratio(sizes.restoreSize, sizes.distinctSize),
    repositoryBytes,
    damaged,
    byType: FILE_KINDS_SHOWN.map((type) => ({ type, ...byType[type] }))
      .filter(({ files }) => files > 0)
      .sort((a, b) => b.distinctSize - a.distinctSize),
    growth: growthOf(options.snapshot === undefined ? chosen : []),
  };
}

/** Bytes of all files of the repository. STORAGE_FAILED; INTERRUPTED after the signal. */
export async function sizeOfRepository(repository: Repository, signal?: AbortSignal): Promise<number> {
  let bytes = 0;
  for (const kind of FILE_KINDS) {
    for await (const file of repository.backend.list(kind)) {
      throwIfAborted(signal);
      bytes += file.bytes;
    }
  }
  return bytes;
}

function ratio(a: number, b: number): number {
  return b === 0 ? 1 : Math.round((a / b) * 1000) / 1000;
}

/** Rows of a directory. */
async function* nodesOf(repository: Repository, treeId: BlobId): AsyncGenerator<readonly Node[]> {
  for await (const leaf of repository.blobs.leaves(treeId)) {
    const nodes: Node[] = [];
    for (let at = leaf.firstRow, row = 0; row < leaf.rowCount; row++) {
      const length = rowLengthAt(leaf.bytes, at);
      nodes.push(decodeRow(leaf.bytes.subarray(at, at + length), 'a row'));
      at += length;
    }
    yield nodes;
  }
}

/** Every data blob that some snapshots refer to; each tree is walked once. */
async function blobsOf(
  repository: Repository,
  snapshots: readonly Snapshot[],
  signal: AbortSignal | undefined,
): Promise<IdSet> {
  const blobs = new IdSet();
  const trees = new IdSet();
  const walk = async (treeId: BlobId): Promise<void> => {
    if (!trees.add(treeId)) return;
    throwIfAborted(signal);
    for await (const nodes of nodesOf(repository, treeId)) {
      for (const { content, size } of nodes) {
        if (content.kind === 'tree') await walk(content.treeId);
        else if (content.kind === 'single') blobs.add(content.blobId);
        else {
          for await (const { blobId } of repository.blobs.content(content, size)) {
            if (blobId !== undefined) blobs.add(blobId);
          }
        }
      }
    }
  };
  for (const snapshot of snapshots) await walk(snapshot.tree);
  return blobs;
}

async function sumsOf(
  repository: Repository,
  snapshots: readonly Snapshot[],
  options: { readonly elsewhere: IdSet; readonly signal: AbortSignal | undefined },
) {
  const sums = {
    totalFileCount: 0,
    restoreSize: 0,
    distinctSize: 0,
    uniqueSize: 0,
    storedSize: 0,
    uniqueStoredSize: 0,
  };
  const byType = Object.fromEntries(
    FILE_KINDS_SHOWN.map((kind) => [kind, { files: 0, distinctSize: 0, uniqueSize: 0 }]),
  ) as { [kind in FileKindShown]: TypeSums };
  const blobs = new IdSet();
  const trees = new IdSet();
  const count = (id: BlobId, type: TypeSums): void => {
    if (!blobs.add(id)) return;
    const location = repository.index.find(id);
    if (location === undefined) return;
    const frame = repository.index.frame(location);
    const stored = (location.length * frame.sealedLength) / Math.max(1, frame.plainLength);
    sums.distinctSize += location.length;
    sums.storedSize += stored;
    type.distinctSize += location.length;
    if (options.elsewhere.has(id)) return;
    sums.uniqueSize += location.length;
    sums.uniqueStoredSize += stored;
    type.uniqueSize += location.length;
  };
  const walk = async (treeId: BlobId, fresh: boolean): Promise<void> => {
    throwIfAborted(options.signal);
    for await (const nodes of nodesOf(repository, treeId)) {
      for (const node of nodes) {
        const { content } = node;
        if (content.kind === 'tree') {
          // The sums of a directory stand in its row; its blobs count once, however many snapshots have it.
          sums.totalFileCount += fresh ? content.filesBelow : 0;
          sums.restoreSize += fresh ? content.bytesBelow : 0;
          if (trees.add(content.treeId)) await walk(content.treeId, false);
          continue;
        }
        sums.totalFileCount += fresh ? 1 : 0;
        if (node.type !== 'file') continue;
        sums.restoreSize += fresh ? node.size : 0;
        const isDatabase = node.extensions.some(({ tag }) => tag === EXTENSION_DATABASE);
        const type = byType[isDatabase ? 'database' : fileKindOf(node.name)];
        const before = blobs.count;
        for await (const { blobId } of repository.blobs.content(content, node.size)) {
          if (blobId !== undefined) count(blobId, type);
        }
        if (blobs.count > before) type.files++;
      }
    }
  };
  for (const snapshot of snapshots) await walk(snapshot.tree, true);
  return { ...sums, byType };
}

/** What these snapshots added day by day, oldest first. Nothing is read for it. */
export function growthOf(snapshots: readonly Snapshot[]): DayGrowth[] {
  const days = new Map<string, DayGrowth>();
  for (const { time, summary } of snapshots) {
    const date = time.slice(0, 10);
    const day = days.get(date) ?? { date, snapshots: 0, dataAdded: 0, dataAddedPacked: 0 };
    days.set(date, {
      date,
      snapshots: day.snapshots + 1,
      dataAdded: day.dataAdded + summary.dataAdded,
      dataAddedPacked: day.dataAddedPacked + summary.dataAddedPacked,
    });
  }
  return [...days.values()].sort((a, b) => (a.date < b.date ? -1 : 1));
}
