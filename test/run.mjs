/**
 * Runs the tests: all, or those whose paths contain one of the words given. Test files are found by their sources, so
 * that what an earlier build left behind never runs.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = join(dirname(fileURLToPath(import.meta.url)), '..');
const words = process.argv.slice(2);

const files = readdirSync(join(top, 'test'), { recursive: true })
  .filter((path) => path.endsWith('.test.ts'))
  .filter((path) => words.length === 0 || words.some((word) => path.includes(word)))
  .sort()
  .map((path) => join('dist', 'test', path.replace(/\.ts$/, '.js')));

if (files.length === 0) {
  process.stderr.write(`No test file fits ${words.join(', ')}\n`);
  process.exit(2);
}

const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-reporter=spec', '--test-concurrency=2', '--test-timeout=600000', ...files],
  {
    cwd: top,
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
