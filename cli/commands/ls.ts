/** `snap ls SNAP[:PATH]` */

import type { Command } from 'commander';
import { type Entry, formatTime, listEntries, splitSnapshotPath } from '../../engine/index.ts';
import { argumentBytes } from '../bytes.ts';
import { jsonEntry } from '../entries.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { formatMode, printable } from '../render.ts';
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
  writeLines,
} from '../session.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly long?: boolean;
  readonly recursive?: boolean;
}

export function lsCommand(): Command {
  const command = newVerb('ls', 'List a folder of a snapshot.', [
    'snap ls latest:/srv/audiobooks',
    'snap ls -l --recursive latest~1:/srv/audiobooks/Author',
  ])
    .argument('<snapshot>', 'SNAP or SNAP:PATH')
    .option('-l, --long', 'mode, owner, size and time')
    .option('--recursive', 'all that lies below');
  return addMomentOptions(command).action(run<Options>(list));
}

async function list(options: Options, interruption: Interruption, [subject = '']: readonly string[]): Promise<number> {
  const { snapshot, path } = splitSnapshotPath(argumentBytes(subject));
  const render = outputOf(options).json ? jsonLine : options.long === true ? longLine : shortLine;
  await withRepository(options, async (repository) => {
    const entries = listEntries(repository, {
      snapshot,
      path,
      filter: filterOf(options),
      recursive: options.recursive === true,
    });
    await writeLines(entries, render, interruption.signal);
  });
  return EXIT_OK;
}

function jsonLine(entry: Entry): string {
  return JSON.stringify(jsonEntry(entry));
}

function shortLine({ path, node }: Entry): string {
  return printable(path.toString('utf8')) + (node.type === 'dir' ? '/' : '');
}

function longLine({ path, node, user, group }: Entry): string {
  const owner = `${user ?? node.uid} ${group ?? node.gid}`.padEnd(16);
  const target = node.linkTarget === undefined ? '' : ` -> ${printable(node.linkTarget.toString('utf8'))}`;
  const name = printable(path.toString('utf8'));
  return `${formatMode(node.mode)} ${owner} ${String(node.size).padStart(12)} ${formatTime(node.mtime)} ${name}${target}`;
}
