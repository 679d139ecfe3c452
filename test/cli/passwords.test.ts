import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRepository } from '../../engine/index.ts';
import { findPath } from '../../engine/repository/find-node.ts';
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

test('a password that is no text opens by file, by command and by SNAP_PASSWORD_FILE alike', async (t) => {
  const cli = new CliFixture(t);
  const file = join(cli.folder, 'password');
  writeFileSync(file, Buffer.from('70e973730a', 'hex'));
  const none = { SNAP_PASSWORD: undefined };
  await cli.ok(['init', ...CHEAP_PASSWORD, '--password-file', file], { env: none });
  await cli.ok(['snapshots'], { env: { ...none, SNAP_PASSWORD_FILE: file } });
  await cli.ok(['snapshots', '--password-command', `cat ${file}`], { env: none });
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

test('with a recovery sheet and no password at all a new password is made, and only for its own repository', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const sheet = join(cli.folder, 'sheet.txt');
  const next = join(cli.folder, 'next');
  writeFileSync(sheet, (await cli.ok(['key', 'export'])).stdout);
  writeFileSync(next, 'next');
  writeFileSync(join(cli.folder, 'book'), 'text');
  await cli.ok(['backup', join(cli.folder, 'book')]);
  rmSync(join(cli.repository, 'keys'), { recursive: true });
  mkdirSync(join(cli.repository, 'keys'));
  const recover = ['key', 'recover', sheet, '--new-password-file', next, ...CHEAP_PASSWORD];
  await cli.ok(recover, { env: { SNAP_PASSWORD: undefined } });
  await cli.ok(['restore', 'latest', '--target', join(cli.folder, 'out'), '--password-file', next]);

  const other = join(cli.folder, 'other');
  await cli.ok(['init', ...CHEAP_PASSWORD, '--repo', other]);
  const refused = await cli.run([...recover, '--repo', other]);
  assert.equal(refused.code, 12);
  assert.match(refused.stderr, /does not belong to the repository/);
  assert.equal((await cli.json(['key', 'list', '--repo', other])).length, 1);
  assert.equal((await cli.run(['key', 'recover', next, '--new-password-file', next])).code, 2);
  assert.equal((await cli.run(['key', 'recover', '/no/such/sheet', '--new-password-file', next])).code, 2);
});

test('repositories made with --copy-chunker-params name and cut content alike, and seal it with keys of their own', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  const password = join(cli.folder, 'password');
  writeFileSync(password, 'another one');
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book'), randomBytes(300_000));
  const copy = join(cli.folder, 'copy');
  const model = ['--copy-chunker-params', cli.repository];
  const init = ['init', ...CHEAP_PASSWORD, '--repo', copy, '--password-file', password, ...model];
  const refused = await cli.run(init);
  assert.equal(refused.code, 12, 'the other repository has another password');
  assert.ok(!existsSync(join(copy, 'config')));
  const first = join(cli.folder, 'first');
  writeFileSync(first, PASSWORD);
  await cli.ok([...init, '--from-password-file', first]);
  const stranger = join(cli.folder, 'stranger');
  await cli.ok(['init', ...CHEAP_PASSWORD, '--repo', stranger]);
  const trees: string[] = [];
  for (const [location, text] of [
    [cli.repository, PASSWORD],
    [copy, 'another one'],
    [stranger, PASSWORD],
  ] as const) {
    await cli.ok(['backup', cli.source, '--repo', location], { env: { SNAP_PASSWORD: text } });
    const credential = { type: 'password', password: Buffer.from(text) } as const;
    const repository = await openRepository({ location, credential, cacheDirectory: cli.cache });
    await repository.loadIndex();
    const found = await findPath(repository.blobs, await repository.snapshots.find('latest'), Buffer.from(cli.source));
    assert.ok(found.kind === 'node' && found.node.content.kind === 'tree');
    trees.push(found.node.content.treeId.toString('hex'));
    await repository.close();
  }
  const [tree, copied, strange] = trees;
  assert.equal(copied, tree);
  assert.notEqual(strange, tree);
  assert.equal((await cli.run(['snapshots', '--repo', copy])).code, 12, 'its password is its own');
});
