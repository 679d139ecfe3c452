/** Lists what was forgotten, and brings it back as long as all its data are there. */

import { EngineError, isEngineError, throwIfAborted } from '../base/errors.ts';
import type { BlobId, SnapshotId } from '../base/ids.ts';
import { WHOLE_TREES_MAX } from '../base/limits.ts';
import { decodeRow, rowLengthAt } from '../format/row.ts';
import { HeldLease } from '../repository/leases.ts';
import type { Repository } from '../repository/repository.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';

export interface ForgottenSnapshot extends Snapshot {
  readonly forgottenAt: Date;
}

export interface UndeleteOptions {
  /** Ids or unique prefixes. */
  readonly snapshots?: readonly string[] | undefined;
  /** Where none is named: all that fit. */
  readonly filter?: SnapshotFilter | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface UndeleteResult {
  readonly restored: readonly Snapshot[];
  /** Prune has removed some of their data: they stay forgotten. */
  readonly lost: readonly { readonly snapshot: Snapshot; readonly why: string }[];
}

/** What was forgotten and not pruned, oldest first. Damage is left to `check`. */
export async function listForgotten(repository: Repository, filter: SnapshotFilter = {}): Promise<ForgottenSnapshot[]> {
  const snapshots = await repository.snapshots.list(filter, () => undefined, 'only');
  const annotations = await repository.snapshots.annotations();
  return snapshots.map((snapshot) => ({
    ...snapshot,
    forgottenAt: new Date(annotations.timeOf('forgotten', snapshot.id) ?? 0),
  }));
}

/**
 * Brings back what is named. Each blob that a snapshot needs is looked up first: one that cannot be restored is never
 * listed. SNAPSHOT_NOT_FOUND, SNAPSHOT_AMBIGUOUS, REPOSITORY_LOCKED, OBJECT_CORRUPT, STORAGE_FAILED, INTERRUPTED.
 */
export async function undelete(repository: Repository, options: UndeleteOptions): Promise<UndeleteResult> {
  const names = options.snapshots ?? [];
  const wanted = new Map<SnapshotId, Snapshot>();
  const found =
    names.length === 0
      ? await repository.snapshots.list(options.filter, undefined, 'only')
      : await Promise.all(names.map((name) => repository.snapshots.findForgotten(name)));
  for (const snapshot of found) wanted.set(snapshot.id, snapshot);
  await repository.probe();
  // Named as parents: a prune that begins from here on takes them for roots.
  const lease = await HeldLease.acquire(repository, {
    verb: 'undelete',
    exclusive: false,
    parents: [...wanted.keys()],
  });
  try {
    await repository.loadIndex();
    const restored: Snapshot[] = [];
    const lost: { snapshot: Snapshot; why: string }[] = [];
    const whole = new WholeTrees(repository, options.signal);
    for (const snapshot of wanted.values()) {
      const why = await whole.whyNot(snapshot.tree);
      if (why === undefined) {
        const annotations = await repository.snapshots.annotations();
        await annotations.add(repository, { kind: 'forgotten', snapshot: snapshot.id, value: false });
      }
      const now = why === undefined ? await stillThere(repository, snapshot.id) : undefined;
      if (now !== undefined) restored.push(now);
      else lost.push({ snapshot, why: why ?? 'prune removed it at this moment' });
    }
    return { restored, lost };
  } finally {
    await lease.release();
  }
}

/** A prune that was under way may have removed the record itself. */
async function stillThere(repository: Repository, id: SnapshotId): Promise<Snapshot | undefined> {
  try {
    return await repository.snapshots.load(id);
  } catch (error) {
    if (isEngineError(error, 'OBJECT_MISSING')) return undefined;
    throw error;
  }
}

/** Walks trees, those that several snapshots share mostly once, and looks every blob up. */
class WholeTrees {
  readonly #repository: Repository;
  readonly #signal: AbortSignal | undefined;
  readonly #whole = new Set<string>();

  constructor(repository: Repository, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#signal = signal;
  }

  /** Undefined where all is there. */
  async whyNot(treeId: BlobId): Promise<string | undefined> {
    try {
      await this.#walk(treeId, '');
      return undefined;
    } catch (error) {
      if (isEngineError(error, 'OBJECT_MISSING')) return error.message;
      throw error;
    }
  }

  async #walk(treeId: BlobId, path: string): Promise<void> {
    const key = treeId.toString('latin1');
    if (this.#whole.has(key)) return;
    const { blobs, index } = this.#repository;
    for await (const leaf of blobs.leaves(treeId)) {
      throwIfAborted(this.#signal);
      let at = leaf.firstRow;
      for (let row = 0; row < leaf.rowCount; row++) {
        const length = rowLengthAt(leaf.bytes, at);
        const node = decodeRow(leaf.bytes.subarray(at, at + length), `a row of ${path}`);
        at += length;
        const here = `${path}/${node.name.toString('utf8')}`;
        if (node.content.kind === 'tree') await this.#walk(node.content.treeId, here);
        for await (const { blobId } of blobs.content(node.content, node.size)) {
          if (blobId !== undefined && index.find(blobId) === undefined)
            throw new EngineError('OBJECT_MISSING', `prune has removed data of ${here}`);
        }
      }
    }
    if (this.#whole.size >= WHOLE_TREES_MAX) this.#whole.clear();
    this.#whole.add(key);
  }
}
