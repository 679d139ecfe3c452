import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliFixture, jsonLines } from '../support/cli.ts';
import { give, giveTo, runAsNobody } from '../support/cli-as-nobody.ts';
import { treeState } from '../support/tree-state.ts';

async function given(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  await cli.init();
  for (const author of ['Austen', 'Borges']) {
    mkdirSync(join(cli.source, author), { recursive: true });
    for (const book of ['one', 'two', 'three']) writeFileSync(join(cli.source, author, book), `${author} ${book}`);
  }
  return cli;
}

test('one folder as of a date is one line', async (t) => {
  const cli = await given(t);
  const ago = new Date(Date.now() - 30 * 24 * 3600_000).toISOString();
  await cli.ok(['backup', cli.source, '--time', ago]);
  const before = treeState(join(cli.source, 'Austen'));
  writeFileSync(join(cli.source, 'Austen/one'), 'overwritten');
  unlinkSync(join(cli.source, 'Austen/two'));
  writeFileSync(join(cli.source, 'Borges/one'), 'edited');
  await cli.ok(['backup', cli.source]);
  const done = await cli.ok(['restore', `latest:${cli.source}/Austen`, '--at', '3 weeks ago', '--in-place']);
  assert.match(done.stdout, /restored {3}2 files/);
  assert.match(done.stdout, /before it {2}snapshot [0-9a-f]{8} holds what was there/);
  assert.deepEqual(treeState(join(cli.source, 'Austen')), before);
  assert.equal(readFileSync(join(cli.source, 'Borges/one'), 'utf8'), 'edited');
  const [safety] = await cli.json(['snapshots', '--label', 'before-restore']);
  assert.match(done.stdout, new RegExp(safety.short_id));
  const again = await cli.ok(['restore', `latest:${cli.source}/Austen`, '--at', '3 weeks ago', '--in-place']);
  assert.match(again.stdout, /restored {3}0 files/);
});

test('--dry-run shows the plan, entry by entry, and the run carries out just that', async (t) => {
  const cli = await given(t);
  await cli.ok(['backup', cli.source]);
  const good = treeState(cli.source);
  appendFileSync(join(cli.source, 'Austen/one'), ' and more');
  unlinkSync(join(cli.source, 'Austen/two'));
  mkdirSync(join(cli.source, 'new'));
  writeFileSync(join(cli.source, 'new/file'), 'x');
  const words = ['restore', 'latest', '--in-place', '--delete'];
  const shown = (await cli.ok([...words, '-n'])).stdout;
  assert.match(shown, new RegExp(`^replace {2}${cli.source}/Austen/one$`, 'm'));
  assert.match(shown, new RegExp(`^delete {3}${cli.source}/new/$`, 'm'));
  assert.doesNotMatch(shown, /^create/m);
  assert.match(shown, /would create {3}1 files/);
  assert.match(shown, /would remove {3}1 files \(1 B\), 1 folders/);
  assert.match((await cli.ok([...words, '-n', '-v'])).stdout, new RegExp(`^create {3}${cli.source}/Austen/two$`, 'm'));
  const lines = jsonLines((await cli.ok([...words, '-n', '--json'])).stdout);
  const actions = lines.filter(({ message_type }) => message_type === 'verbose_status');
  assert.deepEqual(
    actions
      .filter(({ action }) => action !== 'mend')
      .map(({ action, item, size }) => [action, item.slice(cli.source.length), size])
      .sort(),
    [
      ['create', '/Austen/two', 10],
      ['delete', '/new', 0],
      ['delete', '/new/file', 1],
      ['replace', '/Austen/one', 10],
    ],
  );
  const { plan } = lines.at(-1);
  assert.deepEqual(
    [plan.files_to_create, plan.files_to_replace, plan.files_to_delete, plan.directories_to_delete],
    [1, 1, 1, 1],
  );
  const done = await cli.json(words);
  assert.deepEqual([done.files_restored, done.files_deleted, done.directories_deleted], [2, 1, 1]);
  assert.match(done.safety_snapshot_id, /^[0-9a-f]{64}$/);
  assert.deepEqual(treeState(cli.source), good);
});

test('--delete of more than half ends with 21 and a word on what to do, and --force does it', async (t) => {
  const cli = await given(t);
  await cli.ok(['backup', cli.source]);
  for (let number = 0; number < 7; number++) writeFileSync(join(cli.source, `new ${number}`), 'x');
  const refused = await cli.run(['restore', 'latest', '--in-place', '--delete']);
  assert.equal(refused.code, 21);
  assert.match(refused.stderr, /7 of 13 files .*--dry-run.*--force/);
  assert.equal(existsSync(join(cli.source, 'new 0')), true);
  const plan = await cli.ok(['restore', 'latest', '--in-place', '--delete', '-n']);
  assert.match(plan.stdout, /needs {10}--force.* 7 of 13 files/);
  const json = await cli.run(['restore', 'latest', '--in-place', '--delete', '--json']);
  assert.equal(JSON.parse(json.stderr.trim()).code, 21);
  await cli.ok(['restore', 'latest', '--in-place', '--delete', '--force', '--no-safety-snapshot']);
  assert.equal(existsSync(join(cli.source, 'new 0')), false);
  assert.equal((await cli.json(['snapshots'])).length, 1);
});

test('--map brings a library up under another path, also where a name holds an equals sign', async (t) => {
  const cli = await given(t);
  await cli.ok(['backup', cli.source]);
  const moved = join(cli.folder, 'a=b', 'library');
  await cli.ok(['restore', 'latest', '--map', `${cli.source}=${moved}`]);
  assert.deepEqual(treeState(moved), treeState(cli.source));
  rmSync(join(cli.source, 'Borges'), { recursive: true });
  await cli.ok([
    'restore',
    `latest:${cli.source}/Borges`,
    '--in-place',
    '--map',
    `${cli.source}/Borges=${moved}/Borges`,
  ]);
  assert.equal(existsSync(join(cli.source, 'Borges')), false);
});

test('--rollback undoes the last restore in place', async (t) => {
  const cli = await given(t);
  await cli.ok(['backup', cli.source]);
  writeFileSync(join(cli.source, 'Austen/one'), 'today');
  await cli.ok(['restore', 'latest', '--in-place']);
  assert.equal(readFileSync(join(cli.source, 'Austen/one'), 'utf8'), 'Austen one');
  const plan = await cli.ok(['restore', '--rollback', '--dry-run']);
  assert.match(plan.stdout, /^replace .*Austen\/one$/m);
  await cli.ok(['restore', '--rollback']);
  assert.equal(readFileSync(join(cli.source, 'Austen/one'), 'utf8'), 'today');
});

test('what contradicts itself is a wrong usage, and nothing is written', async (t) => {
  const cli = await given(t);
  await cli.ok(['backup', cli.source]);
  const target = join(cli.folder, 'target');
  for (const words of [
    [],
    ['--in-place', '--target', target],
    ['--map', `${cli.source}=${target}`, '--target', target],
    ['--map', 'nothing', '--in-place'],
    ['--map', `/elsewhere=${target}`, '--in-place'],
    ['--target', target, '--delete'],
    ['--rollback'],
  ]) {
    const { code, stderr } = await cli.run(['restore', 'latest', ...words]);
    assert.equal(code, 2, `${words.join(' ')}: ${stderr}`);
  }
  assert.equal(existsSync(target), false);
  assert.equal((await cli.run(['restore', '--in-place'])).code, 2, 'no snapshot is named');
});

test('--delete leaves what could not be read when the snapshot was taken, for a user whom modes concern', async (t) => {
  const cli = await given(t);
  const secret = join(cli.source, 'Austen/secret');
  const closed = join(cli.source, 'closed');
  writeFileSync(secret, 'unreadable');
  mkdirSync(closed);
  writeFileSync(join(closed, 'inner'), 'unreadable');
  give(cli);
  giveTo(cli.source);
  chmodSync(secret, 0);
  chmodSync(closed, 0);
  assert.equal(runAsNobody(cli, ['backup', cli.source]).code, 3);
  chmodSync(secret, 0o600);
  chmodSync(closed, 0o700);
  writeFileSync(join(cli.source, 'new'), 'x');
  giveTo(cli.source);
  const done = runAsNobody(cli, ['restore', 'latest', '--in-place', '--delete']);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(readFileSync(secret, 'utf8'), 'unreadable');
  assert.equal(readFileSync(join(closed, 'inner'), 'utf8'), 'unreadable');
  assert.equal(existsSync(join(cli.source, 'new')), false);
});

test('--rollback that was killed goes on with what it went back to, although it had taken a snapshot of its own', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  const names = Array.from({ length: 200 }, (_, number) => `f${number}`);
  const write = (content: (number: number) => Buffer): void => {
    for (const [number, name] of names.entries()) writeFileSync(join(cli.source, name), content(number));
  };
  write((number) => Buffer.alloc(200_000, number));
  await sleep(30);
  await cli.ok(['backup', cli.source]);
  write((number) => Buffer.alloc(200_000, `edited ${number}`));
  const edited = treeState(cli.source);
  await cli.ok(['restore', 'latest', '--in-place']);
  const child = cli.spawn(['restore', '--rollback']);
  while (!existsSync(join(cli.source, '.snap-restore'))) await sleep(1);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  assert.ok(existsSync(join(cli.source, '.snap-restore')), 'it was killed in the middle');
  await cli.ok(['restore', '--rollback']);
  assert.deepEqual(treeState(cli.source), edited);
});

test('what a kill left of a journal, before it was whole or between its two names, is gone after the next restore', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let number = 0; number < 200; number++) {
    writeFileSync(join(cli.source, `f${number}`), Buffer.alloc(200_000, number));
  }
  await cli.ok(['backup', cli.source]);
  const tree = treeState(cli.source);
  const target = join(cli.folder, 'target');
  mkdirSync(target);
  const [journal, unfinished] = ['.snap-restore', '.snap-restore-00000000-journal'].map((name) => join(target, name));
  const parameters = ['restore', `latest:${cli.source}`, '--target', target, '--overwrite', 'if-changed'];
  writeFileSync(unfinished ?? '', 'half of it');
  const child = cli.spawn(parameters);
  while (!existsSync(journal ?? '')) await sleep(1);
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  if (!existsSync(unfinished ?? '')) linkSync(journal ?? '', unfinished ?? '');
  await cli.ok(parameters);
  assert.deepEqual(treeState(target), tree);
});
