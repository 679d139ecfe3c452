/** Runs a verb of the engine several times, each in a process of its own (history-run.ts), and gives its figures. */

import { fileURLToPath } from 'node:url';
import { measure, median } from './measure.ts';
import { MB, PEAK_MB_MAX } from './options.ts';
import type { Result } from './report.ts';

const RUN = fileURLToPath(new URL('./history-run.js', import.meta.url));

export interface VerbRuns {
  readonly job: string;
  readonly verb: string;
  /** Of a repository, its cache, and what else the verb wants. */
  readonly parameters: readonly string[];
  readonly count: number;
  /** Seconds without start-up. */
  readonly target?: number | undefined;
  /** Before each run: where it changes what it works on. */
  readonly prepare?: (() => void) | undefined;
}

export async function runVerb({ job, verb, parameters, count, target, prepare }: VerbRuns): Promise<Result[]> {
  const seconds: number[] = [];
  const cpuSeconds: number[] = [];
  const peaksMb: number[] = [];
  let what = verb;
  for (let run = 0; run < count; run++) {
    prepare?.();
    const { stdout, peakBytes } = await measure({ words: [process.execPath, RUN, verb, ...parameters] });
    const { ms, cpuMs, found } = JSON.parse(stdout) as { ms: number; cpuMs: number; found: number };
    seconds.push(ms / 1000);
    cpuSeconds.push(cpuMs / 1000);
    peaksMb.push(peakBytes / MB);
    what = `${verb} (${found} found)`;
  }
  return [
    { job, what, value: median(seconds), unit: 's', target, all: seconds },
    { job, what: `${verb}, core-seconds`, value: median(cpuSeconds), unit: 's', all: cpuSeconds },
    { job, what: `${verb}, peak memory`, value: Math.max(...peaksMb), unit: 'MB', target: PEAK_MB_MAX },
  ];
}
