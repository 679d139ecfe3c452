/** `snap stats [SNAP]` */

import type { Command } from 'commander';
import { type Stats, stats } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, formatTable, printable, snakeCase } from '../render.ts';
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
  const command = newVerb(
    'stats',
    'Sizes of all snapshots or of one: restored, unique, stored, by type of file, growth a night.',
    ['snap stats', 'snap stats latest --json'],
  ).argument('[snapshot]', 'SNAP (default: all)');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption, [snapshot]: readonly string[]): Promise<number> {
  const result = await withRepository(options, (repository) =>
    stats(repository, { snapshot, filter: filterOf(options), signal: interruption.signal }),
  );
  for (const { message } of result.damaged) process.stderr.write(`snap: ${printable(message)}\n`);
  if (outputOf(options).json) printJson(jsonStats(result));
  else printStats(result, snapshot !== undefined);
  return result.damaged.length > 0 ? EXIT_DAMAGE : EXIT_OK;
}

function jsonStats(result: Stats): object {
  return {
    snapshots: result.snapshots,
    total_file_count: result.totalFileCount,
    restore_size: result.restoreSize,
    distinct_size: result.distinctSize,
    unique_size: result.uniqueSize,
    stored_size: result.storedSize,
    unique_stored_size: result.uniqueStoredSize,
    compression_ratio: result.compressionRatio,
    dedup_ratio: result.dedupRatio,
    repository_bytes: result.repositoryBytes,
    by_type: result.byType.map(snakeCase),
    growth: result.growth.map(snakeCase),
    damaged_snapshots: result.damaged.map(({ id }) => id),
  };
}

function printStats(result: Stats, isOne: boolean): void {
  const { uniqueSize, uniqueStoredSize, byType, growth } = result;
  const alone = `${formatBytes(uniqueSize)} (stored as ${formatBytes(uniqueStoredSize)}: what forgetting it would free)`;
  print(
    formatTable([
      ['snapshots', formatCount(result.snapshots)],
      ['files', formatCount(result.totalFileCount)],
      ['restore size', formatBytes(result.restoreSize)],
      [
        'distinct data',
        `${formatBytes(result.distinctSize)} (each byte stored once instead of ${result.dedupRatio} times)`,
      ],
      ['stored as', `${formatBytes(result.storedSize)} (${result.compressionRatio} times smaller)`],
      ...(isOne ? [['only in this one', alone]] : []),
      ['repository', formatBytes(result.repositoryBytes)],
    ]),
  );
  if (byType.length > 0) {
    const rows = byType.map(({ type, files, distinctSize, uniqueSize: only }) => [
      type,
      formatCount(files),
      formatBytes(distinctSize),
      ...(isOne ? [formatBytes(only)] : []),
    ]);
    print(`\n${formatTable([['Type', 'Files', 'Distinct', ...(isOne ? ['Only here'] : [])], ...rows])}`);
  }
  if (growth.length > 1) print(`\nGrowth a night\n${growthChart(growth)}`);
}

const CHART_NIGHTS_MAX = 30;
const CHART_COLUMNS = 40;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar for each of the last nights. The first one of all, which stores everything, would make the others vanish. */
function growthChart(growth: Stats['growth']): string {
  const nights = growth.slice(-CHART_NIGHTS_MAX);
  const later = nights.length === growth.length ? nights.slice(1) : nights;
  const most = Math.max(1, ...later.map(({ dataAddedPacked }) => dataAddedPacked));
  const rows = nights.map(({ date, dataAddedPacked }) => {
    const eighths = Math.round(Math.min(1, dataAddedPacked / most) * CHART_COLUMNS * 8);
    const bar = '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '');
    return [date, formatBytes(dataAddedPacked).padStart(10), bar + (dataAddedPacked > most ? '…' : '')];
  });
  return formatTable(rows);
}
