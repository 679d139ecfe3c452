import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EXIT_CODE_HELP } from '../../cli/exit-codes.ts';
import { CliFixture, lastJson, PROGRAM } from '../support/cli.ts';

async function library(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(join(cli.source, 'Author'), { recursive: true });
  writeFileSync(join(cli.source, 'Author', 'book.txt'), 'Call me Ishmael.');
  writeFileSync(join(cli.source, 'Author', 'cover.tmp'), 'scratch');
  await cli.init();
  return cli;
}

const VERBS =
  'init backup snapshots ls restore cat forget undelete tag pin check stats key unlock copy export import diff find log prune'.split(
    ' ',
  );

test('the help of every verb ends with two worked examples and the exit codes', async (t) => {
  const cli = new CliFixture(t);
  for (const verb of VERBS) {
    const { stdout } = await cli.ok([verb, '--help']);
    assert.ok(stdout.trimEnd().endsWith(EXIT_CODE_HELP), verb);
    assert.equal(stdout.match(/^ {2}(?:snap |SNAP_\w+=\S+ snap )/gm)?.length, 2, verb);
  }
  const { stdout } = await cli.ok(['--help']);
  for (const verb of VERBS) assert.match(stdout, new RegExp(`^ {2}${verb} `, 'm'));
});

test('--version names the version and loads no module of the engine', async (t) => {
  const cli = new CliFixture(t);
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  assert.equal((await cli.ok(['--version'])).stdout, `snap ${version}\n`);
  const source = readFileSync(new URL('../../cli/main.js', import.meta.url), 'utf8');
  const imports = [...source.matchAll(/^import .* from '(.*)';$/gm)].map(([, name]) => name);
  assert.deepEqual(imports, ['node:fs', 'node:v8']);
});

test('a restore brings back a tree, a folder or one file where cli.md says', async (t) => {
  const cli = await library(t);
  await cli.ok(['backup', cli.source]);
  const tree = join(cli.folder, 'tree');
  await cli.ok(['restore', 'latest', '--target', tree, '--verify']);
  assert.equal(readFileSync(join(tree, cli.source, 'Author', 'book.txt'), 'utf8'), 'Call me Ishmael.');
  const folder = join(cli.folder, 'folder');
  await cli.ok(['restore', `latest:${cli.source}/Author`, '--target', folder]);
  assert.deepEqual(readdirSync(folder).sort(), ['book.txt', 'cover.tmp']);
  const file = join(cli.folder, 'file');
  await cli.ok(['restore', `latest:${cli.source}/Author/book.txt`, '--target', file]);
  assert.deepEqual(readdirSync(file), ['book.txt']);
  const chosen = join(cli.folder, 'chosen');
  await cli.ok(['restore', `latest:${cli.source}`, '--target', chosen, '--exclude', '*.tmp']);
  assert.deepEqual(readdirSync(join(chosen, 'Author')), ['book.txt']);
  const plan = await cli.ok(['restore', 'latest', '--target', join(cli.folder, 'none'), '--dry-run']);
  assert.match(plan.stdout, /would create {3}2 files/);
  assert.equal(existsSync(join(cli.folder, 'none')), false);
});

test('cat prints the bytes of one file, of any snapshot', async (t) => {
  const cli = await library(t);
  await cli.ok(['backup', cli.source]);
  const path = join(cli.source, 'Author', 'book.txt');
  writeFileSync(path, 'Call me anything.');
  const { snapshot_id } = await cli.json(['backup', cli.source]);
  assert.equal((await cli.ok(['cat', `latest:${path}`])).stdout, 'Call me anything.');
  assert.equal((await cli.ok(['cat', `latest~1:${path}`])).stdout, 'Call me Ishmael.');
  assert.equal((await cli.ok(['cat', `${snapshot_id.slice(0, 12)}:${path}`])).stdout, 'Call me anything.');
});

test('without --json standard output carries results only, and --quiet says nothing', async (t) => {
  const cli = await library(t);
  const loud = await cli.ok(['backup', cli.source]);
  assert.match(loud.stdout, /^Snapshot [0-9a-f]{8} saved\.$/m);
  const quiet = await cli.ok(['backup', cli.source, '--quiet']);
  assert.equal(quiet.stdout + quiet.stderr, '');
});

test('global flags stand before or after the verb, and beat the environment', async (t) => {
  const cli = await library(t);
  const env = { SNAP_REPOSITORY: '/nowhere' };
  await cli.ok(['-r', cli.repository, 'snapshots'], { env });
  await cli.ok(['snapshots', '-r', cli.repository], { env });
  assert.equal((await cli.run(['snapshots'], { env })).code, 10);
});

test('sources come from arguments, from lists and relative to the working directory', async (t) => {
  const cli = await library(t);
  const list = join(cli.folder, 'list');
  writeFileSync(list, `${cli.source}/Author/book.txt\n\n`);
  const fromLines = await cli.json(['backup', '--files-from', list]);
  assert.equal(fromLines.total_files_processed, 1);
  const fromInput = await cli.json(['backup', '--files-from', '-'], { stdin: `${cli.source}\0` });
  assert.equal(fromInput.total_files_processed, 2);
  await cli.ok(['backup', './Author/../Author'], { cwd: cli.source });
  const snapshots = await cli.json(['snapshots']);
  assert.deepEqual(snapshots.at(-1).paths, [join(cli.source, 'Author')]);
});

test('exclude files hold patterns, blank lines and comments', async (t) => {
  const cli = await library(t);
  const patterns = join(cli.folder, 'patterns');
  writeFileSync(patterns, '# scratch\n\n*.tmp\n');
  assert.equal((await cli.json(['backup', cli.source, '--exclude-file', patterns])).total_files_processed, 1);
  assert.equal((await cli.json(['backup', cli.source, '--iexclude', '*.TMP'])).total_files_processed, 1);
});

test('a source whose name is not UTF-8 is named by its bytes', async (t) => {
  const cli = await library(t);
  const name = Buffer.concat([Buffer.from(`${cli.folder}/caf`), Buffer.from([0xe9])]);
  mkdirSync(name);
  writeFileSync(Buffer.concat([name, Buffer.from('/inner')]), 'coffee');
  // Only a shell can pass such an argument on.
  const script = `exec "$0" "$1" backup "$(printf '${cli.folder}/caf\\351')" --json`;
  const { spawnSync } = await import('node:child_process');
  const main = new URL('../../cli/main.js', import.meta.url).pathname;
  const env = {
    ...process.env,
    SNAP_REPOSITORY: cli.repository,
    SNAP_PASSWORD: 'correct horse',
    SNAP_CACHE_DIR: cli.cache,
  };
  const run = spawnSync('sh', ['-c', script, process.execPath, main], { env, encoding: 'utf8' });
  assert.equal(run.status, 0, run.stderr);
  assert.equal(lastJson(run.stdout).total_files_processed, 1);
  const [snapshot] = await cli.json(['snapshots']);
  assert.deepEqual(Buffer.from(snapshot.paths_base64[0], 'base64'), name);
});

test('standard input becomes a file', async (t) => {
  const cli = await library(t);
  await cli.ok(['backup', '--stdin', '--stdin-filename', 'dump.sql'], { stdin: 'CREATE TABLE t (a);' });
  assert.equal((await cli.ok(['cat', 'latest:/dump.sql'])).stdout, 'CREATE TABLE t (a);');
});

test('trap 20: the producer decides by its exit code before anything is saved', async (t) => {
  const cli = await library(t);
  const good = ['backup', '--stdin-filename', 'dump', '--stdin-from-command', '--', 'echo', 'whole'];
  await cli.ok(good);
  assert.equal((await cli.ok(['cat', 'latest:/dump'])).stdout, 'whole\n');
  for (const command of [
    ['sh', '-c', 'echo half; exit 3'],
    ['sh', '-c', 'echo half; kill -9 $$'],
    ['/no/such/program'],
  ]) {
    const run = await cli.run(['backup', '--stdin-from-command', '--', ...command]);
    assert.equal(run.code, 1, run.stderr);
  }
  assert.equal((await cli.json(['snapshots'])).length, 1);
});

test('a reader that closes early is no failure', async (t) => {
  const cli = await library(t);
  for (let number = 0; number < 3000; number++) writeFileSync(join(cli.source, `file ${number} with a long name`), '');
  await cli.ok(['backup', cli.source]);
  const run = await cli.run(['ls', `latest:${cli.source}`, '--json'], {
    onStart: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
  });
  assert.equal(run.code, 0);
  assert.doesNotMatch(run.stderr, /EPIPE/);
});

test('a dry run writes nothing', async (t) => {
  const cli = await library(t);
  const before = readdirSync(cli.repository, { recursive: true }).sort();
  const { stdout } = await cli.ok(['backup', cli.source, '--dry-run']);
  assert.match(stdout, /nothing was written/);
  assert.deepEqual(readdirSync(cli.repository, { recursive: true }).sort(), before);
});

test('a snapshot is named by a moment, and --at counts only what was there by then', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  const book = join(cli.source, 'book');
  for (const day of ['2026-02-27', '2026-03-01', '2026-03-08']) {
    writeFileSync(book, `as of ${day}`);
    await cli.ok(['backup', cli.source, '--time', `${day}T02:00:00Z`]);
  }
  const cat = async (...parameters: string[]): Promise<string> => (await cli.ok(['cat', ...parameters])).stdout;
  assert.equal(await cat(`@2026-03-01T01:59Z:${book}`), 'as of 2026-02-27');
  assert.equal(await cat(`@2026-03-01T02:00Z:${book}`), 'as of 2026-03-01');
  assert.equal(await cat(`@2026-03-07:${book}`), 'as of 2026-03-01');
  assert.equal(await cat(`latest:${book}`), 'as of 2026-03-08');
  assert.equal(await cat(`latest:${book}`, '--at', '2026-03-05'), 'as of 2026-03-01');
  assert.equal(await cat(`latest~1:${book}`, '--at', '2026-03-05'), 'as of 2026-02-27');
  const target = join(cli.folder, 'out');
  await cli.ok(['restore', `latest:${book}`, '--at', '2026-03-05', '--target', target]);
  assert.equal(readFileSync(join(target, 'book'), 'utf8'), 'as of 2026-03-01');
  assert.match((await cli.ok(['ls', `@2026-03-05:${cli.source}`, '--json'])).stdout, /"size":16/);
  const early = await cli.run(['ls', '@2026-01-01']);
  assert.equal(early.code, 1);
  assert.match(early.stderr, /the first that fits is [0-9a-f]{8} of 2026-02-27T0/);
  assert.equal((await cli.run(['ls', '@soon'])).code, 2);
  assert.equal((await cli.run(['ls', 'latest', '--at', 'soon'])).code, 2);
});

test('help for a verb is the same wherever it is asked for, and a reader that closes early ends it quietly', async (t) => {
  const cli = new CliFixture(t);
  const { stdout } = await cli.ok(['help', 'backup']);
  assert.equal(stdout, (await cli.ok(['backup', '--help'])).stdout);
  assert.match(stdout, /--exclude-caches/);
  const words = [process.execPath, PROGRAM, 'backup', '--help'].map((word) => `'${word}'`).join(' ');
  const piped = spawnSync('bash', ['-c', `${words} | head -1; exit \${PIPESTATUS[0]}`], { encoding: 'utf8' });
  assert.equal(piped.status, 0);
  assert.equal(piped.stderr, '');
});

test('what an unset variable leaves behind, and paths in the repository itself, are refused', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book'), 'text');
  await cli.ok(['backup', cli.source]);
  const inside = join(cli.repository, 'packs');
  symlinkSync(cli.repository, join(cli.folder, 'link'));
  for (const [parameters, message] of [
    [['backup', ''], /path is empty/],
    [['restore', 'latest', '--target', ''], /path is empty/],
    [['backup', cli.repository], /lies in the repository/],
    [['backup', inside], /lies in the repository/],
    [['backup', join(cli.folder, 'link', 'keys')], /lies in the repository/],
    [['restore', 'latest', '--target', join(inside, 'out')], /lies in the repository/],
    [['backup', cli.source, '--limit-read', '0'], /above zero/],
  ] as const) {
    const run = await cli.run(parameters);
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, message);
  }
  assert.ok(!existsSync(join(inside, 'out')));
  symlinkSync(join(cli.source, 'book'), join(cli.folder, 'to a file'));
  const linked = await cli.ok(['backup', join(cli.folder, 'to a file')]);
  assert.match(linked.stderr, /symbolic link .* the link itself is stored/);
});
