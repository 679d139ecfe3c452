/** What both ways of copying trees have in common. */

import type { BlobId } from '../../base/ids.ts';
import type { Repository } from '../../repository/repository.ts';
import type { WriteSession } from '../../repository/write-session.ts';

/** The same directory in both repositories, everything below it included. */
export interface TreePair {
  readonly source: BlobId;
  readonly target: BlobId;
}

export interface CopierOptions {
  readonly source: Repository;
  readonly session: WriteSession;
  readonly signal: AbortSignal | undefined;
  readonly onFile: () => void;
  /** So many plaintext bytes were read. */
  readonly onBytes: (bytes: number) => void;
}

export interface TreeCopier {
  /**
   * Copies a directory with all below it, and returns its id in the target. What equals `reference` is there already. Blobs
   * are durable after the session's flush. OBJECT_CORRUPT and OBJECT_MISSING for damage in the source: another tree may
   * still be copied.
   */
  copyTree(treeId: BlobId, reference: TreePair | undefined): Promise<BlobId>;
  /** Copies one blob of a tree pack that is no tree. */
  copyBlob(blobId: BlobId): Promise<BlobId>;
}
