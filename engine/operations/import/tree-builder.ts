/** Makes trees of rows that come in the order of trees. Directories that no entry stands for are made up. */

import type { BlobId } from '../../base/ids.ts';
import { IMPORT_TOP_NAMES_MAX } from '../../base/limits.ts';
import { S_IFDIR, STAT_BYTES, STAT_OFFSET, type Time, writeStat } from '../../base/stat.ts';
import { decodeRow, encodeRow, type Node, ROW_STAT_OFFSET } from '../../format/row.ts';
import type { ScratchRows } from '../../repository/scratch-rows.ts';
import type { WriteSession } from '../../repository/write-session.ts';
import { namesOf, pathOf } from './entry-path.ts';

interface OpenDirectory {
  readonly name: Buffer;
  /** Undefined where the archive has no entry for it. */
  readonly node: Node | undefined;
  readonly rows: Buffer[];
  /** Of the first entry below it. */
  readonly mtime: Time;
  filesBelow: number;
  bytesBelow: number;
}

export interface BuiltTree {
  readonly treeId: BlobId;
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
  /** Names at the root. */
  readonly topNames: readonly Buffer[];
}

export interface TreeBuilderOptions {
  readonly session: WriteSession;
  readonly rows: ScratchRows;
  /** True where some files have several names. */
  readonly hasLinks: boolean;
  readonly onRefused: (path: Buffer, code: string, why: string) => void;
}

const MADE_UP_MODE = S_IFDIR | 0o755;

export class TreeBuilder {
  readonly #options: TreeBuilderOptions;
  readonly #stack: OpenDirectory[] = [];
  #directories = 0;

  constructor(options: TreeBuilderOptions) {
    this.#options = options;
  }

  async build(): Promise<BuiltTree> {
    const { rows, session, hasLinks } = this.#options;
    const links = hasLinks ? await countNames(rows) : new Map<bigint, number>();
    const root = opened(Buffer.alloc(0), undefined, { seconds: 0, nanoseconds: 0 });
    this.#stack.push(root);
    let last: { readonly key: Buffer; readonly isDirectory: boolean } | undefined;
    for await (const [key, row] of rows.all()) {
      const names = namesOf(key);
      if (last !== undefined && !last.isDirectory && isBelow(key, last.key)) {
        const above = pathOf(namesOf(last.key)).toString('utf8');
        this.#options.onRefused(pathOf(names), 'NOT_A_FOLDER', `it lies below ${above}, which is no folder`);
        continue;
      }
      const node = decodeRow(row, 'an imported row');
      last = { key, isDirectory: node.type === 'dir' };
      this.#enter(names, node);
      if (node.type !== 'dir') this.#addFile(node, links.get(node.inode) ?? 1);
      await session.settle();
    }
    while (this.#stack.length > 1) this.#leave();
    return {
      treeId: session.trees.saveDirectory(root.rows),
      files: root.filesBelow,
      directories: this.#directories,
      bytes: root.bytesBelow,
      topNames: root.rows.slice(0, IMPORT_TOP_NAMES_MAX).map((row) => decodeRow(row, 'an imported row').name),
    };
  }

  /** Leaves and enters directories until the entry's own (for a directory: itself) is the innermost. */
  #enter(names: readonly Buffer[], node: Node): void {
    const isDirectory = node.type === 'dir';
    const parents = names.slice(0, -1);
    let same = 0;
    while (same < parents.length && this.#stack[same + 1]?.name.equals(parents[same] ?? Buffer.alloc(0)) === true)
      same++;
    while (this.#stack.length > same + 1) this.#leave();
    for (const name of parents.slice(same)) this.#stack.push(opened(name, undefined, node.mtime));
    const name = names.at(-1);
    if (isDirectory && name !== undefined) this.#stack.push(opened(name, node, node.mtime));
  }

  #addFile(node: Node, links: number): void {
    const parent = this.#stack.at(-1);
    if (parent === undefined) return;
    const stat = Buffer.from(node.row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES));
    stat.writeUInt32LE(links, STAT_OFFSET.links);
    parent.rows.push(encodeRow({ ...node, stat }));
    parent.filesBelow++;
    if (node.type === 'file') parent.bytesBelow += node.size;
  }

  #leave(): void {
    const directory = this.#stack.pop();
    const parent = this.#stack.at(-1);
    if (directory === undefined || parent === undefined) return;
    const { name, node, filesBelow, bytesBelow } = directory;
    const treeId = this.#options.session.trees.saveDirectory(directory.rows);
    const content = { kind: 'tree', treeId, filesBelow, bytesBelow } as const;
    const stat =
      node === undefined
        ? madeUpStat(directory.mtime)
        : node.row.subarray(ROW_STAT_OFFSET, ROW_STAT_OFFSET + STAT_BYTES);
    parent.rows.push(encodeRow({ name, attributes: node?.attributes, stat, content }));
    parent.filesBelow += filesBelow;
    parent.bytesBelow += bytesBelow;
    this.#directories++;
  }
}

function opened(name: Buffer, node: Node | undefined, mtime: Time): OpenDirectory {
  return { name, node, rows: [], mtime, filesBelow: 0, bytesBelow: 0 };
}

function madeUpStat(mtime: Time): Buffer {
  const stat = Buffer.alloc(STAT_BYTES);
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  writeStat(stat, 0, { mode: MADE_UP_MODE, uid, gid, links: 1, inode: 0n, size: 0, mtime, ctime: mtime });
  return stat;
}

function isBelow(key: Buffer, above: Buffer): boolean {
  return key.length > above.length && key[above.length] === 0 && key.subarray(0, above.length).equals(above);
}

/** How many names each inode has in the end. */
async function countNames(rows: ScratchRows): Promise<Map<bigint, number>> {
  const counts = new Map<bigint, number>();
  for await (const [, row] of rows.all()) {
    const { inode } = decodeRow(row, 'an imported row');
    if (inode !== 0n) counts.set(inode, (counts.get(inode) ?? 0) + 1);
  }
  return counts;
}
