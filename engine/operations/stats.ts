/** Sizes: what snapshots would restore to, what is stored for them, and what one of them alone holds. */

import type { BlobId, SnapshotId } from '../base/ids.ts';
import { decodeRow, rowLengthAt } from '../format/row.ts';
import { IdSet } from '../repository/id-set.ts';
import type { Repository } from '../repository/repository.ts';
import type { SnapshotFilter } from '../repository/snapshots.ts';
import { FILE_KINDS } from '../storage/backend.ts';

export interface StatsOptions {
  /** One snapshot; default: all that fit the filter. */
  readonly snapshot?: string | undefined;
  readonly filter?: SnapshotFilter | undefined;
}

/** Sizes in bytes. */
export interface Stats {
  readonly snapshots: number;
  readonly totalFileCount: number;
  readonly restoreSize: number;
  /** Plaintext of the distinct data blobs that these snapshots refer to. */
  readonly uniqueSize: number;
  /** What those take in the repository, their frames' other blobs left aside. */
  readonly storedSize: number;
  /** uniqueSize / storedSize */
  readonly compressionRatio: number;
  /** restoreSize / uniqueSize */
  readonly dedupRatio: number;
  /** All files of the repository. */
  readonly repositoryBytes: number;
  /** Snapshots that cannot be read: nothing of them is in the sums. */
  readonly damaged: readonly { readonly id: SnapshotId; readonly message: string }[];
}

export async function stats(repository: Repository, options: StatsOptions = {}): Promise<Stats> {
  const damaged: { readonly id: SnapshotId; readonly message: string }[] = [];
  const snapshots =
    options.snapshot === undefined
      ? await repository.snapshots.list(options.filter, (id, { message }) => damaged.push({ id, message }))
      : [await repository.snapshots.find(options.snapshot, options.filter)];
  await repository.loadIndex();
  const sums = { totalFileCount: 0, restoreSize: 0, uniqueSize: 0, storedSize: 0 };
  const blobs = new IdSet();
  const trees = new IdSet();
  const count = (id: BlobId): void => {
    if (!blobs.add(id)) return;
    const location = repository.index.find(id);
    if (location === undefined) return;
    const frame = repository.index.frame(location);
    sums.uniqueSize += location.length;
    sums.storedSize += (location.length * frame.sealedLength) / Math.max(1, frame.plainLength);
  };
  const walk = async (treeId: BlobId, fresh: boolean): Promise<void> => {
    for await (const leaf of repository.blobs.leaves(treeId)) {
      for (let at = leaf.firstRow, row = 0; row < leaf.rowCount; row++) {
        const length = rowLengthAt(leaf.bytes, at);
        const node = decodeRow(leaf.bytes.subarray(at, at + length), 'a row');
        at += length;
        if (node.content.kind === 'tree') {
          // The sums of a directory stand in its row; its blobs count once, however many snapshots have it.
          sums.totalFileCount += fresh ? node.content.filesBelow : 0;
          sums.restoreSize += fresh ? node.content.bytesBelow : 0;
          if (trees.add(node.content.treeId)) await walk(node.content.treeId, false);
          continue;
        }
        if (fresh) {
          sums.totalFileCount++;
          sums.restoreSize += node.type === 'file' ? node.size : 0;
        }
        for await (const entry of repository.blobs.content(node.content, node.size)) {
          if (entry.blobId !== undefined) count(entry.blobId);
        }
      }
    }
  };
  for (const snapshot of snapshots) await walk(snapshot.tree, true);
  let repositoryBytes = 0;
  for (const kind of FILE_KINDS) for await (const file of repository.backend.list(kind)) repositoryBytes += file.bytes;
  return {
    snapshots: snapshots.length,
    ...sums,
    storedSize: Math.round(sums.storedSize),
    compressionRatio: ratio(sums.uniqueSize, sums.storedSize),
    dedupRatio: ratio(sums.restoreSize, sums.uniqueSize),
    repositoryBytes,
    damaged,
  };
}

function ratio(a: number, b: number): number {
  return b === 0 ? 1 : Math.round((a / b) * 1000) / 1000;
}
