/** Writes trees and content lists as blobs of tree packs, splitting large ones by content. */

import { BLOB_ID_BYTES, type BlobId } from '../base/ids.ts';
import { STAT_OFFSET } from '../base/stat.ts';
import {
  type Content,
  type ContentEntry,
  ROW_NAME_LENGTH_OFFSET,
  ROW_NAME_OFFSET,
  ROW_STAT_OFFSET,
} from '../format/row.ts';
import { type BranchEntry, encodeBranch, encodeContentList, encodeLeaf, endsPart } from '../format/tree-part.ts';
import type { BlobWriter } from './blob-writer.ts';
import { ContentBuilder } from './content-builder.ts';
import type { KeyMaterial } from './key-material.ts';

export interface TreeWriterOptions {
  readonly keys: KeyMaterial;
  readonly writer: BlobWriter;
  /** True where the caller has to store the blob (ChunkIndex.claim). */
  readonly claim: (id: BlobId) => boolean;
}

export class TreeWriter {
  readonly #options: TreeWriterOptions;
  /** Plaintext bytes of trees and lists that were new. */
  bytesAdded = 0;
  /** Every user and group of the rows that were saved. */
  readonly owners = { uids: new Set<number>(), gids: new Set<number>() };

  constructor(options: TreeWriterOptions) {
    this.#options = options;
  }

  /** To be awaited now and then: waits while too many packs of trees are being written, and throws what a write threw. */
  settle(): Promise<void> {
    return this.#options.writer.settle();
  }

  #save(bytes: Buffer): BlobId {
    const { keys, writer, claim } = this.#options;
    const id = keys.hashers.tree.digest(bytes, BLOB_ID_BYTES) as BlobId;
    if (claim(id)) {
      writer.add(id, bytes);
      this.bytesAdded += bytes.length;
    }
    return id;
  }

  /** Saves a directory: `rows` are whole rows in order of their names. */
  saveDirectory(rows: readonly Buffer[]): BlobId {
    const seed = this.#options.keys.splitSeed;
    const leaves: BranchEntry[] = [];
    let first = 0;
    let bytes = 0;
    for (const [index, row] of rows.entries()) {
      bytes += row.length;
      this.owners.uids.add(row.readUInt32LE(ROW_STAT_OFFSET + STAT_OFFSET.uid));
      this.owners.gids.add(row.readUInt32LE(ROW_STAT_OFFSET + STAT_OFFSET.gid));
      const end = ROW_NAME_OFFSET + row.readUInt16LE(ROW_NAME_LENGTH_OFFSET);
      if (index + 1 < rows.length && !endsPart(bytes, { bytes: row, start: ROW_NAME_OFFSET, end }, seed)) continue;
      leaves.push(this.#saveLeaf(rows.slice(first, index + 1)));
      first = index + 1;
      bytes = 0;
    }
    if (leaves.length === 0) return this.#save(encodeLeaf(0, []));
    return this.#saveBranches(leaves, 1);
  }

  #saveLeaf(rows: readonly Buffer[]): BranchEntry {
    const firstRow = rows[0] ?? Buffer.alloc(0);
    const nameEnd = ROW_NAME_OFFSET + firstRow.readUInt16LE(ROW_NAME_LENGTH_OFFSET);
    const treeId = this.#save(encodeLeaf(rows.length, rows));
    return { name: firstRow.subarray(ROW_NAME_OFFSET, nameEnd), treeId, rows: rows.length };
  }

  #saveBranches(entries: readonly BranchEntry[], level: number): BlobId {
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) return only.treeId;
    const seed = this.#options.keys.splitSeed;
    const branches: BranchEntry[] = [];
    let first = 0;
    let bytes = 0;
    for (const [index, entry] of entries.entries()) {
      bytes += entry.name.length + BLOB_ID_BYTES + 4;
      const name = { bytes: entry.name, start: 0, end: entry.name.length };
      if (index + 1 < entries.length && !endsPart(bytes, name, seed)) continue;
      const group = entries.slice(first, index + 1);
      const treeId = this.#save(encodeBranch(level, group));
      const rows = group.reduce((sum, below) => sum + below.rows, 0);
      branches.push({ name: group[0]?.name ?? entry.name, treeId, rows });
      first = index + 1;
      bytes = 0;
    }
    return this.#saveBranches(branches, level + 1);
  }

  /** How a file's pieces are kept in its row; long lists are stored apart. `entries` add up to `size`. */
  saveContent(entries: readonly ContentEntry[], size: number): Content {
    const builder = this.beginContent();
    for (const entry of entries) builder.add(entry);
    return builder.finish(size);
  }

  /** The same for pieces that come one by one, of a file of any length. */
  beginContent(kind: 'usual' | 'rows' = 'usual'): ContentBuilder {
    return new ContentBuilder((list) => this.#save(encodeContentList(list)), kind);
  }
}
