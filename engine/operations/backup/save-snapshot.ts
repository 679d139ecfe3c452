/** The end of a run: what it found becomes a snapshot, unless nothing changed or it is not to be kept. */

import { hostname } from 'node:os';
import { EngineError } from '../../base/errors.ts';
import type { BlobId } from '../../base/ids.ts';
import type { BackupCounts, DatabaseRecord, SnapshotRecord } from '../../format/snapshot.ts';
import { commitSnapshot } from '../../repository/commit.ts';
import { DUMP_FOLDER_NAME } from '../../repository/dump-folder.ts';
import { findPath, findRow } from '../../repository/find-node.ts';
import type { HeldLease } from '../../repository/leases.ts';
import type { Repository } from '../../repository/repository.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { TreeWriter } from '../../repository/tree-writer.ts';
import type { BackupResult, RunOptions } from './options.ts';
import { sourcePaths } from './parent.ts';
import type { RunContext } from './run-context.ts';
import { NO_CHECKS } from './saved-checks.ts';
import { findSuspicion } from './shrink-guard.ts';
import { isoWithZone, ownerNames, rulesJson, userName } from './snapshot-facts.ts';

/** What a run found. All that the tree refers to is durable. */
export interface RunEnd {
  readonly options: RunOptions;
  readonly context: RunContext;
  readonly parent: Snapshot | undefined;
  readonly startedNs: bigint;
  readonly tree: BlobId;
  readonly mounts: SnapshotRecord['mounts'];
  readonly owners: TreeWriter['owners'];
  readonly leftOut: SnapshotRecord['leftOut'];
  readonly databases: readonly DatabaseRecord[];
  readonly counts: BackupCounts;
  readonly lease: HeldLease | undefined;
}

/** PROBLEMS_FOUND where the run is strict and something is wrong. */
export async function saveSnapshot(repository: Repository, end: RunEnd): Promise<BackupResult> {
  const { options, context, parent, databases, counts } = end;
  const { damage, problems, problemCount } = context;
  const suspicion = await findSuspicion(repository, options, end);
  const isFlawed = problemCount > 0 || damage.length > 0 || suspicion !== undefined;
  const skipped = options.skipIfUnchanged === true && !isFlawed && (await isAsParent(repository, end));
  const { bytesRead } = context.counts;
  const found = { databases, profiles: options.applied, problems, problemCount, damage, suspicion };
  const result = { parent: parent?.id, ...found, ...NO_CHECKS, bytesRead, skipped };
  if (options.strict === true && problemCount > 0) {
    throw new EngineError(
      'PROBLEMS_FOUND',
      `${problemCount} problems were met and --strict was asked for: no snapshot was saved`,
    );
  }
  if (options.dryRun === true || skipped) return { ...result, snapshot: undefined, counts };
  const snapshot = await commitSnapshot(repository, end.lease, {
    time: isoWithZone(options.time ?? new Date(Number(end.startedNs / 1_000_000n))),
    startedNs: end.startedNs,
    host: options.host ?? hostname(),
    user: userName(),
    label: options.label ?? '',
    tags: [...new Set(options.tags ?? [])],
    paths: [...sourcePaths(options)],
    parent: parent?.id,
    tree: end.tree,
    mounts: end.mounts,
    ...ownerNames(parent, end.owners),
    rules: rulesJson(options),
    leftOut: end.leftOut,
    problems,
    problemCount,
    databases,
    suspicion,
    summary: counts,
    program: options.program ?? 'snap',
  });
  return { ...result, snapshot, counts };
}

/** True where every source is what the parent has; directories above the sources do not count. */
async function isAsParent({ blobs }: Repository, { options, parent, tree }: RunEnd): Promise<boolean> {
  if (parent === undefined || parent.tree.equals(tree)) return parent !== undefined;
  if (options.dryRun === true || options.stdin !== undefined) return false;
  if (!(await areSameDumps(blobs, parent, tree))) return false;
  for (const path of options.paths) {
    const before = await findPath(blobs, parent, path);
    const now = await findPath(blobs, { tree, id: 'now' }, path);
    if (before.kind === 'root' || now.kind === 'root' || !before.node.row.equals(now.node.row)) return false;
  }
  return true;
}

/** True where dumps of database servers are the parent's, byte for byte, or there are none in both. */
async function areSameDumps(blobs: Repository['blobs'], parent: Snapshot, tree: BlobId): Promise<boolean> {
  const before = await findRow(blobs, parent.tree, DUMP_FOLDER_NAME);
  const now = await findRow(blobs, tree, DUMP_FOLDER_NAME);
  return before === undefined ? now === undefined : now?.row.equals(before.row) === true;
}
