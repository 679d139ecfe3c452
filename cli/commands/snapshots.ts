/** `snap snapshots` */

import type { Command } from 'commander';
import { GROUP_FIELDS, type GroupBy, type GroupField, SHORT_ID_LENGTH, type Snapshot } from '../../engine/index.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatCount, formatTable, printable } from '../render.ts';
import {
  addFilterOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  newVerb,
  outputOf,
  print,
  printJson,
  run,
  withRepository,
} from '../session.ts';
import { jsonSnapshot, localTime, marksOf } from '../snapshot-view.ts';
import { parseGroupBy } from '../values.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly groupBy?: GroupBy;
}

export function snapshotsCommand(): Command {
  const command = newVerb('snapshots', 'List snapshots, newest last.', [
    'snap snapshots --tag nightly',
    'snap snapshots --group-by label,paths --json',
  ]).option('--group-by <keys>', `groups by ${GROUP_FIELDS.join(', ')}, separated by commas`, parseGroupBy);
  return addFilterOptions(command).action(run<Options>(list));
}

async function list(options: Options): Promise<number> {
  let damaged = 0;
  const snapshots = await withRepository(options, (repository) =>
    repository.snapshots.list(filterOf(options), (_id, error) => {
      damaged++;
      process.stderr.write(`snap: ${printable(error.message)}\n`);
    }),
  );
  const groups = options.groupBy === undefined ? undefined : groupsOf(snapshots, options.groupBy);
  if (outputOf(options).json) {
    printJson(
      groups === undefined
        ? snapshots.map(jsonSnapshot)
        : groups.map(({ key, members }) => ({ group_key: key, snapshots: members.map(jsonSnapshot) })),
    );
  } else if (groups === undefined) printTable(snapshots);
  else {
    for (const { key, members } of groups) {
      print(
        Object.entries(key)
          .map(([name, value]) => `${name} ${printable(String(value))}`)
          .join(', '),
      );
      printTable(members);
      print('');
    }
  }
  return damaged > 0 ? EXIT_DAMAGE : EXIT_OK;
}

interface Group {
  readonly key: { readonly [name: string]: string | readonly string[] };
  readonly members: Snapshot[];
}

function groupsOf(snapshots: readonly Snapshot[], keys: GroupBy): Group[] {
  const groups = new Map<string, Group>();
  for (const snapshot of snapshots) {
    const key = Object.fromEntries(keys.map((name) => [name, groupValue(snapshot, name)]));
    const text = JSON.stringify(key);
    const group = groups.get(text);
    if (group === undefined) groups.set(text, { key, members: [snapshot] });
    else group.members.push(snapshot);
  }
  return [...groups.values()];
}

function groupValue(snapshot: Snapshot, key: GroupField): string | readonly string[] {
  if (key === 'paths') return snapshot.paths.map((path) => path.toString('utf8')).sort();
  return key === 'tags' ? [...snapshot.tags].sort() : snapshot[key];
}

function printTable(snapshots: readonly Snapshot[]): void {
  const rows = snapshots.map((snapshot) => [
    snapshot.id.slice(0, SHORT_ID_LENGTH),
    localTime(snapshot.time),
    printable(snapshot.host),
    printable([snapshot.label, ...snapshot.tags].filter((word) => word !== '').join(',')),
    formatCount(snapshot.summary.totalFilesProcessed),
    formatBytes(snapshot.summary.totalBytesProcessed),
    formatBytes(snapshot.summary.dataAddedPacked),
    printable(snapshot.paths.map((path) => path.toString('utf8')).join(' ')) + marksOf(snapshot),
  ]);
  print(formatTable([['ID', 'Time', 'Host', 'Label, tags', 'Files', 'Size', 'Added', 'Paths'], ...rows]));
  print(snapshots.length === 1 ? '1 snapshot' : `${formatCount(snapshots.length)} snapshots`);
}
