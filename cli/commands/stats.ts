/** `snap stats [SNAP]` */

import type { Command } from 'commander';
import { stats } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, formatTable, printable } from '../render.ts';
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

interface Options extends GlobalOptions, FilterOptions {}

export function statsCommand(): Command {
  const command = newVerb('stats', 'Sizes of all snapshots or of one: restored, unique, stored.', [
    'snap stats',
    'snap stats latest --json',
  ]).argument('[snapshot]', 'SNAP (default: all)');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, _interruption: Interruption, [snapshot]: readonly string[]): Promise<number> {
  const result = await withRepository(options, (repository) =>
    stats(repository, { snapshot, filter: filterOf(options) }),
  );
  for (const { message } of result.damaged) process.stderr.write(`snap: ${printable(message)}\n`);
  const exitCode = result.damaged.length > 0 ? EXIT_DAMAGE : EXIT_OK;
  if (outputOf(options).json) {
    printJson({
      snapshots: result.snapshots,
      total_file_count: result.totalFileCount,
      restore_size: result.restoreSize,
      unique_size: result.uniqueSize,
      stored_size: result.storedSize,
      compression_ratio: result.compressionRatio,
      dedup_ratio: result.dedupRatio,
      repository_bytes: result.repositoryBytes,
      damaged_snapshots: result.damaged.map(({ id }) => id),
    });
    return exitCode;
  }
  print(
    formatTable([
      ['snapshots', formatCount(result.snapshots)],
      ['files', formatCount(result.totalFileCount)],
      ['restore size', formatBytes(result.restoreSize)],
      [
        'distinct data',
        `${formatBytes(result.uniqueSize)} (each byte stored once instead of ${result.dedupRatio} times)`,
      ],
      ['stored as', `${formatBytes(result.storedSize)} (${result.compressionRatio} times smaller)`],
      ['repository', formatBytes(result.repositoryBytes)],
    ]),
  );
  return exitCode;
}
