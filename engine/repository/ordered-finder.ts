/**
 * Finds many paths of a snapshot that are asked for in the order of its tree (base/server-paths.ts, treeKey), each part of
 * which is then read once at most, and only those that a path leads to. It holds one part for each folder on the way.
 */

import type { BlobId } from '../base/ids.ts';
import { compareRowToName, decodeRow, type Node, rowLengthAt } from '../format/row.ts';
import type { BranchEntry } from '../format/tree-part.ts';
import type { BlobReader } from './blob-reader.ts';

/** `behind-link`: on the way lies a symbolic link, which is not followed. */
export type OrderedFind = Node | 'behind-link' | undefined;

interface Folder {
  /** The names on the way to it, each with a zero byte before it. */
  readonly key: Buffer;
  readonly cursor: FolderCursor;
}

export class OrderedFinder {
  readonly #blobs: BlobReader;
  readonly #tree: BlobId;
  #folders: Folder[] = [];
  #last: Buffer = Buffer.alloc(0);

  constructor(blobs: BlobReader, tree: BlobId) {
    this.#blobs = blobs;
    this.#tree = tree;
  }

  /** By the path's key. A key before the last one is found as well, by beginning anew. */
  async find(key: Buffer): Promise<OrderedFind> {
    if (key.compare(this.#last) < 0) this.#folders = [];
    this.#last = key;
    while (this.#folders.length > 0 && !holds(this.#folders.at(-1)?.key, key)) this.#folders.pop();
    if (this.#folders.length === 0) {
      this.#folders.push({ key: Buffer.alloc(0), cursor: new FolderCursor(this.#blobs, this.#tree) });
    }
    for (;;) {
      const folder = this.#folders.at(-1);
      if (folder === undefined) return undefined;
      const start = folder.key.length + 1;
      const next = key.indexOf(0, start);
      const end = next < 0 ? key.length : next;
      const node = await folder.cursor.seek(key.subarray(start, end));
      if (node === undefined || next < 0) return node;
      if (node.type === 'symlink') return 'behind-link';
      if (node.content.kind !== 'tree') return undefined;
      const cursor = new FolderCursor(this.#blobs, node.content.treeId);
      this.#folders.push({ key: key.subarray(0, end), cursor });
    }
  }
}

/** True where a key is of something below the folder. */
function holds(folder: Buffer | undefined, key: Buffer): boolean {
  if (folder === undefined || key.length <= folder.length || key[folder.length] !== 0) return false;
  return key.compare(folder, 0, folder.length, 0, folder.length) === 0;
}

/** Goes through the rows of one folder, forward. */
class FolderCursor {
  readonly #blobs: BlobReader;
  #first: BlobId | undefined;
  /** Branches under way, the deepest last. */
  readonly #branches: { readonly entries: readonly BranchEntry[]; next: number }[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #rowsLeft = 0;

  constructor(blobs: BlobReader, tree: BlobId) {
    this.#blobs = blobs;
    this.#first = tree;
  }

  /** The row of that name, which is not before the one that was asked for last. The cursor stays at it. */
  async seek(name: Buffer): Promise<Node | undefined> {
    for (;;) {
      for (; this.#rowsLeft > 0; this.#rowsLeft--) {
        const order = compareRowToName(this.#bytes, this.#at, name);
        if (order > 0) return undefined;
        const end = this.#at + rowLengthAt(this.#bytes, this.#at);
        if (order === 0) return decodeRow(this.#bytes.subarray(this.#at, end), 'a row');
        this.#at = end;
      }
      const part = this.#partFor(name);
      if (part === undefined) return undefined;
      await this.#enter(part);
    }
  }

  /** The next part that may have the name. Those whose successor begins at the name or before it are stepped over. */
  #partFor(name: Buffer): BlobId | undefined {
    const first = this.#first;
    if (first !== undefined) {
      this.#first = undefined;
      return first;
    }
    for (let branch = this.#branches.at(-1); branch !== undefined; branch = this.#branches.at(-1)) {
      const { entries } = branch;
      while (isAtOrBefore(entries[branch.next + 1], name)) branch.next++;
      const entry = entries[branch.next];
      if (entry !== undefined) {
        if (!isAtOrBefore(entry, name)) return undefined;
        branch.next++;
        return entry.treeId;
      }
      this.#branches.pop();
    }
    return undefined;
  }

  async #enter(id: BlobId): Promise<void> {
    const part = await this.#blobs.loadTreePart(id);
    if (part.kind === 'branch') this.#branches.push({ entries: part.entries, next: 0 });
    else {
      this.#bytes = part.bytes;
      this.#at = part.firstRow;
      this.#rowsLeft = part.rowCount;
    }
  }
}

function isAtOrBefore(entry: BranchEntry | undefined, name: Buffer): boolean {
  return entry !== undefined && entry.name.compare(name) <= 0;
}
