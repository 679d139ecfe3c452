import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHEAP_PASSWORD, CliFixture, PASSWORD } from '../support/cli.ts';

test('a password comes from a file, a command, or the environment, and a flag beats the environment', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const file = join(cli.folder, 'password');
  writeFileSync(file, `${PASSWORD}\n`);
  const wrong = { SNAP_PASSWORD: 'wrong' };
  const none = { SNAP_PASSWORD: undefined };
  await cli.ok(['snapshots', '--password-file', file], { env: wrong });
  await cli.ok(['snapshots', '--password-command', `printf '${PASSWORD}'`], { env: wrong });
  await cli.ok(['snapshots'], { env: { ...none, SNAP_PASSWORD_FILE: file } });
  await cli.ok(['snapshots'], { env: { ...none, SNAP_PASSWORD_COMMAND: `cat ${file}` } });
  for (const parameters of [
    ['--password-file', '/no/such/file'],
    ['--password-command', 'false'],
    ['--password-command', '/no/such/program'],
  ]) {
    const run = await cli.run(['snapshots', ...parameters]);
    assert.equal(run.code, 12, run.stderr);
  }
});

test('several passwords open a repository; one that was removed or replaced does not', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const second = join(cli.folder, 'second');
  const third = join(cli.folder, 'third');
  writeFileSync(second, 'second');
  writeFileSync(third, 'third');
  await cli.ok(['key', 'add', '--new-password-file', second, '--label', 'admin', ...CHEAP_PASSWORD]);
  const keys = await cli.json(['key', 'list', '--password-file', second]);
  assert.equal(keys.length, 2);
  const own = keys.find(({ current }: { current: boolean }) => current);
  assert.equal(own.label, 'admin');

  await cli.ok(['key', 'passwd', '--password-file', second, '--new-password-file', third, ...CHEAP_PASSWORD]);
  assert.equal((await cli.run(['snapshots', '--password-file', second])).code, 12);
  await cli.ok(['snapshots', '--password-file', third]);

  const [first] = (await cli.json(['key', 'list'])).filter(({ current }: { current: boolean }) => current);
  await cli.ok(['key', 'remove', first.id.slice(0, 10), '--password-file', third]);
  assert.equal((await cli.run(['snapshots'])).code, 12);
  const [last] = await cli.json(['key', 'list', '--password-file', third]);
  const refused = await cli.run(['key', 'remove', last.id, '--password-file', third]);
  assert.equal(refused.code, 21, 'the last key stays');
});

test('a repository without a password wants that said each time', async (t) => {
  const cli = new CliFixture(t);
  const env = { SNAP_PASSWORD: undefined };
  await cli.ok(['init', '--insecure-no-password'], { env });
  await cli.ok(['snapshots', '--insecure-no-password'], { env });
  assert.equal((await cli.run(['snapshots'], { env })).code, 12);
});

test('no password and no key shows in what a run prints', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  for (const parameters of [
    ['snapshots'],
    ['check'],
    ['key', 'list'],
    ['ls', 'latest'],
    ['backup', '/nowhere', '-vv'],
  ]) {
    const { stdout, stderr } = await cli.run(parameters);
    assert.equal(`${stdout}${stderr}`.includes(PASSWORD), false, parameters.join(' '));
  }
});
