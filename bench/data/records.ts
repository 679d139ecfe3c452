/** Snapshot records as backups write them, made without a backup; and a repository of very many of them. */

import { mapBounded } from '../../engine/base/concurrency.ts';
import type { BlobId } from '../../engine/base/ids.ts';
import { BLOB_ID_BYTES } from '../../engine/base/ids.ts';
import { SEALED_WRITES_AT_ONCE_MAX } from '../../engine/base/limits.ts';
import type { DatabaseRecord, SnapshotRecord } from '../../engine/format/snapshot.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import { SeededRandom } from '../random.ts';

const HOUR_NS = 3_600_000_000_000n;
const TABLES = 24;
const EXCLUDES = ['*.tmp', '*.part', '.DS_Store', 'Thumbs.db', '/library/cache/**', '/library/logs/**'];

export function recordOf(tree: BlobId, startedNs: bigint): SnapshotRecord {
  const time = new Date(Number(startedNs / 1_000_000n)).toISOString();
  const counts = { filesNew: 0, filesChanged: 0, filesUnmodified: 0, filesDeleted: 0, filesMoved: 0, dirsNew: 0 };
  const more = { dirsChanged: 0, dirsUnmodified: 0, totalFilesProcessed: 0, totalBytesProcessed: 0, dataAdded: 0 };
  return {
    time,
    startedNs,
    host: 'bench',
    user: 'bench',
    label: '',
    tags: [],
    paths: [Buffer.from('/library')],
    parent: undefined,
    tree,
    mounts: [{ path: Buffer.from('/'), device: '1' }],
    users: {},
    groups: {},
    rules: {},
    leftOut: { count: 0, content: [] },
    problems: [],
    problemCount: 0,
    databases: [],
    summary: { ...counts, ...more, dataAddedPacked: 0, backupStart: time, backupEnd: time, totalDuration: 0 },
    program: 'bench',
  };
}

/** What is recorded of a server's database: the greater part of a snapshot's record. */
function databaseOf(random: SeededRandom): DatabaseRecord {
  const rowCounts = Array.from({ length: TABLES }, (_, table) => ({
    table: `table_of_things_${table}`,
    rows: random.between(0, 100_000),
  }));
  const details = {
    method: 'backup',
    holdMs: random.between(0, 100),
    pageSize: 4096,
    pageCount: random.between(10_000, 20_000),
    userVersion: 7,
    applicationId: 0,
    journalMode: 'wal',
    schemaHash: random.bytes(32).toString('hex'),
    sqliteVersion: '3.53.2',
    checkMessages: [],
    rowCounts,
    live: random.bytes(168).toString('base64'),
  };
  const durationSeconds = random.between(1, 1000) / 1000;
  return { path: Buffer.from('/library/server.db'), kind: 'sqlite', bytes: 6e7, check: 'ok', durationSeconds, details };
}

/** Snapshots of every hour up to now: enough for verbs that look at their records alone (list, forget). */
export async function makeManySnapshots(repository: Repository, count: number): Promise<void> {
  const random = new SeededRandom(2);
  const startNs = BigInt(Date.now()) * 1_000_000n - BigInt(count) * HOUR_NS;
  const records = Array.from({ length: count }, (_, number): SnapshotRecord => {
    const record = recordOf(random.bytes(BLOB_ID_BYTES) as BlobId, startNs + BigInt(number) * HOUR_NS);
    const users = { 0: 'root', 1000: 'library' };
    return { ...record, users, groups: users, rules: { excludes: EXCLUDES }, databases: [databaseOf(random)] };
  });
  await mapBounded(records, SEALED_WRITES_AT_ONCE_MAX, (record) => repository.snapshots.save(record));
}
