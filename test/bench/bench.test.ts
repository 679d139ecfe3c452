import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeMedia, makeSmall } from '../../bench/data/files.ts';
import { makeBooks } from '../../bench/data/library.ts';
import { median } from '../../bench/measure.ts';
import { formatResults } from '../../bench/report.ts';
import { treeState } from '../support/tree-state.ts';

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
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
    'media,nights',
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
  const { results } = JSON.parse(readFileSync(json, 'utf8')) as { results: { job: string; value: number }[] };
  assert.ok(results.some(({ job, value }) => job === 'nights' && value > 0));
});
