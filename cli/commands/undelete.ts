/** `snap undelete` */

import type { Command } from 'commander';
import { EngineError, type ForgottenSnapshot, listForgotten, SHORT_ID_LENGTH, undelete } from '../../engine/index.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit-codes.ts';
import { formatCount, printable } from '../render.ts';
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
import { jsonSnapshot, localTime, snapshotLines } from '../snapshot-view.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly all?: boolean;
}

export function undeleteCommand(): Command {
  const command = newVerb(
    'undelete',
    'Bring back forgotten snapshots until prune has removed their data. Without a snapshot: list them.',
    ['snap undelete', 'snap undelete 1a2b3c4d'],
  )
    .argument('[snapshots...]', 'ids of forgotten snapshots, or their first digits')
    .option('--all', 'all of them, or all that fit --host, --tag, --path, --label');
  return addFilterOptions(command).action(run<Options>(execute));
}

async function execute(options: Options, interruption: Interruption, names: readonly string[]): Promise<number> {
  if (names.length > 0 && options.all === true)
    throw new EngineError('INVALID_ARGUMENT', 'Name the snapshots or give --all, not both');
  if (names.length === 0 && options.all !== true) return list(options);
  const output = outputOf(options);
  const { restored, lost } = await withRepository(options, (repository) =>
    undelete(repository, { snapshots: names, filter: filterOf(options), signal: interruption.signal }),
  );
  for (const { snapshot, why } of lost) {
    const id = snapshot.id.slice(0, SHORT_ID_LENGTH);
    process.stderr.write(`snap: Snapshot ${id} cannot be brought back: ${printable(why)}\n`);
  }
  if (output.json) {
    printJson({ restored: restored.map(jsonSnapshot), lost: lost.map(({ snapshot }) => jsonSnapshot(snapshot)) });
  } else if (!output.quiet) {
    if (restored.length > 0) print(snapshotLines(restored.map((snapshot) => ({ snapshot, note: '' }))));
    print(`${formatCount(restored.length)} brought back.`);
  }
  return lost.length > 0 ? EXIT_FAILED : EXIT_OK;
}

async function list(options: Options): Promise<number> {
  const found = await withRepository(options, (repository) => listForgotten(repository, filterOf(options)));
  if (outputOf(options).json) {
    printJson(
      found.map((snapshot) => ({ ...jsonSnapshot(snapshot), forgotten_at: snapshot.forgottenAt.toISOString() })),
    );
    return EXIT_OK;
  }
  if (found.length === 0) print('No forgotten snapshot is left.');
  else print(snapshotLines(found.map((snapshot) => ({ snapshot, note: noteOf(snapshot) }))));
  return EXIT_OK;
}

function noteOf({ forgottenAt, paths }: ForgottenSnapshot): string {
  const places = paths.map((path) => path.toString('utf8')).join(' ');
  return `forgotten ${localTime(forgottenAt.toISOString())}  ${places}`;
}
