/** What a server asks of a repository that it keeps open: pages, snapshots, ranges and zips, in a process that is warm. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backup } from '../engine/operations/backup/backup.ts';
import { Repository } from '../engine/repository/repository.ts';
import { createLocation } from '../engine/storage/open.ts';
import { makePhotos } from './data/files.ts';
import { makeNightsOfTrees } from './data/nights.ts';
import { makeManySnapshots } from './data/records.ts';
import { measure, median } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX, scaled } from './options.ts';
import type { ReadsReport } from './reads-run.ts';
import type { Result } from './report.ts';

const RUN = fileURLToPath(new URL('./reads-run.js', import.meta.url));
/** A fifth of them lies in one folder. */
const FILES = 500_000;
/** The folder has as many entries as may be shown in another order than that of names. */
const FILES_FEWER = 50_000;
const SNAPSHOTS = 10_000;
const PHOTO_BYTES = 1e9;
const ANSWER_MS_MAX = 50;

interface Question {
  readonly what: string;
  readonly repository: 'trees' | 'fewer-trees' | 'snapshots' | 'photos';
  /** Milliseconds. */
  readonly target?: number;
}

const QUESTIONS: readonly Question[] = [
  { what: 'page', repository: 'trees', target: ANSWER_MS_MAX },
  { what: 'page-middle', repository: 'trees', target: ANSWER_MS_MAX },
  { what: 'page-by-size', repository: 'fewer-trees', target: ANSWER_MS_MAX },
  { what: 'snapshots-again', repository: 'snapshots', target: ANSWER_MS_MAX },
  { what: 'snapshot-by-id', repository: 'snapshots', target: ANSWER_MS_MAX },
  { what: 'zip-plan', repository: 'trees' },
  { what: 'zip-directory', repository: 'trees' },
  { what: 'zip', repository: 'photos' },
  { what: 'zip-again', repository: 'photos' },
  { what: 'range', repository: 'photos', target: ANSWER_MS_MAX },
  { what: 'delay-of-100-readers', repository: 'photos', target: ANSWER_MS_MAX },
];

export async function readsJob(job: string, options: JobOptions): Promise<Result[]> {
  const folder = join(options.scratch, job);
  mkdirSync(folder);
  options.say(`${job}: making repositories`);
  await makeRepositories(folder, options.scale);
  const results: Result[] = [];
  for (const { what, repository, target } of QUESTIONS) {
    options.say(`${job}: ${what}`);
    const ms: number[] = [];
    const peaksMb: number[] = [];
    let found = 0;
    for (let run = 0; run < Math.max(3, options.runs); run++) {
      const words = [process.execPath, RUN, what, join(folder, repository), join(folder, 'cache')];
      const { stdout, peakBytes } = await measure({ words });
      const report = JSON.parse(stdout) as ReadsReport;
      ms.push(report.ms);
      peaksMb.push(peakBytes / MB);
      ({ found } = report);
    }
    const limit = scaled(target, options);
    results.push({ job, what: `${what} (${found} found)`, value: median(ms), unit: 'ms', target: limit, all: ms });
    const peak = { job, what: `${what}, peak memory`, value: Math.max(...peaksMb) };
    results.push({ ...peak, unit: 'MB', target: PEAK_MB_MAX });
  }
  rmSync(folder, { recursive: true });
  return results;
}

async function makeRepositories(folder: string, scale: number): Promise<void> {
  const make = async (
    name: Question['repository'],
    fill: (repository: Repository) => Promise<unknown>,
  ): Promise<void> => {
    const backend = await createLocation(join(folder, name));
    const cacheDirectory = join(folder, 'cache');
    const repository = await Repository.init({ backend, cacheDirectory, credential: { type: 'none' } });
    await fill(repository);
    await repository.close();
  };
  const nights = { nights: 2, changesANight: 100 };
  for (const [name, count] of [
    ['trees', FILES],
    ['fewer-trees', FILES_FEWER],
  ] as const) {
    const files = Math.max(2000, Math.round(count * scale));
    await make(name, (repository) => makeNightsOfTrees(repository, { files, ...nights }));
  }
  const snapshots = Math.max(50, Math.round(SNAPSHOTS * Math.min(1, scale)));
  await make('snapshots', (repository) => makeManySnapshots(repository, snapshots));
  const source = join(folder, 'source');
  makePhotos(source, Math.max(20e6, PHOTO_BYTES * scale));
  await make('photos', (repository) => backup(repository, { paths: [Buffer.from(source)] }));
  rmSync(source, { recursive: true });
}
