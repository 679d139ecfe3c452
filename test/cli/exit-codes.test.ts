import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT_CODES } from '../../cli/exit-codes.ts';
import { ERROR_CODES } from '../../engine/base/errors.ts';
import { CliFixture, lastJson } from '../support/cli.ts';

async function withSnapshot(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'folder'), { recursive: true });
  writeFileSync(join(cli.source, 'folder', 'a file'), 'what it holds');
  await cli.init();
  await cli.ok(['backup', cli.source]);
  return cli;
}

test('every error code of the engine has an exit code', () => {
  assert.deepEqual(Object.keys(EXIT_CODES).sort(), [...ERROR_CODES].sort());
});

test('10: not a repository', async (t) => {
  const cli = new CliFixture(t);
  for (const verb of [['snapshots'], ['backup', '/etc/hostname'], ['check'], ['stats'], ['unlock'], ['key', 'list']]) {
    const run = await cli.run(verb);
    assert.equal(run.code, 10, run.stderr);
    assert.match(run.stderr, /no repository at .*snap init/s);
  }
  assert.equal(existsSync(cli.repository), false, 'nothing was made');
});

test('12: a wrong password, an empty one, or none', async (t) => {
  const cli = await withSnapshot(t);
  for (const password of ['wrong', undefined]) {
    const run = await cli.run(['snapshots'], { env: { SNAP_PASSWORD: password } });
    assert.equal(run.code, 12, run.stderr);
  }
  assert.equal((await cli.run(['snapshots', '--insecure-no-password'])).code, 12);
  const fresh = new CliFixture(t);
  const run = await fresh.run(['init'], { env: { SNAP_PASSWORD: undefined }, stdin: '\n' });
  assert.equal(run.code, 12);
  assert.equal(existsSync(join(fresh.repository, 'config')), false);
});

test('2: an unknown verb, flag or value, and a missing argument', async (t) => {
  const cli = await withSnapshot(t);
  const wrong = [
    [],
    ['snapshot'],
    ['backup', '--unknown', '/etc'],
    ['backup', '--workers', 'many', '/etc'],
    ['backup', '--workers', '1000', '/etc'],
    ['backup', '--compression', '99', '/etc'],
    ['backup', '--exclude-larger-than', 'big', '/etc'],
    ['backup', '--time', 'tomorrowish', '/etc'],
    ['backup'],
    ['restore', 'latest'],
    ['restore', 'latest', '--target', 'x', '--overwrite', 'perhaps'],
    ['cat', 'latest'],
    ['cat'],
    ['ls', 'not-a-snapshot!'],
    ['check', '--read-data-subset', 'half'],
    ['check', '--read-data', '--read-data-subset', '5%'],
    ['snapshots', '--group-by', 'colour'],
    ['init', '--password-memory', 'lots'],
  ];
  for (const parameters of wrong) {
    const run = await cli.run(parameters);
    assert.equal(run.code, 2, `${parameters.join(' ')}: ${run.code} ${run.stderr}`);
    assert.equal(run.stdout, '');
    assert.notEqual(run.stderr, '');
  }
  assert.equal((await cli.json(['snapshots'])).length, 1, 'no wrong command made a snapshot');
});

test('a usage error is a line of JSON where JSON was asked for', async (t) => {
  const cli = new CliFixture(t);
  const run = await cli.run(['backup', '--json', '--unknown']);
  assert.equal(run.code, 2);
  assert.equal(lastJson(run.stderr).message_type, 'exit_error');
  assert.equal(lastJson(run.stderr).code, 2);
});

test('trap 19: a missing source is named, 3; when none exists, 1 and no snapshot', async (t) => {
  const cli = await withSnapshot(t);
  const some = await cli.run(['backup', cli.source, '/nowhere/at/all', '--json']);
  assert.equal(some.code, 3);
  const summary = lastJson(some.stdout);
  assert.equal(summary.problems.length, 1);
  assert.match(summary.problems[0].path, /\/nowhere\/at\/all/);
  const none = await cli.run(['backup', '/nowhere/at/all']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /\/nowhere\/at\/all/);
  assert.equal((await cli.json(['snapshots'])).length, 2);
});

test('--strict makes a problem exit code 1, without a snapshot', async (t) => {
  const cli = await withSnapshot(t);
  const run = await cli.run(['backup', cli.source, '/nowhere', '--strict']);
  assert.equal(run.code, 1, run.stderr);
  assert.equal((await cli.json(['snapshots'])).length, 1);
});

test('21: a target that is not empty is refused and left as it is', async (t) => {
  const cli = await withSnapshot(t);
  const target = join(cli.folder, 'target');
  mkdirSync(target);
  writeFileSync(join(target, 'mine'), 'precious');
  const run = await cli.run(['restore', 'latest', '--target', target]);
  assert.equal(run.code, 21);
  assert.match(run.stderr, /--overwrite/);
  assert.deepEqual(readdirSync(target), ['mine']);
});

test('1: a snapshot or a path that does not exist, a repository that exists', async (t) => {
  const cli = await withSnapshot(t);
  assert.equal((await cli.run(['ls', 'latest~5'])).code, 1);
  assert.equal((await cli.run(['ls', 'ffffffffffff'])).code, 1);
  const path = await cli.run(['cat', `latest:${cli.source}/folder/no file`]);
  assert.equal(path.code, 1);
  assert.match(path.stderr, /no file/);
  const again = await cli.run(['init']);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /already/);
  await cli.ok(['check', '--read-data']);
});

test('20: damage, found by a check or on the way', async (t) => {
  const cli = await withSnapshot(t);
  writeFileSync(join(cli.source, 'large'), Buffer.alloc(300_000, 'a text that is not random'));
  await cli.ok(['backup', cli.source]);
  const packs = readdirSync(join(cli.repository, 'packs'), { recursive: true, withFileTypes: true });
  for (const entry of packs.filter((item) => item.isFile())) {
    const path = join(entry.parentPath, entry.name);
    chmodSync(path, 0o600);
    const bytes = readFileSync(path);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }
  const check = await cli.run(['check', '--read-data', '--json']);
  assert.equal(check.code, 20, check.stderr);
  assert.ok(lastJson(check.stdout).errors.length > 0);
  const restore = await cli.run(['restore', 'latest', '--target', join(cli.folder, 'out')]);
  assert.equal(restore.code, 20, restore.stderr);
});

test('20: a damaged snapshot is never passed over as if it were not there', async (t) => {
  const cli = await withSnapshot(t);
  const [older] = await cli.json(['snapshots']);
  await cli.ok(['backup', cli.source, '--force']);
  const newest = (await cli.json(['snapshots']))[1];
  const path = join(cli.repository, 'snapshots', newest.id);
  chmodSync(path, 0o600);
  writeFileSync(path, 'damaged');
  for (const name of ['latest', '@2999-01-01']) {
    const run = await cli.run(['restore', name, '--target', join(cli.folder, 'out')]);
    assert.equal(run.code, 20, run.stderr);
    assert.ok(run.stderr.includes(newest.short_id), run.stderr);
    assert.match(run.stderr, /Give the id of another one/);
  }
  await cli.ok(['restore', older.short_id, '--target', join(cli.folder, 'out')]);
  const stats = await cli.run(['stats']);
  assert.equal(stats.code, 20);
  assert.match(stats.stdout, /snapshots +1/);
  assert.ok(stats.stderr.includes(newest.short_id), stats.stderr);
  await cli.ok(['backup', cli.source]);
});

test('20: a backup that meets missing packs names them, quiet or not, and its snapshot is whole', async (t) => {
  const cli = await withSnapshot(t);
  for (const folder of readdirSync(join(cli.repository, 'packs'))) {
    rmSync(join(cli.repository, 'packs', folder), { recursive: true });
  }
  const run = await cli.run(['backup', cli.source, '--quiet']);
  assert.equal(run.code, 20, run.stderr);
  assert.match(run.stderr, /damage: packs\/[0-9a-f]{32}: .* there is no such file/);
  const json = await cli.run(['backup', cli.source, '--json']);
  assert.equal(json.code, 20);
  assert.match(lastJson(json.stdout).damage[0].object, /^packs\//);
  await cli.ok(['restore', 'latest', '--target', join(cli.folder, 'out'), '--verify']);
});
