/** `snap unlock` */

import type { Command } from 'commander';
import { unlock } from '../../engine/index.ts';
import { EXIT_OK } from '../exit-codes.ts';
import { type GlobalOptions, newVerb, outputOf, print, printJson, run, withRepository } from '../session.ts';

interface Options extends GlobalOptions {
  readonly removeAll?: boolean;
}

export function unlockCommand(): Command {
  return newVerb('unlock', 'Remove the leases of runs that are over. Live ones stay.', [
    'snap unlock',
    'snap unlock --remove-all',
  ])
    .option('--remove-all', 'also those of runs that may be alive: only when you know that none is')
    .action(run<Options>(execute));
}

async function execute(options: Options): Promise<number> {
  const result = await withRepository(options, (repository) => unlock(repository, { all: options.removeAll === true }));
  if (outputOf(options).json) {
    printJson({ removed: result.removed.length + result.unreadable.length, kept: result.kept.length });
    return EXIT_OK;
  }
  if (options.quiet === true) return EXIT_OK;
  print(`${result.removed.length + result.unreadable.length} leases removed, ${result.kept.length} kept.`);
  for (const lease of result.kept) print(`  kept: ${lease.verb} on ${lease.host}, process ${lease.pid}`);
  return EXIT_OK;
}
