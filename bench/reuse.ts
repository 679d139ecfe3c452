/**
 * What it costs to bring back a file over a changed one, read whole from the repository and built from the old one:
 * `node dist/bench/reuse.js [FOLDER [MEGABYTES]]`.
 */

import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Measurement, measure } from './measure.ts';
import { SeededRandom } from './random.ts';
import { formatTable } from './report.ts';

const PIECE_BYTES = 1_000_000;
const RUNS = 3;
const PROGRAM = fileURLToPath(new URL('../cli/main.js', import.meta.url));

const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'snap-reuse-'));
const megabytes = Number(process.argv[3] ?? 1000);
const [source, target] = [join(folder, 'source'), join(folder, 'target')];
const file = 'file.mkv';

interface Change {
  readonly name: string;
  readonly seed: number;
  /** Bytes in front of all. */
  readonly inserted: number;
  /** Every so many millions of bytes one is another. */
  readonly editedEvery: number;
}

const ORIGINAL: Change = { name: 'nothing', seed: 1, inserted: 0, editedEvery: 0 };
const CHANGES: readonly Change[] = [
  { ...ORIGINAL, name: '100 bytes inserted at the head', inserted: 100 },
  { ...ORIGINAL, name: 'an edit every 100 MB', editedEvery: 100 },
  { ...ORIGINAL, name: 'another file', seed: 2 },
];

function write(path: string, change: Change): void {
  rmSync(path, { force: true });
  const random = new SeededRandom(change.seed);
  const out = openSync(path, 'w');
  if (change.inserted > 0) writeSync(out, Buffer.alloc(change.inserted, 1));
  for (let piece = 0; piece < megabytes; piece++) {
    const bytes = random.bytes(PIECE_BYTES);
    if (change.editedEvery > 0 && piece % change.editedEvery === 50) bytes[0] = (bytes[0] ?? 0) ^ 1;
    writeSync(out, bytes);
  }
  closeSync(out);
}

function snap(...words: readonly string[]): Promise<Measurement> {
  const env = { SNAP_REPOSITORY: join(folder, 'repository'), SNAP_CACHE_DIR: join(folder, 'cache') };
  return measure({ words: [process.execPath, PROGRAM, ...words, '--insecure-no-password'], env });
}

interface Summary {
  readonly bytes_restored: number;
  readonly bytes_reused: number;
}

/** The run that computed least. */
async function best(change: Change, policy: string): Promise<{ measured: Measurement; summary: Summary }> {
  let least: Measurement | undefined;
  for (let run = 0; run < RUNS; run++) {
    write(join(target, file), change);
    const measured = await snap('restore', `latest:${source}`, '--target', target, '--overwrite', policy, '--json');
    if (least === undefined || measured.cpuSeconds < least.cpuSeconds) least = measured;
  }
  if (least === undefined) throw new RangeError('Nothing was run');
  return { measured: least, summary: JSON.parse(least.stdout.trimEnd().split('\n').at(-1) ?? '') as Summary };
}

try {
  for (const each of [source, target]) mkdirSync(each);
  write(join(source, file), ORIGINAL);
  await snap('init');
  await snap('backup', source);
  const rows: { [column: string]: string }[] = [];
  for (const change of CHANGES) {
    for (const policy of ['always', 'if-changed']) {
      const { measured, summary } = await best(change, policy);
      rows.push({
        'the old file': change.name,
        policy,
        'MB from the repository': ((summary.bytes_restored - summary.bytes_reused) / 1e6).toFixed(1),
        s: measured.seconds.toFixed(2),
        'core-s': measured.cpuSeconds.toFixed(2),
        'peak MB': (measured.peakBytes / 1e6).toFixed(0),
      });
    }
  }
  process.stdout.write(`${formatTable(rows)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
