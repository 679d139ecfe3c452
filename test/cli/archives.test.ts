import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import type { ZipPlan } from '../../engine/operations/export/options.ts';
import { planZip } from '../../engine/operations/export/zip-plan.ts';
import { readZip } from '../../engine/operations/export/zip-read.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { testFolder } from '../support/build-repository.ts';
import { CliFixture, type Json, PASSWORD } from '../support/cli.ts';
import { randomFor } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';
import { describeTree, type EntryFacts, makeZoo } from '../support/zoo.ts';

/** Made once; no test changes it. */
const zooFolder = join(testFolder({ after }), 'zoo');
makeZoo(zooFolder);
const S_IFMT = 0o170000;
const SOCKET = 0o140000;
const ZIP_TYPES = new Set([0o100000, 0o040000, 0o120000]);
const PATH_MAX = 4096;

function has(program: string): boolean {
  return spawnSync(program, ['--version']).error === undefined;
}

function without(
  tree: ReadonlyMap<string, EntryFacts>,
  isLeftOut: (path: string, facts: EntryFacts) => boolean,
): Map<string, EntryFacts> {
  return new Map([...tree].filter(([path, facts]) => !isLeftOut(path, facts)));
}

async function zooBackup(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  await cli.init();
  await cli.ok(['backup', zooFolder]);
  return cli;
}

async function imported(
  cli: CliFixture,
  file: string,
  ...more: readonly string[]
): Promise<{ summary: Json; target: string }> {
  const name = file.replace(/^.*\//, '');
  const summary = await cli.json(['import', file, '--prefix', '/in', ...more]);
  const target = join(cli.folder, `${name} restored`);
  await cli.ok(['restore', `${summary.snapshot_id}:/in`, '--target', target]);
  return { summary, target };
}

for (const format of ['tar', 'tar.zst']) {
  test(`a ${format} carries everything but sockets: exported and imported the tree is the same`, async (t) => {
    const cli = await zooBackup(t);
    const file = join(cli.folder, `zoo.${format}`);
    const result = await cli.json(['export', `latest:${zooFolder}`, '-o', file]);
    assert.deepEqual(result.left_out, { socket: 1 });
    assert.equal(result.archive_bytes, statSync(file).size);
    const { summary, target } = await imported(cli, file);
    assert.deepEqual([summary.problem_count, summary.format], [0, format]);
    // Cut at the same places: only trees are new.
    assert.ok(summary.data_added < 200_000, `${summary.data_added}`);
    const expected = without(describeTree(zooFolder), (_, { mode }) => (mode & S_IFMT) === SOCKET);
    assert.deepEqual(describeTree(target), expected);
    const second = join(cli.folder, `again.${format}`);
    await cli.ok(['export', `latest~1:${zooFolder}`, '-o', second]);
    assert.ok(readFileSync(second).equals(readFileSync(file)), 'the same snapshot gives the same bytes');
    assert.deepEqual((await cli.json(['check', '--read-data'])).errors, []);
  });
}

/** What somebody downloads of a server: of the snapshot before the last one, read in two parts. */
async function downloadZip(cli: CliFixture, file: string): Promise<ZipPlan> {
  const backend = await openLocation(cli.repository);
  const credential = { type: 'password', password: Buffer.from(PASSWORD) } as const;
  const repository = await Repository.open({ backend, credential, cacheDirectory: cli.cache });
  const roots = [{ path: Buffer.from(zooFolder), as: Buffer.alloc(0) }];
  const plan = await planZip(repository, { snapshot: 'latest~1', roots });
  const middle = Math.floor(plan.length / 2);
  for (const range of [{ end: middle }, { start: middle }]) {
    for await (const piece of readZip(repository, plan, range)) appendFileSync(file, piece);
  }
  await repository.close();
  return plan;
}

test('a zip carries files, folders, links, modes, owners and times', async (t) => {
  const cli = await zooBackup(t);
  const file = join(cli.folder, 'zoo.zip');
  const result = await cli.json(['export', `latest:${zooFolder}`, '-o', file]);
  const isRoot = process.geteuid?.() === 0;
  assert.deepEqual(result.left_out, { fifo: 1, socket: 1, ...(isRoot ? { chardev: 1, dev: 1 } : {}) });
  const { summary, target } = await imported(cli, file);
  assert.equal(summary.problem_count, 0);
  const downloaded = join(cli.folder, 'downloaded.zip');
  const plan = await downloadZip(cli, downloaded);
  assert.deepEqual([plan.leftOutCount, plan.length], [isRoot ? 4 : 2, statSync(downloaded).size]);
  const other = await imported(cli, downloaded);
  assert.equal(other.summary.problem_count, 0);
  assert.deepEqual(describeTree(other.target), describeTree(target));
  const essence = (tree: Map<string, EntryFacts>): Map<string, unknown> =>
    new Map(
      [...tree].map(([path, { mode, owner, mtimeNs, content, target: to }]) => {
        // Times to 100 ns, from 1601 on.
        const isBefore = path === 'times/-70000000000' || path === 'times/1000000000000';
        const permissions = path === 'attributes' ? 0 : mode;
        return [path, { permissions, owner, mtime: isBefore ? 0 : mtimeNs / 1_000_000_000n, content, to }];
      }),
    );
  const expected = without(describeTree(zooFolder), (_, { mode }) => !ZIP_TYPES.has(mode & S_IFMT));
  assert.deepEqual(essence(describeTree(target)), essence(expected));
  const second = join(cli.folder, 'again.zip');
  await cli.ok(['export', `latest~2:${zooFolder}`, '-o', second]);
  assert.ok(readFileSync(second).equals(readFileSync(file)), 'the same snapshot gives the same bytes');
});

test('GNU tar reads what was exported: all metadata, attributes and holes', async (t) => {
  if (process.geteuid?.() !== 0 || !has('tar')) return t.skip('only root can extract owners and devices');
  const cli = await zooBackup(t);
  const file = join(cli.folder, 'zoo.tar');
  await cli.ok(['export', `latest:${zooFolder}`, '-o', file]);
  const target = join(cli.folder, 'extracted');
  mkdirSync(target);
  const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', file, '-C', target];
  const run = spawnSync('tar', flags, { encoding: 'utf8', maxBuffer: 1 << 26 });
  // The zoo's deepest folders are beyond what tar can name.
  const lines = run.stderr.split('\n').filter((line) => !/level 0|hdrcharset|time stamp|previous errors|^$/.test(line));
  assert.deepEqual(lines, []);
  const isLeftOut = (path: string, { mode }: EntryFacts): boolean =>
    (mode & S_IFMT) === SOCKET || (path.startsWith('level 0') && path.length > PATH_MAX - 200);
  assert.deepEqual(without(describeTree(target), isLeftOut), without(describeTree(zooFolder), isLeftOut));
});

test('Python and Info-ZIP read what was exported', async (t) => {
  const cli = await zooBackup(t);
  const names = { tar: 'zoo.tar', zip: 'zoo.zip', whole: 'whole.zip', part: 'part.zip', stored: 'stored.zip' };
  const file = (name: string): string => join(cli.folder, name);
  await cli.ok(['export', `latest:${zooFolder}`, '-o', file(names.tar)]);
  await cli.ok(['export', `latest:${zooFolder}`, '-o', file(names.zip)]);
  await cli.ok(['export', 'latest', '-o', file(names.whole)]);
  await cli.ok(['export', `latest:${zooFolder}/plain`, '-o', file(names.part)]);
  await cli.ok(['export', `latest:${zooFolder}/plain`, '-o', file(names.stored), '--compression', 'off']);
  if (has('python3')) {
    const program = [
      'import sys, tarfile, zipfile, hashlib',
      'd = sys.argv[1]',
      't = tarfile.open(d + "/zoo.tar")',
      'm = {x.name: x for x in t.getmembers()}',
      'print(hashlib.sha256(t.extractfile(m["plain/large"]).read()).hexdigest())',
      'print(m["hard too"].type, m["links/hard"].linkname, m["holes between"].size)',
      'for n in ("zoo", "whole", "part", "stored"): print(zipfile.ZipFile(d + "/" + n + ".zip").testzip())',
    ].join('\n');
    const output = execFileSync('python3', ['-c', program, cli.folder], { encoding: 'utf8' }).split('\n');
    const large = describeTree(join(zooFolder, 'plain')).get('large')?.content ?? '';
    assert.ok(large.endsWith(output[0] ?? 'nothing'));
    assert.deepEqual(output.slice(1, 6), ["b'0' hard too 104857600", 'None', 'None', 'None', 'None']);
  }
  if (has('unzip')) {
    for (const name of [names.part, names.stored]) {
      const target = file(`${name} unzipped`);
      execFileSync('unzip', ['-q', file(name), '-d', target]);
      const content = (folder: string): (string | undefined)[] =>
        [...describeTree(folder).values()].map((one) => one.content);
      assert.deepEqual(content(target), content(join(zooFolder, 'plain')));
    }
  }
});

test('what other programs write is imported: GNU tar in all its formats, gzip, Info-ZIP', async (t) => {
  if (!has('tar')) return t.skip('no tar is installed');
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(join(cli.source, 'folder', 'inner'), { recursive: true });
  const random = randomFor(t);
  for (let number = 0; number < 30; number++)
    writeFileSync(join(cli.source, 'folder', `${number}`), random.bytes(random.below(60_000)));
  writeFileSync(join(cli.source, 'folder', 'inner', 'x'.repeat(90)), 'a long name');
  execFileSync('ln', ['folder/1', 'hard'], { cwd: cli.source });
  symlinkSync('../nowhere', join(cli.source, 'link'));
  execFileSync('truncate', ['-s', '6M', 'sparse'], { cwd: cli.source });
  execFileSync(
    'dd',
    ['if=/dev/urandom', 'of=sparse', 'bs=4096', 'seek=700', 'count=3', 'conv=notrunc', 'status=none'],
    { cwd: cli.source },
  );
  const isSame = async (file: string, seconds: boolean): Promise<void> => {
    const { summary, target } = await imported(cli, file);
    assert.equal(summary.problem_count, 0, file);
    const facts = (tree: Map<string, EntryFacts>): Map<string, unknown> =>
      new Map(
        [...tree].map(([path, one]) => [
          path,
          { ...one, holes: undefined, mtimeNs: seconds ? one.mtimeNs / 1_000_000_000n : one.mtimeNs },
        ]),
      );
    assert.deepEqual(facts(describeTree(target)), facts(describeTree(cli.source)), file);
  };
  for (const flags of [
    ['--format=gnu'],
    ['--format=gnu', '-S'],
    ['--format=oldgnu', '-S'],
    ['--format=ustar'],
    ['--format=posix'],
    ['-S', '--sparse-version=0.0'],
    ['-S', '--sparse-version=0.1'],
    ['-S', '--sparse-version=1.0'],
    ['-z'],
  ]) {
    const isExact = flags.some((flag) => /posix|sparse-version/.test(flag));
    const file = join(cli.folder, `${flags.join('')}.archive`);
    const format = flags.some((flag) => flag.startsWith('--sparse-version')) ? ['--format=posix'] : [];
    execFileSync('tar', [...format, ...flags, '-cf', file, '.'], { cwd: cli.source });
    await isSame(file, !isExact);
  }
  if (!has('zip')) return;
  const file = join(cli.folder, 'other.zip');
  rmSync(join(cli.source, 'hard'));
  execFileSync('zip', ['-qry', file, '.'], { cwd: cli.source });
  await isSame(file, true);
});

test('a pipe out and a pipe in, a folder, one file, and a name that decides the format', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book.txt'), 'Call me Ishmael.');
  await cli.ok(['backup', cli.source]);
  const child = cli.spawn(['export', 'latest', '-o', '-', '--format', 'tar.zst', '--json']);
  const pieces: Buffer[] = [];
  child.stdout?.on('data', (piece: Buffer) => pieces.push(piece));
  const [code] = (await once(child, 'close')) as [number];
  assert.equal(code, 0);
  const result = await cli.json(['import', '-', '--tag', 'piped', '--label', 'in'], { stdin: Buffer.concat(pieces) });
  const [snapshot] = (await cli.json(['snapshots', '--tag', 'piped'])) as Json[];
  assert.deepEqual([snapshot.id, snapshot.label], [result.snapshot_id, 'in']);
  assert.deepEqual(snapshot.paths, [`/${cli.source.split('/')[1]}`]);
  const target = join(cli.folder, 'target');
  await cli.ok(['restore', `latest:${cli.source}`, '--target', target]);
  assert.deepEqual(treeState(target), treeState(cli.source));

  const zip = join(cli.folder, 'one.zip');
  await cli.ok(['export', `latest:${join(cli.source, 'book.txt')}`, '-o', zip]);
  const again = await cli.run(['export', 'latest', '-o', zip]);
  assert.equal(again.code, 21, again.stderr);
  await cli.ok(['export', `latest:${join(cli.source, 'book.txt')}`, '-o', zip, '--force']);
  await cli.ok(['import', zip]);
  assert.equal((await cli.ok(['cat', 'latest:/book.txt'])).stdout, 'Call me Ishmael.');
  assert.equal((await cli.run(['import', '-'], { stdin: readFileSync(zip) })).code, 2);
  assert.equal((await cli.run(['export', 'latest', '-o', join(cli.folder, 'what')])).code, 2);
  assert.equal((await cli.run(['export', 'latest'])).code, 2);
  assert.equal((await cli.run(['import', join(cli.folder, 'nothing.zip')])).code, 2);
  assert.deepEqual(
    readdirSync(cli.folder).filter((name) => name.includes('partial')),
    [],
  );
});

test('an export that meets damage leaves no file, and one that is replaced stays until the new one is whole', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book'), randomFor(t).bytes(300_000));
  await cli.ok(['backup', cli.source]);
  const packs = readdirSync(join(cli.repository, 'packs'), { recursive: true }).map((name) =>
    join(cli.repository, 'packs', String(name)),
  );
  const [largest = ''] = packs
    .filter((path) => statSync(path).isFile())
    .sort((a, b) => statSync(b).size - statSync(a).size);
  const bytes = readFileSync(largest);
  bytes[100_000] = (bytes[100_000] ?? 0) ^ 1;
  rmSync(largest);
  writeFileSync(largest, bytes);
  const file = join(cli.folder, 'book.zip');
  assert.equal((await cli.run(['export', 'latest', '-o', file])).code, 20);
  assert.equal(existsSync(file), false);
  writeFileSync(file, 'old');
  assert.equal((await cli.run(['export', 'latest', '-o', file, '--force'])).code, 20);
  assert.equal(readFileSync(file, 'utf8'), 'old');
  assert.deepEqual(
    readdirSync(cli.folder).filter((name) => name.includes('partial')),
    [],
  );
});

test('an import killed at any moment leaves no snapshot, and the next one succeeds', async (t) => {
  const cli = new CliFixture(t);
  const random = randomFor(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let number = 0; number < 400; number++)
    writeFileSync(join(cli.source, `${number}`), random.bytes(random.below(60_000)));
  const file = join(cli.folder, 'source.tar');
  execFileSync('tar', ['--format=posix', '-cf', file, '-C', cli.source, '.']);
  let kills = 0;
  for (let attempt = 0; ; attempt++) {
    assert.ok(attempt < 40, 'it comes to an end');
    const child = cli.spawn(['import', file, '--prefix', cli.source, '--quiet']);
    const timer = setTimeout(() => child.kill('SIGKILL'), 300 + attempt * 100 + random.below(100));
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    const snapshots = ((await cli.json(['snapshots'])) as Json[]).length;
    assert.equal(snapshots, code === null ? snapshots : 1);
    if (code === 0) break;
    if (code === null) kills++;
    if (snapshots > 0) break;
  }
  t.diagnostic(`${kills} kills`);
  assert.deepEqual((await cli.json(['check', '--read-data'])).errors, []);
  const target = join(cli.folder, 'target');
  await cli.ok(['restore', `latest:${cli.source}`, '--target', target]);
  assert.deepEqual(treeState(target), treeState(cli.source));
});
