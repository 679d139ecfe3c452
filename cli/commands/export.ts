/** `snap export SNAP[:PATH] -o FILE` */

import { type Command, Option } from 'commander';
import {
  ARCHIVE_FORMATS,
  type ArchiveFormat,
  EngineError,
  type ExportResult,
  exportSnapshot,
  splitSnapshotPath,
} from '../../engine/index.ts';
import { absolutePath, argumentBytes } from '../bytes.ts';
import { EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import { OutputFile } from '../output-file.ts';
import { formatBytes, formatCount, formatDuration, jsonProblem, ProgressView } from '../render.ts';
import {
  addFilterOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
  withRepository,
  writeOutput,
} from '../session.ts';
import { parseCompression } from '../values.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly output?: string;
  readonly format?: ArchiveFormat;
  readonly compression?: number | 'off';
  readonly force?: boolean;
  readonly metadata?: string;
  readonly serverVersion?: string;
  readonly allowUnverified?: boolean;
}

const STANDARD_OUTPUT = '-';

export function exportCommand(): Command {
  const formats = new Option('--format <format>', 'default: by the ending of the file, tar on standard output').choices(
    [...ARCHIVE_FORMATS],
  );
  const command = newVerb(
    'export',
    'Write a snapshot, a folder or one file as one portable file. A tar carries everything but sockets; a zip carries ' +
      'files, folders, symbolic links, modes and times, but no attributes, hard links or devices. audiobookshelf is the ' +
      "backup file of that server: its database, checked, and its metadata, for the server's own way of applying one.",
    ['snap export latest:/srv/audiobooks -o audiobooks.zip', 'snap export latest -o 2026-03-01T0200.audiobookshelf'],
  )
    .argument('<snapshot>', 'SNAP or SNAP:PATH')
    .option('-o, --output <file>', 'file.zip, file.tar, file.tar.zst, file.audiobookshelf, or - for standard output')
    .addOption(formats)
    .option(
      '--compression <level>',
      'zstd level from 1 to 19 of a tar.zst; off: store the files of a zip',
      parseCompression,
    )
    .option('--force', 'replace the file where it exists')
    .option('--metadata <path>', "audiobookshelf: the folder in the snapshot that holds the server's items and authors")
    .option('--server-version <version>', 'audiobookshelf: where the database does not tell it')
    .option('--allow-unverified', 'audiobookshelf: take a database that is not known to be sound');
  return addFilterOptions(command).action(run<Options>(execute));
}

function formatOf(options: Options, output: string): ArchiveFormat {
  if (options.format !== undefined) return options.format;
  if (output === STANDARD_OUTPUT) return 'tar';
  const name = output.toLowerCase();
  if (name.endsWith('.zip')) return 'zip';
  if (name.endsWith('.tar')) return 'tar';
  if (name.endsWith('.audiobookshelf')) return 'audiobookshelf';
  if (name.endsWith('.tar.zst') || name.endsWith('.tzst')) return 'tar.zst';
  throw new EngineError(
    'INVALID_ARGUMENT',
    `What ${output} is to be does not follow from its name: end it in .zip, .tar, .tar.zst or .audiobookshelf, or give --format`,
  );
}

async function execute(
  options: Options,
  interruption: Interruption,
  [subject = '']: readonly string[],
): Promise<number> {
  const { snapshot, path } = splitSnapshotPath(argumentBytes(subject));
  const name = options.output;
  if (name === undefined) throw new EngineError('INVALID_ARGUMENT', 'Name the file to write: -o file.zip, or -o -');
  const isStandardOutput = name === STANDARD_OUTPUT;
  if (isStandardOutput && process.stdout.isTTY === true) {
    throw new EngineError('INVALID_ARGUMENT', 'An archive is not written to a terminal: name a file, or use a pipe');
  }
  const format = formatOf(options, name);
  const output = outputOf(options);
  // Standard output may be the archive: then nothing else is printed there.
  const view = new ProgressView(isStandardOutput ? { ...output, json: false } : output, 'export');
  const result = await withRepository(options, async (repository) => {
    const pieces = exportSnapshot(repository, {
      snapshot,
      path,
      filter: filterOf(options),
      format,
      compression: options.compression,
      server: {
        metadata: options.metadata === undefined ? undefined : absolutePath(options.metadata),
        version: options.serverVersion,
        allowUnverified: options.allowUnverified,
      },
      monitor: view,
      signal: interruption.signal,
    });
    return isStandardOutput
      ? drain(pieces, writeOutput)
      : writeFile(pieces, OutputFile.open(name, options.force === true));
  });
  view.done();
  const exitCode = result.problems.length > 0 ? EXIT_PROBLEMS : EXIT_OK;
  if (isStandardOutput) return exitCode;
  if (output.json) printSummaryLine(result, name);
  else if (!output.quiet) printAccount(result, name);
  return exitCode;
}

async function drain(
  pieces: AsyncGenerator<Buffer, ExportResult>,
  write: (piece: Buffer) => Promise<void> | void,
): Promise<ExportResult> {
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) return next.value;
    await write(next.value);
  }
}

async function writeFile(pieces: AsyncGenerator<Buffer, ExportResult>, file: OutputFile): Promise<ExportResult> {
  try {
    const result = await drain(pieces, (piece) => file.write(piece));
    file.finish();
    return result;
  } catch (error) {
    file.abandon();
    throw error;
  }
}

function printSummaryLine(result: ExportResult, file: string): void {
  printJson({
    message_type: 'summary',
    snapshot_id: result.snapshot.id,
    file,
    files: result.files,
    bytes: result.bytes,
    archive_bytes: result.archiveBytes,
    left_out: result.leftOut,
    problems: result.problems.map(jsonProblem),
    total_duration: result.totalDuration,
  });
}

function printAccount(result: ExportResult, file: string): void {
  print(`Snapshot ${result.snapshot.id.slice(0, 8)} exported to ${file}.`);
  print(`  files      ${formatCount(result.files)}, ${formatBytes(result.bytes)}`);
  print(`  archive    ${formatBytes(result.archiveBytes)}`);
  print(`  time       ${formatDuration(result.totalDuration)}`);
  if (result.problems.length > 0) print(`  missing    ${formatCount(result.problems.length)}: each was named above`);
}
