/** `snap prune` */

import type { Command } from 'commander';
import { type PruneResult, prune, type UnusedLimit } from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, ProgressView } from '../render.ts';
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
import { parseDuration, parseSize, parseUnused } from '../values.ts';

interface Options extends GlobalOptions {
  readonly maxUnused?: UnusedLimit;
  readonly maxRepackSize?: number;
  readonly grace?: number;
  readonly now?: boolean;
  readonly dryRun?: boolean;
}

export function pruneCommand(): Command {
  return newVerb('prune', 'Free the space of what no snapshot needs any more. Backups may go on meanwhile.', [
    'snap prune --dry-run',
    'snap prune --max-unused 2% --max-repack-size 20G',
  ])
    .option('--max-unused <limit>', 'what may stay in packs unused: 5%, 2G, or unlimited (default: 5%)', parseUnused)
    .option('--max-repack-size <size>', 'copy the needed part of at most so many bytes of packs', parseSize)
    .option('--grace <time>', 'marked packs stay so long: 0s, 30m, 2h, 1d; for stores that list late', parseDuration)
    .option('--now', 'lock the repository, and free before anything is written: for a disk that is full')
    .option('-n, --dry-run', 'show the plan, change nothing')
    .action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption): Promise<number> {
  const output = outputOf(options);
  const view = new ProgressView(output, 'prune');
  const result = await withRepository(options, (repository) =>
    prune(repository, {
      maxUnused: options.maxUnused,
      maxRepackBytes: options.maxRepackSize,
      graceMs: options.grace,
      now: options.now,
      dryRun: options.dryRun,
      monitor: view,
      signal: interruption.signal,
    }),
  );
  view.done();
  showPruned(result, options);
  return EXIT_OK;
}

/** What a prune did, in the way that was asked for. */
export function showPruned(result: PruneResult, options: GlobalOptions & { readonly dryRun?: boolean }): void {
  const output = outputOf(options);
  if (output.json) printSummaryLine(result, options.dryRun === true);
  else if (!output.quiet) printAccount(result, options.dryRun === true);
}

function printSummaryLine(result: PruneResult, dryRun: boolean): void {
  printJson({ message_type: 'summary', dry_run: dryRun, ...pruneSummary(result) });
}

export function pruneSummary(result: PruneResult): object {
  return {
    snapshots_removed: result.snapshotsRemoved,
    packs_kept: result.packsKept,
    packs_repacked: result.packsRepacked,
    packs_marked: result.packsMarked,
    packs_removed: result.packsRemoved,
    bytes_before: result.bytesBefore,
    bytes_after: result.bytesAfter,
    bytes_freed: result.bytesFreed,
    bytes_unused: result.plan.bytesUnused,
  };
}

function packs(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'pack' : 'packs'}`;
}

function printAccount(result: PruneResult, dryRun: boolean): void {
  const { plan, snapshotsRemoved } = result;
  print(`${dryRun ? 'Would keep' : 'Kept'} ${packs(plan.kept.packs)} (${formatBytes(plan.kept.bytes)}).`);
  print(`${dryRun ? 'Would drop' : 'Not needed'}: ${packs(plan.dropped.packs)} (${formatBytes(plan.dropped.bytes)}).`);
  const rewritten = `${packs(plan.repacked.packs)} (${formatBytes(plan.repacked.bytes)}, of which ${formatBytes(plan.bytesRewritten)} ${dryRun ? 'would be' : 'were'} copied to new packs)`;
  print(`${dryRun ? 'Would repack' : 'Repacked'} ${rewritten}.`);
  print(`Unused, but within the limit: ${formatBytes(plan.bytesUnused)}.`);
  const sizes = `${formatBytes(result.bytesBefore)} to ${formatBytes(result.bytesAfter)}`;
  if (dryRun) {
    print(`Packs would shrink from ${sizes}. Nothing was changed.`);
    return;
  }
  const gone = snapshotsRemoved.length;
  if (gone > 0) print(`${formatCount(gone)} forgotten ${gone === 1 ? 'snapshot is' : 'snapshots are'} gone.`);
  if (result.packsMarked > 0) {
    print(`${packs(result.packsMarked)} wait until runs are over that may refer to them: the next prune removes them.`);
  }
  print(`${packs(result.packsRemoved)} removed; from ${sizes}.`);
}
