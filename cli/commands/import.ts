/** `snap import FILE` */

import type { Command } from 'commander';
import { EngineError, type ImportResult, importArchive } from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { environment } from '../environment.ts';
import { EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration, jsonProblem, ProgressView, snakeCase } from '../render.ts';
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
import { collect, parseCompression, parseDate, parsePositive } from '../values.ts';

interface Options extends GlobalOptions {
  readonly prefix?: string;
  readonly tag?: readonly string[];
  readonly label?: string;
  readonly host?: string;
  readonly time?: Date;
  readonly compression?: number | 'off';
  readonly maxExpansion?: number;
  readonly strict?: boolean;
}

const STANDARD_INPUT = '-';

export function importCommand(): Command {
  return newVerb(
    'import',
    'Make a snapshot of what an archive holds: zip, tar, tar.zst or tar.gz, told apart by their content. Nothing is ' +
      'unpacked to disk; names that lead out of the archive are refused, links are stored and never followed.',
    ['snap import audiobooks.zip --prefix /srv/audiobooks', 'snap import - --tag moved < books.tar.zst'],
  )
    .argument('<file>', 'the archive, or - for standard input (not for a zip)')
    .option('--prefix <path>', 'put everything below this path (default: /)')
    .option('--tag <tag>', 'tag the snapshot (repeatable)', collect)
    .option('--label <label>', 'label the snapshot')
    .option('--host <name>', "host that the snapshot names (default: this machine's)")
    .option('--time <time>', "the snapshot's time (default: now)", parseDate)
    .option('--compression <level>', 'zstd level from 1 to 19, or off', parseCompression)
    .option(
      '--max-expansion <n>',
      'refuse an archive that unfolds to more than n times its length (default 200)',
      parsePositive,
    )
    .option('--strict', 'no snapshot when an entry was refused (exit code 1)')
    .action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption, [name = '']: readonly string[]): Promise<number> {
  if (name === STANDARD_INPUT && process.stdin.isTTY === true) {
    throw new EngineError('INVALID_ARGUMENT', 'An archive is not read from a terminal: name a file, or use a pipe');
  }
  const output = outputOf(options);
  const view = new ProgressView(output, 'import');
  const result = await withRepository(options, (repository) =>
    importArchive(repository, {
      source: name === STANDARD_INPUT ? { stream: process.stdin } : { file: absolutePath(name) },
      prefix: options.prefix === undefined ? undefined : absolutePath(options.prefix),
      tags: options.tag,
      label: options.label,
      host: options.host ?? environment('SNAP_HOST'),
      time: options.time,
      compression: options.compression,
      expansionMax: options.maxExpansion,
      strict: options.strict,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  if (output.json) printSummaryLine(result);
  else if (!output.quiet) printAccount(result, name);
  return result.problemCount > 0 ? EXIT_PROBLEMS : EXIT_OK;
}

function printSummaryLine(result: ImportResult): void {
  printJson({
    message_type: 'summary',
    snapshot_id: result.snapshot.id,
    format: result.format,
    ...snakeCase(result.counts),
    duplicates: result.duplicates,
    problems: result.problems.map(jsonProblem),
    problem_count: result.problemCount,
  });
}

function printAccount(result: ImportResult, name: string): void {
  const { counts, duplicates, problemCount } = result;
  print(`Snapshot ${result.snapshot.id.slice(0, 8)} saved of ${name === STANDARD_INPUT ? 'standard input' : name}.`);
  print(`  files      ${formatCount(counts.totalFilesProcessed)}, ${formatBytes(counts.totalBytesProcessed)}`);
  print(`  stored     ${formatBytes(counts.dataAddedPacked)}`);
  print(`  time       ${formatDuration(counts.totalDuration)}`);
  if (duplicates > 0) print(`  duplicates ${formatCount(duplicates)}: of each name the last one counts`);
  if (problemCount > 0) print(`  refused    ${formatCount(problemCount)}: each was named above`);
}
