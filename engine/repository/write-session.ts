/**
 * What a verb that stores blobs works with, a backup's threads aside: a lease, claims, writers for both kinds of packs, and
 * segments. It keeps the order of writing: packs, then segments that name them, then the snapshot.
 */

import { BLOB_ID_BYTES, type BlobId, type PackId, type SnapshotId } from '../base/ids.ts';
import { COMPRESSION_LEVEL_DEFAULT, SEGMENT_EARLY_BYTES_MIN, SEGMENT_EARLY_SHARE } from '../base/limits.ts';
import { Compressor } from '../codec/compression.ts';
import type { SnapshotRecord } from '../format/snapshot.ts';
import { BlobWriter } from './blob-writer.ts';
import { commitSnapshot } from './commit.ts';
import { HeldLease } from './leases.ts';
import { markedPacks } from './marks.ts';
import type { Repository } from './repository.ts';
import { RunClaims } from './run-claims.ts';
import { SegmentWriter } from './segment-writer.ts';
import type { Snapshot } from './snapshots.ts';
import { TreeWriter } from './tree-writer.ts';

export interface WriteSessionOptions {
  readonly verb: string;
  /** Snapshots whose trees are taken over without a look at what they hold. */
  readonly parents?: readonly SnapshotId[] | undefined;
  /** zstd level; default: the engine's own. */
  readonly compression?: number | 'off' | undefined;
}

export class WriteSession {
  readonly repository: Repository;
  readonly trees: TreeWriter;
  readonly #lease: HeldLease;
  readonly #claims: RunClaims;
  readonly #segments: SegmentWriter;
  readonly #data: BlobWriter;
  readonly #treePacks: BlobWriter;
  #bytesNew = 0;
  #bytesNamed = 0;

  private constructor(
    repository: Repository,
    run: { readonly lease: HeldLease; readonly marked: ReadonlySet<PackId>; readonly compression: number | 'off' },
  ) {
    const { compression } = run;
    this.repository = repository;
    this.#lease = run.lease;
    this.#claims = RunClaims.begin(repository.index.known(run.marked), {
      claimsMax: repository.index.limits.runClaims,
    });
    this.#segments = new SegmentWriter(repository);
    const writer = (kind: 'data' | 'tree'): BlobWriter => {
      const compressor = new Compressor(compression);
      return new BlobWriter(repository, { kind, compressor, onStored: (pack) => this.#segments.add(pack) });
    };
    this.#data = writer('data');
    this.#treePacks = writer('tree');
    const claim = (id: BlobId): boolean => this.#claims.claim(id);
    this.trees = new TreeWriter({ keys: repository.keys, writer: this.#treePacks, claim });
  }

  /** REPOSITORY_LOCKED, STORAGE_FAILED. To be closed in any case. */
  static async begin(repository: Repository, options: WriteSessionOptions): Promise<WriteSession> {
    await repository.probe();
    const { verb, parents = [] } = options;
    // The lease comes before index and marks are read: prune counts on that.
    const lease = await HeldLease.acquire(repository, { verb, exclusive: false, parents });
    try {
      await repository.backend.tidy(Date.now());
      await repository.index.refresh({ onlyExisting: true });
      const marked = await markedPacks(repository);
      const { compression = COMPRESSION_LEVEL_DEFAULT } = options;
      return new WriteSession(repository, { lease, marked, compression });
    } catch (error) {
      await lease.release();
      throw error;
    }
  }

  /** Plaintext bytes that were new to the repository. */
  get bytesNew(): number {
    return this.#bytesNew + this.trees.bytesAdded;
  }

  /** Bytes by which packs and segments grew. */
  get bytesWritten(): number {
    return this.#segments.bytesWritten;
  }

  /** True for the one caller who has to store the blob with putData or putTree. */
  claim(id: BlobId): boolean {
    return this.#claims.claim(id);
  }

  /** Stores a data blob that was claimed. The bytes are copied or sealed before this returns. */
  putData(id: BlobId, bytes: Buffer): void {
    this.#bytesNew += bytes.length;
    this.#data.add(id, bytes);
  }

  /** Stores a blob of a tree pack that was claimed. */
  putTree(id: BlobId, bytes: Buffer): void {
    this.#bytesNew += bytes.length;
    this.#treePacks.add(id, bytes);
  }

  /** Names data by this repository's secret, and stores it where it is new. */
  saveData(bytes: Buffer): BlobId {
    const id = this.repository.keys.hashers.data.digest(bytes, BLOB_ID_BYTES) as BlobId;
    if (this.claim(id)) this.putData(id, bytes);
    return id;
  }

  /** The same for a blob of a tree pack. */
  saveTree(bytes: Buffer): BlobId {
    const id = this.repository.keys.hashers.tree.digest(bytes, BLOB_ID_BYTES) as BlobId;
    if (this.claim(id)) this.putTree(id, bytes);
    return id;
  }

  /**
   * To be awaited now and then: bounds what is in memory and throws what a write threw. Packs are named early, so that a
   * run that is killed loses at most a share of what it stored.
   */
  async settle(): Promise<void> {
    this.#claims.grow();
    await this.#data.settle();
    await this.#treePacks.settle();
    const unnamed = this.bytesWritten - this.#bytesNamed;
    if (unnamed < Math.max(SEGMENT_EARLY_BYTES_MIN, this.bytesWritten / SEGMENT_EARLY_SHARE)) return;
    await this.#segments.flush();
    this.#bytesNamed = this.bytesWritten;
  }

  /** Everything that was stored is durable and named afterwards. */
  async flush(): Promise<void> {
    await this.#data.flush();
    await this.#treePacks.flush();
    await this.#segments.flush();
    this.#bytesNamed = this.bytesWritten;
  }

  /** Makes all durable, and then the snapshot. */
  async commit(record: SnapshotRecord): Promise<Snapshot> {
    await this.flush();
    return commitSnapshot(this.repository, this.#lease, record);
  }

  /** After a failure: what is durable is named, so that the next run finds it. Never throws. */
  async keepWhatIsStored(): Promise<void> {
    try {
      await Promise.all([this.#data.idle(), this.#treePacks.idle()]);
      await this.#segments.flush();
    } catch {
      // The failure that led here is the one to tell.
    }
  }

  async close(): Promise<void> {
    await this.#claims.close();
    await this.#lease.release();
  }
}
