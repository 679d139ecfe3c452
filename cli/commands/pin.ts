/** `snap pin` */

import type { Command } from 'commander';
import { annotate } from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
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
import { jsonSnapshot, showEdit, snapshotLines } from '../snapshot-view.ts';

interface Options extends GlobalOptions {
  readonly remove?: boolean;
}

export function pinCommand(): Command {
  return newVerb(
    'pin',
    'Protect snapshots: forget never removes a pinned one. Without a snapshot: list those that are pinned.',
    ['snap pin latest', 'snap pin --remove 1a2b3c4d'],
  )
    .argument('[snapshots...]', 'SNAP')
    .option('--remove', 'take the pin away')
    .action(run<Options>(execute));
}

async function execute(options: Options, _interruption: Interruption, names: readonly string[]): Promise<number> {
  const output = outputOf(options);
  if (names.length > 0 || options.remove === true) {
    const result = await withRepository(options, (repository) =>
      annotate(repository, { snapshots: names, pinned: options.remove !== true }),
    );
    showEdit(result, output);
    return EXIT_OK;
  }
  const all = await withRepository(options, (repository) => repository.snapshots.list());
  const pinned = all.filter((snapshot) => snapshot.pinned);
  if (output.json) printJson(pinned.map(jsonSnapshot));
  else if (pinned.length === 0) print('No snapshot is pinned.');
  else print(snapshotLines(pinned.map((snapshot) => ({ snapshot, note: '' }))));
  return EXIT_OK;
}
