/** `snap backup` */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type BackupOptions,
  type BackupResult,
  backup,
  EngineError,
  preload,
  SHORT_ID_LENGTH,
  type Snapshot,
  type StreamSource,
} from '../../engine/index.ts';
import { absoluteBytes, absolutePath } from '../bytes.ts';
import { configuredProfiles } from '../config/configured-profiles.ts';
import { configuredServers } from '../config/database-dumps.ts';
import type { LoadedConfig } from '../config/read.ts';
import { databaseServers } from '../database-servers.ts';
import { environment } from '../environment.ts';
import { EXIT_DAMAGE, EXIT_OK, EXIT_PROBLEMS, worstExitCode } from '../exit-codes.ts';
import { aroundBackup, hooksOf } from '../hooks.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  jsonDatabase,
  jsonPath,
  jsonProblem,
  ProgressView,
  printable,
  snakeCase,
} from '../render.ts';
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
import { commandSource, standardInput } from '../stdin-source.ts';
import {
  collect,
  parseCompression,
  parseDate,
  parsePercent,
  parsePositive,
  parsePositiveSize,
  parseSize,
} from '../values.ts';

export interface BackupFlags extends GlobalOptions {
  readonly tag?: readonly string[];
  readonly label?: string;
  readonly host?: string;
  readonly time?: Date;
  readonly exclude?: readonly string[];
  readonly iexclude?: readonly string[];
  readonly excludeFile?: readonly string[];
  readonly excludeIfPresent?: readonly string[];
  readonly excludeCaches?: boolean;
  readonly excludeLargerThan?: number;
  readonly oneFileSystem?: boolean;
  readonly ignoreInode?: boolean;
  readonly ignoreCtime?: boolean;
  readonly compression?: number | 'off';
  readonly workers?: number;
  readonly limitRead?: number;
  readonly filesFrom?: readonly string[];
  readonly stdin?: boolean;
  readonly stdinFilename?: string;
  readonly stdinFromCommand?: boolean;
  readonly skipIfUnchanged?: boolean;
  readonly parent?: string;
  readonly force?: boolean;
  readonly profile?: readonly string[];
  readonly databases?: boolean;
  readonly postgres?: readonly string[];
  readonly mariadb?: readonly string[];
  readonly maxShrink?: number;
  readonly strict?: boolean;
  readonly dryRun?: boolean;
  /** Of the configuration file, where the command line names no source. */
  readonly configuredSources?: readonly string[];
}

export function backupCommand(): Command {
  const command = newVerb(
    'backup',
    'Take a snapshot of folders and files. Only what changed since the last one is read and stored.',
    ['snap backup /srv/audiobooks /srv/config --tag nightly', 'snap backup ~/Pictures --exclude "*.tmp" --dry-run'],
  ).argument('[paths...]', 'folders and files (default: those of the configuration file)');
  addSelectionOptions(command);
  return command
    .option('--tag <tag>', 'tag the snapshot (repeatable)', collect)
    .option('--label <label>', 'label the snapshot')
    .option('--host <name>', "host to record (default: this machine's name, SNAP_HOST)")
    .option('--time <time>', 'time to record (default: now)', parseDate)
    .option('--ignore-inode', 'inode numbers do not count: for file systems that change them')
    .option('--ignore-ctime', 'change times do not count: for file systems that change them')
    .option('--compression <level>', 'zstd level, or off (SNAP_COMPRESSION)', parseCompression)
    .option('--workers <n>', 'threads that read and store', parsePositive)
    .option('--limit-read <rate>', 'read at most so many bytes a second, such as 50M', parsePositiveSize)
    .option('--stdin', 'store what comes on standard input as one file')
    .option('--stdin-filename <name>', 'its name (default: stdin)')
    .option('--stdin-from-command', 'store the output of the command after --; its exit code decides')
    .option('--skip-if-unchanged', 'no snapshot when nothing changed')
    .option('--parent <snapshot>', 'compare with this snapshot (default: the newest of the same paths)')
    .option('--force', 'read every file again')
    .option('--profile <name>', 'apply what is known of a server (repeatable): see "snap profiles list"', collect)
    .option('--no-databases', 'store SQLite databases as plain files')
    .option('--postgres <url>', 'dump a Postgres server, or one database of it (repeatable)', collect)
    .option('--mariadb <url>', 'dump a MariaDB server, or one database of it (repeatable)', collect)
    .option('--max-shrink <percent>', 'suspect a run that lost more of its files or bytes (default: 50)', parsePercent)
    .option('--strict', 'no snapshot when a file could not be read or the run is suspect (exit code 1)')
    .option('-n, --dry-run', 'count what would be stored, write nothing')
    .action(run<BackupFlags>(execute));
}

function addSelectionOptions(command: Command): void {
  command
    .option('--files-from <file>', 'paths from a file, one a line or separated by NUL; - reads standard input', collect)
    .option('--exclude <pattern>', 'leave out what fits (gitignore rules; repeatable)', collect)
    .option('--iexclude <pattern>', 'the same without regard to case', collect)
    .option('--exclude-file <file>', 'patterns from a file, one a line', collect)
    .option('--exclude-if-present <name>', 'leave out what lies beside a file of this name', collect)
    .option('--exclude-caches', 'leave out folders with a CACHEDIR.TAG')
    .option('--exclude-larger-than <size>', 'leave out larger files', parseSize)
    .option('--one-file-system', 'do not enter other file systems');
}

async function execute(
  options: BackupFlags,
  interruption: Interruption,
  parameters: readonly string[],
  loaded: LoadedConfig | undefined,
): Promise<number> {
  const output = outputOf(options);
  const view = new ProgressView(output, 'backup');
  const stdin = stdinOf(options, parameters);
  const paths = [
    ...(options.stdinFromCommand === true ? [] : parameters.map(absolutePath)),
    ...(options.filesFrom ?? []).flatMap(readPaths),
    ...(options.configuredSources ?? []).map((path) => absoluteBytes(Buffer.from(path))),
  ];
  const isOfFile = options.configuredSources !== undefined && loaded !== undefined;
  const flags = isOfFile ? configuredProfiles(configuredServers(options, loaded.config), loaded.config) : options;
  const save = (): Promise<BackupResult> =>
    withRepository(
      options,
      (repository) =>
        backup(repository, {
          ...backupOptionsOf(flags),
          paths,
          ...(stdin === undefined ? {} : { stdin }),
          countSources: view.wantsTotals,
          monitor: view,
          signal: interruption.signal,
        }),
      () => preload('backup'),
    );
  // The file's commands are for the file's sources; a dry run changes nothing, so nothing has to be stopped for it.
  const isConfigured = options.configuredSources !== undefined && options.dryRun !== true;
  const hooks = isConfigured && loaded !== undefined ? hooksOf(loaded.config) : [];
  const { result, hookCode } = await aroundBackup(hooks, interruption, save);
  view.done();
  if (output.json) printSummaryLine(result);
  else if (!output.quiet) printAccount(result, options.dryRun === true);
  if (result.suspicion !== undefined && !output.json) showSuspicion(result.suspicion, result.snapshot);
  // The snapshot is there, but somebody wanted an end before all was checked.
  const wasInterrupted = result.checksError?.code === 'INTERRUPTED';
  return worstExitCode([exitCodeOf(result), hookCode, ...(wasInterrupted ? [interruption.exitCode] : [])]);
}

function exitCodeOf(result: BackupResult): number {
  if (result.damage.length > 0) return EXIT_DAMAGE;
  return result.problemCount > 0 || result.suspicion !== undefined ? EXIT_PROBLEMS : EXIT_OK;
}

export function backupOptionsOf(options: BackupFlags): Omit<BackupOptions, 'paths'> {
  return {
    tags: options.tag,
    label: options.label,
    host: options.host ?? environment('SNAP_HOST'),
    time: options.time,
    excludes: [...(options.excludeFile ?? []).flatMap(readPatterns), ...(options.exclude ?? [])],
    caseInsensitiveExcludes: options.iexclude,
    excludeIfPresent: options.excludeIfPresent,
    excludeCaches: options.excludeCaches,
    excludeLargerThan: options.excludeLargerThan,
    oneFileSystem: options.oneFileSystem,
    ignoreInode: options.ignoreInode,
    ignoreCtime: options.ignoreCtime,
    compression: options.compression ?? compressionOfEnvironment(),
    workers: options.workers,
    readBytesPerSecond: options.limitRead,
    profiles: options.profile,
    databases: options.databases,
    databaseServers: databaseServers(options),
    parent: options.parent,
    force: options.force,
    skipIfUnchanged: options.skipIfUnchanged,
    maxShrink: options.maxShrink,
    strict: options.strict,
    dryRun: options.dryRun,
  };
}

function compressionOfEnvironment(): number | 'off' | undefined {
  const text = environment('SNAP_COMPRESSION');
  if (text === undefined) return undefined;
  try {
    return parseCompression(text);
  } catch {
    throw new EngineError('INVALID_ARGUMENT', `SNAP_COMPRESSION is "off" or a level from 1 to 19, not "${text}"`);
  }
}

function stdinOf(options: BackupFlags, parameters: readonly string[]): StreamSource | undefined {
  const name = options.stdinFilename ?? 'stdin';
  if (options.stdinFromCommand === true) {
    if (parameters.length === 0)
      throw new EngineError('INVALID_ARGUMENT', 'Name the command after --stdin-from-command --');
    return commandSource(parameters, name);
  }
  return options.stdin === true ? standardInput(name) : undefined;
}

function readListFile(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new EngineError('INVALID_ARGUMENT', `The list ${file} cannot be read: ${why}`, error);
  }
}

function readPaths(file: string): Buffer[] {
  const bytes = readListFile(file);
  const separator = bytes.includes(0) ? '\0' : '\n';
  const lines = bytes.toString('latin1').split(separator);
  return lines.filter((line) => line !== '').map((line) => absoluteBytes(Buffer.from(line, 'latin1')));
}

function readPatterns(file: string): string[] {
  const lines = readListFile(file).toString('utf8').split(/\r?\n/);
  return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
}

function showSuspicion(suspicion: string, snapshot: Snapshot | undefined): void {
  const id = snapshot?.id.slice(0, SHORT_ID_LENGTH) ?? '';
  process.stderr.write(
    `snap: The snapshot is suspect: ${printable(suspicion)}.\nIt is kept, but retention does not count it. If all is as it should be: snap tag --trust ${id}\n`,
  );
}

function printSummaryLine(result: BackupResult): void {
  printJson({ message_type: 'summary', ...backupSummary(result) });
}

export function backupSummary(result: BackupResult): object {
  return {
    snapshot_id: result.snapshot?.id ?? null,
    parent: result.parent ?? null,
    ...snakeCase(result.counts),
    databases: result.databases.map(jsonDatabase),
    profiles: result.profiles.map(({ name, folder, warnings }) => ({
      name,
      ...jsonPath(folder, 'folder'),
      warnings,
      checks: result.checks
        .filter((check) => check.profile === name && check.folder.equals(folder))
        .map(jsonServerCheck),
    })),
    ...(result.checksError === undefined
      ? {}
      : { checks_error: { code: result.checksError.code, message: result.checksError.message } }),
    problems: result.problems.map(jsonProblem),
    problem_count: result.problemCount,
    damage: result.damage,
    suspect: result.suspicion !== undefined,
    ...(result.suspicion === undefined ? {} : { suspicion: result.suspicion }),
    skipped: result.skipped,
  };
}

function printAccount(result: BackupResult, isDryRun: boolean): void {
  const { counts } = result;
  if (result.snapshot !== undefined) print(`Snapshot ${result.snapshot.id.slice(0, 8)} saved.`);
  else print(isDryRun ? 'Dry run: nothing was written.' : 'Nothing changed: no snapshot was needed.');
  const files = [
    `${formatCount(counts.filesNew)} new`,
    `${formatCount(counts.filesChanged)} changed`,
    `${formatCount(counts.filesUnmodified)} unmodified`,
    ...(counts.filesDeleted > 0 ? [`${formatCount(counts.filesDeleted)} deleted`] : []),
    ...(counts.filesMoved > 0 ? [`${formatCount(counts.filesMoved)} moved`] : []),
  ];
  print(`  files      ${formatCount(counts.totalFilesProcessed)} (${files.join(', ')})`);
  print(`  size       ${formatBytes(counts.totalBytesProcessed)}, of which ${formatBytes(counts.dataAdded)} are new`);
  if (!isDryRun) print(`  stored     ${formatBytes(counts.dataAddedPacked)}`);
  for (const { path, kind, bytes, check } of result.databases) {
    print(`  database   ${printable(path.toString('utf8'))} (${kind}, ${formatBytes(bytes)}, ${check})`);
  }
  // What is amiss was named above, and is no failure of the backup.
  for (const check of result.checks) {
    for (const line of serverCheckLines(check, 0).slice(0, 1)) print(`  checked    ${printable(line)}`);
  }
  if (result.damage.length > 0) {
    print(
      `  damage     ${formatCount(result.damage.length)} objects of the repository, named above: "snap check" says what needs them`,
    );
  }
  print(`  time       ${formatDuration(counts.totalDuration)}`);
  if (result.problemCount > 0) print(`  problems   ${formatCount(result.problemCount)}: each was named above`);
}
