/** `npm run bench`: measures snap beside cp, find and whichever rivals are on PATH, and prints ratios. */

import { mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { JOBS } from './jobs.ts';
import { formatResults, type Result, verdictOf } from './report.ts';
import { findRivals, snap } from './tools.ts';

const USAGE = `npm run bench -- [options]
  --only JOBS      some of ${Object.keys(JOBS).join(', ')} (comma-separated)
  --runs N         pairs of each job (default 3)
  --scale X        size of the data, 1 is that of the targets
  --full           five times as many small files (1,000,000), and a prune of 20 GB (60 GB of scratch)
  --rivals NAMES   some of bupstash, restic, rustic, borg; "none" for none (default: all on PATH)
  --scratch DIR    where data and repositories lie (default: /dev/shm where it is large enough)
  --json FILE      results as JSON, too`;

function scratchFolder(wanted: string | undefined): string {
  if (wanted !== undefined) {
    mkdirSync(wanted, { recursive: true });
    return mkdtempSync(join(wanted, 'snap-bench-'));
  }
  const shm = '/dev/shm';
  try {
    const { bavail, bsize } = statfsSync(shm);
    if (bavail * bsize > 8e9) return mkdtempSync(join(shm, 'snap-bench-'));
  } catch {
    // There is none.
  }
  return mkdtempSync(join(tmpdir(), 'snap-bench-'));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      runs: { type: 'string', default: '3' },
      scale: { type: 'string', default: '1' },
      full: { type: 'boolean', default: false },
      rivals: { type: 'string' },
      scratch: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const rivals = findRivals(values.rivals?.split(','));
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? '?'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}`;
  const versions = [snap, ...rivals].map((tool) => tool.version());
  say(`${machine}; ${versions.join('; ')}`);
  const scratch = scratchFolder(values.scratch);
  const results: Result[] = [];
  try {
    for (const name of values.only?.split(',') ?? Object.keys(JOBS)) {
      const job = JOBS[name];
      if (job === undefined) throw new Error(`There is no job "${name}".\n${USAGE}`);
      const scale = Number(values.scale) * (values.full && name === 'small' ? 5 : 1);
      const found = await job({ scratch, scale, full: values.full, runs: Number(values.runs), rivals, say });
      process.stdout.write(`${formatResults(found)}\n\n`);
      results.push(...found);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const missed = results.filter((result) => verdictOf(result) === 'MISSED');
  const promised = results.filter((result) => verdictOf(result) !== '');
  process.stdout.write(`${promised.length - missed.length} of ${promised.length} targets are met\n`);
  if (values.json !== undefined) {
    const date = new Date().toISOString();
    writeFileSync(values.json, `${JSON.stringify({ date, machine, versions, results }, null, 2)}\n`);
  }
}

await main();
