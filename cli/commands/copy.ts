/** `snap copy --to REPO [SNAP...]` */

import type { Command } from 'commander';
import { type CopyResult, copy, EngineError, openRepository, type Repository } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { findCredential } from '../password.ts';
import { formatBytes, formatCount, formatDuration, ProgressView } from '../render.ts';
import {
  addFilterOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  locationOf,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
  withRepository,
} from '../session.ts';
import { parseCompression } from '../values.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly to?: string;
  readonly toPasswordFile?: string;
  readonly toPasswordCommand?: string;
  readonly toInsecureNoPassword?: boolean;
  readonly compression?: number | 'off';
  readonly dryRun?: boolean;
}

export function copyCommand(): Command {
  const command = newVerb(
    'copy',
    'Copy snapshots to another repository, storing only what is missing there. Blobs keep their ids where the other ' +
      'repository was made with "snap init --copy-chunker-params"; else everything is read and named anew.',
    [
      'snap copy --to /mnt/second/snap --to-password-file /etc/second.password',
      'snap copy --to /mnt/second/snap latest --tag nightly',
    ],
  )
    .argument('[snapshots...]', 'SNAP (default: all)')
    .option('--to <repo>', 'the repository to copy to')
    .option('--to-password-file <file>', 'file that holds its password (default: the same password)')
    .option('--to-password-command <command>', 'program that prints its password')
    .option('--to-insecure-no-password', 'it has no password')
    .option('--compression <level>', 'zstd level from 1 to 19, or off', parseCompression)
    .option('-n, --dry-run', 'say which snapshots would be copied, write nothing');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function openTarget(options: Options): Promise<Repository> {
  const { to, toPasswordFile, toPasswordCommand, toInsecureNoPassword } = options;
  if (to === undefined) throw new EngineError('INVALID_ARGUMENT', 'Name the repository to copy to: --to');
  const isNamed = [toPasswordFile, toPasswordCommand, toInsecureNoPassword].some((flag) => flag !== undefined);
  const credential = await findCredential(
    isNamed
      ? {
          passwordFile: toPasswordFile,
          passwordCommand: toPasswordCommand,
          insecureNoPassword: toInsecureNoPassword,
        }
      : options,
  );
  const { cacheDirectory } = locationOf(options);
  return openRepository({ location: to, credential, cacheDirectory });
}

async function execute(options: Options, interruption: Interruption, snapshots: readonly string[]): Promise<number> {
  const output = outputOf(options);
  const view = new ProgressView(output, 'copy');
  const result = await withRepository(options, async (source) => {
    const target = await openTarget(options);
    try {
      return await copy(source, target, {
        snapshots,
        filter: filterOf(options),
        compression: options.compression,
        dryRun: options.dryRun,
        monitor: view,
        signal: interruption.signal,
      });
    } finally {
      await target.close();
    }
  });
  view.done();
  if (output.json) printSummaryLine(result);
  else if (!output.quiet) printAccount(result, options.dryRun === true);
  return result.failed.length > 0 ? EXIT_DAMAGE : EXIT_OK;
}

function printSummaryLine(result: CopyResult): void {
  printJson({ message_type: 'summary', ...copySummary(result) });
}

export function copySummary(result: CopyResult): object {
  return {
    snapshots_copied: result.copied.length,
    snapshots_present: result.present.length,
    snapshots_failed: result.failed.length,
    copied: result.copied.map(({ source, target }) => ({ id: source.id, copied_as: target.id })),
    planned: result.planned.map(({ id }) => id),
    failed: result.failed.map(({ id, error }) => ({ id, code: error.code, message: error.message })),
    ids_kept: result.keepsIds,
    bytes_read: result.bytesRead,
    data_added: result.dataAdded,
    data_added_packed: result.dataAddedPacked,
    total_duration: result.totalDuration,
  };
}

function printAccount(result: CopyResult, isDryRun: boolean): void {
  const { copied, present, planned } = result;
  for (const { id, time } of planned) print(`Snapshot ${id.slice(0, 8)} of ${time} would be copied.`);
  for (const { source, target } of copied) {
    print(`Snapshot ${source.id.slice(0, 8)} of ${source.time} copied as ${target.id.slice(0, 8)}.`);
  }
  if (isDryRun) print('Dry run: nothing was written.');
  if (present.length > 0) print(`  there already  ${formatCount(present.length)} snapshots`);
  if (isDryRun) return;
  print(`  read           ${formatBytes(result.bytesRead)}`);
  print(`  stored         ${formatBytes(result.dataAddedPacked)}`);
  print(`  time           ${formatDuration(result.totalDuration)}`);
  if (result.failed.length > 0) print(`  damaged        ${formatCount(result.failed.length)}: each was named above`);
}
