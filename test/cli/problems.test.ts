/** What people read of problems: each with its path, on standard error, also with --quiet. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { problemText } from '../../cli/render.ts';
import { CliFixture, PASSWORD, PROGRAM } from '../support/cli.ts';
import { give, runAsNobody } from '../support/cli-as-nobody.ts';

const isRoot = process.geteuid?.() === 0;

function problemLines(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line.startsWith('problem: '));
}

test('a problem of a backup is named with --quiet, and its path stands once', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  await cli.init();
  for (const flags of [[], ['-q']]) {
    const run = await cli.run(['backup', cli.source, '/nowhere/at/all', ...flags]);
    assert.equal(run.code, 3);
    const [line = '', ...more] = problemLines(run.stderr);
    assert.equal(more.length, 0);
    assert.equal(line.split('/nowhere/at/all').length, 2, line);
  }
});

test('a file that a restore cannot write is named with its path, also with --quiet', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'folder'), { recursive: true });
  writeFileSync(join(cli.source, 'folder', 'one'), 'content');
  await cli.init();
  await cli.ok(['backup', cli.source]);
  give(cli);
  const target = join(cli.folder, 'target');
  mkdirSync(join(target, 'folder'), { recursive: true });
  chmodSync(target, 0o777);
  if (!isRoot) chmodSync(join(target, 'folder'), 0o500);
  const restore = ['restore', `latest:${cli.source}`, '--target', target, '--overwrite', 'always'];
  for (const flags of [[], ['-q']]) {
    const run = runAsNobody(cli, [...restore, ...flags]);
    if (!isRoot) continue;
    assert.equal(run.code, 3, run.stderr);
    assert.ok(
      problemLines(run.stderr).some((line) => line.includes(`${join(target, 'folder')}`) && /E(ACCES|PERM)/.test(line)),
      run.stderr,
    );
  }
});

test('devices that may not be made are one problem by kind', { skip: !isRoot }, async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source);
  for (const name of ['one', 'two', 'three']) {
    if (spawnSync('mknod', [join(cli.source, name), 'c', '1', '3']).status !== 0) {
      t.skip('devices are forbidden here');
      return;
    }
  }
  await cli.init();
  await cli.ok(['backup', cli.source]);
  give(cli);
  const run = runAsNobody(cli, ['restore', `latest:${cli.source}`, '--target', join(cli.folder, 'target')]);
  assert.equal(run.code, 3, run.stderr);
  const lines = problemLines(run.stderr).filter((line) => line.includes('Cannot make the device: EPERM'));
  assert.equal(lines.length, 1, run.stderr);
  assert.ok(lines[0]?.includes(join(cli.folder, 'target')), lines[0]);
});

test('a path is put before a message that does not name it', () => {
  const problem = { path: '/a/b', during: 'write', code: 'EPERM' };
  assert.equal(problemText({ ...problem, message: 'Cannot write it: EPERM' }), '/a/b: Cannot write it: EPERM');
  assert.equal(problemText({ ...problem, message: 'Cannot open /a/b: EPERM' }), 'Cannot open /a/b: EPERM');
});

test('results that cannot be written are a failure, and a reader that has seen enough is none', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const shell = (command: string): ReturnType<typeof spawnSync> =>
    spawnSync('bash', ['-c', `set -o pipefail; "$0" "$1" ${command}`, process.execPath, PROGRAM], {
      env: { ...process.env, SNAP_REPOSITORY: cli.repository, SNAP_PASSWORD: PASSWORD, SNAP_CACHE_DIR: cli.cache },
      encoding: 'utf8',
    });
  for (const verb of ['key export', 'snapshots --json', 'stats']) {
    const full = shell(`${verb} > /dev/full`);
    assert.equal(full.status, 1, `${verb}: ${String(full.stderr)}`);
    assert.match(String(full.stderr), /results cannot be written .*ENOSPC/);
    assert.equal(shell(`${verb} | true`).status, 0, verb);
    assert.equal(shell(`${verb} | cat > /dev/null`).status, 0, verb);
  }
});
