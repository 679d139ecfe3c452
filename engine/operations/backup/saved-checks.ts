/**
 * What the profiles of a run check once its snapshot is saved. Whatever comes of it, the snapshot stays as it is: a broken
 * book is the library's state and no failure of the backup, and neither is a comparison that cannot be made.
 */

import { EngineError, errorMessage, isEngineError } from '../../base/errors.ts';
import { SERVER_MISSES_TOLD_MAX } from '../../base/limits.ts';
import type { Monitor } from '../../base/monitor.ts';
import { missText, type ServerCheck } from '../../repository/server-check.ts';
import type { Snapshot } from '../../repository/snapshots.ts';
import type { BackupResult } from './options.ts';

/** Compares the rows of the servers whose profiles were applied with the files of the snapshot. */
export type CheckSaved = (snapshot: Snapshot) => Promise<readonly ServerCheck[]>;

export type SavedChecks = Pick<BackupResult, 'checks' | 'checksError'>;

export const NO_CHECKS: SavedChecks = { checks: [], checksError: undefined };

/** The checks, told as notes. An error, an interruption too, is part of the answer. */
export async function checkSavedSnapshot(
  snapshot: Snapshot,
  checkSaved: CheckSaved,
  monitor: Monitor | undefined,
): Promise<SavedChecks> {
  try {
    const checks = await checkSaved(snapshot);
    for (const check of checks) tell(check, monitor);
    return { checks, checksError: undefined };
  } catch (error) {
    const checksError = isEngineError(error) ? error : new EngineError('INTERNAL', errorMessage(error), error);
    monitor?.note?.(`The snapshot is saved; its servers were not checked to the end: ${checksError.message}`);
    return { checks: [], checksError };
  }
}

function tell(
  { title, folder, rowsChecked, misses, missCount, problem }: ServerCheck,
  monitor: Monitor | undefined,
): void {
  const where = `${title} in ${folder.toString('utf8')}`;
  if (problem !== undefined) monitor?.note?.(`${where} was not checked: ${problem.message}`);
  if (missCount === 0) return;
  const count = missCount === 1 ? '1 thing is' : `${missCount} things are`;
  monitor?.note?.(`${where}: of ${rowsChecked} files and folders that its database names, ${count} not as it says:`);
  for (const miss of misses.slice(0, SERVER_MISSES_TOLD_MAX)) monitor?.note?.(`  ${missText(miss)}`);
  const more = missCount - Math.min(misses.length, SERVER_MISSES_TOLD_MAX);
  if (more > 0) monitor?.note?.(`  and ${more} more`);
}
