/**
 * Looks through the databases that snapshots hold: each image is read from the repository and checked in full, and then
 * what the servers' rows say of files is held against the files of the same snapshot.
 */

import { join } from 'node:path';
import { EngineError, errorMessage, isEngineError, throwIfAborted } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import type { Monitor } from '../../base/monitor.ts';
import { auditSqliteImage, type SqliteAudit } from '../../databases/sqlite-audit.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { isDamage } from '../../repository/batch-reader.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { inScratchFolder } from '../../repository/scratch-folders.ts';
import type { ServerCheck } from '../../repository/server-check.ts';
import { flawsOf } from '../../repository/snapshot-flaws.ts';
import { SAFETY_LABEL, SHORT_ID_LENGTH, type Snapshot } from '../../repository/snapshots.ts';
import { writeDatabase } from '../../repository/write-image.ts';
import type { Findings } from './findings.ts';

/** Compares rows with files of one snapshot; operations/servers. */
export type CheckServers = (snapshot: Snapshot) => Promise<readonly ServerCheck[]>;

/** One database of a snapshot. */
export interface DatabaseCheck extends Pick<SqliteAudit, 'messages' | 'brokenCount' | 'broken'> {
  readonly snapshot: SnapshotId;
  readonly path: Buffer;
  readonly kind: string;
  readonly bytes: number;
  /**
   * Besides what an audit says: `present`, a dump of a database server, which is there; `unverified`, stored as files since
   * it could not be captured; `failed`, it could not be looked at.
   */
  readonly check: SqliteAudit['check'] | 'present' | 'unverified' | 'failed';
}

export interface DatabasesChecked {
  readonly databases: readonly DatabaseCheck[];
  readonly servers: readonly { readonly snapshot: SnapshotId; readonly checks: readonly ServerCheck[] }[];
}

export interface CheckDatabasesOptions {
  readonly snapshots: readonly Snapshot[];
  readonly findings: Findings;
  readonly checkServers: CheckServers;
  readonly monitor: Monitor | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The newest good snapshot of each group of label and paths, oldest first; where a group has no good one, its newest. */
export function newestOfGroups(snapshots: readonly Snapshot[]): Snapshot[] {
  const newest = new Map<string, Snapshot>();
  for (const snapshot of snapshots) {
    if (snapshot.forgotten || snapshot.label === SAFETY_LABEL) continue;
    const paths = snapshot.paths.map((path) => path.toString('latin1')).sort();
    const key = JSON.stringify([snapshot.label, paths]);
    const known = newest.get(key);
    if (known !== undefined && isGood(known) && !isGood(snapshot)) continue;
    newest.delete(key);
    newest.set(key, snapshot);
  }
  return [...newest.values()];
}

function isGood(snapshot: Snapshot): boolean {
  return flawsOf(snapshot).length === 0;
}

/** Damage goes to the findings, with the snapshot and the path. */
export async function checkDatabases(
  repository: Repository,
  options: CheckDatabasesOptions,
): Promise<DatabasesChecked> {
  const databases: DatabaseCheck[] = [];
  const servers: { snapshot: SnapshotId; checks: readonly ServerCheck[] }[] = [];
  for (const snapshot of options.snapshots) {
    for (const record of snapshot.databases) {
      throwIfAborted(options.signal);
      tellProgress(record, databases.length, options.monitor);
      databases.push(await checkDatabase(repository, snapshot, record, options));
    }
    const checks = await options.checkServers(snapshot);
    for (const { database, problem } of checks) {
      if (isDamage(problem)) addFinding(options.findings, { snapshot, path: database, error: problem });
    }
    servers.push({ snapshot: snapshot.id, checks });
  }
  return { databases, servers };
}

function tellProgress({ path }: DatabaseRecord, done: number, monitor: Monitor | undefined): void {
  monitor?.progress?.({
    filesDone: done,
    filesTotal: undefined,
    bytesDone: 0,
    bytesTotal: undefined,
    bytesNew: 0,
    problems: 0,
    currentPath: path.toString('utf8'),
  });
}

async function checkDatabase(
  repository: Repository,
  snapshot: Snapshot,
  { path, kind, bytes, check, details }: DatabaseRecord,
  { findings, signal }: CheckDatabasesOptions,
): Promise<DatabaseCheck> {
  const about = { snapshot: snapshot.id, path, kind, bytes, brokenCount: 0, broken: [] };
  try {
    if (kind !== 'sqlite') {
      await findPath(repository.blobs, snapshot, path);
      return { ...about, check: 'present', messages: [] };
    }
    if (check === 'unverified') return { ...about, check, messages: textsOf(details['messages']) };
    const reply = await inScratchFolder(repository.cacheDirectory, async (folder) => {
      const image = join(folder, 'image');
      await writeDatabase(repository, { snapshot, path }, image, signal);
      return auditSqliteImage(image, signal);
    });
    if ('why' in reply) return { ...about, check: 'failed', messages: [reply.why] };
    const { audit } = reply;
    if (audit.check === 'damaged') {
      addFinding(findings, { snapshot, path, error: new EngineError('DATABASE_FAILED', audit.messages.join('; ')) });
    }
    return { ...about, ...audit };
  } catch (error) {
    if (!isEngineError(error) || error.code === 'INTERRUPTED' || error.code === 'STORAGE_FAILED') throw error;
    // A record without its file is damage, too.
    if (error.code === 'PATH_NOT_FOUND' || isDamage(error)) addFinding(findings, { snapshot, path, error });
    return { ...about, check: 'failed', messages: [errorMessage(error)] };
  }
}

function addFinding(
  findings: Findings,
  { snapshot, path, error }: { readonly snapshot: Snapshot; readonly path: Buffer; readonly error: EngineError },
): void {
  const object = `database ${path.toString('utf8')} in snapshot ${snapshot.id.slice(0, SHORT_ID_LENGTH)}`;
  findings.add(object, error);
  findings.need(object, snapshot.id, path);
}

function textsOf(value: DatabaseRecord['details'][string] | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
