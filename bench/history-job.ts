/** Seeing the past: diff of two nights among 10^6 files, log of one path and find through a year of nights. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Repository } from '../engine/repository/repository.ts';
import { createLocation } from '../engine/storage/open.ts';
import { makeNightsOfTrees } from './data/nights.ts';
import { type JobOptions, scaled } from './options.ts';
import type { Result } from './report.ts';
import { runVerb } from './verb-runs.ts';

const FILES = 1_000_000;
const NIGHTS = 364;
const CHANGES_A_NIGHT = 100;

export async function historyJob(job: string, options: JobOptions): Promise<Result[]> {
  const folder = join(options.scratch, job);
  const location = join(folder, 'repository');
  const cacheDirectory = join(folder, 'cache');
  options.say(`${job}: making trees`);
  const nights = Math.max(2, Math.round(NIGHTS * Math.min(1, options.scale)));
  const [before, after] = await makeRepository({ location, cacheDirectory }, options.scale, nights);
  const results: Result[] = [];
  const runs = Math.max(3, options.runs);
  for (const { verb, target, count } of [
    { verb: 'diff', target: 0.1, count: runs },
    { verb: 'log', target: 0.2, count: runs },
    // It reads every tree there is.
    { verb: 'find', target: undefined, count: 1 },
  ]) {
    options.say(`${job}: ${verb}`);
    const parameters = [location, cacheDirectory, before, after];
    results.push(...(await runVerb({ job, verb, parameters, count, target: scaled(target, options) })));
  }
  rmSync(folder, { recursive: true });
  return results;
}

/** Returns the ids of the last two snapshots. */
async function makeRepository(
  place: { readonly location: string; readonly cacheDirectory: string },
  scale: number,
  nights: number,
): Promise<readonly [string, string]> {
  const backend = await createLocation(place.location);
  const { cacheDirectory } = place;
  const repository = await Repository.init({ backend, cacheDirectory, credential: { type: 'none' } });
  const files = Math.max(2000, Math.round(FILES * scale));
  await makeNightsOfTrees(repository, { files, nights, changesANight: CHANGES_A_NIGHT });
  const ids = (await repository.snapshots.list()).slice(-2).map(({ id }) => id);
  await repository.close();
  return [ids[0] ?? '', ids[1] ?? ''];
}
