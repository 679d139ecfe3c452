/** `snap tag` */

import type { Command } from 'commander';
import { annotate } from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
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
} from '../session.ts';
import { showEdit } from '../snapshot-view.ts';
import { collect } from '../values.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly set?: readonly string[];
  readonly setLabel?: string;
  readonly trust?: boolean;
}

export function tagCommand(): Command {
  const command = newVerb(
    'tag',
    'Edit tags and label of snapshots, or say that a suspect one is right. Their ids stay the same.',
    ['snap tag --add yearbook --remove nightly latest', 'snap tag --trust 1a2b3c4d'],
  )
    .argument('[snapshots...]', 'SNAP (default: all that fit --host, --tag, --path, --label)')
    .option('--add <tag>', 'add a tag (repeatable)', collect)
    .option('--remove <tag>', 'remove a tag (repeatable)', collect)
    .option('--set <tag>', 'this is the only tag from now on (repeatable: these are; "" for none)', collect)
    .option('--set-label <label>', 'the label from now on; "" for none')
    .option('--trust', 'a suspect snapshot is right: it counts for retention again');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, _interruption: Interruption, names: readonly string[]): Promise<number> {
  const result = await withRepository(options, (repository) =>
    annotate(repository, {
      snapshots: names,
      filter: filterOf(options),
      addTags: options.add,
      removeTags: options.remove,
      setTags: options.set?.filter((tag) => tag !== ''),
      label: options.setLabel,
      trusted: options.trust,
    }),
  );
  showEdit(result, outputOf(options));
  return EXIT_OK;
}
