/** Brings one database of a snapshot back into a server: streamed out of the snapshot into the server's own client. */

import { EngineError } from '../../base/errors.ts';
import type { SnapshotId } from '../../base/ids.ts';
import { EXPORT_PIECE_BYTES } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { baseName } from '../../base/paths.ts';
import { lookAtMariadb, restoreMariadb } from '../../databases/mariadb-restore.ts';
import { lookAtPostgres, restorePostgres } from '../../databases/postgres-restore.ts';
import type { DatabaseTarget } from '../../databases/restore-target.ts';
import { type DatabaseServer, describeServer, parseServer, type ServerKind } from '../../databases/server-address.ts';
import type { TableRows } from '../../databases/table-rows.ts';
import type { DatabaseRecord } from '../../format/snapshot.ts';
import { findPath } from '../../repository/find-node.ts';
import type { Repository } from '../../repository/repository.ts';
import { SHORT_ID_LENGTH, type Snapshot, type SnapshotFilter } from '../../repository/snapshots.ts';

export interface RestoreDatabaseOptions {
  /** `latest`, `latest~N`, an id or a unique prefix. */
  readonly snapshot: string;
  readonly filter?: SnapshotFilter | undefined;
  /** Its name, or the path of its dump in the snapshot where the name alone fits several. */
  readonly database: string;
  /** The URL's database is the one that is restored into; without one, that of the same name. */
  readonly into: DatabaseServer;
  /** Replaces what the database holds; without it, one that holds something is refused. */
  readonly overwrite?: boolean | undefined;
  /** Looks at the target and changes nothing. */
  readonly dryRun?: boolean | undefined;
  readonly monitor?: Monitor | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RestoreDatabaseResult {
  readonly snapshotId: SnapshotId;
  readonly record: DatabaseRecord;
  /** As the server calls it. */
  readonly database: string;
  readonly server: string;
  /** It was not there before. */
  readonly created: boolean;
  /** Tables, views and routines that were replaced. */
  readonly objectsReplaced: number;
  readonly rowCounts: readonly TableRows[];
  /** Seconds. */
  readonly totalDuration: number;
}

/** How the kinds of servers do it. */
const WAYS = {
  postgresql: { look: lookAtPostgres, restore: restorePostgres },
  mariadb: { look: lookAtMariadb, restore: restoreMariadb },
} as const satisfies { readonly [kind in ServerKind]: unknown };

/**
 * SNAPSHOT_NOT_FOUND; PATH_NOT_FOUND where the snapshot has no such database; INVALID_ARGUMENT; TARGET_NOT_EMPTY where
 * the database holds something and is not to be overwritten; DATABASE_FAILED with what the server says, OBJECT_CORRUPT,
 * INTERRUPTED: what was there is there (for MariaDB: unless the message says more).
 */
export async function restoreDatabase(
  repository: Repository,
  options: RestoreDatabaseOptions,
): Promise<RestoreDatabaseResult> {
  const begunMs = performance.now();
  const address = parseServer(options.into);
  const snapshot = await repository.snapshots.find(options.snapshot, options.filter);
  const record = findRecord(snapshot, options.database, address.kind);
  const database = address.database ?? String(record.details['database']);
  const target: DatabaseTarget = {
    address,
    database,
    facts: record.details,
    signal: options.signal,
    onNote: (text) => options.monitor?.note?.(text),
  };
  const way = WAYS[address.kind];
  const state = await way.look(target);
  const server = describeServer(address);
  if (state.objects > 0 && options.overwrite !== true) {
    throw new EngineError(
      'TARGET_NOT_EMPTY',
      `The database "${database}" of ${server} holds ${state.objects} tables and other objects: nothing was changed. Name another database in the URL, or say --overwrite always to replace all of it`,
    );
  }
  let rowCounts: readonly TableRows[] = [];
  if (options.dryRun !== true) {
    await repository.loadIndex();
    rowCounts = await way.restore(target, state, contentOf(repository, snapshot, record, options.monitor));
  }
  return {
    snapshotId: snapshot.id,
    record,
    database,
    server,
    created: !state.exists,
    objectsReplaced: state.objects,
    rowCounts,
    totalDuration: (performance.now() - begunMs) / 1000,
  };
}

/** The one dump that is meant. */
function findRecord(snapshot: Snapshot, name: string, kind: ServerKind): DatabaseRecord {
  const id = snapshot.id.slice(0, SHORT_ID_LENGTH);
  const dumps = snapshot.databases.filter((one) => one.kind === kind && typeof one.details['database'] === 'string');
  const found = dumps.filter(({ path, details }) => details['database'] === name || path.toString('utf8') === name);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const paths = (records: readonly DatabaseRecord[]): string =>
    records.map(({ path }) => path.toString('utf8')).join(', ');
  if (found.length > 1) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `Snapshot ${id} holds several databases "${name}": name one by its path: ${paths(found)}`,
    );
  }
  const others = dumps.length === 0 ? `it holds no dump of ${kind}` : `it holds ${paths(dumps)}`;
  throw new EngineError('PATH_NOT_FOUND', `Snapshot ${id} holds no ${kind} database "${name}"; ${others}`);
}

async function* contentOf(
  repository: Repository,
  snapshot: Snapshot,
  record: DatabaseRecord,
  monitor: Monitor | undefined,
): AsyncGenerator<Buffer> {
  const found = await findPath(repository.blobs, snapshot, record.path);
  if (found.kind === 'root' || found.node.type !== 'file') {
    throw new EngineError('PATH_NOT_FOUND', `${record.path.toString('utf8')} is not a dump`);
  }
  let bytesDone = 0;
  const currentPath = baseName(record.path).toString('utf8');
  const gathered: Buffer[] = [];
  let waiting = 0;
  for await (const { blobId, length } of repository.blobs.content(found.node.content, found.node.size)) {
    if (blobId === undefined) throw new EngineError('OBJECT_CORRUPT', `${record.path.toString('utf8')} has a hole`);
    gathered.push(await repository.blobs.read('data', blobId));
    waiting += length;
    bytesDone += length;
    if (waiting < EXPORT_PIECE_BYTES && bytesDone < found.node.size) continue;
    yield Buffer.concat(gathered.splice(0));
    waiting = 0;
    monitor?.progress?.({
      filesDone: 0,
      filesTotal: 1,
      bytesDone,
      bytesTotal: found.node.size,
      bytesNew: bytesDone,
      problems: 0,
      currentPath,
    });
  }
}
