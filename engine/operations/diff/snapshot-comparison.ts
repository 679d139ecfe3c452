/** A diff of two snapshots: by ids, so that what is equal is neither read nor looked at. */

import { createHash } from 'node:crypto';
import { Breather } from '../../base/concurrency.ts';
import type { BlobId } from '../../base/ids.ts';
import { CLOCK_TICK_MS_MAX } from '../../base/limits.ts';
import { compareTimes, type Time } from '../../base/stat.ts';
import { type Attribute, decodeRow, type Node, rowLengthAt } from '../../format/row.ts';
import { findDifference, isSameContent } from '../../repository/content-difference.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import { type LoadTreePart, type MergedRow, mergeTrees } from '../../repository/tree-merge.ts';
import type { Comparison, DirectoryPair, Entry, MoveKeys, Pair, Verdict } from './comparison.ts';

/** Entries younger than this may have changed again within the tick of the clock in which they were read. */
export function trustedBefore(snapshot: Snapshot): Time {
  const ns = snapshot.startedNs - BigInt(CLOCK_TICK_MS_MAX) * 1_000_000n;
  return { seconds: Number(ns / 1_000_000_000n), nanoseconds: Number(ns % 1_000_000_000n) };
}

export function isBefore(entry: Entry, time: Time): boolean {
  return compareTimes(entry.mtime, time) < 0 && compareTimes(entry.ctime, time) < 0;
}

/** Rows of a directory of a snapshot. `breathe` is called now and then. */
export async function* listTree(
  load: LoadTreePart,
  treeId: BlobId,
  breathe: () => Promise<void>,
): AsyncGenerator<readonly Node[]> {
  for await (const batch of mergeTrees(load, [treeId])) {
    await breathe();
    const nodes: Node[] = [];
    for (const { rows } of batch) for (const row of rows) nodes.push(nodeOf(row));
    yield nodes;
  }
}

function nodeOf({ bytes, at }: MergedRow): Node {
  return decodeRow(bytes.subarray(at, at + rowLengthAt(bytes, at)), 'a row');
}

/** What a file of a snapshot holds, in few bytes: the ids of its pieces. */
export function contentNameOf({ content, size, type, linkTarget }: Node): string | undefined {
  switch (content.kind) {
    case 'single':
      return `${size}:${content.blobId.toString('latin1')}`;
    case 'list':
    case 'indirect': {
      const hash = createHash('sha256').update(content.kind);
      for (const entry of content.entries) {
        const id = 'listId' in entry ? entry.listId : entry.blobId;
        hash.update(`${entry.length} ${id?.toString('latin1') ?? ''};`, 'latin1');
      }
      return `${size}:${hash.digest('base64')}`;
    }
    case 'none':
      return `${type}:${linkTarget?.toString('latin1') ?? ''}`;
    default:
      return undefined;
  }
}

export function otherKey(entry: Entry): string {
  const { type, inode, mtime, linkTarget } = entry;
  return `${type}:${inode}:${mtime.seconds}.${mtime.nanoseconds}:${linkTarget?.toString('latin1') ?? ''}`;
}

export class SnapshotComparison implements Comparison<Node> {
  readonly #repository: Repository;
  readonly #trees: readonly [BlobId, BlobId];
  readonly #trusted: Time;
  readonly #load: LoadTreePart;
  readonly #breather: Breather;

  constructor(repository: Repository, before: Snapshot, after: Snapshot, signal: AbortSignal | undefined) {
    this.#repository = repository;
    this.#trees = [before.tree, after.tree];
    this.#trusted = trustedBefore(before.startedNs < after.startedNs ? before : after);
    this.#load = (treeId) => repository.blobs.loadTreePart(treeId);
    this.#breather = new Breather(signal);
  }

  async *pairs({ before, after }: DirectoryPair<Node>): AsyncGenerator<readonly Pair<Node>[]> {
    const left = before === undefined ? this.#trees[0] : treeOf(before);
    const right = after === undefined ? this.#trees[1] : treeOf(after);
    await this.#breather.breathe();
    if (left === undefined || right === undefined || left.equals(right)) return;
    for await (const batch of mergeTrees(this.#load, [left, right], { skipShared: true })) {
      await this.#breather.breathe();
      const pairs: Pair<Node>[] = [];
      for (const { name, rows } of batch) {
        const [first, second] = rows;
        if (first === undefined || (second !== undefined && isSameRow(first, second))) continue;
        if (first.versions.length === 2) continue;
        const [old, young] = first.versions[0] === 0 ? [first, second] : [second, first];
        pairs.push({
          name,
          before: old === undefined ? undefined : nodeOf(old),
          after: young === undefined ? undefined : nodeOf(young),
        });
      }
      if (pairs.length > 0) yield pairs;
    }
  }

  listBefore(_path: Buffer, before: Node): AsyncGenerator<readonly Node[]> {
    return this.#list(before);
  }

  listAfter(_path: Buffer, after: Node): AsyncGenerator<readonly Node[]> {
    return this.#list(after);
  }

  async *#list(node: Node): AsyncGenerator<readonly Node[]> {
    const treeId = treeOf(node);
    if (treeId !== undefined) yield* listTree(this.#load, treeId, () => this.#breather.breathe());
  }

  isSameTree(before: Node, after: Node): boolean {
    const [left, right] = [treeOf(before), treeOf(after)];
    return left !== undefined && right?.equals(left) === true;
  }

  async compareContent(_path: Buffer, before: Node, after: Node): Promise<Verdict> {
    await this.#breather.breathe();
    if (isSameContent(before, after)) return { same: true, bytesAdded: 0, bytesRemoved: 0 };
    return { same: false, ...(await findDifference(this.#repository.blobs, before, after)) };
  }

  attributesAfter(_path: Buffer, _before: Node, after: Node): readonly Attribute[] {
    return after.attributes;
  }

  isTrusted(before: Node): boolean {
    return isBefore(before, this.#trusted);
  }

  keysBefore(node: Node): MoveKeys {
    const { content, inode, type, size } = node;
    if (content.kind === 'tree') {
      const tree = content.treeId.toString('latin1');
      return [`${tree}/${inode}`, content.filesBelow > 0 ? tree : '', `${inode}`];
    }
    if (type !== 'file' || size === 0) return [otherKey(node)];
    const held = contentNameOf(node) ?? '';
    return [`${held}/${inode}`, `${held}/${node.name.toString('latin1')}`, held];
  }

  keysAfter(node: Node): MoveKeys {
    return this.keysBefore(node);
  }

  contentName(node: Node): string | undefined {
    return contentNameOf(node);
  }
}

function treeOf({ content }: Node): BlobId | undefined {
  return content.kind === 'tree' ? content.treeId : undefined;
}

function isSameRow(a: MergedRow, b: MergedRow): boolean {
  const length = rowLengthAt(a.bytes, a.at);
  return a.bytes.compare(b.bytes, b.at, b.at + rowLengthAt(b.bytes, b.at), a.at, a.at + length) === 0;
}
