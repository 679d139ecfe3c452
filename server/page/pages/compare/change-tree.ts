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

interface Node {
  readonly path: string;
  readonly name: string;
  readonly children: Map<string, Node>;
  change: DiffChange | undefined;
  readonly tables: DiffTable[];
  readonly problems: DiffProblem[];
  changes: number;
  bytesAdded: number;
  bytesRemoved: number;
}

/** Whether somebody opened (true) or closed a folder, by its path. */
export type Opened = ReadonlyMap<string, boolean>;

function nodeOf(path: string, name: string): Node {
  const sums = { changes: 0, bytesAdded: 0, bytesRemoved: 0 };
  return { path, name, children: new Map(), change: undefined, tables: [], problems: [], ...sums };
}

export function treeRows(items: readonly DiffItem[], opened: Opened): TreeRow[] {
  const root = nodeOf('', '');
  for (const item of items) insert(root, item);
  const rows: TreeRow[] = [];
  for (const child of root.children.values()) addRows({ node: child, name: child.name, depth: 0 }, opened, rows);
  return rows;
}

function insert(root: Node, item: DiffItem): void {
  const bytesAdded = item.event === 'change' ? item.bytes_added : 0;
  const bytesRemoved = item.event === 'change' ? item.bytes_removed : 0;
  let node = root;
  const names = item.path.split('/').filter((name) => name !== '');
  for (const [depth, name] of names.entries()) {
    let child = node.children.get(name);
    if (child === undefined) {
      child = nodeOf(`${node.path}/${name}`, name);
      node.children.set(name, child);
    }
    node = child;
    // A folder's sums are of what is in it.
    if (depth === names.length - 1) break;
    node.changes++;
    node.bytesAdded += bytesAdded;
    node.bytesRemoved += bytesRemoved;
  }
  if (item.event === 'change') node.change = item;
  else if (item.event === 'table') node.tables.push(item);
  else if (item.event === 'problem') node.problems.push(item);
}

interface Place {
  readonly node: Node;
  readonly name: string;
  readonly depth: number;
}

function addRows({ node, name, depth }: Place, opened: Opened, rows: TreeRow[]): void {
  const { children, change, path } = node;
  const [only] = children.values();
  const holdsOne = children.size === 1 && only !== undefined && only.children.size > 0;
  if (holdsOne && change === undefined && node.problems.length === 0) {
    addRows({ node: only, name: `${name}/${only.name}`, depth }, opened, rows);
    return;
  }
  if (children.size === 0) {
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
  for (const child of children.values()) addRows({ node: child, name: child.name, depth: depth + 1 }, opened, rows);
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
