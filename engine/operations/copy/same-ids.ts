/**
 * Copies trees between repositories that name content alike: tree blobs go over as they are, and of the data blobs those
 * that the target has no claim to. Data is gathered and read in the order in which it lies.
 */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { COPY_REMEMBERED_MAX, COPY_WISHES_MAX } from '../../base/limits.ts';
import type { Content, Node } from '../../format/row.ts';
import { type BlobWish, readBlobs } from '../../repository/read-blobs.ts';
import type { CopierOptions, TreeCopier, TreePair } from './copier.ts';
import { RowCursor, rowsOf } from './row-cursor.ts';

export class SameIdsCopier implements TreeCopier {
  readonly #options: CopierOptions;
  /** Trees below which everything is stored, or about to be. */
  readonly #done = new Set<string>();
  #wishes: BlobWish[] = [];
  /** Blobs that were claimed, but that the source could not give: nobody may count on them. */
  readonly #lost = new Map<string, EngineError>();

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  async copyTree(treeId: BlobId, reference: TreePair | undefined): Promise<BlobId> {
    try {
      await this.#copyDirectory(treeId, reference?.source);
    } catch (error) {
      // What was claimed is read in any case: others rely on claims.
      await this.#readWishes().catch(() => undefined);
      this.#done.clear();
      throw error;
    }
    await this.#readWishes();
    return treeId;
  }

  async copyBlob(blobId: BlobId): Promise<BlobId> {
    const bytes = await this.#options.source.blobs.read('tree', blobId);
    if (this.#options.session.claim(blobId)) this.#options.session.putTree(blobId, bytes);
    return blobId;
  }

  async #copyDirectory(treeId: BlobId, reference: BlobId | undefined): Promise<void> {
    if (reference?.equals(treeId) === true) return;
    const key = treeId.toString('latin1');
    if (this.#done.has(key)) return;
    const before = reference === undefined ? undefined : new RowCursor(this.#options.source.blobs, reference);
    await this.#copyPart(treeId, before);
    if (this.#done.size >= COPY_REMEMBERED_MAX) this.#done.clear();
    this.#done.add(key);
  }

  async #copyPart(treeId: BlobId, before: RowCursor | undefined): Promise<void> {
    const { source, session, signal } = this.#options;
    throwIfAborted(signal);
    const part = await source.blobs.loadTreePart(treeId);
    await this.copyBlob(treeId);
    await session.settle();
    if (part.kind === 'branch') {
      for (const entry of part.entries) await this.#copyPart(entry.treeId, before);
      return;
    }
    for (const node of rowsOf(part)) await this.#copyNode(node, await before?.find(node.name));
  }

  async #copyNode(node: Node, before: Node | undefined): Promise<void> {
    const { content } = node;
    if (content.kind === 'tree') {
      await this.#copyDirectory(content.treeId, before?.content.kind === 'tree' ? before.content.treeId : undefined);
      return;
    }
    this.#options.onFile();
    if (before?.row.equals(node.row) === true) return;
    await this.#copyContent(content, node.size);
  }

  async #copyContent(content: Content, size: number): Promise<void> {
    if (content.kind === 'indirect') {
      for (const { listId } of content.entries) await this.#copyList(listId);
    }
    for await (const { blobId, length } of this.#options.source.blobs.content(content, size)) {
      if (blobId !== undefined) await this.#want({ blobId, length });
    }
  }

  async #copyList(listId: BlobId): Promise<void> {
    const list = await this.#options.source.blobs.loadContentList(listId);
    await this.copyBlob(listId);
    if ('lists' in list) for (const below of list.lists) await this.#copyList(below.listId);
  }

  async #want(wish: BlobWish): Promise<void> {
    if (!this.#options.session.claim(wish.blobId)) {
      const lost = this.#lost.size === 0 ? undefined : this.#lost.get(wish.blobId.toString('latin1'));
      if (lost !== undefined) throw lost;
      return;
    }
    this.#wishes.push(wish);
    if (this.#wishes.length >= COPY_WISHES_MAX) await this.#readWishes();
  }

  /** Throws for damage, but not before everything else was stored. */
  async #readWishes(): Promise<void> {
    const { source, session, signal } = this.#options;
    const wishes = this.#wishes;
    this.#wishes = [];
    let damage: EngineError | undefined;
    for await (const { wish, bytes } of readBlobs(source, wishes)) {
      const blobId = wishes[wish]?.blobId;
      if (blobId === undefined) continue;
      if (bytes instanceof EngineError) {
        damage ??= bytes;
        this.#lost.set(blobId.toString('latin1'), bytes);
        continue;
      }
      session.putData(blobId, bytes);
      this.#options.onBytes(bytes.length);
      await session.settle();
      throwIfAborted(signal);
    }
    if (damage !== undefined) throw damage;
  }
}
