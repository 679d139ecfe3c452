/**
 * Copies trees between repositories with secrets of their own: every blob is read and named anew, and trees are written with
 * the new ids. Cut points stay as they are. Files that did not change since the reference take their content from there.
 */

import { EngineError, throwIfAborted } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import { COPY_REMEMBERED_MAX, COPY_WISHES_MAX } from '../../base/limits.ts';
import { STAT_BYTES } from '../../base/stat.ts';
import { type Content, type ContentEntry, encodeRow, type Node, ROW_STAT_OFFSET } from '../../format/row.ts';
import { type BlobWish, readBlobs } from '../../repository/read-blobs.ts';
import type { CopierOptions, TreeCopier, TreePair } from './copier.ts';
import { RowCursor, rowsOf } from './row-cursor.ts';

/** The newest of many ids, from those of the source to those of the target. */
class RememberedIds {
  readonly #ids = new Map<string, BlobId>();

  get(id: BlobId): BlobId | undefined {
    return this.#ids.get(id.toString('latin1'));
  }

  set(id: BlobId, target: BlobId): void {
    if (this.#ids.size >= COPY_REMEMBERED_MAX) this.#ids.clear();
    this.#ids.set(id.toString('latin1'), Buffer.from(target) as BlobId);
  }
}

interface PendingFile {
  readonly node: Node;
  readonly entries: ContentEntry[];
  /** Where its row goes. */
  readonly at: number;
}

interface PendingWish extends BlobWish {
  readonly file: PendingFile;
  readonly entry: number;
}

/** The rows of one directory in the making. */
interface OpenRows {
  readonly rows: Buffer[];
  files: PendingFile[];
  wishes: PendingWish[];
}

export class NewIdsCopier implements TreeCopier {
  readonly #options: CopierOptions;
  readonly #trees = new RememberedIds();
  readonly #blobs = new RememberedIds();

  constructor(options: CopierOptions) {
    this.#options = options;
  }

  async copyBlob(blobId: BlobId): Promise<BlobId> {
    return this.#options.session.saveTree(await this.#options.source.blobs.read('tree', blobId));
  }

  async copyTree(treeId: BlobId, reference: TreePair | undefined): Promise<BlobId> {
    if (reference?.source.equals(treeId) === true) return reference.target;
    const known = this.#trees.get(treeId);
    if (known !== undefined) return known;
    const { source, session, signal } = this.#options;
    const before =
      reference === undefined
        ? undefined
        : {
            source: new RowCursor(source.blobs, reference.source),
            target: new RowCursor(session.repository.blobs, reference.target),
          };
    const open: OpenRows = { rows: [], files: [], wishes: [] };
    for await (const leaf of source.blobs.leaves(treeId)) {
      throwIfAborted(signal);
      for (const node of rowsOf(leaf)) {
        const pair = {
          source: await before?.source.find(node.name),
          target: await before?.target.find(node.name),
        };
        await this.#copyNode(open, node, pair);
      }
    }
    await this.#finishFiles(open);
    const target = session.trees.saveDirectory(open.rows);
    await session.settle();
    this.#trees.set(treeId, target);
    return target;
  }

  async #copyNode(
    open: OpenRows,
    node: Node,
    before: { readonly source: Node | undefined; readonly target: Node | undefined },
  ): Promise<void> {
    const { content } = node;
    if (content.kind === 'tree') {
      const [source, target] = [before.source?.content, before.target?.content];
      const reference =
        source?.kind === 'tree' && target?.kind === 'tree'
          ? { source: source.treeId, target: target.treeId }
          : undefined;
      const treeId = await this.copyTree(content.treeId, reference);
      open.rows.push(rowWith(node, { ...content, treeId }));
      return;
    }
    this.#options.onFile();
    if (before.target !== undefined && before.source?.row.equals(node.row) === true) {
      open.rows.push(Buffer.from(before.target.row));
      return;
    }
    if (content.kind === 'none') {
      open.rows.push(Buffer.from(node.row));
      return;
    }
    await this.#copyContent(open, node);
  }

  async #copyContent(open: OpenRows, node: Node): Promise<void> {
    const file: PendingFile = { node, entries: [], at: open.rows.length };
    open.rows.push(node.row);
    open.files.push(file);
    for await (const { length, blobId } of this.#options.source.blobs.content(node.content, node.size)) {
      const target = blobId === undefined ? undefined : this.#blobs.get(blobId);
      const entry = file.entries.push({ length, blobId: target }) - 1;
      if (blobId === undefined || target !== undefined) continue;
      open.wishes.push({ blobId, length, file, entry });
      if (open.wishes.length >= COPY_WISHES_MAX) await this.#readWishes(open);
    }
  }

  async #readWishes(open: OpenRows): Promise<void> {
    const { source, session, signal } = this.#options;
    const { wishes } = open;
    open.wishes = [];
    for await (const { wish, bytes } of readBlobs(source, wishes)) {
      const pending = wishes[wish];
      if (pending === undefined) continue;
      if (bytes instanceof EngineError) throw bytes;
      const blobId = session.saveData(bytes);
      this.#blobs.set(pending.blobId, blobId);
      pending.file.entries[pending.entry] = { length: pending.length, blobId };
      this.#options.onBytes(bytes.length);
      await session.settle();
      throwIfAborted(signal);
    }
  }

  async #finishFiles(open: OpenRows): Promise<void> {
    await this.#readWishes(open);
    for (const { node, entries, at } of open.files) {
      open.rows[at] = rowWith(node, this.#options.session.trees.saveContent(entries, node.size));
    }
    open.files = [];
  }
}

/** The same row with other content. */
function rowWith(node: Node, content: Content): Buffer {
  const stat = node.row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
  return encodeRow({ ...node, stat, content });
}
