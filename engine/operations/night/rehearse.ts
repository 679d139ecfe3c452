/** A rehearsed restore: some files of a snapshot go into a scratch folder, are read back, and are removed again. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, errnoCode, errorMessage, type Problem, throwIfAborted } from '../../base/errors.ts';
import { REHEARSAL_FILES_MAX } from '../../base/limits.ts';
import { type Candidate, Sample } from './sample.ts';

export interface RehearsalSteps {
  /** Every file of the snapshot. */
  readonly files: () => AsyncIterable<Candidate>;
  /** Restores one file into a folder, verified. */
  readonly restore: (path: Buffer, target: Buffer) => Promise<{ readonly problems: readonly Problem[] }>;
}

export interface RehearsalOptions {
  /** Scratch folders are made with this in front of their names. */
  readonly prefix: string;
  readonly bytes: number;
  readonly random?: () => number;
  readonly signal?: AbortSignal | undefined;
}

export interface RehearsalResult {
  readonly filesRestored: number;
  readonly bytesRestored: number;
  readonly problems: readonly Problem[];
}

/** TARGET_FAILED where there is no scratch folder to be had; what `restore` throws; INTERRUPTED. */
export async function rehearse(steps: RehearsalSteps, options: RehearsalOptions): Promise<RehearsalResult> {
  const sample = new Sample({ files: REHEARSAL_FILES_MAX, bytes: options.bytes }, options.random ?? Math.random);
  for await (const file of steps.files()) {
    throwIfAborted(options.signal);
    sample.offer(file);
  }
  const folder = makeFolder(options.prefix);
  const done = { files: 0, bytes: 0 };
  const problems: Problem[] = [];
  try {
    for (const [index, { path, bytes }] of sample.take().entries()) {
      throwIfAborted(options.signal);
      const target = join(folder, String(index));
      mkdirSync(target);
      const result = await steps.restore(path, Buffer.from(target));
      const met = result.problems.filter((problem) => !isForbidden(problem));
      problems.push(...met);
      if (met.length === 0) {
        done.files++;
        done.bytes += bytes;
      }
      rmSync(target, { recursive: true, force: true });
    }
  } finally {
    // Also what was being written when the night was interrupted; what a kill leaves, the next night sweeps.
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  return { filesRestored: done.files, bytesRestored: done.bytes, problems };
}

/**
 * Only root may give a file to somebody else. Where nights run as another user that is so each time, and says nothing of
 * what is stored.
 */
function isForbidden({ during, code }: Problem): boolean {
  return code === 'EPERM' && (during === 'owner' || during === 'attributes');
}

function makeFolder(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    throw new EngineError('TARGET_FAILED', `There is no scratch folder for a rehearsal: ${errorMessage(error)}`, error);
  }
}
