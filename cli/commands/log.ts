/** `snap log PATH` */

import type { Command } from 'commander';
import { formatTime, logPath, type PathVersion, type VersionChange } from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { jsonEntry } from '../entries.ts';
import { EXIT_DAMAGE, EXIT_OK } from '../exit-codes.ts';
import { formatBytes, formatLocalTime, formatTable, jsonPath, printable, shortId } from '../render.ts';
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

export function logCommand(): Command {
  const command = newVerb('log', 'Every version of one path through time, and the snapshot to restore it from.', [
    'snap log /srv/audiobooks/Author/Title/metadata.json',
    'snap log --host nas /srv/config --json',
  ]).argument('<path>', 'a file or a folder');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, _interruption: Interruption, [text = '']: readonly string[]): Promise<number> {
  const path = absolutePath(text);
  let damaged = 0;
  const onDamage = (message: string): void => {
    damaged++;
    process.stderr.write(`snap: ${printable(message)}\n`);
  };
  const versions = await withRepository(options, (repository) =>
    logPath(repository, { path, filter: filterOf(options), onDamage }),
  );
  if (outputOf(options).json) printJson(versions.map((version) => jsonVersion(path, version)));
  else printTable(versions);
  return damaged > 0 ? EXIT_DAMAGE : EXIT_OK;
}

function jsonVersion(path: Buffer, { change, fields, node, first, last, snapshots }: PathVersion): object {
  const owner = { user: last.users[String(node?.uid)], group: last.groups[String(node?.gid)] };
  return {
    ...(node === undefined ? jsonPath(path) : jsonEntry({ path, node, ...owner })),
    change,
    fields,
    time: first.time,
    first_snapshot: first.id,
    last_snapshot: last.id,
    last_time: last.time,
    snapshots,
    restore_from: node === undefined ? null : last.id,
  };
}

const WORDS: { readonly [change in VersionChange]: string } = {
  added: 'added',
  content: 'content changed',
  metadata: 'metadata changed',
  type: 'another type',
  bitrot: 'bytes differ, size and times do not (bitrot)',
  deleted: 'deleted',
  returned: 'came back',
  'left-out': 'left out or not readable',
};

function printTable(versions: readonly PathVersion[]): void {
  const rows = versions.map(({ change, fields, node, first, last, snapshots }) => [
    formatLocalTime(first.time),
    String(snapshots),
    node === undefined ? '' : node.type === 'file' ? formatBytes(node.size) : node.type,
    node === undefined ? '' : formatTime(node.mtime).slice(0, 19),
    node === undefined ? '' : shortId(last.id),
    WORDS[change] + (change === 'metadata' ? ` (${fields.join(', ')})` : ''),
  ]);
  print(formatTable([['Since', 'Snapshots', 'Size', 'Modified (UTC)', 'Restore from', 'What'], ...rows]));
}
