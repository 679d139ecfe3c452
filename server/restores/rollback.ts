/** The way back from a restore in place: the snapshot that it took of what was there before. */

import { EngineError, isEngineError, type Repository, SAFETY_LABEL, type Snapshot } from '../../engine/index.ts';
import type { RestoreRequest } from '../jobs/kinds/restore.ts';
import { ServerError } from '../problems.ts';

/**
 * Options of the engine, with that snapshot by its id: a way back that is cut off has taken one of its own by then, and must
 * not go on with that. `expected`: the restore that is to be undone left this one; CONFLICT where another came after it.
 * SNAPSHOT_NOT_FOUND where none has left any.
 */
export async function rollbackOptions(
  repository: Repository,
  expected: string | undefined,
): Promise<RestoreRequest['options']> {
  const { id } = await lastSafetySnapshot(repository);
  if (expected !== undefined && expected !== id) {
    throw new ServerError('CONFLICT', 'Another restore in place came after this one: only the last one can be undone');
  }
  // What a rollback of the engine is, but for the choice of the snapshot.
  return { snapshot: id, inPlace: true, delete: true };
}

async function lastSafetySnapshot(repository: Repository): Promise<Snapshot> {
  try {
    return await repository.snapshots.find('latest', { labels: [SAFETY_LABEL] });
  } catch (error) {
    if (!isEngineError(error, 'SNAPSHOT_NOT_FOUND')) throw error;
    const message = 'There is no restore in place to undo: none has left a snapshot';
    throw new EngineError('SNAPSHOT_NOT_FOUND', message, error);
  }
}
