/** What to do with one entry: decided from facts alone. */

import {
  compareTimes,
  type NodeType,
  nodeTypeOfMode,
  readLinks,
  readMode,
  readMtime,
  readSize,
} from '../../base/stat.ts';
import type { Node } from '../../format/row.ts';
import type { OverwritePolicy } from './options.ts';

/**
 * `create`: nothing is there. `replace`: something is, and goes. `compare`: its content decides. `skip`: it stays.
 * `blocked`: a directory lies where none belongs.
 */
export type Decision = 'create' | 'replace' | 'compare' | 'skip' | 'blocked';

/** What lies under the name in the target. */
export interface ExistingEntry {
  /** Holds its stat block at `at`. */
  readonly stats: Buffer;
  readonly at: number;
  /** Its number in the listing. */
  readonly number: number;
}

export interface DecisionFacts {
  readonly policy: OverwritePolicy;
  readonly node: Node;
  readonly existing: ExistingEntry | undefined;
  /** This very entry was restored from this very node, or the node was recorded from it, and it did not change since. */
  readonly known: boolean;
  /** Side files of a database lie beside it: it is not in the snapshot's state, whatever its own stat says. */
  readonly hasSideFiles: boolean;
}

export function decide(facts: DecisionFacts): Decision {
  const { existing, node, policy } = facts;
  if (existing === undefined) return 'create';
  const type = existingType(existing);
  if (type === 'dir') return policy === 'never' ? 'skip' : 'blocked';
  if (facts.known && !facts.hasSideFiles) return 'skip';
  switch (policy) {
    case 'never':
      return 'skip';
    case 'if-newer':
      return compareTimes(node.mtime, readMtime(existing.stats, existing.at)) > 0 ? 'replace' : 'skip';
    case 'always':
      return 'replace';
    case 'if-changed':
      return mayBeEqual(facts, existing, type) ? 'compare' : 'replace';
  }
}

function mayBeEqual(facts: DecisionFacts, existing: ExistingEntry, type: NodeType | undefined): boolean {
  const { node } = facts;
  if (type !== node.type || facts.hasSideFiles) return false;
  // A link that somebody planted leads to a file outside: its metadata would be mended there (trap 11).
  if (node.links <= 1 && readLinks(existing.stats, existing.at) > 1) return false;
  return type !== 'file' || readSize(existing.stats, existing.at) === node.size;
}

export function existingType(existing: ExistingEntry): NodeType | undefined {
  return nodeTypeOfMode(readMode(existing.stats, existing.at));
}
