/**
 * Puts a file's content together piece by piece: a few pieces stand in the row, long lists are split by content and
 * stored as they grow, so that memory does not grow with the file.
 */

import type { BlobId } from '../base/ids.ts';
import { CONTENT_INLINE_ENTRIES_MAX } from '../base/limits.ts';
import { type Content, type ContentEntry, type ListEntry, NO_CONTENT } from '../format/row.ts';
import { CONTENT_SPLITS, type ContentList, type ContentSplit, endsContentList } from '../format/tree-part.ts';

/** Lists of one depth. */
interface Level {
  readonly waiting: ListEntry[];
  /** Some were stored in a list above. */
  isSplit: boolean;
}

export class ContentBuilder {
  readonly #save: (list: ContentList) => BlobId;
  #waiting: ContentEntry[] = [];
  /** From depth 1 on. */
  readonly #levels: Level[] = [];

  readonly #split: ContentSplit;

  constructor(save: (list: ContentList) => BlobId, kind: keyof typeof CONTENT_SPLITS = 'usual') {
    this.#split = CONTENT_SPLITS[kind];
    this.#save = save;
  }

  add(entry: ContentEntry): void {
    this.#waiting.push(entry);
    if (endsContentList(this.#waiting.length, entry.blobId, this.#split)) this.#closeEntries();
  }

  #closeEntries(): void {
    const entries = this.#waiting;
    this.#waiting = [];
    this.#addList(1, { length: bytesOf(entries), listId: this.#save({ depth: 0, entries }) });
  }

  #addList(depth: number, list: ListEntry): void {
    const level = this.#level(depth);
    level.waiting.push(list);
    if (endsContentList(level.waiting.length, list.listId)) this.#closeLists(depth);
  }

  #level(depth: number): Level {
    const known = this.#levels[depth - 1];
    if (known !== undefined) return known;
    const level: Level = { waiting: [], isSplit: false };
    this.#levels.push(level);
    return level;
  }

  #closeLists(depth: number): void {
    const level = this.#level(depth);
    level.isSplit = true;
    const lists = level.waiting.splice(0);
    this.#addList(depth + 1, { length: bytesOf(lists), listId: this.#save({ depth, lists }) });
  }

  /** What was added adds up to `size`. */
  finish(size: number): Content {
    if (size === 0) return NO_CONTENT;
    const entries = this.#waiting;
    const [only] = entries;
    if (this.#levels.length === 0) {
      if (entries.length === 1 && only?.blobId !== undefined) return { kind: 'single', blobId: only.blobId };
      if (entries.length <= CONTENT_INLINE_ENTRIES_MAX) return { kind: 'list', entries };
    }
    if (entries.length > 0) this.#closeEntries();
    for (let depth = 1; ; depth++) {
      const level = this.#level(depth);
      if (!level.isSplit && level.waiting.length <= CONTENT_INLINE_ENTRIES_MAX) {
        return { kind: 'indirect', depth, entries: level.waiting };
      }
      if (level.waiting.length > 0) this.#closeLists(depth);
    }
  }
}

function bytesOf(entries: readonly { readonly length: number }[]): number {
  return entries.reduce((sum, { length }) => sum + length, 0);
}
