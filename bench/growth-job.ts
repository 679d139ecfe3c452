/** A repository's size over nights of changing data: the data of night N stands where that of the night before stood. */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { copyTree } from './data/library.ts';
import { bytesIn } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX, scaled } from './options.ts';
import type { Result } from './report.ts';
import { snap, type Tool } from './tools.ts';

export interface GrowthParts {
  /** Makes FOLDER/0 to FOLDER/nights. */
  readonly make: (folder: string, scale: number) => void;
  readonly nights: number;
  /** What the target counts: the whole repository, what it grew by after night 0, or that for each night. */
  readonly counts: 'repository' | 'growth' | 'growth a night';
  readonly targetMb: number;
}

export async function growthJob(job: string, options: JobOptions, parts: GrowthParts): Promise<Result[]> {
  const data = join(options.scratch, `${job}-data`);
  options.say(`${job}: making data`);
  parts.make(data, options.scale);
  const results: Result[] = [];
  for (const tool of [snap, ...options.rivals]) {
    options.say(`${job}: ${tool.name}`);
    const { sizes, peakBytes, seconds } = await storeNights(tool, options, { job, data, nights: parts.nights });
    const [first = 0, last = 0] = [sizes[0], sizes.at(-1)];
    const counted = { repository: last, growth: last - first, 'growth a night': (last - first) / parts.nights };
    const value = counted[parts.counts] / MB;
    const own = tool === snap;
    const what = (words: string): string => (own ? words : `${tool.name}: ${words}`);
    const target = own ? scaled(parts.targetMb, options) : undefined;
    results.push(
      { job, what: what(parts.counts), value, unit: 'MB', target },
      { job, what: what('first repository'), value: first / MB, unit: 'MB' },
      { job, what: what('all nights'), value: seconds, unit: 's' },
      {
        job,
        what: what('peak memory'),
        value: peakBytes / MB,
        unit: 'MB',
        target: own ? PEAK_MB_MAX : undefined,
      },
    );
  }
  rmSync(data, { recursive: true });
  return results;
}

interface Nights {
  readonly sizes: readonly number[];
  readonly peakBytes: number;
  readonly seconds: number;
}

/** Every file is a new one each night, as after a package update; engines find by content what is the same. */
async function storeNights(
  tool: Tool,
  options: JobOptions,
  { job, data, nights }: { readonly job: string; readonly data: string; readonly nights: number },
): Promise<Nights> {
  const work = join(options.scratch, `work-${tool.name}`);
  const source = join(options.scratch, job);
  const sizes: number[] = [];
  let [peak, total] = [0, 0];
  await tool.init(work);
  for (let night = 0; night <= nights; night++) {
    rmSync(source, { recursive: true, force: true });
    mkdirSync(source);
    copyTree(join(data, `${night}`, '.'), source);
    const { peakBytes, seconds } = await tool.backup(work, source);
    peak = Math.max(peak, peakBytes);
    total += seconds;
    sizes.push(bytesIn(tool.repository(work)));
  }
  rmSync(work, { recursive: true });
  rmSync(source, { recursive: true });
  return { sizes, peakBytes: peak, seconds: total };
}
