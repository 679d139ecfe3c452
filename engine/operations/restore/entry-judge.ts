/** Decides what becomes of each entry that is not a directory: by the snapshot's row, what lies in its place, and the policy. */

import { isWithin, joinPath } from '../../base/paths.ts';
import { readSize, STAT_BYTES } from '../../base/stat.ts';
import type { PatternSet } from '../../filesystem/patterns.ts';
import type { Node } from '../../format/row.ts';
import { isUnchanged } from '../../repository/change-rules.ts';
import { isUnchangedDatabase } from '../../repository/live-database.ts';
import { JOURNAL_NAME } from '../../repository/restore-names.ts';
import type { RestoreContext } from './context.ts';
import { type Decision, decide, type ExistingEntry, existingType } from './decisions.ts';
import { type LinkGroup, LinkGroups } from './hard-links.ts';
import type { DatabaseRewrite, DatabaseRewrites } from './path-rewrites.ts';
import { hasDatabaseHeader, isDatabase } from './side-files.ts';
import type { TargetTree } from './target-tree.ts';
import { findExisting, type WalkDirectory } from './walk-directory.ts';

export interface EntryFilters {
  /** Folders of the snapshot that are restored, and nothing beside them; undefined for all. */
  readonly only: readonly Buffer[] | undefined;
  readonly include: PatternSet;
  readonly exclude: PatternSet;
  /** Paths as latin1 text that are left out, whatever else is said. */
  readonly leftOut: ReadonlySet<string>;
}

export interface Wanted {
  readonly node: Node;
  /** Names of logs in the target that must not stay beside it. */
  readonly sideFiles: readonly Buffer[];
  /** What lay in its place was taken away. */
  readonly cleared: boolean;
}

export interface JudgeRules extends EntryFilters {
  /** Databases come when all files are there, also where nothing lies at their places. */
  readonly databasesLast: boolean;
  readonly rewrites: DatabaseRewrites;
}

/** `link`: another name of a file that this restore brings back. `act`: to be made, replaced or compared. */
export type Verdict =
  | { readonly kind: 'link'; readonly existing: ExistingEntry | undefined; readonly group: LinkGroup }
  | {
      readonly kind: 'act';
      readonly decision: Decision;
      readonly existing: ExistingEntry | undefined;
      readonly group: LinkGroup | undefined;
      /** Of a database whose paths change on the way into its place. */
      readonly rewrite: DatabaseRewrite | undefined;
    };

export class EntryJudge {
  readonly #context: RestoreContext;
  readonly #tree: TargetTree;
  readonly #rules: JudgeRules;
  readonly #groups = new LinkGroups();
  /** Something is left out, wherever it lies. */
  readonly #takesOut: boolean;
  readonly #picks: boolean;

  constructor(context: RestoreContext, tree: TargetTree, rules: JudgeRules) {
    this.#context = context;
    this.#tree = tree;
    this.#rules = rules;
    this.#takesOut = !rules.exclude.isEmpty || rules.leftOut.size > 0;
    this.#picks = !rules.include.isEmpty || rules.only !== undefined;
  }

  /** True where an entry of the directory may be left out. */
  filters(directory: WalkDirectory): boolean {
    return this.#takesOut || (this.#picks && !directory.included);
  }

  get databasesLast(): boolean {
    return this.#rules.databasesLast;
  }

  /** `below`: not itself, but something in it may be wanted. */
  accepts(directory: WalkDirectory, node: Node): 'in' | 'out' | 'below' {
    if (!this.filters(directory)) return 'in';
    const { include, exclude, leftOut, only } = this.#rules;
    const path = joinPath(directory.path, node.name);
    const isDirectory = node.type === 'dir';
    if (exclude.matches(path, isDirectory) || leftOut.has(path.toString('latin1'))) return 'out';
    if (directory.included) return 'in';
    const isInside = only === undefined || only.some((one) => isWithin(path, one));
    if (isInside && (include.isEmpty || include.matches(path, isDirectory))) return 'in';
    const leadsOn = isInside || only.some((one) => isWithin(one, path));
    return isDirectory && leadsOn ? 'below' : 'out';
  }

  #rewriteOf(directory: WalkDirectory, node: Node): DatabaseRewrite | undefined {
    if (this.#rules.rewrites.size === 0 || !isDatabase(node)) return undefined;
    return this.#rules.rewrites.get(joinPath(directory.path, node.name).toString('latin1'));
  }

  /** Decides about an entry that is not a directory; undefined where nothing is left to do. */
  consider(directory: WalkDirectory, row: Buffer, wanted: Wanted): Verdict | undefined {
    const { node } = wanted;
    if (this.accepts(directory, node) !== 'in' || !this.#tree.ensure(directory)) return undefined;
    const entry = { directory: directory.target, name: node.name, during: 'write' };
    if (directory.parent === undefined && node.name.equals(JOURNAL_NAME)) {
      this.#context.problem(entry, 'RESERVED_NAME', 'This name is needed for the journal of the restore: left out');
      return undefined;
    }
    const { policy, dryRun } = this.#context.parts;
    const existing = wanted.cleared ? undefined : findExisting(directory, node.name);
    const earlier = node.links > 1 ? this.#groups.find(directory.device, node) : undefined;
    const rewrite = this.#rewriteOf(directory, node);
    const { known, hasSideFiles } = this.#look(directory, row, { ...wanted, existing, rewrite });
    const decided = decide({ policy, node, existing, known, hasSideFiles });
    // That it is the snapshot's very content would be no reason to leave it alone.
    const decision = rewrite !== undefined && decided === 'compare' ? 'replace' : decided;
    if (decision === 'blocked') {
      this.#context.problem(entry, 'EISDIR', `A directory lies where a ${node.type} belongs: it was left as it is`);
      return undefined;
    }
    if (earlier !== undefined && !(decision === 'skip' && policy !== 'if-changed')) {
      return { kind: 'link', group: earlier, existing };
    }
    if (dryRun) {
      this.#count(directory, node, { decision, isSwap: isSwap(wanted, existing) });
      if (existing !== undefined) this.#noteDatabase(directory, { wanted, decision, existing });
      return undefined;
    }
    if (existing !== undefined && decision !== 'skip' && this.#context.isUnsaved(entry)) return undefined;
    const group =
      node.links > 1 && earlier === undefined && !(decision === 'skip' && !known)
        ? this.#groups.begin(directory.device, node, { directory: directory.target, row })
        : undefined;
    if (decision !== 'skip') return { kind: 'act', decision, existing, group, rewrite };
    if (group !== undefined) group.state = 'done';
    this.#context.skipped(node.type === 'file' ? node.size : 0);
    this.#context.progress({ directory: directory.target, name: node.name });
    return undefined;
  }

  /** Whether the entry is known to be right, and whether something beside it makes it another one. */
  #look(
    directory: WalkDirectory,
    row: Buffer,
    found: Wanted & {
      readonly existing: ExistingEntry | undefined;
      readonly rewrite: DatabaseRewrite | undefined;
    },
  ): { readonly known: boolean; readonly hasSideFiles: boolean } {
    const { node, sideFiles, existing, rewrite } = found;
    if (existing === undefined) return { known: false, hasSideFiles: false };
    const hasSideFiles = sideFiles.length > 0;
    if (rewrite !== undefined) {
      // Only what an earlier restore like this one left is right.
    } else if (isDatabase(node)) {
      const unchanged = this.#trustsOrigin && this.#isLiveUnchanged(directory, node, existing);
      if (unchanged) return { known: true, hasSideFiles: false };
    } else if (this.#isOrigin(row, existing)) return { known: true, hasSideFiles };
    const directoryKey = directory.target.key;
    const marked = rewrite === undefined ? row : Buffer.concat([row, rewrite.mark]);
    const digest = this.#context.digester.digest({ directoryKey, row: marked, stat: existing.stats, at: existing.at });
    return { known: this.#context.parts.journal.knows(digest), hasSideFiles };
  }

  /** Whether what lies there may count as the very file that the snapshot was taken from. */
  get #trustsOrigin(): boolean {
    const { policy, verify } = this.#context.parts;
    return policy === 'if-changed' && !verify;
  }

  /** True for the very file that the snapshot was taken from, unchanged since. */
  #isOrigin(row: Buffer, existing: ExistingEntry): boolean {
    if (!this.#trustsOrigin) return false;
    return isUnchanged(existing.stats, existing.at, { bytes: row, at: 0 }, this.#context.parts.rules);
  }

  #isLiveUnchanged(directory: WalkDirectory, node: Node, existing: ExistingEntry): boolean {
    const { listing } = directory;
    return listing !== undefined && isUnchangedDatabase(node, listing, existing.number, this.#context.parts.rules);
  }

  /** A database that the snapshot holds as a plain file is replaced like any other, but not beneath a program. */
  #noteDatabase(
    directory: WalkDirectory,
    found: { readonly wanted: Wanted; readonly decision: Decision; readonly existing: ExistingEntry },
  ): void {
    const { wanted, decision, existing } = found;
    const { node, sideFiles } = wanted;
    if (decision === 'skip' || isSwap(wanted, existing) || existingType(existing) !== 'file') return;
    if (sideFiles.length === 0 && !mayBeDatabase(this.#context, directory, { name: node.name, existing })) return;
    this.#context.otherDatabases.push(this.#context.parts.directories.path(directory.target, node.name));
  }

  #count(directory: WalkDirectory, node: Node, how: { readonly decision: Decision; readonly isSwap: boolean }): void {
    const { counters } = this.#context;
    const { decision } = how;
    const bytes = node.type === 'file' ? node.size : 0;
    if (decision === 'skip') {
      this.#context.skipped(bytes);
      return;
    }
    const kind = how.isSwap
      ? 'swap'
      : decision === 'compare'
        ? 'compare'
        : decision === 'create'
          ? 'create'
          : 'replace';
    this.#context.planned(kind, { directory: directory.target, name: node.name, type: node.type, bytes });
    if (how.isSwap) {
      this.#context.databasesToSwap.push(this.#context.parts.directories.path(directory.target, node.name));
    }
    if (decision === 'compare') counters.filesToCompare++;
    else {
      if (decision === 'create') counters.filesToCreate++;
      else counters.filesToReplace++;
      counters.bytesToWrite += bytes;
    }
  }
}

/** No database is anything but a whole number of its smallest pages. */
const PAGE_BYTES = 512;

function mayBeDatabase(
  context: RestoreContext,
  directory: WalkDirectory,
  found: { readonly name: Buffer; readonly existing: ExistingEntry },
): boolean {
  const size = readSize(found.existing.stats, found.existing.at);
  return size > 0 && size % PAGE_BYTES === 0 && hasDatabaseHeader(context, directory.target, found.name) === true;
}

/** True where a database lies in the place of one, or what is left of it: the two are swapped, with all that is beside them. */
export function isSwap(wanted: Wanted, existing: ExistingEntry | undefined): boolean {
  return isDatabase(wanted.node) && (existing !== undefined || wanted.sideFiles.length > 0);
}

/** True where the entry at this number of the listing is no directory, and just what the row says. */
export function isUntouched(
  context: RestoreContext,
  directory: WalkDirectory,
  at: { readonly bytes: Buffer; readonly at: number; readonly number: number },
): boolean {
  const { listing } = directory;
  return listing !== undefined && isUnchanged(listing.stats, at.number * STAT_BYTES, at, context.parts.rules);
}
