/**
 * Where the time goes: runs one phase of a job under Node's own profiler and prints, for each thread, the functions that
 * took most. `node dist/bench/profile.js media first`; phases are those of the bench, `--scale` and `--scratch` too.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeMedia, makeSmall } from './data/files.ts';
import { warmMemory } from './measure.ts';
import { snapUnder } from './tools.ts';

const ROWS_MAX = 16;
const DATA: { readonly [name: string]: (folder: string, scale: number) => void } = {
  media: makeMedia,
  small: makeSmall,
};

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Milliseconds by function, its own time alone. */
function selfTimes({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const names = new Map<number, string>();
  for (const { id, callFrame } of nodes) {
    const file = callFrame.url.split(/\/dist\/|\/node_modules\//).at(-1) ?? '';
    const place = file === '' ? '' : ` ${file}:${callFrame.lineNumber + 1}`;
    names.set(id, `${callFrame.functionName || '(anonymous)'}${place}`);
  }
  const times = new Map<string, number>();
  for (const [index, id] of samples.entries()) {
    const name = names.get(id) ?? '?';
    // A delta is the time that passed before its sample, so it belongs to the one before.
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[index + 1] ?? 0) / 1000);
  }
  return times;
}

function formatThread(title: string, times: ReadonlyMap<string, number>): string {
  const idle = times.get('(idle)') ?? 0;
  const rows = [...times].filter(([name]) => name !== '(idle)').sort((a, b) => b[1] - a[1]);
  const busy = rows.reduce((sum, [, ms]) => sum + ms, 0);
  const lines = rows.slice(0, ROWS_MAX).map(([name, ms]) => `${ms.toFixed(0).padStart(8)} ms  ${name}`);
  return [`${title}: busy ${busy.toFixed(0)} ms, idle ${idle.toFixed(0)} ms`, ...lines].join('\n');
}

/** The times of all threads, by what stands after the function's name: the file, without the line. */
function byFile(threads: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of threads) {
    for (const [name, ms] of thread) {
      const place = /^.+ (\S+):\d+$/.exec(name)?.[1] ?? '(built in)';
      const file = name.startsWith('(') && place === '(built in)' ? name : place;
      times.set(file, (times.get(file) ?? 0) + ms);
    }
  }
  return times;
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { scale: { type: 'string', default: '1' }, scratch: { type: 'string', default: tmpdir() } },
  });
  const [job = 'media', phase = 'first'] = positionals;
  const make = DATA[job];
  if (make === undefined)
    throw new Error(`There is no job "${job}" to profile; there are ${Object.keys(DATA).join(', ')}`);
  const scratch = mkdtempSync(join(values.scratch, 'snap-profile-'));
  try {
    const source = join(scratch, job);
    const work = join(scratch, 'work');
    const profiles = join(scratch, 'profiles');
    make(source, Number(values.scale));
    warmMemory(scratch, source);
    const plain = snapUnder([]);
    const profiled = snapUnder(['--cpu-prof', `--cpu-prof-dir=${profiles}`]);
    await plain.init(work);
    const first = await (phase === 'first' ? profiled : plain).backup(work, source);
    let measured = first;
    if (phase === 'unchanged') measured = await profiled.backup(work, source);
    if (phase === 'restore') measured = await profiled.restore(work, source, join(scratch, 'restored'), '');
    const { seconds, cpuSeconds } = measured;
    process.stdout.write(`${job}, ${phase}: ${seconds.toFixed(2)} s, ${cpuSeconds.toFixed(2)} core-seconds\n`);
    const threads = readdirSync(profiles).map((name) => {
      // CPU.date.time.process.thread.number.cpuprofile
      const thread = Number(name.split('.')[4]);
      return { thread, times: selfTimes(JSON.parse(readFileSync(join(profiles, name), 'utf8')) as CpuProfile) };
    });
    process.stdout.write(`\n${formatThread('all threads, by file', byFile(threads.map(({ times }) => times)))}\n`);
    for (const { thread, times } of threads.sort((a, b) => a.thread - b.thread)) {
      process.stdout.write(`\n${formatThread(thread === 0 ? 'main thread' : `worker ${thread}`, times)}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

await main();
