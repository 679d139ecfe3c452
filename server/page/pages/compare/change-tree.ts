/** Changes as a tree of folders, each with what came and went below it. Pure. */

import type { DiffChange, DiffItem, DiffProblem, DiffTable } from '../../api-types.ts';

export interface TreeFolder {
  readonly kind: 'folder';
  readonly path: string;
  /** Of several folders that hold nothing but each other: all their names. */
  readonly name: string;
  readonly depth: number;
  /** What happened to it itself. */
  readonly change: DiffChange | undefined;
  readonly isOpen: boolean;
  /** Of what is below it. */
  readonly changes: number;
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
}

export interface TreeLeaf {
  readonly kind: 'leaf';
  readonly key: string;
  readonly name: string;
  readonly depth: number;
  readonly item: DiffItem;
}

export type TreeRow = TreeFolder | TreeLeaf;

/** Whether somebody opened (true) or closed a folder, by its path. */
export type Opened = ReadonlyMap<string, boolean>;

class Node {
  readonly path: string;
  readonly name: string;
  readonly parent: Node | undefined;
  /** In the order in which they came, which is that of paths. */
  readonly children: Node[] = [];
  readonly tables: DiffTable[] = [];
  readonly problems: DiffProblem[] = [];
  change: DiffChange | undefined;
  changes = 0;
  bytesAdded = 0;
  bytesRemoved = 0;

  constructor(path: string, parent: Node | undefined) {
    this.path = path;
    this.name = path.slice(path.lastIndexOf('/') + 1);
    this.parent = parent;
  }
}

/** Grows with each page of changes that comes. */
export class ChangeTree {
  readonly #root = new Node('', undefined);
  readonly #nodes = new Map<string, Node>([['', this.#root]]);

  add(items: readonly DiffItem[]): void {
    for (const item of items) this.#add(item);
  }

  rows(opened: Opened): TreeRow[] {
    const rows: TreeRow[] = [];
    for (const child of this.#root.children) addRows({ node: child, name: child.name, depth: 0 }, opened, rows);
    return rows;
  }

  #add(item: DiffItem): void {
    const node = this.#nodeAt(item.path);
    const bytesAdded = item.event === 'change' ? item.bytes_added : 0;
    const bytesRemoved = item.event === 'change' ? item.bytes_removed : 0;
    // A folder's sums are of what is in it.
    for (let above = node.parent; above !== undefined; above = above.parent) {
      above.changes++;
      above.bytesAdded += bytesAdded;
      above.bytesRemoved += bytesRemoved;
    }
    if (item.event === 'change') node.change = item;
    else if (item.event === 'table') node.tables.push(item);
    else if (item.event === 'problem') node.problems.push(item);
  }

  #nodeAt(path: string): Node {
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    const parent = this.#nodeAt(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    const node = new Node(path, parent);
    parent.children.push(node);
    this.#nodes.set(path, node);
    return node;
  }
}

interface Place {
  readonly node: Node;
  readonly name: string;
  readonly depth: number;
}

function addRows({ node, name, depth }: Place, opened: Opened, rows: TreeRow[]): void {
  const { children, change, path } = node;
  const only = children.length === 1 ? children[0] : undefined;
  if (only !== undefined && only.children.length > 0 && change === undefined && node.problems.length === 0) {
    addRows({ node: only, name: `${name}/${only.name}`, depth }, opened, rows);
    return;
  }
  if (children.length === 0) {
    if (change !== undefined) rows.push({ kind: 'leaf', key: path, name, depth, item: change });
    addLeaves(node, { name, depth: change === undefined ? depth : depth + 1 }, rows);
    return;
  }
  // What came or went as a whole is told by its folder.
  const isWhole = change?.change === 'added' || change?.change === 'removed' || change?.change === 'moved';
  const isOpen = opened.get(path) ?? !isWhole;
  const { changes, bytesAdded, bytesRemoved } = node;
  rows.push({ kind: 'folder', path, name, depth, change, isOpen, changes, bytesAdded, bytesRemoved });
  if (!isOpen) return;
  addLeaves(node, { name, depth: depth + 1 }, rows);
  for (const child of children) addRows({ node: child, name: child.name, depth: depth + 1 }, opened, rows);
}

function addLeaves(
  { path, tables, problems }: Node,
  { name, depth }: { readonly name: string; readonly depth: number },
  rows: TreeRow[],
): void {
  for (const [at, item] of problems.entries()) {
    rows.push({ kind: 'leaf', key: `${path} problem ${at}`, name, depth, item });
  }
  for (const item of tables) {
    rows.push({ kind: 'leaf', key: `${path} table ${item.table}`, name: item.table, depth, item });
  }
}
