/** `snap find PATTERN` */

import { type Command, Option } from 'commander';
import {
  type FoundEntry,
  findEntries,
  formatTime,
  type NodeType,
  type SnapshotRange,
  type Time,
} from '../../engine/index.ts';
import { jsonEntry } from '../entries.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatLocalTime, printable, shortId } from '../render.ts';
import {
  addFilterOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  run,
  withRepository,
  writeLines,
} from '../session.ts';
import { parseDate, parseSize } from '../values.ts';

const TYPES: readonly NodeType[] = ['file', 'dir', 'symlink', 'fifo', 'socket', 'chardev', 'dev'];

interface Options extends GlobalOptions, FilterOptions {
  readonly ignoreCase?: boolean;
  readonly type?: NodeType;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly oldest?: Date;
  readonly newest?: Date;
  readonly blob?: string;
  readonly pack?: string;
  readonly snapshot?: string;
}

export function findCommand(): Command {
  const command = newVerb('find', 'Search all snapshots; each match says in which of them it lived.', [
    "snap find 'cover*.jpg' --min-size 1M",
    "snap find '/srv/audiobooks/**/*.m4b' --newest 2026-03-01 --json",
  ])
    .argument('[pattern]', 'shell pattern: of names, or with a slash in it of paths')
    .option('-i, --ignore-case', 'capital letters are as small ones')
    .addOption(new Option('--type <type>', 'only entries of this type').choices([...TYPES]))
    .option('--min-size <size>', 'files of this size at least', parseSize)
    .option('--max-size <size>', 'files of this size at most', parseSize)
    .option('--oldest <time>', 'modified at this time or later', parseDate)
    .option('--newest <time>', 'modified at this time or before', parseDate)
    .option('--blob <id>', 'what this blob belongs to')
    .option('--pack <id>', 'what has a blob in this pack')
    .option('-s, --snapshot <snap>', 'only this snapshot');
  return addFilterOptions(command).action(run<Options>(execute));
}

function timeOf(date: Date | undefined): Time | undefined {
  if (date === undefined) return undefined;
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, nanoseconds: (date.getTime() - seconds * 1000) * 1_000_000 };
}

async function execute(options: Options, interruption: Interruption, [pattern]: readonly string[]): Promise<number> {
  const { signal } = interruption;
  const { ignoreCase, type, minSize: sizeMin, maxSize: sizeMax, blob, pack, snapshot } = options;
  let damaged = 0;
  await withRepository(options, async (repository) => {
    const entries = findEntries(repository, {
      pattern,
      ignoreCase,
      type,
      sizeMin,
      sizeMax,
      notBefore: timeOf(options.oldest),
      notAfter: timeOf(options.newest),
      blob,
      pack,
      snapshot,
      filter: filterOf(options),
      onDamage: (message) => {
        damaged++;
        process.stderr.write(`snap: ${printable(message)}\n`);
      },
      signal,
    });
    await writeLines(entries, outputOf(options).json ? jsonLine : textLine, signal);
  });
  return damaged > 0 ? EXIT_DAMAGE : EXIT_OK;
}

function jsonLine(entry: FoundEntry): string {
  return JSON.stringify({
    ...jsonEntry(entry),
    snapshot_id: entry.ranges.at(-1)?.last.id,
    ranges: entry.ranges.map(jsonRange),
  });
}

function jsonRange({ first, last, snapshots }: SnapshotRange): object {
  return { first: first.id, first_time: first.time, last: last.id, last_time: last.time, snapshots };
}

function textLine({ path, node, ranges }: FoundEntry): string {
  const name = printable(path.toString('utf8')) + (node.type === 'dir' ? '/' : '');
  const size = node.type === 'file' ? formatBytes(node.size) : node.type;
  const lived = ranges.map(rangeText).join(', ');
  return `${name}  ${size}  ${formatTime(node.mtime).slice(0, 19)}  ${lived}`;
}

function rangeText({ first, last, snapshots }: SnapshotRange): string {
  const from = `${shortId(first.id)} (${formatLocalTime(first.time)})`;
  if (snapshots === 1) return from;
  return `${from} to ${shortId(last.id)} (${formatLocalTime(last.time)}), ${snapshots} snapshots`;
}
