/** `snap forget` */

import type { Command } from 'commander';
import {
  type ForgetResult,
  forget,
  GROUP_FIELDS,
  type GroupBy,
  type GroupKey,
  prune,
  type RetentionCount,
  type RetentionDecision,
  type RetentionGroup,
  type RetentionPolicy,
  SHORT_ID_LENGTH,
} from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { formatCount, ProgressView, printable } from '../render.ts';
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
} from '../session.ts';
import { jsonSnapshot, snapshotLines } from '../snapshot-view.ts';
import { collect, parseGroupBy, parseRetentionCount } from '../values.ts';
import { showPruned } from './prune.ts';

export interface RetentionFlags {
  readonly keepLast?: RetentionCount;
  readonly keepHourly?: RetentionCount;
  readonly keepDaily?: RetentionCount;
  readonly keepWeekly?: RetentionCount;
  readonly keepMonthly?: RetentionCount;
  readonly keepYearly?: RetentionCount;
  readonly keepWithin?: string;
  readonly keepTag?: readonly string[];
  readonly groupBy?: GroupBy;
  readonly zone?: string;
}

interface Options extends GlobalOptions, FilterOptions, RetentionFlags {
  readonly unsafeAllowRemoveAll?: boolean;
  readonly prune?: boolean;
  readonly dryRun?: boolean;
}

export function forgetCommand(): Command {
  const command = newVerb(
    'forget',
    'Let old snapshots go, by a policy or by name. "snap undelete" brings them back until prune has removed their data.',
    [
      'snap forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly 10 --dry-run',
      'snap forget 1a2b3c4d latest~5',
    ],
  ).argument('[snapshots...]', 'SNAP: these go, and no policy is asked');
  for (const [rule, what] of [
    ['last', 'the newest n snapshots'],
    ['hourly', 'the newest of each of n hours that have one'],
    ['daily', 'the same for days'],
    ['weekly', 'the same for weeks, which begin on Mondays'],
    ['monthly', 'the same for months'],
    ['yearly', 'the same for years'],
  ] as const) {
    command.option(`--keep-${rule} <n>`, `keep ${what}; or "unlimited"`, parseRetentionCount);
  }
  command
    .option('--keep-within <span>', 'keep all that are no older than this before the newest good one: 1y6m2w3d12h')
    .option('--keep-tag <tag>', 'keep all with this tag (repeatable: with any of them)', collect)
    .option(
      '--group-by <keys>',
      `groups by ${GROUP_FIELDS.join(', ')}, separated by commas; "" is one group (default: label, else paths)`,
      parseGroupBy,
    )
    .option(
      '--zone <name>',
      "days and weeks are this zone's, such as Europe/Berlin (default: as last time, else local)",
    )
    .option('--unsafe-allow-remove-all', 'of snapshots that are named: also when no good one is left')
    .option('--prune', 'free the space at once: "snap prune" afterwards')
    .option('-n, --dry-run', 'show the plan, forget nothing');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption, names: readonly string[]): Promise<number> {
  const output = outputOf(options);
  const policy = policyOf(options);
  const view = new ProgressView(output, 'prune');
  const { result, pruned } = await withRepository(options, async (repository) => {
    const forgotten = await forget(repository, {
      policy: names.length > 0 && Object.keys(policy).length === 0 ? undefined : policy,
      snapshots: names,
      filter: filterOf(options),
      groupBy: options.groupBy,
      zone: options.zone,
      dryRun: options.dryRun,
      allowRemoveAll: options.unsafeAllowRemoveAll,
      signal: interruption.signal,
    });
    if (options.prune !== true || options.dryRun === true) return { result: forgotten, pruned: undefined };
    return { result: forgotten, pruned: await prune(repository, { monitor: view, signal: interruption.signal }) };
  });
  view.done();
  for (const warning of result.warnings) process.stderr.write(`snap: ${printable(warning)}\n`);
  if (output.json) printJson(result.groups.map((group) => jsonGroup(group, result)));
  else if (!output.quiet) printPlan(result, options.dryRun === true);
  if (pruned !== undefined) showPruned(pruned, options);
  return EXIT_OK;
}

/** Only what was given. */
export function policyOf(options: RetentionFlags): RetentionPolicy {
  const all: RetentionPolicy = {
    keepLast: options.keepLast,
    keepHourly: options.keepHourly,
    keepDaily: options.keepDaily,
    keepWeekly: options.keepWeekly,
    keepMonthly: options.keepMonthly,
    keepYearly: options.keepYearly,
    keepWithin: options.keepWithin,
    keepTags: options.keepTag,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function jsonGroup({ key, keep, remove }: RetentionGroup, { zone }: ForgetResult): object {
  const snapshots = (decisions: readonly RetentionDecision[]): object[] =>
    decisions.map(({ snapshot }) => jsonSnapshot(snapshot));
  return {
    group_key: key,
    ...key,
    zone,
    keep: snapshots(keep),
    remove: snapshots(remove),
    reasons: keep.map(({ snapshot, reasons, flaws }) => ({
      snapshot: { id: snapshot.id, short_id: snapshot.id.slice(0, SHORT_ID_LENGTH), time: snapshot.time },
      matches: reasons.map(({ text }) => text),
      rules: reasons.map(({ rule }) => rule),
      flaws,
    })),
  };
}

function printPlan(result: ForgetResult, isDryRun: boolean): void {
  if (result.policy !== '')
    print(`Policy: keep ${printable(result.policy)}. Days and weeks are those of ${result.zone}.`);
  for (const group of result.groups) {
    print(`\n${describeKey(group.key)}`);
    if (group.keep.length > 0) {
      print(`keep ${formatCount(group.keep.length)}:`);
      const note = ({ reasons }: RetentionDecision): string =>
        reasons.map(({ text }) => text.replace(/ snapshot$/, '')).join(', ');
      print(snapshotLines(group.keep.map((decision) => ({ snapshot: decision.snapshot, note: note(decision) }))));
    }
    if (group.remove.length > 0) {
      print(`${isDryRun ? 'would forget' : 'forgotten'} ${formatCount(group.remove.length)}:`);
      print(snapshotLines(group.remove.map(({ snapshot }) => ({ snapshot, note: '' }))));
    }
  }
  if (result.groups.length === 0) print('No snapshot fits: nothing to forget.');
  else if (isDryRun) print(`\nDry run: ${formatCount(result.removed)} would be forgotten, nothing was.`);
  else {
    const kept = result.policy === '' ? '' : `, ${formatCount(result.kept)} kept`;
    const hint = result.removed > 0 ? ' "snap undelete" lists them; prune frees their space.' : '';
    print(`\n${formatCount(result.removed)} forgotten${kept}.${hint}`);
  }
}

function describeKey({ host, label, tags, paths }: GroupKey): string {
  const parts = [
    ...(host === undefined ? [] : [`host ${host}`]),
    ...(label === undefined ? [] : [`label ${label === '' ? '(none)' : label}`]),
    ...(tags === undefined ? [] : [`tags ${tags.length === 0 ? '(none)' : tags.join(',')}`]),
    ...(paths === undefined ? [] : [`paths ${paths.join(' ')}`]),
  ];
  return printable(parts.length === 0 ? 'All snapshots' : `Snapshots of ${parts.join(', ')}`);
}
