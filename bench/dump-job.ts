/**
 * What a night costs of a Postgres database of which one row in a hundred changed: snap dumps it itself, rivals store
 * the same dump as a file.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { libraryNight, libraryTables, startPostgres } from './data/postgres.ts';
import { bytesIn } from './measure.ts';
import { type JobOptions, MB, PEAK_MB_MAX } from './options.ts';
import type { Result } from './report.ts';
import { runSnap, snap, type Tool } from './tools.ts';

const NIGHTS = 3;
const GROWTH_PERCENT_MAX = 10;

export async function dumpJob(job: string, options: JobOptions): Promise<Result[]> {
  const results: Result[] = [];
  for (const where of ['together', 'scattered'] as const) {
    const server = await startPostgres();
    if (server === undefined) {
      options.say(`${job}: there is no Postgres server on this machine`);
      return results;
    }
    const source = join(options.scratch, job);
    try {
      options.say(`${job}: changes ${where}`);
      server.sql(libraryTables(options.scale));
      const tools = [snap, ...options.rivals].map((tool) => ({
        tool,
        sizes: [] as number[],
        seconds: 0,
        peakBytes: 0,
      }));
      for (let night = 0; night <= NIGHTS; night++) {
        if (night > 0) server.sql(libraryNight(night, where));
        for (const one of tools) {
          const work = join(options.scratch, `work-${one.tool.name}`);
          rmSync(source, { recursive: true, force: true });
          mkdirSync(source);
          if (night === 0) await one.tool.init(work);
          if (one.tool !== snap) server.dump(join(source, 'library.sql'));
          const { seconds, peakBytes } =
            one.tool === snap
              ? await runSnap(work, ['backup', source, '--postgres', server.url, '--quiet'])
              : await one.tool.backup(work, source);
          one.seconds += seconds;
          one.peakBytes = Math.max(one.peakBytes, peakBytes);
          one.sizes.push(bytesIn(one.tool.repository(work)));
        }
      }
      for (const one of tools) results.push(...resultsOf(job, where, one));
    } finally {
      await server.stop();
      rmSync(source, { recursive: true, force: true });
      for (const tool of [snap, ...options.rivals]) {
        rmSync(join(options.scratch, `work-${tool.name}`), { recursive: true, force: true });
      }
    }
  }
  return results;
}

function resultsOf(
  job: string,
  where: string,
  one: { readonly tool: Tool; readonly sizes: readonly number[]; readonly seconds: number; readonly peakBytes: number },
): Result[] {
  const own = one.tool === snap;
  const what = (words: string): string => `${own ? '' : `${one.tool.name}: `}${words}, changes ${where}`;
  const [first = 0, last = 0] = [one.sizes[0], one.sizes.at(-1)];
  const percent = ((last - first) / NIGHTS / first) * 100;
  const target = own ? GROWTH_PERCENT_MAX : undefined;
  return [
    { job, what: what('growth a night'), value: percent, unit: '%', target },
    { job, what: what('growth a night'), value: (last - first) / NIGHTS / MB, unit: 'MB' },
    { job, what: what('first repository'), value: first / MB, unit: 'MB' },
    { job, what: what('all nights'), value: one.seconds, unit: 's' },
    { job, what: what('peak memory'), value: one.peakBytes / MB, unit: 'MB', target: own ? PEAK_MB_MAX : undefined },
  ];
}
