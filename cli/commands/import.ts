/** `snap import FILE` */

import { type Command, Option } from 'commander';
import {
  EngineError,
  IMPORT_FORMATS,
  type ImportFormat,
  type ImportResult,
  importArchive,
} from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { environment } from '../environment.ts';
import { EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  jsonDatabase,
  jsonProblem,
  ProgressView,
  printable,
  snakeCase,
} from '../render.ts';
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
  readonly format?: ImportFormat;
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
      'unpacked to disk; names that lead out of the archive are refused, links are stored and never followed. A ' +
      'backup file of Audiobookshelf becomes what the server has, below /config and /metadata, at the time that it ' +
      'names; its database is checked first, and whatever is wrong with it makes no snapshot.',
    ['snap import audiobooks.zip --prefix /srv/audiobooks', 'snap import - --tag moved < books.tar.zst'],
  )
    .argument('<file>', 'the archive, or - for standard input (not for a zip)')
    .option('--prefix <path>', 'put everything below this path (default: /)')
    .addOption(
      new Option('--format <format>', 'what it has to be (default: what it looks like)').choices([...IMPORT_FORMATS]),
    )
    .option('--tag <tag>', 'tag the snapshot (repeatable)', collect)
    .option('--label <label>', 'label the snapshot')
    .option('--host <name>', "host that the snapshot names (default: this machine's)")
    .option('--time <time>', "the snapshot's time (default: now, or what a server's backup names)", parseDate)
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
      format: options.format,
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
    databases: result.snapshot.databases.map(jsonDatabase),
    duplicates: result.duplicates,
    problems: result.problems.map(jsonProblem),
    problem_count: result.problemCount,
  });
}

function printAccount(result: ImportResult, name: string): void {
  const { counts, duplicates, problemCount } = result;
  print(`Snapshot ${result.snapshot.id.slice(0, 8)} saved of ${name === STANDARD_INPUT ? 'standard input' : name}.`);
  print(`  files      ${formatCount(counts.totalFilesProcessed)}, ${formatBytes(counts.totalBytesProcessed)}`);
  for (const { path, check, bytes } of result.snapshot.databases) {
    print(`  database   ${printable(path.toString('utf8'))}: ${check}, ${formatBytes(bytes)}`);
  }
  print(`  stored     ${formatBytes(counts.dataAddedPacked)}`);
  print(`  time       ${formatDuration(counts.totalDuration)}`);
  if (duplicates > 0) print(`  duplicates ${formatCount(duplicates)}: of each name the last one counts`);
  if (problemCount > 0) print(`  refused    ${formatCount(problemCount)}: each was named above`);
}
