/** `snap check` */

import type { Command } from 'commander';
import { type CheckResult, check, type DatabaseCheck, type DatabasesChecked, EngineError } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import { formatBytes, formatCount, jsonPath, ProgressView, printable, shortId } from '../render.ts';
import { jsonServerCheck, serverCheckLines } from '../server-checks.ts';
import {
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
  withRepository,
} from '../session.ts';

interface Options extends GlobalOptions {
  readonly readData?: boolean;
  readonly readDataSubset?: string;
  readonly databases?: boolean;
}

const PATHS_SHOWN_MAX = 10;
const MISSES_SHOWN_MAX = 100;

export function checkCommand(): Command {
  return newVerb(
    'check',
    'Audit the repository: its structure, with --read-data every byte, with --databases what databases hold.',
    ['snap check --read-data-subset 1/7', 'snap check --databases latest'],
  )
    .argument('[snapshot]', 'with --databases: whose (default: the newest good one of each group of label and paths)')
    .option('--read-data', 'read every byte')
    .option('--read-data-subset <part>', 'read a part: 5%, 1/7 (the first of seven parts), or 2G')
    .option('--databases', 'check databases in full, their references, and what servers say of files against the files')
    .action(run<Options>(execute));
}

async function execute(
  options: Options,
  interruption: Interruption,
  [snapshot, ...more]: readonly string[],
): Promise<number> {
  if (options.readData === true && options.readDataSubset !== undefined) {
    throw new EngineError('INVALID_ARGUMENT', 'Give --read-data or --read-data-subset, not both');
  }
  if (snapshot !== undefined && (options.databases !== true || more.length > 0)) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'One snapshot can be named, and only with --databases: the rest is of all',
    );
  }
  const output = outputOf(options);
  const view = new ProgressView(output, 'check');
  const result = await withRepository(options, (repository) =>
    check(repository, {
      readData: options.readData,
      readDataSubset: options.readDataSubset,
      databases: options.databases === true ? { snapshot } : undefined,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  if (output.json) printSummaryLine(result);
  else printAccount(result, output.quiet);
  if (result.errors.length > 0) return EXIT_DAMAGE;
  return result.databases !== undefined && isAmiss(result.databases) ? EXIT_PROBLEMS : EXIT_OK;
}

/** What could not be checked for want of a collation or a newer SQLite is as it should be. */
function isDatabaseAmiss({ check: found, brokenCount }: DatabaseCheck): boolean {
  return brokenCount > 0 || found === 'failed' || found === 'unverified';
}

/** What is no damage, and not as it should be either. */
function isAmiss({ databases, servers }: DatabasesChecked): boolean {
  const checks = servers.flatMap((one) => one.checks);
  return (
    databases.some(isDatabaseAmiss) || checks.some(({ missCount, problem }) => missCount > 0 || problem !== undefined)
  );
}

function printSummaryLine(result: CheckResult): void {
  printJson({ message_type: 'summary', ...checkSummary(result) });
}

export function checkSummary(result: CheckResult): object {
  return {
    snapshots_checked: result.snapshotsChecked,
    packs_checked: result.packsChecked,
    blobs_checked: result.blobsChecked,
    bytes_read: result.bytesRead,
    errors: result.errors,
    ...(result.databases === undefined ? {} : jsonDatabases(result.databases)),
  };
}

function jsonDatabases({ databases, servers }: DatabasesChecked): object {
  return {
    databases: databases.map(({ snapshot, path, kind, bytes, check: found, messages, brokenCount, broken }) => ({
      snapshot_id: snapshot,
      ...jsonPath(path),
      kind,
      bytes,
      check: found,
      messages,
      foreign_key_violations: brokenCount,
      foreign_keys: broken,
    })),
    servers: servers.flatMap(({ snapshot, checks }) =>
      checks.map((one) => ({ snapshot_id: snapshot, ...jsonServerCheck(one) })),
    ),
  };
}

function printAccount(result: CheckResult, quiet: boolean): void {
  for (const error of result.errors) {
    print(`damaged: ${error.object}: ${printable(error.message)}`);
    if (error.snapshots.length > 0) print(`  needed by ${error.snapshots.map((id) => id.slice(0, 8)).join(', ')}`);
    for (const path of error.paths.slice(0, PATHS_SHOWN_MAX)) print(`  ${printable(path)}`);
    const more = error.paths.length - PATHS_SHOWN_MAX;
    if (more > 0) print(`  and ${formatCount(more)} more paths`);
  }
  if (result.databases !== undefined) printDatabases(result.databases, quiet);
  if (quiet) return;
  const seen = `${formatCount(result.snapshotsChecked)} snapshots, ${formatCount(result.packsChecked)} packs, ${formatCount(result.blobsChecked)} blobs`;
  print(`Checked ${seen}; read ${formatBytes(result.bytesRead)}.`);
  const count = result.errors.length;
  print(count === 0 ? 'No damage was found.' : `${formatCount(count)} damaged ${count === 1 ? 'object' : 'objects'}.`);
}

function printDatabases({ databases, servers }: DatabasesChecked, quiet: boolean): void {
  for (const database of databases) {
    const { snapshot, path, bytes, check: found, messages, broken } = database;
    if (quiet && !isDatabaseAmiss(database)) continue;
    print(`${found.padEnd(8)} ${shortId(snapshot)}  ${printable(path.toString('utf8'))}  ${formatBytes(bytes)}`);
    // Damage was named above.
    if (found !== 'damaged') for (const message of messages) print(`  ${printable(message)}`);
    for (const { table, parent, rows } of broken) {
      print(
        `  ${formatCount(rows)} rows of ${printable(table)} refer to rows of ${printable(parent)} that are not there`,
      );
    }
  }
  for (const check of servers.flatMap(({ checks }) => checks)) {
    if (quiet && check.missCount === 0 && check.problem === undefined) continue;
    for (const line of serverCheckLines(check, MISSES_SHOWN_MAX)) print(printable(line));
  }
}
