/** The two sides of a diff as the walk sees them: a snapshot before, and a snapshot or the disk after. */

import type { Attribute, Node } from '../../format/row.ts';
import type { Entry } from '../../repository/entry-difference.ts';

export type { Entry } from '../../repository/entry-difference.ts';

/** One name on both sides. */
export interface Pair<After extends Entry> {
  readonly name: Buffer;
  readonly before: Node | undefined;
  readonly after: After | undefined;
}

/** A directory on both sides; `before` and `after` are undefined for the root, which has no row. */
export interface DirectoryPair<After extends Entry> {
  readonly path: Buffer;
  /** Where it was before: another path where it moved. */
  readonly pathBefore: Buffer;
  readonly before: Node | undefined;
  readonly after: After | undefined;
}

export interface Verdict {
  readonly same: boolean;
  readonly bytesAdded: number;
  readonly bytesRemoved: number;
}

/**
 * Keys by which an entry is found again elsewhere, the surest first; those of one place in the list are compared with
 * each other. An empty one fits nothing.
 */
export type MoveKeys = readonly string[];

export interface Comparison<After extends Entry> {
  /** Names that may differ; what cannot is left out where that costs nothing. */
  pairs(directory: DirectoryPair<After>): AsyncGenerator<readonly Pair<After>[]>;
  listBefore(path: Buffer, before: Node): AsyncGenerator<readonly Node[]>;
  listAfter(path: Buffer, after: After): AsyncGenerator<readonly After[]>;
  /** True where two directories are known to hold the same. */
  isSameTree(before: Node, after: After): boolean;
  /** Of two regular files. Undefined where that cannot be found out, which is then a problem. */
  compareContent(path: Buffer, before: Node, after: After): Promise<Verdict | undefined>;
  attributesAfter(path: Buffer, before: Node, after: After): readonly Attribute[];
  /** False where the entry could have changed without a change of its times. */
  isTrusted(before: Node): boolean;
  keysBefore(before: Node): MoveKeys;
  keysAfter(after: After): MoveKeys;
  /** A name for what a file holds, if it is known without reading it. */
  contentName(entry: Node | After): string | undefined;
}

/** One side of the path that was asked for: a snapshot's or the disk's root, an entry, or nothing. */
export type Subject<E> =
  | { readonly kind: 'root' }
  | { readonly kind: 'entry'; readonly entry: E }
  | { readonly kind: 'none' };
