/** The jobs: each makes its data, runs snap and its rivals by turns, and gives ratios of medians of pairs. */

import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeMedia, makeSmall } from './data/files.ts';
import { BOOK_NIGHTS, DATABASE_NIGHTS, makeBooks, makeNights, makeVersions } from './data/library.ts';
import { bytesIn, type Measurement, median } from './measure.ts';
import type { Result } from './report.ts';
import { copyTree, findTree, snap, type Tool } from './tools.ts';

export interface JobOptions {
  /** Holds data, repositories and restores; emptied after each job. */
  readonly scratch: string;
  /** 1: the sizes of the targets. */
  readonly scale: number;
  readonly runs: number;
  readonly rivals: readonly Tool[];
  readonly say: (text: string) => void;
}

const MB = 1e6;
const PEAK_MB_MAX = 300;

interface Timings {
  readonly first: number[];
  readonly unchanged: number[];
  readonly restore: number[];
  peakBytes: number;
  repositoryBytes: number;
}

async function timeTool(tool: Tool, options: JobOptions, source: string): Promise<Timings> {
  const timings: Timings = { first: [], unchanged: [], restore: [], peakBytes: 0, repositoryBytes: 0 };
  const work = join(options.scratch, `work-${tool.name}`);
  const target = join(options.scratch, 'restored');
  const note = (list: number[], { seconds, peakBytes }: Measurement): void => {
    list.push(seconds);
    timings.peakBytes = Math.max(timings.peakBytes, peakBytes);
  };
  await tool.init(work);
  note(timings.first, await tool.backup(work, source));
  for (let night = 0; night < 2; night++) note(timings.unchanged, await tool.backup(work, source));
  timings.repositoryBytes = bytesIn(tool.repository(work));
  rmSync(target, { recursive: true, force: true });
  note(timings.restore, await tool.restore(work, source, target));
  rmSync(target, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
  return timings;
}

function merge(all: readonly Timings[]): Timings {
  return {
    first: all.flatMap(({ first }) => first),
    unchanged: all.flatMap(({ unchanged }) => unchanged),
    restore: all.flatMap(({ restore }) => restore),
    peakBytes: Math.max(...all.map(({ peakBytes }) => peakBytes)),
    repositoryBytes: median(all.map(({ repositoryBytes }) => repositoryBytes)),
  };
}

interface TreeTargets {
  readonly firstCopy?: number;
  readonly firstBupstash?: number;
  readonly restoreCopy?: number;
  readonly unchangedFind?: number;
  readonly repositoryMb?: number;
}

/** First, unchanged and restore of one tree, beside cp, find and the rivals. */
async function treeJob(
  job: string,
  options: JobOptions,
  parts: { readonly make: (folder: string, scale: number) => void; readonly targets: TreeTargets },
): Promise<Result[]> {
  const source = join(options.scratch, job);
  options.say(`${job}: making data`);
  parts.make(source, options.scale);
  const copies: number[] = [];
  const finds: number[] = [];
  const startUps: number[] = [];
  const own: Timings[] = [];
  const others = new Map<Tool, Timings[]>(options.rivals.map((tool) => [tool, []]));
  for (let run = 0; run < options.runs; run++) {
    options.say(`${job}: run ${run + 1} of ${options.runs}`);
    copies.push((await copyTree(source, join(options.scratch, 'copy'))).seconds);
    rmSync(join(options.scratch, 'copy'), { recursive: true, force: true });
    finds.push((await findTree(source)).seconds);
    startUps.push(await startUp(options));
    own.push(await timeTool(snap, options, source));
    // The slow ones once are enough to see where they stand.
    for (const [tool, list] of others)
      if (run === 0 || tool.name === 'bupstash') list.push(await timeTool(tool, options, source));
  }
  rmSync(source, { recursive: true, force: true });
  const timings = merge(own);
  const [first, restore, unchanged] = [timings.first, timings.restore, timings.unchanged].map(median);
  const [copy, find, start] = [copies, finds, startUps].map(median);
  const { targets } = parts;
  const ratio = (a = Number.NaN, b = Number.NaN): number => a / b;
  const results: Result[] = [
    { job, what: 'first / cp -a', value: ratio(first, copy), unit: 'x', target: targets.firstCopy },
    { job, what: 'restore / cp -a', value: ratio(restore, copy), unit: 'x', target: targets.restoreCopy },
    {
      job,
      what: '(unchanged - start-up) / find',
      value: ratio((unchanged ?? 0) - (start ?? 0), find),
      unit: 'x',
      target: targets.unchangedFind,
    },
    {
      job,
      what: 'repository',
      value: timings.repositoryBytes / MB,
      unit: 'MB',
      target: scaled(targets.repositoryMb, options),
    },
    { job, what: 'peak memory', value: timings.peakBytes / MB, unit: 'MB', target: PEAK_MB_MAX },
    { job, what: 'start-up', value: start ?? Number.NaN, unit: 's' },
    { job, what: 'first', value: first ?? Number.NaN, unit: 's' },
    { job, what: 'unchanged', value: unchanged ?? Number.NaN, unit: 's' },
    { job, what: 'restore', value: restore ?? Number.NaN, unit: 's' },
  ];
  for (const [tool, list] of others) {
    const rival = merge(list);
    const bound = tool.name === 'bupstash' ? targets.firstBupstash : undefined;
    results.push(
      { job, what: `first / ${tool.name}`, value: ratio(first, median(rival.first)), unit: 'x', target: bound },
      { job, what: `unchanged / ${tool.name}`, value: ratio(unchanged, median(rival.unchanged)), unit: 'x' },
      { job, what: `restore / ${tool.name}`, value: ratio(restore, median(rival.restore)), unit: 'x' },
      { job, what: `${tool.name}: repository`, value: rival.repositoryBytes / MB, unit: 'MB' },
      { job, what: `${tool.name}: peak memory`, value: rival.peakBytes / MB, unit: 'MB' },
    );
  }
  return results;
}

/** A snapshot of a folder with one file in it, twice: what a run costs before it looks at anything. */
async function startUp(options: JobOptions): Promise<number> {
  const work = join(options.scratch, 'work-start');
  const source = join(options.scratch, 'nothing');
  mkdirSync(source, { recursive: true });
  await snap.init(work);
  await snap.backup(work, source);
  const { seconds } = await snap.backup(work, source);
  rmSync(work, { recursive: true });
  rmSync(source, { recursive: true });
  return seconds;
}

function scaled(target: number | undefined, options: JobOptions): number | undefined {
  // Sizes are promised for the full data alone.
  return options.scale === 1 ? target : undefined;
}

/** Repository growth over nights: the data of night N stands where that of the night before stood. */
async function nightsJob(
  job: string,
  options: JobOptions,
  parts: {
    readonly make: (folder: string, scale: number) => void;
    readonly nights: number;
    readonly target: number;
    readonly each: boolean;
  },
): Promise<Result[]> {
  const data = join(options.scratch, `${job}-data`);
  const source = join(options.scratch, job);
  options.say(`${job}: making data`);
  parts.make(data, options.scale);
  const results: Result[] = [];
  for (const tool of [snap, ...options.rivals]) {
    options.say(`${job}: ${tool.name}`);
    const work = join(options.scratch, `work-${tool.name}`);
    await tool.init(work);
    let before = 0;
    let peakBytes = 0;
    for (let night = 0; night <= parts.nights; night++) {
      mkdirSync(source, { recursive: true });
      replaceChanged(join(data, `${night}`), source);
      peakBytes = Math.max(peakBytes, (await tool.backup(work, source)).peakBytes);
      if (night === 0) before = bytesIn(tool.repository(work));
    }
    const growth = (bytesIn(tool.repository(work)) - before) / MB;
    const own = tool === snap;
    const value = parts.each ? growth / parts.nights : growth;
    const what = parts.each ? 'growth a night' : 'growth';
    results.push({
      job,
      what: own ? what : `${tool.name}: ${what}`,
      value,
      unit: 'MB',
      target: own ? scaled(parts.target, options) : undefined,
    });
    if (own) results.push({ job, what: 'peak memory', value: peakBytes / MB, unit: 'MB', target: PEAK_MB_MAX });
    rmSync(work, { recursive: true });
    rmSync(source, { recursive: true });
  }
  rmSync(data, { recursive: true });
  return results;
}

/** Makes `source` equal to `state`, copying everything: engines find by content what is the same. */
function replaceChanged(state: string, source: string): void {
  for (const name of readdirSync(source)) rmSync(join(source, name), { recursive: true });
  cpSync(state, source, { recursive: true, preserveTimestamps: true });
}

/** One repository of ten releases that share most of their content. */
async function versionsJob(options: JobOptions): Promise<Result[]> {
  const job = 'versions';
  const source = join(options.scratch, job);
  options.say(`${job}: making data`);
  try {
    makeVersions(source, options.scale);
  } catch (error) {
    options.say(`${job}: skipped, the package registry cannot be reached: ${String(error)}`);
    return [];
  }
  const results: Result[] = [];
  for (const tool of [snap, ...options.rivals]) {
    options.say(`${job}: ${tool.name}`);
    const work = join(options.scratch, `work-${tool.name}`);
    await tool.init(work);
    const { peakBytes } = await tool.backup(work, source);
    const value = bytesIn(tool.repository(work)) / MB;
    const own = tool === snap;
    const what = own ? 'repository' : `${tool.name}: repository`;
    results.push({ job, what, value, unit: 'MB', target: own ? scaled(57, options) : undefined });
    if (own) results.push({ job, what: 'peak memory', value: peakBytes / MB, unit: 'MB', target: PEAK_MB_MAX });
    rmSync(work, { recursive: true });
  }
  rmSync(source, { recursive: true });
  return results;
}

export const JOBS: { readonly [name: string]: (options: JobOptions) => Promise<Result[]> } = {
  media: (options) =>
    treeJob('media', options, {
      make: makeMedia,
      targets: { firstCopy: 2, firstBupstash: 1, restoreCopy: 1.5 },
    }),
  small: (options) =>
    treeJob('small', options, {
      make: makeSmall,
      targets: { firstBupstash: 1.3, restoreCopy: 1, unchangedFind: 2.5, repositoryMb: 95 },
    }),
  versions: versionsJob,
  books: (options) => nightsJob('books', options, { make: makeBooks, nights: BOOK_NIGHTS, target: 30, each: false }),
  nights: (options) =>
    nightsJob('nights', options, { make: makeNights, nights: DATABASE_NIGHTS, target: 2, each: true }),
};
