/** `snap cat SNAP:PATH` */

import type { Command } from 'commander';
import { EngineError, readFileContent, splitSnapshotPath } from '../../engine/index.ts';
import { argumentBytes } from '../bytes.ts';
import { EXIT_OK } from '../exit-codes.ts';
import {
  addMomentOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  run,
  withRepository,
  writeOutput,
} from '../session.ts';

interface Options extends GlobalOptions, FilterOptions {}

export function catCommand(): Command {
  const command = newVerb('cat', 'Write one file of a snapshot to standard output.', [
    'snap cat latest:/srv/config/settings.json',
    'snap cat 1a2b3c4d:/srv/audiobooks/cover.jpg > cover.jpg',
  ]).argument('<snapshot>', 'SNAP:PATH');
  return addMomentOptions(command).action(run<Options>(execute));
}

async function execute(
  options: Options,
  interruption: Interruption,
  [subject = '']: readonly string[],
): Promise<number> {
  const { snapshot, path } = splitSnapshotPath(argumentBytes(subject));
  if (path === undefined) throw new EngineError('INVALID_ARGUMENT', `Name the file: "${subject}:/path/of/the/file"`);
  await withRepository(options, async (repository) => {
    for await (const piece of readFileContent(repository, { snapshot, path, filter: filterOf(options) })) {
      if (interruption.signal.aborted) throw new EngineError('INTERRUPTED', 'Interrupted before the end');
      await writeOutput(piece);
    }
  });
  return EXIT_OK;
}
