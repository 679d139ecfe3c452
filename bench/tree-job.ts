/** First backup, unchanged nights and restore of one tree, beside cp, find and the rivals. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bytesIn, type Measurement, median, medianRatio, warmMemory } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX, scaled } from './options.ts';
import type { Result } from './report.ts';
import { copyTree, findTree, snap, type Tool } from './tools.ts';

export interface TreeTargets {
  readonly firstCopy?: number;
  readonly firstBupstash?: number;
  readonly restoreCopy?: number;
  readonly unchangedFind?: number;
  /** Restore in place of a tree that is as it was. */
  readonly inPlaceFind?: number;
  readonly repositoryMb?: number;
}

const PHASES = ['first', 'unchanged', 'in place', 'restore'] as const;
type Phase = (typeof PHASES)[number];

/** What one tool did, a measurement for each run. */
class Record {
  readonly phases: { readonly [phase in Phase]: Measurement[] } = {
    first: [],
    unchanged: [],
    'in place': [],
    restore: [],
  };
  repositoryBytes = 0;

  seconds(phase: Phase): number[] {
    return this.phases[phase].map(({ seconds }) => seconds);
  }

  coreSeconds(phase: Phase): number[] {
    return this.phases[phase].map(({ cpuSeconds }) => cpuSeconds);
  }

  peakMb(phase: Phase): number {
    return Math.max(...this.phases[phase].map(({ peakBytes }) => peakBytes)) / MB;
  }
}

interface Limits {
  readonly copies: number[];
  readonly copiesForRestore: number[];
  readonly finds: number[];
  readonly startUps: number[];
}

export async function treeJob(
  job: string,
  options: JobOptions,
  parts: { readonly make: (folder: string, scale: number) => void; readonly targets: TreeTargets },
): Promise<Result[]> {
  const source = join(options.scratch, job);
  options.say(`${job}: making data`);
  parts.make(source, options.scale);
  const limits: Limits = { copies: [], copiesForRestore: [], finds: [], startUps: [] };
  const records = new Map<Tool, Record>([snap, ...options.rivals].map((tool) => [tool, new Record()]));
  for (let run = 0; run < options.runs; run++) {
    options.say(`${job}: run ${run + 1} of ${options.runs}`);
    // The nearest rival takes part in every run; for the slow ones a look is enough.
    const near = [...records].filter(([tool]) => tool === snap || tool.name === 'bupstash');
    await pairedRun(options, source, run % 2 === 0 ? near : near.reverse(), limits);
  }
  for (const entry of records) {
    if (entry[1].phases.first.length > 0) continue;
    options.say(`${job}: ${entry[0].name}`);
    await pairedRun(options, source, [entry], undefined);
  }
  rmSync(source, { recursive: true });
  return summarize(job, options, { targets: parts.targets, limits, records });
}

/** Each phase is done by all, one after the other, so that what is compared was measured within seconds. */
async function pairedRun(
  options: JobOptions,
  source: string,
  tools: readonly (readonly [Tool, Record])[],
  limits: Limits | undefined,
): Promise<void> {
  const work = ({ name }: Tool): string => join(options.scratch, `work-${name}`);
  const printed = new Map<Tool, string>();
  for (const [tool] of tools) await tool.init(work(tool));
  warmMemory(options.scratch, source);
  limits?.copies.push(await timeCopy(options, source));
  for (const [tool, record] of tools) record.phases.first.push(await tool.backup(work(tool), source));
  limits?.finds.push((await findTree(source)).seconds);
  limits?.startUps.push(await timeStartUp(options));
  for (const [tool, record] of tools) {
    const measurement = await tool.backup(work(tool), source);
    record.phases.unchanged.push(measurement);
    printed.set(tool, measurement.stdout);
    record.repositoryBytes = bytesIn(tool.repository(work(tool)));
  }
  for (const [tool, record] of tools) {
    const inPlace = await tool.restoreInPlace?.(work(tool), source);
    if (inPlace !== undefined) record.phases['in place'].push(inPlace);
  }
  limits?.copiesForRestore.push(await timeCopy(options, source));
  for (const [tool, record] of tools) {
    const target = join(options.scratch, 'restored');
    record.phases.restore.push(await tool.restore(work(tool), source, target, printed.get(tool) ?? ''));
    rmSync(target, { recursive: true });
    rmSync(work(tool), { recursive: true });
  }
}

async function timeCopy(options: JobOptions, source: string): Promise<number> {
  const target = join(options.scratch, 'copy');
  const { seconds } = await copyTree(source, target);
  rmSync(target, { recursive: true });
  return seconds;
}

/** The second snapshot of an empty folder: what a run costs before it looks at anything, the password included. */
async function timeStartUp(options: JobOptions): Promise<number> {
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

interface Measured {
  readonly targets: TreeTargets;
  readonly limits: Limits;
  readonly records: ReadonlyMap<Tool, Record>;
}

function summarize(job: string, options: JobOptions, { targets, limits, records }: Measured): Result[] {
  const own = records.get(snap) ?? new Record();
  const ratio = (what: string, values: readonly number[], others: readonly number[], target?: number): Result => {
    const all = values.map((value, index) => value / (others[index] ?? Number.NaN));
    return { job, what, value: medianRatio(values, others), unit: 'x', target, all };
  };
  const beyondStartUp = (phase: Phase): number[] =>
    own.seconds(phase).map((seconds, run) => seconds - (limits.startUps[run] ?? 0));
  const results: Result[] = [
    ratio('first / cp -a', own.seconds('first'), limits.copies, targets.firstCopy),
    ratio('restore / cp -a', own.seconds('restore'), limits.copiesForRestore, targets.restoreCopy),
    // Where there are few files, both are too short to be compared.
    ...(targets.unchangedFind === undefined
      ? []
      : [ratio('(unchanged - start-up) / find', beyondStartUp('unchanged'), limits.finds, targets.unchangedFind)]),
    ...(targets.inPlaceFind === undefined
      ? []
      : [ratio('(in place - start-up) / find', beyondStartUp('in place'), limits.finds, targets.inPlaceFind)]),
    {
      job,
      what: 'repository',
      value: own.repositoryBytes / MB,
      unit: 'MB',
      target: scaled(targets.repositoryMb, options),
    },
    { job, what: 'start-up', value: median(limits.startUps), unit: 's', all: limits.startUps },
  ];
  for (const phase of PHASES) {
    const cpu = own.coreSeconds(phase);
    if (cpu.length === 0) continue;
    results.push(
      { job, what: `${phase}: peak memory`, value: own.peakMb(phase), unit: 'MB', target: PEAK_MB_MAX },
      { job, what: phase, value: median(own.seconds(phase)), unit: 's', all: own.seconds(phase) },
      { job, what: `${phase}: core-seconds`, value: median(cpu), unit: 's', all: cpu },
    );
  }
  for (const [tool, rival] of records) {
    if (tool === snap) continue;
    for (const phase of PHASES) {
      if (rival.phases[phase].length === 0) continue;
      const target = tool.name === 'bupstash' && phase === 'first' ? targets.firstBupstash : undefined;
      // A rival that ran once stands beside the median of ours.
      const paired = rival.seconds(phase).length === own.seconds(phase).length;
      const values = paired ? own.seconds(phase) : [median(own.seconds(phase))];
      const cpu = paired ? own.coreSeconds(phase) : [median(own.coreSeconds(phase))];
      results.push(
        ratio(`${phase} / ${tool.name}`, values, rival.seconds(phase), target),
        ratio(`${phase}: core-seconds / ${tool.name}`, cpu, rival.coreSeconds(phase)),
      );
    }
    const peak = Math.max(
      ...PHASES.filter((phase) => rival.phases[phase].length > 0).map((phase) => rival.peakMb(phase)),
    );
    results.push(
      { job, what: `${tool.name}: repository`, value: rival.repositoryBytes / MB, unit: 'MB' },
      { job, what: `${tool.name}: peak memory`, value: peak, unit: 'MB' },
    );
  }
  // What took less than a tick of the kernel's clock has no core-seconds to be compared with.
  return results.filter(({ value }) => Number.isFinite(value));
}
