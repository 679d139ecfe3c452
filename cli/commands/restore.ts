/** `snap restore SNAP[:PATH] --target DIR` */

import { type Command, Option } from 'commander';
import {
  EngineError,
  type ErrorCode,
  OVERWRITE_POLICIES,
  type OverwritePolicy,
  type RestoreResult,
  restore,
  splitSnapshotPath,
} from '../../engine/index.ts';
import { absolutePath, argumentBytes } from '../bytes.ts';
import { EXIT_DAMAGE, EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  jsonDatabase,
  jsonProblem,
  ProgressView,
  printable,
} from '../render.ts';
import {
  addMomentOptions,
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
} from '../session.ts';
import { collect, parsePositive } from '../values.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly target?: string;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly databases?: boolean;
  readonly overwrite?: OverwritePolicy;
  readonly verify?: boolean;
  readonly workers?: number;
  readonly dryRun?: boolean;
}

export function restoreCommand(): Command {
  const policies = new Option('--overwrite <policy>', 'what happens to files that exist').choices([
    ...OVERWRITE_POLICIES,
  ]);
  const command = newVerb('restore', 'Bring a snapshot, a folder or one file back into a directory.', [
    'snap restore latest --target /srv/restored --verify',
    'snap restore latest~7:/srv/audiobooks/Author --target /tmp/author',
  ])
    .argument('<snapshot>', 'SNAP or SNAP:PATH')
    .option('--target <dir>', 'directory to restore into')
    .option('--include <pattern>', 'only what fits, or lies below it (repeatable)', collect)
    .option('--exclude <pattern>', 'leave out what fits (repeatable)', collect)
    .option('--no-databases', 'leave out the databases that the snapshot exported')
    .addOption(policies)
    .option('--verify', 'read everything back and compare it')
    .option('--workers <n>', 'threads that write', parsePositive)
    .option('-n, --dry-run', 'show the plan, write nothing');
  return addMomentOptions(command).action(run<Options>(execute));
}

async function execute(
  options: Options,
  interruption: Interruption,
  [subject = '']: readonly string[],
): Promise<number> {
  const { snapshot, path } = splitSnapshotPath(argumentBytes(subject));
  const { target } = options;
  if (target === undefined) throw new EngineError('INVALID_ARGUMENT', 'Name the directory to restore into: --target');
  const output = outputOf(options);
  const view = new ProgressView(output, 'restore');
  const result = await withRepository(options, (repository) =>
    restore(repository, {
      snapshot,
      path,
      filter: filterOf(options),
      target: absolutePath(target),
      include: options.include,
      exclude: options.exclude,
      databases: options.databases,
      overwrite: options.overwrite,
      verify: options.verify,
      dryRun: options.dryRun,
      workers: options.workers,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  if (output.json) printSummaryLine(result);
  else if (!output.quiet) printAccount(result, options);
  return exitCodeOf(result);
}

const DAMAGE_CODES: ReadonlySet<string> = new Set<ErrorCode>(['OBJECT_CORRUPT', 'OBJECT_MISSING', 'OBJECT_UNREADABLE']);

/** Damage in the repository weighs more than a file that could not be written. */
function exitCodeOf(result: RestoreResult): number {
  if (result.problemCount === 0) return EXIT_OK;
  const isDamage = result.problems.some(({ code }) => DAMAGE_CODES.has(code));
  return isDamage ? EXIT_DAMAGE : EXIT_PROBLEMS;
}

function printSummaryLine(result: RestoreResult): void {
  const { plan } = result;
  printJson({
    message_type: 'summary',
    snapshot_id: result.snapshot.id,
    files_restored: result.filesRestored,
    files_skipped: result.filesSkipped,
    files_deleted: result.filesDeleted,
    bytes_restored: result.bytesRestored,
    bytes_reused: result.bytesReused,
    bytes_skipped: result.bytesSkipped,
    databases: result.databases.map(jsonDatabase),
    problems: result.problems.map(jsonProblem),
    problem_count: result.problemCount,
    total_duration: result.totalDuration,
    ...(plan === undefined
      ? {}
      : {
          plan: {
            files_to_create: plan.filesToCreate,
            files_to_replace: plan.filesToReplace,
            files_to_compare: plan.filesToCompare,
            files_to_skip: plan.filesToSkip,
            bytes_to_write: plan.bytesToWrite,
          },
        }),
  });
}

function printAccount(result: RestoreResult, options: Options): void {
  const { plan } = result;
  const name = result.snapshot.id.slice(0, 8);
  if (plan !== undefined) {
    print(`Dry run of snapshot ${name}: nothing was written.`);
    print(`  would create   ${formatCount(plan.filesToCreate)} files`);
    print(`  would replace  ${formatCount(plan.filesToReplace)} files`);
    print(`  would compare  ${formatCount(plan.filesToCompare)} files by content`);
    print(`  would leave    ${formatCount(plan.filesToSkip)} files as they are`);
    print(`  would write    ${formatBytes(plan.bytesToWrite)}`);
    return;
  }
  const verified = options.verify === true && result.problemCount === 0 ? ', read back and equal' : '';
  print(`Snapshot ${name} restored to ${printable(options.target ?? '')}${verified}.`);
  print(`  restored   ${formatCount(result.filesRestored)} files, ${formatBytes(result.bytesRestored)}`);
  if (result.bytesReused > 0) print(`  reused     ${formatBytes(result.bytesReused)} from files on disk`);
  if (result.filesSkipped > 0) {
    print(`  left alone ${formatCount(result.filesSkipped)} files, ${formatBytes(result.bytesSkipped)}`);
  }
  print(`  time       ${formatDuration(result.totalDuration)}`);
  if (result.problemCount > 0) print(`  problems   ${formatCount(result.problemCount)}: each was named above`);
}
