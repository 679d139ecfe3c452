/** `snap check` */

import type { Command } from 'commander';
import { type CheckResult, check, EngineError } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, ProgressView, printable } from '../render.ts';
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
}

const PATHS_SHOWN_MAX = 10;

export function checkCommand(): Command {
  return newVerb('check', 'Audit the repository: its structure, and with --read-data every byte.', [
    'snap check',
    'snap check --read-data-subset 1/7',
  ])
    .option('--read-data', 'read every byte')
    .option('--read-data-subset <part>', 'read a part: 5%, 1/7 (the first of seven parts), or 2G')
    .action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption): Promise<number> {
  if (options.readData === true && options.readDataSubset !== undefined) {
    throw new EngineError('INVALID_ARGUMENT', 'Give --read-data or --read-data-subset, not both');
  }
  const output = outputOf(options);
  const view = new ProgressView(output, 'check');
  const result = await withRepository(options, (repository) =>
    check(repository, {
      readData: options.readData,
      readDataSubset: options.readDataSubset,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  if (output.json) printSummaryLine(result);
  else printAccount(result, output.quiet);
  return result.errors.length > 0 ? EXIT_DAMAGE : EXIT_OK;
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
  if (quiet) return;
  const seen = `${formatCount(result.snapshotsChecked)} snapshots, ${formatCount(result.packsChecked)} packs, ${formatCount(result.blobsChecked)} blobs`;
  print(`Checked ${seen}; read ${formatBytes(result.bytesRead)}.`);
  const count = result.errors.length;
  print(count === 0 ? 'No damage was found.' : `${formatCount(count)} damaged ${count === 1 ? 'object' : 'objects'}.`);
}
