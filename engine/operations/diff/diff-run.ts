/**
 * Walks two sides of a diff in step and says what differs. What is gone and what is new is kept aside, because it may be
 * the same that only moved; the rest is told as it is found.
 */

import { DIFF_LIKENESS_ENTRIES_MAX, DIFF_MOVE_CANDIDATES_MAX } from '../../base/limits.ts';
import { joinPath } from '../../base/paths.ts';
import type { Node } from '../../format/row.ts';
import {
  changedFields,
  isWorthTelling,
  looksUntouched,
  type MetadataField,
  sameAttributes,
  withoutTimes,
} from '../../repository/entry-difference.ts';
import type { Comparison, DirectoryPair, Entry, Pair } from './comparison.ts';
import { type Candidate, candidateOf } from './moves.ts';
import type { Change } from './options.ts';

/** A change with both entries, for those who look into their contents. */
export interface FoundChange<After extends Entry> {
  readonly change: Change;
  readonly pathBefore: Buffer;
  readonly before: Node | undefined;
  readonly after: After | undefined;
}

interface Frame<After extends Entry> {
  readonly directory: DirectoryPair<After>;
  readonly pairs: AsyncGenerator<readonly Pair<After>[]>;
  /** The first batch, once it is on its way. */
  first: Promise<IteratorResult<readonly Pair<After>[]>> | undefined;
  begun: boolean;
  /** Metadata of the directory itself. */
  readonly fields: readonly MetadataField[];
  /** An entry of it differs, which moves its times. */
  touched: boolean;
}

/** Directories whose first entries are read at once; their frames fit into the reader's cache. */
const DIRECTORIES_AHEAD = 16;
const NOTHING = { bytesAdded: 0, bytesRemoved: 0 };

export class DiffRun<After extends Entry> {
  readonly #comparison: Comparison<After>;
  /** False for directories that only lead to what was backed up: theirs is not told. */
  readonly #isInSource: (path: Buffer) => boolean;
  /** Gone and new, the outermost of each. */
  removed: Candidate<Node>[] = [];
  added: Candidate<After>[] = [];

  constructor(comparison: Comparison<After>, isInSource: (path: Buffer) => boolean) {
    this.#comparison = comparison;
    this.#isInSource = isInSource;
  }

  /** One path on both sides, which lies in no directory that is compared. */
  async *compare(path: Buffer, pair: Pair<After>): AsyncGenerator<FoundChange<After>> {
    const frames: Frame<After>[] = [];
    yield* this.#comparePair({ path, pathBefore: path }, pair, frames);
    yield* this.#walk(frames);
  }

  /** All below a directory. */
  async *compareDirectory(directory: DirectoryPair<After>): AsyncGenerator<FoundChange<After>> {
    yield* this.#walk([this.#frame(directory, [])]);
  }

  #frame(directory: DirectoryPair<After>, fields: readonly MetadataField[]): Frame<After> {
    return {
      directory,
      pairs: this.#comparison.pairs(directory),
      fields,
      first: undefined,
      begun: false,
      touched: false,
    };
  }

  async *#walk(frames: Frame<After>[]): AsyncGenerator<FoundChange<After>> {
    try {
      yield* this.#walkFrames(frames);
    } finally {
      // Whoever stops early leaves directories behind that were begun.
      for (const { pairs } of frames) await pairs.return(undefined);
    }
  }

  async *#walkFrames(frames: Frame<After>[]): AsyncGenerator<FoundChange<After>> {
    for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
      this.#readAhead(frames);
      const next = await (frame.first ?? frame.pairs.next());
      frame.first = undefined;
      if (next.done === true) {
        frames.pop();
        const own = this.#ownChange(frame);
        if (own !== undefined) yield own;
        continue;
      }
      const { path, pathBefore } = frame.directory;
      for (const pair of next.value) {
        const paths = { path: joinPath(path, pair.name), pathBefore: joinPath(pathBefore, pair.name) };
        for await (const found of this.#comparePair(paths, pair, frames)) {
          frame.touched = true;
          yield found;
        }
        if (pair.before === undefined || pair.after === undefined || pair.before.inode !== pair.after.inode) {
          frame.touched = true;
        }
      }
    }
  }

  /** Begins what comes next, so that a store is asked for several directories at a time. */
  #readAhead(frames: readonly Frame<After>[]): void {
    for (const frame of frames.slice(-DIRECTORIES_AHEAD)) {
      if (frame.begun) continue;
      frame.begun = true;
      frame.first = frame.pairs.next();
      // It is awaited when its turn comes.
      frame.first.catch(() => undefined);
    }
  }

  #ownChange(frame: Frame<After>): FoundChange<After> | undefined {
    const { path, pathBefore, before, after } = frame.directory;
    const fields = frame.touched ? withoutTimes(frame.fields) : frame.fields;
    if (before === undefined || after === undefined || !isWorthTelling(fields)) return undefined;
    if (!this.#isInSource(path)) return undefined;
    const change = changeOf('metadata', { path, pathBefore, before, after, fields: frame.fields });
    return { change, pathBefore, before, after };
  }

  async *#comparePair(
    paths: { readonly path: Buffer; readonly pathBefore: Buffer },
    { before, after }: Pair<After>,
    frames: Frame<After>[],
  ): AsyncGenerator<FoundChange<After>> {
    const { path, pathBefore } = paths;
    if (before === undefined || after === undefined) {
      yield* this.#oneSided(paths, before, after);
      return;
    }
    if (before.type !== after.type) {
      const bytes = { bytesAdded: fileSize(after), bytesRemoved: fileSize(before) };
      yield { change: changeOf('type', { ...paths, before, after, ...bytes }), pathBefore, before, after };
      yield* this.#contentsOf(paths, before, after);
      return;
    }
    const attributes = this.#comparison.attributesAfter(path, before, after);
    const fields = changedFields(before, after, !sameAttributes(before.attributes, attributes));
    if (before.type === 'dir') {
      frames.push(this.#frame({ path, pathBefore, before, after }, fields));
      return;
    }
    const found = await this.#compareContent(paths, { before, after, fields });
    if (found !== undefined) yield { change: found, pathBefore, before, after };
  }

  async #compareContent(
    paths: { readonly path: Buffer; readonly pathBefore: Buffer },
    entries: { readonly before: Node; readonly after: After; readonly fields: readonly MetadataField[] },
  ): Promise<Change | undefined> {
    const { before, after, fields } = entries;
    if (before.type === 'file') {
      const verdict = await this.#comparison.compareContent(paths.path, before, after);
      if (verdict === undefined) return undefined;
      if (!verdict.same) {
        const { bytesAdded, bytesRemoved } = verdict;
        const rotten =
          looksUntouched(before, after) &&
          before.extensions.length === 0 &&
          !before.unstable &&
          this.#comparison.isTrusted(before);
        return changeOf(rotten ? 'bitrot' : 'content', { ...paths, ...entries, bytesAdded, bytesRemoved });
      }
    } else if (before.type === 'symlink' && before.linkTarget?.equals(after.linkTarget ?? Buffer.alloc(0)) !== true) {
      return changeOf('content', { ...paths, ...entries });
    }
    return isWorthTelling(fields) ? changeOf('metadata', { ...paths, ...entries }) : undefined;
  }

  /** Keeps it aside while there is room to find out whether it moved. */
  async *#oneSided(
    paths: { readonly path: Buffer; readonly pathBefore: Buffer },
    before: Node | undefined,
    after: After | undefined,
  ): AsyncGenerator<FoundChange<After>> {
    const comparison = this.#comparison;
    if (before !== undefined) {
      const candidate = candidateOf(paths.pathBefore, before, comparison.keysBefore(before));
      if (this.removed.length < DIFF_MOVE_CANDIDATES_MAX) this.removed.push(candidate);
      else yield* this.tellRemoved(candidate, () => false);
    }
    if (after !== undefined) {
      const candidate = candidateOf(paths.path, after, comparison.keysAfter(after));
      if (this.added.length < DIFF_MOVE_CANDIDATES_MAX) this.added.push(candidate);
      else yield* this.tellAdded(candidate, () => false);
    }
  }

  /** What a directory held that is none any more, or holds that was none. */
  async *#contentsOf(
    paths: { readonly path: Buffer; readonly pathBefore: Buffer },
    before: Node,
    after: After,
  ): AsyncGenerator<FoundChange<After>> {
    const { path, pathBefore } = paths;
    if (before.type === 'dir') {
      for await (const batch of this.#comparison.listBefore(pathBefore, before)) {
        for (const inner of batch) {
          yield* this.#oneSided({ path, pathBefore: joinPath(pathBefore, inner.name) }, inner, undefined);
        }
      }
    }
    if (after.type === 'dir') {
      for await (const batch of this.#comparison.listAfter(path, after)) {
        for (const inner of batch) {
          yield* this.#oneSided({ path: joinPath(path, inner.name), pathBefore }, undefined, inner);
        }
      }
    }
  }

  // ---- what is gone and what is new, entry by entry

  /** A candidate and all below it, but for what is `settled` otherwise. */
  async *tellRemoved(root: Candidate<Node>, settled: (path: Buffer) => boolean): AsyncGenerator<FoundChange<After>> {
    const stack = [{ path: root.path, entry: root.entry }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { path, entry } = next;
      if (settled(path)) continue;
      const bytes = { bytesAdded: 0, bytesRemoved: fileSize(entry) };
      const change = changeOf('removed', { path, pathBefore: path, before: entry, ...bytes });
      yield { change, pathBefore: path, before: entry, after: undefined };
      if (entry.type !== 'dir') continue;
      const inner: typeof stack = [];
      for await (const batch of this.#comparison.listBefore(path, entry)) {
        for (const one of batch) inner.push({ path: joinPath(path, one.name), entry: one });
      }
      stack.push(...inner.reverse());
    }
  }

  async *tellAdded(root: Candidate<After>, settled: (path: Buffer) => boolean): AsyncGenerator<FoundChange<After>> {
    const stack = [{ path: root.path, entry: root.entry }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { path, entry } = next;
      if (settled(path)) continue;
      const bytes = { bytesAdded: fileSize(entry), bytesRemoved: 0 };
      const change = changeOf('added', { path, pathBefore: path, after: entry, ...bytes });
      yield { change, pathBefore: path, before: undefined, after: entry };
      if (entry.type !== 'dir') continue;
      const inner: typeof stack = [];
      for await (const batch of this.#comparison.listAfter(path, entry)) {
        for (const one of batch) inner.push({ path: joinPath(path, one.name), entry: one });
      }
      stack.push(...inner.reverse());
    }
  }

  /** True where two directories share at least half of the smaller one's entries, by name and inode. */
  async areAlike(before: Candidate<Node>, after: Candidate<After>): Promise<boolean> {
    const inodes = new Map<string, bigint>();
    for await (const batch of this.#comparison.listBefore(before.path, before.entry)) {
      for (const { name, inode } of batch) inodes.set(name.toString('latin1'), inode);
      if (inodes.size >= DIFF_LIKENESS_ENTRIES_MAX) break;
    }
    let count = 0;
    let shared = 0;
    for await (const batch of this.#comparison.listAfter(after.path, after.entry)) {
      count += batch.length;
      for (const { name, inode } of batch) if (inodes.get(name.toString('latin1')) === inode) shared++;
      if (count >= DIFF_LIKENESS_ENTRIES_MAX) break;
    }
    if (inodes.size === 0 && count === 0) return looksUntouchedButRenamed(before.entry, after.entry);
    return shared > 0 && shared * 2 >= Math.min(inodes.size, count);
  }
}

/** A rename leaves a directory's own mtime alone. */
function looksUntouchedButRenamed(before: Entry, after: Entry): boolean {
  return before.mtime.seconds === after.mtime.seconds && before.mtime.nanoseconds === after.mtime.nanoseconds;
}

function fileSize(entry: Entry): number {
  return entry.type === 'file' ? entry.size : 0;
}

function shownSize(entry: Entry | undefined): number | undefined {
  return entry === undefined || entry.type === 'dir' ? undefined : entry.size;
}

export function changeOf(
  kind: Change['change'],
  facts: {
    readonly path: Buffer;
    readonly pathBefore: Buffer;
    readonly before?: Entry | undefined;
    readonly after?: Entry | undefined;
    readonly fields?: readonly MetadataField[];
    readonly bytesAdded?: number;
    readonly bytesRemoved?: number;
  },
): Change {
  const { path, pathBefore, before, after, fields } = facts;
  const { bytesAdded, bytesRemoved } = { ...NOTHING, ...facts };
  return {
    event: 'change',
    path,
    type: (after ?? before)?.type ?? 'file',
    typeBefore: kind === 'type' ? before?.type : undefined,
    change: kind,
    from: pathBefore.equals(path) ? undefined : pathBefore,
    fields: fields ?? [],
    sizeBefore: shownSize(before),
    sizeAfter: shownSize(after),
    bytesAdded,
    bytesRemoved,
  };
}
