/**
 * Freeing space: what a prune finds out beside the rivals, what it writes anew beside a durable copy of as many bytes, and
 * the memory that it needs among 10^7 blobs.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Repository } from '../engine/repository/repository.ts';
import { openLocation } from '../engine/storage/open.ts';
import { changeSmall, makePhotos, makeSmall } from './data/files.ts';
import { makeLargeLibrary } from './data/large-library.ts';
import { bytesIn, copyDurably, dropCache, filesIn, type Measurement, median, medianRatio } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX, scaled } from './options.ts';
import { SeededRandom } from './random.ts';
import type { Result } from './report.ts';
import { copyTree, PASSWORD, runSnap, snap, type Tool } from './tools.ts';

const NIGHTS = 10;
const CHANGED_SHARE = 0.05;
const SNAPSHOTS_KEPT = 3;
const REPACK_BYTES = 2e9;
const REPACK_BYTES_FULL = 20e9;
/** Some sixteen photos. */
const REPACK_BYTES_MIN = 40e6;
const GONE_SHARE = 0.25;
const LARGE_FILES = 1_000_000;

export async function pruneJob(job: string, options: JobOptions): Promise<Result[]> {
  return [
    ...(await planBesideRivals(job, options)),
    ...(await repackBesideCopy(job, options)),
    ...(await memoryOfLarge(job, options)),
  ];
}

/** What a tool needs for a plan, and for one in a repository with nothing in it. */
interface Planned {
  readonly plans: Measurement[];
  readonly startUps: Measurement[];
}

async function planBesideRivals(job: string, options: JobOptions): Promise<Result[]> {
  const rivals = options.rivals.filter(({ planPrune }) => planPrune !== undefined);
  const tools = [snap, ...rivals];
  const work = ({ name }: Tool): string => join(options.scratch, `work-${name}`);
  const empty = ({ name }: Tool): string => join(options.scratch, `empty-${name}`);
  await makePlanned(job, options, { tools, work, empty });
  const found = new Map<Tool, Planned>(tools.map((tool) => [tool, { plans: [], startUps: [] }]));
  for (let run = 0; run <= options.runs; run++) {
    options.say(`${job}: plan ${run} of ${options.runs}`);
    for (const tool of run % 2 === 0 ? tools : [...tools].reverse()) {
      const plan = await tool.planPrune?.(work(tool));
      const startUp = await tool.planPrune?.(empty(tool));
      // The first one fills caches.
      if (run === 0 || plan === undefined || startUp === undefined) continue;
      found.get(tool)?.plans.push(plan);
      found.get(tool)?.startUps.push(startUp);
    }
  }
  for (const tool of tools) for (const folder of [work(tool), empty(tool)]) rmSync(folder, { recursive: true });
  return rivals.length === 0 ? resultsOfPlans(job, found) : [...resultsOfPlans(job, found), ...ratios(job, found)];
}

/** The same nights for every tool: each changes files all over, and then all but the last few snapshots are forgotten. */
async function makePlanned(
  job: string,
  options: JobOptions,
  { tools, work, empty }: { tools: readonly Tool[]; work: (tool: Tool) => string; empty: (tool: Tool) => string },
): Promise<void> {
  const source = join(options.scratch, job);
  const nothing = join(options.scratch, 'nothing');
  mkdirSync(nothing);
  options.say(`${job}: making data`);
  makeSmall(source, options.scale);
  for (const tool of tools) {
    await tool.init(work(tool));
    await tool.init(empty(tool));
    await tool.backup(empty(tool), nothing);
  }
  const nights = Math.max(SNAPSHOTS_KEPT + 1, Math.round(NIGHTS * Math.min(1, options.scale)));
  for (let night = 0; night < nights; night++) {
    options.say(`${job}: night ${night + 1} of ${nights}`);
    if (night > 0) changeSmall(source, options.scale, { number: night, share: CHANGED_SHARE });
    for (const tool of tools) await tool.backup(work(tool), source);
  }
  for (const tool of tools) await tool.forget?.(work(tool), SNAPSHOTS_KEPT);
  rmSync(source, { recursive: true });
  rmSync(nothing, { recursive: true });
}

const secondsOf = (all: readonly Measurement[]): number[] => all.map(({ seconds }) => seconds);
const coreSecondsOf = (all: readonly Measurement[]): number[] => all.map(({ cpuSeconds }) => cpuSeconds);
const beyond = (all: readonly number[], startUps: readonly number[]): number[] =>
  all.map((seconds, run) => seconds - (startUps[run] ?? 0));

function resultsOfPlans(job: string, found: ReadonlyMap<Tool, Planned>): Result[] {
  const results: Result[] = [];
  for (const [tool, { plans, startUps }] of found) {
    const what = (words: string): string => `${tool === snap ? '' : `${tool.name}: `}${words}`;
    const seconds = (words: string, all: readonly number[]): Result => {
      return { job, what: what(words), value: median(all), unit: 's', all };
    };
    results.push(
      seconds('plan', secondsOf(plans)),
      seconds('plan: core-seconds', coreSecondsOf(plans)),
      seconds('start-up', secondsOf(startUps)),
      seconds('start-up: core-seconds', coreSecondsOf(startUps)),
      {
        job,
        what: what('plan: peak memory'),
        value: Math.max(...plans.map(({ peakBytes }) => peakBytes)) / MB,
        unit: 'MB',
        target: tool === snap ? PEAK_MB_MAX : undefined,
      },
    );
  }
  return results;
}

function ratios(job: string, found: ReadonlyMap<Tool, Planned>): Result[] {
  const own = found.get(snap);
  const results: Result[] = [];
  for (const [tool, rival] of found) {
    if (tool === snap || own === undefined) continue;
    const target = tool.name === 'restic' ? 0.5 : undefined;
    for (const [kind, of] of [
      ['', secondsOf],
      [': core-seconds', coreSecondsOf],
    ] as const) {
      const [mine, theirs] = [of(own.plans), of(rival.plans)];
      const mark = beyond(mine, of(own.startUps));
      const theirMark = beyond(theirs, of(rival.startUps));
      const ratio = (what: string, values: readonly number[], others: readonly number[]): Result => {
        const all = values.map((value, run) => value / (others[run] ?? Number.NaN));
        const limit = kind === '' ? target : undefined;
        return {
          job,
          what: `${what}${kind} / ${tool.name}`,
          value: medianRatio(values, others),
          unit: 'x',
          target: limit,
          all,
        };
      };
      results.push(ratio('plan', mine, theirs), ratio('mark, without start-ups,', mark, theirMark));
    }
  }
  return results;
}

/** A quarter of the photos goes, strewn over all packs: the dearest way, since nearly every pack is written anew. */
async function repackBesideCopy(job: string, options: JobOptions): Promise<Result[]> {
  const bytes = Math.max(REPACK_BYTES_MIN, (options.full ? REPACK_BYTES_FULL : REPACK_BYTES) * options.scale);
  const runs = options.full ? 1 : options.runs;
  const source = join(options.scratch, `${job}-photos`);
  const work = join(options.scratch, 'work-snap');
  const kept = join(options.scratch, 'work-kept');
  options.say(`${job}: making photos`);
  const paths = makePhotos(source, bytes);
  await snap.init(work);
  await snap.backup(work, source);
  const random = new SeededRandom(22);
  // One of every few, whichever it is.
  const every = 1 / GONE_SHARE;
  for (let first = 0; first + every <= paths.length; first += every) {
    rmSync(paths[first + random.between(0, every)] ?? '');
  }
  await snap.backup(work, source);
  await snap.forget?.(work, 1);
  rmSync(source, { recursive: true });
  const repository = snap.repository(work);
  const figures = {
    prunes: [] as Measurement[],
    copies: [] as Measurement[],
    startUps: [] as Measurement[],
    rewritten: 0,
  };
  for (let run = 0; run < runs; run++) {
    options.say(`${job}: repack ${run + 1} of ${runs}`);
    if (run + 1 < runs) await copyTree(work, kept);
    const before = new Set(filesIn(join(repository, 'packs')));
    await dropCache([...before]);
    figures.startUps.push(await runSnap(work, ['snapshots', '--quiet', '--json']));
    figures.prunes.push(await runSnap(work, ['prune', '--quiet', '--json']));
    const rewritten = filesIn(join(repository, 'packs')).filter((path) => !before.has(path));
    await dropCache(rewritten);
    const copy = join(options.scratch, 'copy');
    figures.copies.push(await copyDurably(rewritten, copy));
    figures.rewritten = bytesIn(copy);
    rmSync(copy, { recursive: true });
    if (run + 1 < runs) {
      rmSync(work, { recursive: true });
      await copyTree(kept, work);
    }
  }
  rmSync(work, { recursive: true });
  rmSync(kept, { recursive: true, force: true });
  return resultsOfRepack(job, { ...figures, bytes });
}

function resultsOfRepack(
  job: string,
  figures: {
    readonly prunes: readonly Measurement[];
    readonly copies: readonly Measurement[];
    readonly startUps: readonly Measurement[];
    readonly rewritten: number;
    readonly bytes: number;
  },
): Result[] {
  const { prunes, copies, startUps, rewritten, bytes } = figures;
  const [own, copied] = [secondsOf(prunes), secondsOf(copies)];
  const act = beyond(own, secondsOf(startUps));
  const ratio = (what: string, values: readonly number[], target?: number): Result => {
    const all = values.map((value, run) => value / (copied[run] ?? Number.NaN));
    return { job, what, value: medianRatio(values, copied), unit: 'x', target, all };
  };
  const seconds = (what: string, all: readonly number[]): Result => ({ job, what, value: median(all), unit: 's', all });
  return [
    { job, what: `repack of ${Math.round(bytes / MB)} MB: written`, value: rewritten / MB, unit: 'MB' },
    ratio('repack, without start-up, / durable cp', act, 1.5),
    ratio('repack / durable cp', own),
    seconds('repack', own),
    seconds('repack: core-seconds', coreSecondsOf(prunes)),
    seconds('durable cp', copied),
    seconds('durable cp: core-seconds', coreSecondsOf(copies)),
    {
      job,
      what: 'repack: peak memory',
      value: Math.max(...prunes.map(({ peakBytes }) => peakBytes)) / MB,
      unit: 'MB',
      target: PEAK_MB_MAX,
    },
  ];
}

/** What each verb is called, and its words. */
type LargeVerb = readonly [what: string, words: readonly string[]];

async function memoryOfLarge(job: string, options: JobOptions): Promise<Result[]> {
  const work = join(options.scratch, 'work-large');
  options.say(`${job}: making a large library`);
  const location = snap.repository(work);
  const cacheDirectory = join(work, 'cache');
  await snap.init(work);
  const backend = await openLocation(location);
  const credential = { type: 'password', password: Buffer.from(PASSWORD) } as const;
  const repository = await Repository.open({ backend, cacheDirectory, credential });
  const files = Math.max(2000, Math.round(LARGE_FILES * options.scale));
  const made = await makeLargeLibrary(repository, location, files);
  const [, before = '', after = ''] = (await repository.snapshots.list()).map(({ id }) => id);
  await repository.close();
  const verbs: readonly LargeVerb[] = [
    ['first index', ['ls', 'latest:/library', '--quiet']],
    ['index', ['ls', 'latest:/library', '--quiet']],
    ['diff', ['diff', before, after, '--quiet']],
    ['forget', ['forget', '--keep-last', '2', '--quiet']],
    ['plan', ['prune', '--dry-run', '--json', '--quiet']],
    ['prune of whole packs', ['prune', '--max-unused', 'unlimited', '--json', '--quiet']],
    ['index after it', ['ls', 'latest:/library', '--quiet']],
  ];
  const results: Result[] = [];
  for (const [what, words] of verbs) {
    options.say(`${job}: ${what} (${made.files} files, ${made.blobs} blobs, ${made.packs} packs)`);
    const { seconds, cpuSeconds, peakBytes } = await runSnap(work, words);
    results.push(
      {
        job,
        what: `${made.blobs} blobs: ${what}, peak memory`,
        value: peakBytes / MB,
        unit: 'MB',
        target: scaled(PEAK_MB_MAX, options),
      },
      { job, what: `${made.blobs} blobs: ${what}`, value: seconds, unit: 's' },
      { job, what: `${made.blobs} blobs: ${what}, core-seconds`, value: cpuSeconds, unit: 's' },
    );
  }
  rmSync(work, { recursive: true });
  return results;
}
