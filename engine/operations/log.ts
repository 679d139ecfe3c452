/** Every version of one path through time. */

import { Breather } from '../base/concurrency.ts';
import { EngineError } from '../base/errors.ts';
import { parentPath } from '../base/paths.ts';
import type { Node } from '../format/row.ts';
import { isSameContent } from '../repository/content-difference.ts';
import {
  changedFields,
  isWorthTelling,
  looksUntouched,
  type MetadataField,
  sameAttributes,
} from '../repository/entry-difference.ts';
import { loadLeftOutPaths } from '../repository/left-out-paths.ts';
import { PathHistory } from '../repository/path-history.ts';
import type { Repository } from '../repository/repository.ts';
import { covers } from '../repository/snapshot-ranges.ts';
import type { Snapshot, SnapshotFilter } from '../repository/snapshots.ts';

export const VERSION_CHANGES = [
  'added',
  'content',
  'metadata',
  'type',
  'bitrot',
  'deleted',
  'returned',
  'left-out',
] as const;
export type VersionChange = (typeof VERSION_CHANGES)[number];

export interface LogOptions {
  readonly path: Buffer;
  readonly filter?: SnapshotFilter | undefined;
  /** Told of snapshots that cannot be read. */
  readonly onDamage?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the path was from one snapshot to another. */
export interface PathVersion {
  /**
   * How it differs from the version before. `deleted`: it was not there. `left-out`: the snapshot did not take it
   * (excluded, or not readable). `returned`: there again after that.
   */
  readonly change: VersionChange;
  readonly fields: readonly MetadataField[];
  /** Undefined where it was not there. */
  readonly node: Node | undefined;
  readonly first: Snapshot;
  /** To be restored from this one, the newest that has it. */
  readonly last: Snapshot;
  readonly snapshots: number;
}

/** Snapshots that are looked at side by side. */
const SNAPSHOTS_AT_ONCE = 32;

/**
 * Versions of a path, oldest first; a version that came back is a version of its own. Only snapshots whose sources cover
 * the path count. PATH_NOT_FOUND where no snapshot ever held it; INTERRUPTED after the signal.
 */
export async function logPath(repository: Repository, options: LogOptions): Promise<PathVersion[]> {
  const { path } = options;
  const all = await repository.snapshots.list(options.filter, (_id, error) => options.onDamage?.(error.message));
  const snapshots = all.filter((snapshot) => covers(snapshot, path));
  await repository.loadIndex();
  const history = new PathHistory((treeId) => repository.blobs.loadTreePart(treeId), path);
  const versions: PathVersion[] = [];
  const breather = new Breather(options.signal);
  for (let start = 0; start < snapshots.length; start += SNAPSHOTS_AT_ONCE) {
    await breather.breathe();
    const group = snapshots.slice(start, start + SNAPSHOTS_AT_ONCE);
    const nodes = await Promise.all(group.map(({ tree }) => history.find(tree)));
    for (const [number, snapshot] of group.entries()) {
      await addVersion(repository, versions, { path, snapshot, node: nodes[number] });
    }
  }
  if (versions.length > 0) return versions;
  const where = all.length === 1 ? 'The one snapshot does not hold' : `None of ${all.length} snapshots holds`;
  throw new EngineError('PATH_NOT_FOUND', `${where} ${path.toString('utf8')}. "snap find" searches by name`);
}

async function addVersion(
  repository: Repository,
  versions: PathVersion[],
  seen: { readonly path: Buffer; readonly snapshot: Snapshot; readonly node: Node | undefined },
): Promise<void> {
  const { snapshot, node } = seen;
  const open = versions.at(-1);
  // Nobody knew of it yet.
  if (open === undefined && node === undefined) return;
  const difference = differenceOf(open, node);
  if (open !== undefined && difference === undefined) {
    versions[versions.length - 1] = { ...open, last: snapshot, snapshots: open.snapshots + 1 };
    return;
  }
  let { change, fields } = difference ?? { change: 'added' as VersionChange, fields: [] };
  if (change === 'deleted' && (await isLeftOut(repository, snapshot, seen.path))) change = 'left-out';
  versions.push({ change, fields, node, first: snapshot, last: snapshot, snapshots: 1 });
}

async function isLeftOut(repository: Repository, snapshot: Snapshot, path: Buffer): Promise<boolean> {
  const leftOut = await loadLeftOutPaths(repository.blobs, snapshot);
  for (let one = path; one.length > 1; one = parentPath(one)) if (leftOut.has(one.toString('latin1'))) return true;
  return false;
}

/** Undefined where it is the same version. */
function differenceOf(
  open: PathVersion | undefined,
  node: Node | undefined,
): { readonly change: VersionChange; readonly fields: readonly MetadataField[] } | undefined {
  if (open === undefined) return { change: 'added', fields: [] };
  const before = open.node;
  if (before === node) return undefined;
  if (node === undefined) return { change: 'deleted', fields: [] };
  if (before === undefined) return { change: 'returned', fields: [] };
  if (before.type !== node.type) return { change: 'type', fields: [] };
  const fields = changedFields(before, node, !sameAttributes(before.attributes, node.attributes));
  if (!holdsSame(before, node)) {
    const rotten = before.type === 'file' && looksUntouched(before, node) && before.extensions.length === 0;
    return { change: rotten ? 'bitrot' : 'content', fields };
  }
  return isWorthTelling(fields) ? { change: 'metadata', fields } : undefined;
}

function holdsSame(before: Node, node: Node): boolean {
  if (before.content.kind === 'tree') {
    return node.content.kind === 'tree' && node.content.treeId.equals(before.content.treeId);
  }
  if (before.linkTarget !== undefined) return node.linkTarget?.equals(before.linkTarget) === true;
  return isSameContent(before, node);
}
