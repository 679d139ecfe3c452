/** The units of docs/systemd, as systemd itself judges them. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JOB_GRACE_WITH_COMMANDS_MS_MAX } from '../../server/limits.ts';
import { testFolder } from '../support/build-repository.ts';
import { TOP } from '../support/examples.ts';

const UNITS = join(TOP, 'docs', 'systemd');
const SERVICES = ['snap-serve.service', 'snap-night.service'];
/** Of 100; what systemd calls fine ends at 50. */
const EXPOSURE_MAX = 25;

const skip =
  spawnSync('systemd-analyze', ['--version']).status === 0
    ? false
    : 'systemd-analyze is not here: "npm run setup -- --servers" installs it where it may';

function analyze(parameters: readonly string[]): { readonly status: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync('systemd-analyze', parameters, { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}` };
}

/** Offline judgements of `security` are no older than version 250. */
function version(): number {
  return Number(/^systemd (\d+)/.exec(analyze(['--version']).said)?.[1]);
}

/** The units in a folder of the test, with a program that is there. */
function copyUnits(t: TestContext): string {
  const folder = testFolder(t);
  const program = join(folder, 'snap');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  for (const name of readdirSync(UNITS).filter((one) => one !== 'restore.conf')) {
    const text = readFileSync(join(UNITS, name), 'utf8').replaceAll('/usr/local/bin/snap', program);
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

test('systemd takes every unit, also with what a restore needs beside it', { skip }, (t) => {
  const folder = copyUnits(t);
  const units = readdirSync(folder).filter((name) => /\.(?:service|timer)$/.test(name));
  assert.equal(units.length, 3);
  const plain = analyze(['verify', ...units.map((name) => join(folder, name))]);
  assert.deepEqual(plain, { status: 0, said: '' });
  const beside = join(folder, 'snap-serve.service.d');
  mkdirSync(beside);
  writeFileSync(join(beside, 'restore.conf'), readFileSync(join(UNITS, 'restore.conf')));
  const restoring = analyze(['verify', join(folder, 'snap-serve.service')]);
  assert.deepEqual(restoring, { status: 0, said: '' });
});

test('the services are hardened', { skip: skip === false && version() < 250 ? 'systemd is too old' : skip }, (t) => {
  const folder = copyUnits(t);
  for (const name of SERVICES) {
    const { status, said } = analyze([
      'security',
      '--offline=true',
      `--threshold=${EXPOSURE_MAX}`,
      '--no-pager',
      join(folder, name),
    ]);
    assert.equal(status, 0, said);
  }
});

test('the timer begins the night of the same name, and a job has its time to stop', () => {
  const timer = readFileSync(join(UNITS, 'snap-night.timer'), 'utf8');
  assert.match(timer, /^OnCalendar=\*-\*-\* 02:00:00$/m);
  assert.match(timer, /^Persistent=yes$/m);
  for (const name of SERVICES) {
    const text = readFileSync(join(UNITS, name), 'utf8');
    const minutes = Number(/^TimeoutStopSec=(\d+)min$/m.exec(text)?.[1]);
    assert.ok(minutes * 60_000 > JOB_GRACE_WITH_COMMANDS_MS_MAX, name);
    assert.match(text, /^KillMode=mixed$/m, 'only the server tells its jobs to stop');
  }
  assert.match(readFileSync(join(UNITS, 'snap-serve.service'), 'utf8'), /^SuccessExitStatus=143$/m);
});
