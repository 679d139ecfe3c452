/** `snap restore SNAP[:PATH] --target DIR | --in-place` */

import { type Command, Option } from 'commander';
import {
  EngineError,
  OVERWRITE_POLICIES,
  type OverwritePolicy,
  type PathMapping,
  type RestorePlan,
  restore,
  splitSnapshotPath,
} from '../../engine/index.ts';
import { absoluteBytes, absolutePath, argumentBytes } from '../bytes.ts';
import { formatBytes, formatCount, ProgressView } from '../render.ts';
import {
  addMomentOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  run,
  withRepository,
} from '../session.ts';
import { askYesNo } from '../terminal.ts';
import { collect, parsePositive } from '../values.ts';
import { exitCodeOf, PlanPrinter, printAccount, printSummaryLine } from './restore-account.ts';
import { restoreIntoServer } from './restore-database.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly target?: string;
  readonly profile?: string;
  readonly inPlace?: boolean;
  readonly map?: readonly string[];
  readonly delete?: boolean;
  readonly force?: boolean;
  readonly rollback?: boolean;
  readonly safetySnapshot?: boolean;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly databases?: boolean;
  readonly database?: string;
  readonly into?: string;
  readonly overwrite?: OverwritePolicy;
  readonly verify?: boolean;
  readonly workers?: number;
  readonly dryRun?: boolean;
}

export function restoreCommand(): Command {
  const policies = new Option('--overwrite <policy>', 'what happens to files that exist').choices([
    ...OVERWRITE_POLICIES,
  ]);
  const command = newVerb(
    'restore',
    'Bring a snapshot, a folder or one file back: into a directory, or to its origin.',
    [
      'snap restore latest~7:/srv/audiobooks/Author --target /tmp/author --verify',
      'snap restore latest --profile audiobookshelf --map /srv=/mnt/new --dry-run',
    ],
  )
    .argument('[snapshot]', 'SNAP or SNAP:PATH; none with --rollback')
    .option('--profile <name>', 'one server: what belongs to it; --map rewrites the paths in its databases, too')
    .option('--target <dir>', 'directory to restore into')
    .option('--in-place', 'to where it came from; only what differs is touched')
    .option('--map <from=to>', 'what was below FROM goes below TO (repeatable)', collect)
    .option('--delete', 'remove what the snapshot does not hold')
    .option('--force', 'replace databases that are in use; remove more than half')
    .option('--rollback', 'undo the last restore in place, with what it added')
    .option('--no-safety-snapshot', 'take no snapshot of what is there before a restore in place')
    .option('--include <pattern>', 'only what fits, or lies below it (repeatable)', collect)
    .option('--exclude <pattern>', 'leave out what fits (repeatable)', collect)
    .option('--no-databases', 'leave out the databases that the snapshot exported')
    .option('--database <name>', 'a database of a server that the snapshot has a dump of')
    .option('--into <url>', 'server, or database of it, that --database is restored into')
    .addOption(policies)
    .option('--verify', 'read everything back and compare it')
    .option('--workers <n>', 'threads that write', parsePositive)
    .option('-n, --dry-run', 'show the plan, write nothing');
  return addMomentOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption, [subject]: readonly string[]): Promise<number> {
  const named = subject === undefined ? undefined : splitSnapshotPath(argumentBytes(subject));
  const { target, rollback } = options;
  if (named === undefined && rollback !== true) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      'Name the snapshot to restore: an id, latest, or a moment such as @yesterday',
    );
  }
  if (options.database !== undefined || options.into !== undefined) {
    if (named === undefined || named.path !== undefined || isForFiles(options)) {
      throw new EngineError(
        'INVALID_ARGUMENT',
        'A database is restored alone: SNAP --database NAME --into URL, with nothing that is for files',
      );
    }
    return restoreIntoServer(options, named.snapshot, interruption);
  }
  if (target === undefined && options.inPlace !== true && options.map === undefined && rollback !== true) {
    throw new EngineError('INVALID_ARGUMENT', 'Say where to restore to: --target DIR, or --in-place');
  }
  const output = outputOf(options);
  const view = new ProgressView(output, 'restore');
  const plan = options.dryRun === true && !output.quiet ? new PlanPrinter(output) : undefined;
  const result = await withRepository(options, (repository) =>
    restore(repository, {
      snapshot: named?.snapshot,
      path: named?.path,
      profile: options.profile,
      rollback,
      filter: filterOf(options),
      target: target === undefined ? undefined : absolutePath(target),
      inPlace: options.inPlace,
      mappings: options.map?.map(parseMapping),
      delete: options.delete,
      force: options.force,
      confirm: output.json ? undefined : confirmDeletion,
      safetySnapshot: options.safetySnapshot,
      include: options.include,
      exclude: options.exclude,
      databases: options.databases,
      overwrite: options.overwrite,
      verify: options.verify,
      dryRun: options.dryRun,
      onPlanned: plan?.told,
      workers: options.workers,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  await plan?.finish();
  if (output.json) printSummaryLine(result);
  else if (!output.quiet) printAccount(result, options.verify === true);
  return exitCodeOf(result);
}

function isForFiles(options: Options): boolean {
  const { target, inPlace, map, include, exclude, verify, profile } = options;
  return [target, inPlace, map, include, exclude, verify, profile, options.delete].some((value) => value !== undefined);
}

/** FROM=TO. Both are paths, so that the first `=` in front of a path parts them, whatever the names hold. */
function parseMapping(text: string): PathMapping {
  const bytes = argumentBytes(text);
  const found = [bytes.indexOf('=/'), bytes.indexOf('=.')].filter((at) => at >= 0);
  const equals = found.length > 0 ? Math.min(...found) : bytes.indexOf('=');
  if (equals <= 0 || equals === bytes.length - 1) {
    throw new EngineError('INVALID_ARGUMENT', `--map takes FROM=TO, such as /srv/old=/srv/new, not "${text}"`);
  }
  return { from: absoluteBytes(bytes.subarray(0, equals)), to: absoluteBytes(bytes.subarray(equals + 1)) };
}

function confirmDeletion(plan: RestorePlan): Promise<boolean> {
  const present = plan.shares.reduce((sum, share) => sum + share.present, 0);
  const share = `${formatCount(plan.filesToDelete)} of ${formatCount(present)} files`;
  return askYesNo(`This removes ${share} that are there (${formatBytes(plan.bytesToDelete)}). Go on?`);
}
