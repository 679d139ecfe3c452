/** `snap restore SNAP --database NAME --into URL` */

import { EngineError, type OverwritePolicy, type RestoreDatabaseResult, restoreDatabase } from '../../engine/index.ts';
import { databaseServer } from '../database-servers.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration, jsonPath, ProgressView, printable, shortId } from '../render.ts';
import {
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  outputOf,
  print,
  printJson,
  withRepository,
} from '../session.ts';

export interface DatabaseOptions extends GlobalOptions, FilterOptions {
  readonly database?: string;
  readonly into?: string;
  readonly overwrite?: OverwritePolicy;
  readonly dryRun?: boolean;
}

export async function restoreIntoServer(
  options: DatabaseOptions,
  snapshot: string,
  interruption: Interruption,
): Promise<number> {
  const { database, into, overwrite } = options;
  if (database === undefined || into === undefined) {
    throw new EngineError('INVALID_ARGUMENT', 'A database needs both: --database NAME and --into URL');
  }
  if (overwrite !== undefined && overwrite !== 'always') {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `A database is replaced as a whole or not at all: --overwrite always, not ${overwrite}`,
    );
  }
  const output = outputOf(options);
  const view = new ProgressView(output, 'restore');
  const result = await withRepository(options, (repository) =>
    restoreDatabase(repository, {
      snapshot,
      filter: filterOf(options),
      database,
      into: databaseServer(into),
      overwrite: overwrite === 'always',
      dryRun: options.dryRun,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  if (output.json) printSummaryLine(result, options.dryRun === true);
  else if (!output.quiet) printAccount(result, options.dryRun === true);
  return EXIT_OK;
}

function printSummaryLine(result: RestoreDatabaseResult, isDryRun: boolean): void {
  const { record, snapshotId, database, server, created, objectsReplaced, rowCounts, totalDuration } = result;
  printJson({
    message_type: 'summary',
    snapshot_id: snapshotId,
    database,
    kind: record.kind,
    server,
    ...jsonPath(record.path),
    bytes: record.bytes,
    created,
    objects_replaced: objectsReplaced,
    rows: rowCounts.map(({ table, rows }) => ({ table, rows })),
    dry_run: isDryRun,
    total_duration: totalDuration,
  });
}

function printAccount(result: RestoreDatabaseResult, isDryRun: boolean): void {
  const { record, snapshotId, database, server, created, objectsReplaced, rowCounts, totalDuration } = result;
  const rows = rowCounts.reduce((sum, one) => sum + one.rows, 0);
  const where = `database "${printable(database)}" of ${printable(server)}`;
  if (isDryRun) {
    const what = created ? 'would be made' : objectsReplaced > 0 ? 'would be replaced' : 'is empty and would be filled';
    print(`Dry run of snapshot ${shortId(snapshotId)}: nothing was changed. The ${where} ${what}.`);
    return;
  }
  print(`Snapshot ${shortId(snapshotId)}: ${printable(record.path.toString('utf8'))} restored into ${where}.`);
  print(
    `  restored   ${formatBytes(record.bytes)}, ${formatCount(rows)} rows in ${formatCount(rowCounts.length)} tables`,
  );
  if (objectsReplaced > 0) print(`  replaced   ${formatCount(objectsReplaced)} tables and other objects`);
  print(`  time       ${formatDuration(totalDuration)}`);
}
