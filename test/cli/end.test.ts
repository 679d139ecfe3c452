/** How the program ends: at once, with its code, and with all that it wrote. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testFolder } from '../support/build-repository.ts';
import { CliFixture } from '../support/cli.ts';

const END = new URL('../../cli/end-process.js', import.meta.url).href;

function program(lines: readonly string[], options: readonly string[] = []) {
  const text = [`import { endProcess } from ${JSON.stringify(END)};`, ...lines].join('\n');
  return spawnSync(process.execPath, [...options, '--input-type=module', '-'], { input: text, encoding: 'utf8' });
}

test('a process ends with its code although threads, timers and connections are left, and listeners are told', (t) => {
  const folder = testFolder(t);
  const file = join(folder, 'end.mjs');
  const lines = [
    `import { endProcess } from ${JSON.stringify(END)};`,
    "import { Worker } from 'node:worker_threads';",
    "import { createServer } from 'node:net';",
    "new Worker('for (;;);', { eval: true });",
    'createServer().listen(0);',
    'setInterval(() => undefined, 1000);',
    "process.on('exit', (code) => process.stdout.write('told of ' + code));",
    "process.stdout.write('written, ', () => endProcess(7));",
  ];
  writeFileSync(file, lines.join('\n'));
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual([status, stdout, stderr], [7, 'written, told of 7', '']);
});

test('where Node has options of its own it ends as it does: a profile is written', (t) => {
  const folder = testFolder(t);
  const { status } = program(['endProcess(3);'], ['--cpu-prof', `--cpu-prof-dir=${folder}`]);
  assert.equal(status, 3);
  assert.equal(readdirSync(folder).filter((name) => name.endsWith('.cpuprofile')).length, 1);
});

test('all of a long answer is there before a verb ends, whatever reads it', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let number = 0; number < 3000; number++)
    writeFileSync(join(cli.source, `a file with a long name ${number}`), '');
  await cli.ok(['backup', cli.source]);
  const { stdout } = await cli.ok(['ls', 'latest', '--recursive']);
  const lines = stdout.split('\n').filter((line) => line.includes('a file with a long name'));
  assert.equal(lines.length, 3000);
});
