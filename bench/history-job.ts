/** Seeing the past: diff of two nights among 10^6 files, log of one path and find through a year of nights. */

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Repository } from '../engine/repository/repository.ts';
import { createLocation } from '../engine/storage/open.ts';
import { makeNightsOfTrees } from './data/nights.ts';
import { measure, median } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX, scaled } from './options.ts';
import type { Result } from './report.ts';

const FILES = 1_000_000;
const NIGHTS = 364;
const CHANGES_A_NIGHT = 100;
const RUN = fileURLToPath(new URL('./history-run.js', import.meta.url));

interface Figures {
  readonly seconds: number[];
  readonly cpuSeconds: number[];
  readonly peaksMb: number[];
  found: number;
}

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
    const figures: Figures = { seconds: [], cpuSeconds: [], peaksMb: [], found: 0 };
    for (let run = 0; run < count; run++) {
      const words = [process.execPath, RUN, verb, location, cacheDirectory, before, after];
      const { stdout, peakBytes } = await measure({ words });
      const { ms, cpuMs, found } = JSON.parse(stdout) as { ms: number; cpuMs: number; found: number };
      figures.seconds.push(ms / 1000);
      figures.cpuSeconds.push(cpuMs / 1000);
      figures.peaksMb.push(peakBytes / MB);
      figures.found = found;
    }
    const { seconds, cpuSeconds, peaksMb, found } = figures;
    const what = `${verb} (${found} found)`;
    results.push(
      { job, what, value: median(seconds), unit: 's', target: scaled(target, options), all: seconds },
      { job, what: `${verb}, core-seconds`, value: median(cpuSeconds), unit: 's', all: cpuSeconds },
      { job, what: `${verb}, peak memory`, value: Math.max(...peaksMb), unit: 'MB', target: PEAK_MB_MAX },
    );
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
