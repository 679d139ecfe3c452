/** Finds what only moved among what is gone and what is new, folders before the files in them. */

import { createHash } from 'node:crypto';
import { DIFF_MOVE_CANDIDATES_MAX } from '../../base/limits.ts';
import { joinPath } from '../../base/paths.ts';
import type { Node } from '../../format/row.ts';
import { changedFields, isWorthTelling, sameAttributes } from '../../repository/entry-difference.ts';
import type { Comparison, Entry } from './comparison.ts';
import { changeOf, type DiffRun, type FoundChange } from './diff-run.ts';
import { type Candidate, candidateOf, isSettled, type Move, matchCandidates } from './moves.ts';

export class MoveFinder<After extends Entry> {
  readonly #comparison: Comparison<After>;
  readonly #run: DiffRun<After>;
  /** Paths that are told as moves. */
  readonly #from = new Set<string>();
  readonly #to = new Set<string>();
  #removed: Candidate<Node>[] = [];
  #added: Candidate<After>[] = [];

  constructor(comparison: Comparison<After>, run: DiffRun<After>) {
    this.#comparison = comparison;
    this.#run = run;
  }

  readonly isMovedAway = (path: Buffer): boolean => this.#from.has(path.toString('latin1'));
  readonly isMovedHere = (path: Buffer): boolean => this.#to.has(path.toString('latin1'));

  /** Moves, and what changed inside moved folders. What a folder lost or got goes to what the run keeps aside. */
  async *find(): AsyncGenerator<FoundChange<After>> {
    const run = this.#run;
    if (run.removed.length === 0 || run.added.length === 0) return;
    let [removedSeen, addedSeen] = [0, 0];
    this.#removed = [...run.removed];
    this.#added = [...run.added];
    yield* this.#matchDirectories();
    // Only what is left is looked into: a folder of a million files that moved costs no more than one of ten.
    while (removedSeen < run.removed.length || addedSeen < run.added.length) {
      const outerRemoved = run.removed.slice(removedSeen);
      const outerAdded = run.added.slice(addedSeen);
      [removedSeen, addedSeen] = [run.removed.length, run.added.length];
      const seen = new Set(this.#removed);
      for (const one of outerRemoved) if (!seen.has(one)) this.#removed.push(one);
      const seenAdded = new Set(this.#added);
      for (const one of outerAdded) if (!seenAdded.has(one)) this.#added.push(one);
      await this.#lookInside(outerRemoved, outerAdded);
      yield* this.#matchDirectories();
    }
    const files = await matchCandidates(
      this.#removed.filter(({ entry }) => entry.type !== 'dir'),
      this.#added.filter(({ entry }) => entry.type !== 'dir'),
      { outerFirst: false, accepts: (before, after) => this.#isSameFile(before, after) },
    );
    for (const move of files) yield this.#tell(move);
  }

  async *#matchDirectories(): AsyncGenerator<FoundChange<After>> {
    const isDirectory = ({ entry }: { readonly entry: Entry }): boolean => entry.type === 'dir';
    const moves = await matchCandidates(this.#removed.filter(isDirectory), this.#added.filter(isDirectory), {
      outerFirst: true,
      accepts: async (before, after) => this.#isSameDirectory(before, after),
    });
    for (const move of moves) {
      yield this.#tell(move);
      const { before, after } = move;
      if (this.#comparison.isSameTree(before.entry, after.entry)) continue;
      if (this.#sameDigest(before, after)) continue;
      const directory = { path: after.path, pathBefore: before.path, before: before.entry, after: after.entry };
      for await (const inner of this.#run.compareDirectory(directory)) {
        // The directory itself was just told.
        if (!inner.change.path.equals(after.path)) yield inner;
      }
    }
  }

  async #isSameDirectory(before: Candidate<Node>, after: Candidate<After>): Promise<boolean> {
    if (this.#comparison.isSameTree(before.entry, after.entry)) return true;
    return this.#sameDigest(before, after) || (await this.#run.areAlike(before, after));
  }

  #sameDigest(before: Candidate<Node>, after: Candidate<After>): boolean {
    const digest = before.keys[3];
    return digest !== undefined && digest !== '' && digest === after.keys[3];
  }

  async #isSameFile(before: Candidate<Node>, after: Candidate<After>): Promise<boolean> {
    if (before.entry.type !== after.entry.type) return false;
    if (before.entry.type !== 'file') return true;
    const verdict = await this.#comparison.compareContent(after.path, before.entry, after.entry);
    return verdict?.same === true;
  }

  #tell({ before, after }: Move<Node, After>): FoundChange<After> {
    this.#from.add(before.path.toString('latin1'));
    this.#to.add(after.path.toString('latin1'));
    const attributes = this.#comparison.attributesAfter(after.path, before.entry, after.entry);
    const differ = !sameAttributes(before.entry.attributes, attributes);
    const fields = changedFields(before.entry, after.entry, differ);
    const told = after.entry.type === 'dir' ? fields.filter((field) => field !== 'mtime') : fields;
    const change = changeOf('moved', {
      path: after.path,
      pathBefore: before.path,
      before: before.entry,
      after: after.entry,
      fields: isWorthTelling(told) ? told : [],
    });
    return { change, pathBefore: before.path, before: before.entry, after: after.entry };
  }

  // ---- what lies in folders that are gone or new

  async #lookInside(removed: readonly Candidate<Node>[], added: readonly Candidate<After>[]): Promise<void> {
    const elsewhere = new Set(this.#added.flatMap(({ keys }) => keys.slice(0, 2)));
    const room = { left: DIFF_MOVE_CANDIDATES_MAX };
    const comparison = this.#comparison;
    await this.#expand(removed, this.#removed, elsewhere, room, (path, entry) => ({
      entries: comparison.listBefore(path, entry),
      keys: (inner) => comparison.keysBefore(inner),
    }));
    const before = new Set(this.#removed.flatMap(({ keys }) => keys.slice(0, 2)));
    room.left = DIFF_MOVE_CANDIDATES_MAX;
    await this.#expand(added, this.#added, before, room, (path, entry) => ({
      entries: comparison.listAfter(path, entry),
      keys: (inner) => comparison.keysAfter(inner),
    }));
    for (const pool of [this.#removed, this.#added]) for (const one of pool) this.#nameByContent(one);
  }

  /** Adds what lies in folders to the pool; one that the other side has as it is need not be looked into. */
  async #expand<E extends Entry>(
    roots: readonly Candidate<E>[],
    pool: Candidate<E>[],
    elsewhere: ReadonlySet<string>,
    room: { left: number },
    list: (
      path: Buffer,
      entry: E,
    ) => { readonly entries: AsyncGenerator<readonly E[]>; readonly keys: (entry: E) => readonly string[] },
  ): Promise<void> {
    const stack = roots.filter((root) => root.entry.type === 'dir' && !isSettled(root));
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const inside: Candidate<E>[] = [];
      const { entries, keys } = list(next.path, next.entry);
      for await (const batch of entries) {
        for (const entry of batch) {
          inside.push(candidateOf(joinPath(next.path, entry.name), entry, keys(entry), next));
        }
        room.left -= batch.length;
        if (room.left <= 0) break;
      }
      pool.push(...inside);
      if (room.left <= 0) return;
      next.children = inside;
      for (const one of inside) {
        const isKnown = one.keys.slice(0, 2).some((key) => key !== '' && elsewhere.has(key));
        if (one.entry.type === 'dir' && !isKnown) stack.push(one);
      }
    }
  }

  /** A folder's last key: the names and contents of all that it holds. A copy has it too, whatever its inodes are. */
  #nameByContent(candidate: Candidate<Node> | Candidate<After>): string {
    const { entry, keys, children } = candidate;
    if (entry.type !== 'dir') return this.#comparison.contentName(entry) ?? '';
    const known = keys[3];
    if (known !== undefined) return known;
    let name = '';
    if (children !== undefined && children.length > 0) {
      const parts = children.map((child) => {
        const inner = this.#nameByContent(child);
        return inner === '' ? '' : `${child.entry.name.toString('latin1')}/${inner}`;
      });
      if (parts.every((part) => part !== '')) {
        name = createHash('sha256').update(parts.sort().join('\0'), 'latin1').digest('base64');
      }
    }
    keys[3] = name;
    return name;
  }
}
