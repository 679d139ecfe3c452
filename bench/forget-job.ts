/** Retention over very many snapshots: the plan alone, what a night lets go, and nearly all at once. */

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Repository } from '../engine/repository/repository.ts';
import { createLocation } from '../engine/storage/open.ts';
import { makeManySnapshots } from './data/records.ts';
import { type JobOptions, scaled } from './options.ts';
import type { Result } from './report.ts';
import { runVerb } from './verb-runs.ts';

const SNAPSHOTS = 10_000;
const SNAPSHOTS_A_NIGHT = 24;
const TARGET_SECONDS = 1;

export async function forgetJob(job: string, options: JobOptions): Promise<Result[]> {
  const folder = join(options.scratch, job);
  const made = join(folder, 'repository');
  const cacheDirectory = join(folder, 'cache');
  const count = Math.max(50, Math.round(SNAPSHOTS * Math.min(1, options.scale)));
  options.say(`${job}: making ${count} snapshots`);
  const backend = await createLocation(made);
  const repository = await Repository.init({ backend, cacheDirectory, credential: { type: 'none' } });
  await makeManySnapshots(repository, count);
  await repository.close();
  const copy = join(folder, 'copy');
  const prepare = (): void => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(made, copy, { recursive: true });
  };
  const results: Result[] = [];
  // As many go as were made since yesterday's.
  const kept = count - SNAPSHOTS_A_NIGHT;
  const target = scaled(TARGET_SECONDS, options);
  const runs = Math.max(3, options.runs);
  for (const verb of [
    { verb: 'forget-plan', target, count: runs, parameters: [made, cacheDirectory] },
    { verb: 'forget-night', target, count: runs, parameters: [copy, cacheDirectory, String(kept)], prepare },
    // A durable file for each that goes: nothing is promised.
    { verb: 'forget-most', count: 1, parameters: [copy, cacheDirectory], prepare },
  ]) {
    options.say(`${job}: ${verb.verb}`);
    results.push(...(await runVerb({ job, ...verb })));
  }
  rmSync(folder, { recursive: true });
  return results;
}
