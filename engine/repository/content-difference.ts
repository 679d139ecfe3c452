/** Where the contents of two files differ, by the ids of their pieces. Lists that both have at one place are not read. */

import type { BlobId } from '../base/ids.ts';
import type { Content, ListEntry } from '../format/row.ts';
import type { BlobReader } from './blob-reader.ts';

export interface FileContent {
  readonly content: Content;
  readonly size: number;
}

export interface Piece {
  readonly offset: number;
  readonly length: number;
  /** Undefined for a hole. */
  readonly blobId: BlobId | undefined;
}

export interface ContentDifference {
  /** Pieces of the one that the other has not at this place, and the other way round. */
  readonly before: readonly Piece[];
  readonly after: readonly Piece[];
  /** Bytes of pieces that are nowhere among the other's differing pieces. */
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
}

interface Item extends Piece {
  /** A list that stands for pieces. */
  readonly listId: BlobId | undefined;
}

class PieceStream {
  readonly #blobs: BlobReader;
  /** What is to come, last item first. */
  readonly #items: Item[];

  constructor(blobs: BlobReader, { content, size }: FileContent) {
    this.#blobs = blobs;
    this.#items = itemsOf(content, size).reverse();
  }

  get head(): Item | undefined {
    return this.#items.at(-1);
  }

  skip(): void {
    this.#items.pop();
  }

  async expand(item: Item): Promise<void> {
    this.#items.pop();
    if (item.listId === undefined) return;
    const list = await this.#blobs.loadContentList(item.listId);
    const inner = 'entries' in list ? pieceItems(list.entries, item.offset) : listItems(list.lists, item.offset);
    for (const one of inner.reverse()) this.#items.push(one);
  }
}

function pieceItems(
  entries: readonly { readonly length: number; readonly blobId: BlobId | undefined }[],
  start: number,
): Item[] {
  let offset = start;
  return entries.map(({ length, blobId }) => {
    offset += length;
    return { offset: offset - length, length, blobId, listId: undefined };
  });
}

function listItems(lists: readonly ListEntry[], start: number): Item[] {
  let offset = start;
  return lists.map(({ length, listId }) => {
    offset += length;
    return { offset: offset - length, length, blobId: undefined, listId };
  });
}

function itemsOf(content: Content, size: number): Item[] {
  switch (content.kind) {
    case 'single':
      return [{ offset: 0, length: size, blobId: content.blobId, listId: undefined }];
    case 'list':
      return pieceItems(content.entries, 0);
    case 'indirect':
      return listItems(content.entries, 0);
    default:
      return [];
  }
}

function isSameItem(a: Item, b: Item): boolean {
  return a.offset === b.offset && a.length === b.length && sameId(a.blobId, b.blobId) && sameId(a.listId, b.listId);
}

function sameId(a: BlobId | undefined, b: BlobId | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}

export async function findDifference(blobs: BlobReader, a: FileContent, b: FileContent): Promise<ContentDifference> {
  const streams = [new PieceStream(blobs, a), new PieceStream(blobs, b)] as const;
  const pieces: readonly [Piece[], Piece[]] = [[], []];
  for (;;) {
    const [left, right] = [streams[0].head, streams[1].head];
    if (left === undefined && right === undefined) break;
    if (left !== undefined && right !== undefined && isSameItem(left, right)) {
      streams[0].skip();
      streams[1].skip();
      continue;
    }
    const start = Math.min(left?.offset ?? Number.POSITIVE_INFINITY, right?.offset ?? Number.POSITIVE_INFINITY);
    const behind = ([0, 1] as const).filter((side) => (side === 0 ? left : right)?.offset === start);
    const lists = behind.filter((side) => (side === 0 ? left : right)?.listId !== undefined);
    for (const side of lists.length > 0 ? lists : behind) {
      const item = side === 0 ? left : right;
      if (item === undefined) continue;
      if (item.listId !== undefined) await streams[side].expand(item);
      else {
        pieces[side].push(item);
        streams[side].skip();
      }
    }
  }
  const bytes = bytesApart(pieces[0], pieces[1]);
  return { before: pieces[0], after: pieces[1], ...bytes };
}

/** A piece that only moved inside the file counts on neither side. Holes have no bytes. */
function bytesApart(before: readonly Piece[], after: readonly Piece[]): { bytesAdded: number; bytesRemoved: number } {
  const unmatched = new Map<string, number>();
  let bytesRemoved = 0;
  for (const { blobId, length } of before) {
    if (blobId === undefined) continue;
    const key = blobId.toString('latin1');
    unmatched.set(key, (unmatched.get(key) ?? 0) + 1);
    bytesRemoved += length;
  }
  let bytesAdded = 0;
  for (const { blobId, length } of after) {
    if (blobId === undefined) continue;
    const key = blobId.toString('latin1');
    const count = unmatched.get(key) ?? 0;
    if (count === 0) bytesAdded += length;
    else {
      unmatched.set(key, count - 1);
      bytesRemoved -= length;
    }
  }
  return { bytesAdded, bytesRemoved };
}

/** True where both are made of the same pieces. */
export function isSameContent(a: FileContent, b: FileContent): boolean {
  if (a.size !== b.size || a.content.kind !== b.content.kind) return false;
  const [left, right] = [itemsOf(a.content, a.size), itemsOf(b.content, b.size)];
  return left.length === right.length && left.every((item, index) => isSameAt(item, right[index]));
}

function isSameAt(item: Item, other: Item | undefined): boolean {
  return other !== undefined && isSameItem(item, other);
}
