/** Walks the trees of snapshots and tells which blobs they refer to. A tree that was told before is not walked again. */

import { EngineError, throwIfAborted } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { readRowContent, rowLengthAt } from '../format/row.ts';
import type { SnapshotRecord } from '../format/snapshot.ts';
import type { BlobReader } from './blob-reader.ts';
import type { LiveBlobs } from './live-blobs.ts';

export interface WalkOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called for each tree that is read. */
  readonly onTree?: (() => void) | undefined;
}

/** What of a snapshot names blobs. */
export type SnapshotRoot = Pick<SnapshotRecord, 'tree' | 'leftOut'>;

/**
 * Marks all that a snapshot refers to. OBJECT_MISSING or OBJECT_CORRUPT for a tree that cannot be read; data blobs that no
 * pack has are told by LiveBlobs.settle().
 */
export async function markSnapshot(
  blobs: BlobReader,
  live: LiveBlobs,
  snapshot: SnapshotRoot,
  options: WalkOptions = {},
): Promise<void> {
  const walk = new Walk(blobs, live, options);
  for (const id of snapshot.leftOut.content) live.markLater(id);
  await walk.tree(snapshot.tree);
}

class Walk {
  readonly #blobs: BlobReader;
  readonly #live: LiveBlobs;
  readonly #options: WalkOptions;

  constructor(blobs: BlobReader, live: LiveBlobs, options: WalkOptions) {
    this.#blobs = blobs;
    this.#live = live;
    this.#options = options;
  }

  /** True where the blob has to be walked. */
  #isFresh(id: BlobId, what: string): boolean {
    const result = this.#live.mark(id);
    if (result !== 'missing') return result === 'fresh';
    throw new EngineError('OBJECT_MISSING', `${what} ${id.toString('hex')} is in no pack of the repository`);
  }

  async tree(treeId: BlobId): Promise<void> {
    if (!this.#isFresh(treeId, 'Tree')) return;
    throwIfAborted(this.#options.signal);
    this.#options.onTree?.();
    const part = await this.#blobs.loadTreePart(treeId);
    if (part.kind === 'branch') {
      for (const entry of part.entries) await this.tree(entry.treeId);
      return;
    }
    const { bytes } = part;
    for (let row = 0, at = part.firstRow; row < part.rowCount; row++) {
      const content = readRowContent(bytes, at, `a row of tree ${treeId.toString('hex')}`);
      at += rowLengthAt(bytes, at);
      switch (content.kind) {
        case 'none':
          break;
        case 'single':
          this.#live.markLater(content.blobId);
          break;
        case 'tree':
          await this.tree(content.treeId);
          break;
        case 'list':
          for (const { blobId } of content.entries) if (blobId !== undefined) this.#live.markLater(blobId);
          break;
        case 'indirect':
          for (const { listId } of content.entries) await this.#list(listId);
      }
    }
  }

  async #list(listId: BlobId): Promise<void> {
    if (!this.#isFresh(listId, 'Content list')) return;
    const list = await this.#blobs.loadContentList(listId);
    if ('entries' in list) {
      for (const { blobId } of list.entries) if (blobId !== undefined) this.#live.markLater(blobId);
    } else for (const below of list.lists) await this.#list(below.listId);
  }
}
