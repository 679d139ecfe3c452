/** Finds one path in many snapshots: a tree, or a part of one, that several of them share is looked into once. */

import type { BlobId } from '../base/ids.ts';
import { decodeRow, type Node } from '../format/row.ts';
import { stepTowards } from './find-node.ts';
import type { LoadTreePart } from './tree-merge.ts';

export class PathHistory {
  readonly #load: LoadTreePart;
  readonly #names: readonly Buffer[];
  /** What was found at each step of the path, by tree part. */
  readonly #known: readonly Map<string, Promise<Node | undefined>>[];

  /** `path` is absolute and not the root. */
  constructor(load: LoadTreePart, path: Buffer) {
    this.#load = load;
    const parts = path.toString('latin1').split('/');
    this.#names = parts.filter((part) => part !== '' && part !== '.').map((part) => Buffer.from(part, 'latin1'));
    this.#known = this.#names.map(() => new Map());
  }

  /** The node at the path in the snapshot with this root tree. Equal trees give the very same object. */
  find(tree: BlobId): Promise<Node | undefined> {
    return this.#find(tree, 0);
  }

  #find(treeId: BlobId, step: number): Promise<Node | undefined> {
    const key = treeId.toString('latin1');
    const known = this.#known[step]?.get(key);
    if (known !== undefined) return known;
    const found = this.#findBelow(treeId, step);
    this.#known[step]?.set(key, found);
    return found;
  }

  async #findBelow(treeId: BlobId, step: number): Promise<Node | undefined> {
    const name = this.#names[step];
    if (name === undefined) return undefined;
    const found = stepTowards(await this.#load(treeId), name);
    // A large directory that changed elsewhere has the same part here.
    if (found.kind === 'part') return this.#find(found.treeId, step);
    if (found.kind === 'none') return undefined;
    const { node } = found;
    if (step < this.#names.length - 1) {
      return node.content.kind === 'tree' ? this.#find(node.content.treeId, step + 1) : undefined;
    }
    // A copy, so that the row does not hold the frame in which it lay.
    return decodeRow(Buffer.from(node.row), 'a row');
  }
}
