/** Lists what a snapshot holds: all of a directory, one page of it, or one entry. */

import { Breather } from '../base/concurrency.ts';
import { EngineError } from '../base/errors.ts';
import type { BlobId } from '../base/ids.ts';
import { PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX, PAGE_SORTED_ENTRIES_MAX } from '../base/limits.ts';
import { joinPath } from '../base/paths.ts';
import { compareTimes, nodeTypeOfMode, readMode, readMtime, readSize } from '../base/stat.ts';
import { decodeRow, type Node, nameOfRowAt, ROW_STAT_OFFSET, readRowContent } from '../format/row.ts';
import { type ContentId, contentIdOf, contentIdOfTree } from '../repository/content-id.ts';
import { type FoundPath, findPath } from '../repository/find-node.ts';
import type { Repository } from '../repository/repository.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';
import { countRows, leavesFrom, type PlacedRow, rowsFrom } from '../repository/tree-range.ts';

export interface ListOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  /** Default: the root. */
  readonly path?: Buffer | undefined;
  readonly filter?: SnapshotFilter | undefined;
  /** All below, each directory before what it holds. */
  readonly recursive?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Entry {
  readonly path: Buffer;
  readonly node: Node;
  /** Names that the snapshot recorded for the ids. */
  readonly user: string | undefined;
  readonly group: string | undefined;
}

/** One entry, or the root, which has no row. */
export interface PathEntry {
  /** The one that was meant. */
  readonly snapshot: Snapshot;
  readonly path: Buffer;
  readonly node: Node | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
  /** Changes with what a file holds, what lies below a directory, where a link leads; fit for an ETag. */
  readonly contentId: ContentId;
}

export const PAGE_ORDERS = ['name', 'size', 'time'] as const;
/** By the bytes of names; by bytes, those below a directory; by modification time. Equal ones by name. */
export type PageOrder = (typeof PAGE_ORDERS)[number];

export interface PageOptions extends Omit<ListOptions, 'recursive' | 'signal'> {
  /** Name of the entry behind which the page begins: `next` of the one before. */
  readonly after?: Buffer | undefined;
  /** Entries, from 1 to PAGE_ENTRIES_MAX. Default: PAGE_ENTRIES_DEFAULT. */
  readonly limit?: number | undefined;
  readonly order?: PageOrder | undefined;
  readonly descending?: boolean | undefined;
}

export interface EntryPage {
  /** The one that was meant: later pages are asked for by its id. */
  readonly snapshot: Snapshot;
  readonly path: Buffer;
  readonly entries: readonly Entry[];
  /** Entries of the whole directory. */
  readonly total: number;
  /** What to give as `after` for the next page; undefined where this is the last one. */
  readonly next: Buffer | undefined;
}

/** Where the question leads, with the index ready to read it. */
async function locate(
  repository: Repository,
  options: Pick<ListOptions, 'snapshot' | 'path' | 'filter'>,
): Promise<{ readonly snapshot: Snapshot; readonly found: FoundPath }> {
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  await repository.loadIndex();
  return { snapshot, found: await findPath(repository.blobs, snapshot, options.path ?? Buffer.from('/')) };
}

/** The tree of a directory; undefined for what is none. */
function treeOf(found: FoundPath): BlobId | undefined {
  if (found.kind === 'root') return found.treeId;
  return found.node.content.kind === 'tree' ? found.node.content.treeId : undefined;
}

/**
 * Entries of a directory in order of their names, or the one entry of a file. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND;
 * INTERRUPTED after the signal.
 */
export async function* listEntries(repository: Repository, options: ListOptions): AsyncGenerator<Entry> {
  const { snapshot, found } = await locate(repository, options);
  const treeId = treeOf(found);
  if (treeId !== undefined) {
    const breather = new Breather(options.signal);
    yield* listTree({ repository, snapshot, breather, recursive: options.recursive === true }, treeId, found.path);
  } else if (found.kind === 'node') yield entryOf(snapshot, found.path, found.node);
}

function entryOf(snapshot: Snapshot, path: Buffer, node: Node): Entry {
  return { path, node, user: snapshot.users[String(node.uid)], group: snapshot.groups[String(node.gid)] };
}

function nodeAt({ bytes, at, end }: PlacedRow, directory: Buffer): Node {
  return decodeRow(bytes.subarray(at, end), `a row of ${directory.toString('utf8')}`);
}

async function* listTree(
  within: {
    readonly repository: Repository;
    readonly snapshot: Snapshot;
    readonly breather: Breather;
    readonly recursive: boolean;
  },
  treeId: BlobId,
  path: Buffer,
): AsyncGenerator<Entry> {
  for await (const leaf of within.repository.blobs.leaves(treeId)) {
    await within.breather.breathe();
    for (const row of rowsFrom(leaf, undefined, 'at')) {
      const node = nodeAt(row, path);
      const full = joinPath(path, node.name);
      yield entryOf(within.snapshot, full, node);
      if (within.recursive && node.content.kind === 'tree') yield* listTree(within, node.content.treeId, full);
    }
  }
}

/** Looks at one path. PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND, OBJECT_CORRUPT, OBJECT_MISSING. */
export async function findEntry(
  repository: Repository,
  options: Pick<ListOptions, 'snapshot' | 'path' | 'filter'>,
): Promise<PathEntry> {
  const { snapshot, found } = await locate(repository, options);
  const { path } = found;
  if (found.kind === 'root') {
    const contentId = contentIdOfTree(repository.keys, found.treeId);
    return { snapshot, path, node: undefined, user: undefined, group: undefined, contentId };
  }
  return { ...entryOf(snapshot, path, found.node), snapshot, contentId: contentIdOf(repository.keys, found.node) };
}

/**
 * Some entries of one directory. In the order of names, the parts of its tree that lead to them are all that is read, however
 * large it is; any other order reads the whole directory, and is for those of PAGE_SORTED_ENTRIES_MAX entries at most.
 * PATH_NOT_FOUND, SNAPSHOT_NOT_FOUND, OBJECT_CORRUPT, OBJECT_MISSING; INVALID_ARGUMENT for what is no directory, a limit or
 * an order that cannot be, and in another order than that of names for an `after` that is no entry.
 *
 * @example
 * const first = await listPage(repository, { snapshot: 'latest', path: Buffer.from('/books'), limit: 100 });
 * const second = await listPage(repository, { snapshot: first.snapshot.id, path: first.path, limit: 100, after: first.next });
 */
export async function listPage(repository: Repository, options: PageOptions): Promise<EntryPage> {
  const { limit = PAGE_ENTRIES_DEFAULT, order = 'name', descending = false } = options;
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > PAGE_ENTRIES_MAX) {
    throw new EngineError('INVALID_ARGUMENT', `A page has from 1 to ${PAGE_ENTRIES_MAX} entries, not ${limit}`);
  }
  const { snapshot, found } = await locate(repository, options);
  const { path } = found;
  const treeId = treeOf(found);
  if (treeId === undefined) {
    throw new EngineError('INVALID_ARGUMENT', `${path.toString('utf8')} is not a folder, and has no pages`);
  }
  const total = await countRows(repository.blobs, treeId);
  const directory = { path, treeId, total };
  const rows =
    order === 'name' && !descending
      ? await rowsByName(repository, directory, { after: options.after, limit })
      : await rowsInOrder(repository, directory, { after: options.after, limit, order, descending });
  const entries = rows.slice(0, limit).map((row) => {
    const node = nodeAt(row, path);
    return entryOf(snapshot, joinPath(path, node.name), node);
  });
  const next = rows.length > limit ? entries.at(-1)?.node.name : undefined;
  return { snapshot, path, entries, total, next };
}

interface Directory {
  readonly path: Buffer;
  readonly treeId: BlobId;
  readonly total: number;
}

/** One more than the page has, where there are more. */
async function rowsByName(
  { blobs }: Repository,
  { treeId }: Directory,
  { after, limit }: { readonly after: Buffer | undefined; readonly limit: number },
): Promise<PlacedRow[]> {
  const rows: PlacedRow[] = [];
  for await (const leaf of leavesFrom(blobs, treeId, after)) {
    for (const row of rowsFrom(leaf, after, 'behind')) {
      rows.push(row);
      if (rows.length > limit) return rows;
    }
  }
  return rows;
}

/** The same in another order. */
async function rowsInOrder(
  { blobs }: Repository,
  { path, treeId, total }: Directory,
  wanted: {
    readonly after: Buffer | undefined;
    readonly limit: number;
    readonly order: PageOrder;
    readonly descending: boolean;
  },
): Promise<PlacedRow[]> {
  const { after, limit, order, descending } = wanted;
  const name = path.toString('utf8');
  if (total > PAGE_SORTED_ENTRIES_MAX) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${name} has ${total} entries, and more than ${PAGE_SORTED_ENTRIES_MAX} are shown in ascending order of their names alone`,
    );
  }
  const rows: PlacedRow[] = [];
  for await (const leaf of blobs.leaves(treeId)) rows.push(...rowsFrom(leaf, undefined, 'at'));
  const sorted = sortRows(rows, order, descending);
  if (after === undefined) return sorted.slice(0, limit + 1);
  const at = sorted.findIndex((row) => nameOfRowAt(row.bytes, row.at).equals(after));
  if (at < 0) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `${name} has no entry ${after.toString('utf8')} behind which a page begins`,
    );
  }
  return sorted.slice(at + 1, at + limit + 2);
}

/** Rows come in order of their names, which is kept among equals. */
function sortRows(rows: PlacedRow[], order: PageOrder, descending: boolean): PlacedRow[] {
  if (order === 'name') return descending ? rows.reverse() : rows;
  const turn = descending ? -1 : 1;
  if (order === 'size') {
    const sized = rows.map((row) => ({ row, size: sizeOf(row) }));
    return sized.sort((a, b) => turn * (a.size - b.size)).map(({ row }) => row);
  }
  const timed = rows.map((row) => ({ row, mtime: readMtime(row.bytes, row.at + ROW_STAT_OFFSET) }));
  return timed.sort((a, b) => turn * compareTimes(a.mtime, b.mtime)).map(({ row }) => row);
}

function sizeOf({ bytes, at }: PlacedRow): number {
  const stat = at + ROW_STAT_OFFSET;
  if (nodeTypeOfMode(readMode(bytes, stat)) !== 'dir') return readSize(bytes, stat);
  const content = readRowContent(bytes, at, 'a row');
  return content.kind === 'tree' ? content.bytesBelow : 0;
}

/** Splits `SNAP:PATH` at the first `:/`; without a path it is undefined. */
export function splitSnapshotPath(text: Buffer): { readonly snapshot: string; readonly path: Buffer | undefined } {
  const at = text.indexOf(':/');
  if (at === 0)
    throw new EngineError('INVALID_ARGUMENT', `"${text.toString('utf8')}" names no snapshot before its path`);
  if (at < 0) return { snapshot: text.toString('utf8'), path: undefined };
  return { snapshot: text.toString('utf8', 0, at), path: text.subarray(at + 1) };
}
