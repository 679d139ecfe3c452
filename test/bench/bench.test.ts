import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeMedia, makeSmall } from '../../bench/data/files.ts';
import { makeBooks } from '../../bench/data/library.ts';
import { measure, median, medianRatio } from '../../bench/measure.ts';
import { formatResults, formatTable } from '../../bench/report.ts';
import { treeState } from '../support/tree-state.ts';

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('a ratio is the median of the ratios of pairs, not the ratio of medians', () => {
  assert.equal(medianRatio([2, 30, 4], [1, 10, 2]), 2);
  assert.equal(medianRatio([2, 4], [1]), 2, 'what has no partner does not count');
});

test('a measurement knows the time, the core-seconds and the memory of a program and its children', async () => {
  const script =
    'const held = Buffer.alloc(100e6, 1); const end = Date.now() + 300; while (Date.now() < end); held.length';
  const alone = await measure({ words: [process.execPath, '-e', script] });
  assert.ok(alone.seconds >= 0.3 && alone.seconds < 30);
  assert.ok(alone.cpuSeconds >= 0.1 && alone.cpuSeconds < 5, `${alone.cpuSeconds} core-seconds`);
  assert.ok(alone.peakBytes > 100e6 && alone.peakBytes < 400e6, `${alone.peakBytes} bytes`);
  const child = `require('child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(script)}])`;
  const both = await measure({ words: [process.execPath, '-e', child] });
  assert.ok(both.cpuSeconds >= 0.1, `${both.cpuSeconds} core-seconds`);
  assert.ok(both.peakBytes > 130e6, `${both.peakBytes} bytes`);
  await assert.rejects(measure({ words: [process.execPath, '-e', 'process.exit(3)'] }), /ended with 3/);
});

test('tables of decisions are aligned', () => {
  const table = formatTable([
    { level: 1, MB: '10.5' },
    { level: 12, MB: '9.25' },
  ]);
  assert.deepEqual(table.split('\n'), ['| level | MB   |', '| ----- | ---- |', '| 1     | 10.5 |', '| 12    | 9.25 |']);
});

test('a table says which targets are missed', () => {
  const table = formatResults([
    { job: 'media', what: 'first / cp -a', value: 2.5, unit: 'x', target: 2 },
    { job: 'small', what: 'repository', value: 90, unit: 'MB', target: 95 },
    { job: 'small', what: 'first', value: 3, unit: 's' },
  ]);
  assert.deepEqual(table.split('\n'), [
    'media  first / cp -a  2.50x    <= 2.00x    MISSED',
    'small  repository     90.0 MB  <= 95.0 MB  ok',
    'small  first          3.00 s',
  ]);
});

test('data sets are the same each time', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'snap-data-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const make of [makeMedia, makeSmall, makeBooks]) {
    const states = ['a', 'b'].map((name) => {
      make(join(folder, make.name + name), 0.001);
      const state = treeState(join(folder, make.name + name));
      // All but the times.
      return [...state].map(([path, facts]) => `${path} ${facts.split(' ').toSpliced(3, 1).join(' ')}`);
    });
    assert.deepEqual(states[0], states[1]);
    assert.ok((states[0]?.length ?? 0) > 3);
  }
});

test('a tiny run of the bench ends with a table and JSON', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'snap-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
  const json = join(folder, 'results.json');
  const parameters = [
    '--only',
    'media,books',
    '--scale',
    '0.002',
    '--runs',
    '1',
    '--rivals',
    'none',
    '--scratch',
    folder,
  ];
  const table = execFileSync(process.execPath, [program, ...parameters, '--json', json], {
    encoding: 'utf8',
    stdio: 'pipe',
  });
  assert.match(table, /^media +first \/ cp -a +\d+\.\d\dx/m);
  assert.match(table, /^\d+ of \d+ targets are met$/m);
  const { results } = JSON.parse(readFileSync(json, 'utf8')) as { results: { job: string; value: number }[] };
  assert.ok(results.some(({ job, value }) => job === 'books' && value > 0));
});

test('a tiny run of the job for prune measures its plan, what it writes anew and its memory', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'snap-bench-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = fileURLToPath(new URL('../../bench/main.js', import.meta.url));
  const parameters = ['--only', 'prune', '--scale', '0.002', '--runs', '1', '--rivals', 'none', '--scratch', folder];
  const table = execFileSync(process.execPath, [program, ...parameters], { encoding: 'utf8', stdio: 'pipe' });
  assert.match(table, /^prune +plan: core-seconds +\d/m);
  assert.match(table, /^prune +repack, without start-up, \/ durable cp +-?\d+\.\d\dx/m);
  assert.match(table, /^prune +\d+ blobs: prune of whole packs, peak memory +\d/m);
  assert.deepEqual(readdirSync(folder), [], 'nothing is left behind');
});

test('the figures behind the format can be printed again', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'snap-decide-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const program = fileURLToPath(new URL('../../bench/decide.js', import.meta.url));
  const parameters = ['--only', 'pages,frames,ids,together,packs', '--scale', '0.002', '--scratch', folder];
  const printed = execFileSync(process.execPath, [program, ...parameters], { encoding: 'utf8' });
  assert.match(printed, /^\| page, 4 KiB +\| \d/m);
  assert.match(printed, /^\| one blob for each file +\| \d/m);
});
