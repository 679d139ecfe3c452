import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { MIB } from '../../engine/base/limits.ts';
import type { BackupResult } from '../../engine/operations/backup/options.ts';
import { listEntries } from '../../engine/operations/list.ts';
import { MemoryBackend } from '../../engine/storage/memory.ts';
import { runAsNobody } from '../support/as-nobody.ts';
import { WrappedBackend } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { treeState } from '../support/tree-state.ts';

/** Longer than a tick of any clock, so that what was made before is trusted. */
function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 60));
}

async function library(t: TestContext, files: { readonly [path: string]: string | Buffer }): Promise<Library> {
  const made = await Library.make(t);
  for (const [path, content] of Object.entries(files)) {
    const full = join(made.source, path);
    mkdirSync(join(full, '..'), { recursive: true });
    writeFileSync(full, content);
  }
  await settle();
  return made;
}

async function pathsIn(given: Library, snapshot = 'latest'): Promise<string[]> {
  const paths: string[] = [];
  const entries = listEntries(given.repository, { snapshot, path: Buffer.from(given.source), recursive: true });
  for await (const { path } of entries) paths.push(path.toString().slice(given.source.length + 1));
  return paths.sort();
}

function read(result: BackupResult): number {
  return result.counts.filesNew + result.counts.filesChanged;
}

const BOOKS = { 'A/one': 'first', 'A/two': 'second', 'B/three': 'third', four: 'fourth' };

test('1, 2 and 16 workers, and none, give equal ids', async (t) => {
  const given = await library(t, { 'text/a': 'a text '.repeat(50_000), 'photo.jpg': randomBytes(3 * MIB) });
  mkdirSync(join(given.source, 'many'));
  for (let number = 0; number < 3000; number++)
    writeFileSync(join(given.source, 'many', `${number}`), `${number % 700}`);
  writeFileSync(join(given.source, 'large'), randomBytes(70 * MIB));
  writeFileSync(join(given.source, 'sparse'), randomBytes(20 * MIB));
  truncateSync(join(given.source, 'sparse'), 90 * MIB);
  // Rows of folders above the source have times of their own.
  const treeOfSource = async (): Promise<string> => {
    const above = Buffer.from(join(given.source, '..'));
    for await (const { path, node } of listEntries(given.repository, { snapshot: 'latest', path: above })) {
      if (path.toString() === given.source && node.content.kind === 'tree') return node.content.treeId.toString('hex');
    }
    return 'none';
  };
  const trees = new Set<string>();
  for (const workers of [1, 2, 16]) {
    const { problemCount } = await given.backup({ workers, force: true });
    assert.equal(problemCount, 0);
    trees.add(await treeOfSource());
  }
  await given.reopen(new WrappedBackend(given.repository.backend));
  const inline = await given.backup({ force: true });
  trees.add(await treeOfSource());
  assert.equal(trees.size, 1, 'one tree, whoever cut the files');
  assert.ok(!trees.has('none'));
  assert.ok(inline.counts.dataAdded < 4096, `${inline.counts.dataAdded}: everything was known`);
});

test('a store that threads cannot reach is fed from this one', async (t) => {
  const given = await Library.make(t, { backend: new MemoryBackend() });
  mkdirSync(given.source);
  for (let number = 0; number < 500; number++) writeFileSync(join(given.source, `${number}`), `number ${number}`);
  writeFileSync(join(given.source, 'large'), randomBytes(40 * MIB));
  await given.backup();
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
});

test("an unchanged night stores nothing, and every directory is the parent's", async (t) => {
  const given = await library(t, BOOKS);
  await given.backup();
  const packs = readdirSync(join(given.folder, 'repository', 'packs'), { recursive: true }).length;
  const next = await given.backup();
  assert.deepEqual([read(next), next.counts.filesUnmodified, next.counts.dirsUnmodified > 2], [0, 4, true]);
  assert.equal(readdirSync(join(given.folder, 'repository', 'packs'), { recursive: true }).length, packs);
});

test('trap 6: nine kinds of change are seen, an mtime that was put back among them', async (t) => {
  const path = (name: string): string => join(given.source, name);
  const putBack = (name: string, act: () => void): void => {
    const before = statSync(path(name));
    act();
    utimesSync(path(name), before.atime, before.mtime);
  };
  const given = await library(
    t,
    Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`file ${index}`, `content ${index}`])),
  );
  await given.backup();
  await settle();
  writeFileSync(path('file 0'), 'another length by far');
  writeFileSync(path('file 1'), 'CONTENT 1');
  putBack('file 2', () => writeFileSync(path('file 2'), 'CONTENT 2'));
  putBack('file 3', () => appendFileSync(path('file 3'), 'more'));
  writeFileSync(path('new'), 'CONTENT 4');
  utimesSync(path('new'), statSync(path('file 4')).atime, statSync(path('file 4')).mtime);
  renameSync(path('new'), path('file 4'));
  chmodSync(path('file 5'), 0o600);
  renameSync(path('file 6'), path('file 6 renamed'));
  rmSync(path('file 7'));
  symlinkSync('file 9', path('file 7'));
  utimesSync(path('file 8'), 1, 1);
  const next = await given.backup();
  assert.equal(next.counts.filesUnmodified, 1, 'file 9');
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
});

test('trap 7: a change in the tick in which the parent read the file is seen', async (t) => {
  const given = await library(t, { still: 'still' });
  for (let round = 0; round < 5; round++) {
    writeFileSync(join(given.source, 'racy'), `round ${round} a`);
    await given.backup();
    // The same length and, where the clock is coarse, the same times.
    writeFileSync(join(given.source, 'racy'), `round ${round} b`);
    await given.backup();
    const { target } = await given.restore();
    assert.equal(readFileSync(join(target, 'racy'), 'utf8'), `round ${round} b`);
  }
});

test('--ignore-ctime and --ignore-inode leave those out of the comparison, --force reads all', async (t) => {
  const given = await library(t, BOOKS);
  await given.backup();
  for (const name of Object.keys(BOOKS)) chmodSync(join(given.source, name), 0o640);
  await settle();
  assert.equal((await given.backup({ ignoreCtime: true })).counts.filesUnmodified, 4);
  const mode = treeState((await given.restore()).target)
    .get('four')
    ?.split(' ')[0];
  assert.equal(mode, '100640', 'what is ignored is still recorded');
  execFileSync('cp', ['-a', given.source, `${given.source} copy`]);
  rmSync(given.source, { recursive: true });
  renameSync(`${given.source} copy`, given.source);
  await settle();
  assert.equal((await given.backup({ ignoreCtime: true, ignoreInode: true })).counts.filesUnmodified, 4);
  const forced = await given.backup({ force: true });
  assert.ok(forced.counts.dataAdded < 1000, 'at most the folders above, whose times others move');
});

test('files below a folder that was renamed or moved are not read again; a renamed file is, and stores nothing', async (t) => {
  const given = await library(t, { 'A/inner/one': 'first', 'A/two': 'second', 'B/three': 'third', four: 'fourth' });
  const first = await given.backup();
  const path = (name: string): string => join(given.source, name);
  renameSync(path('A'), path('A renamed'));
  let next = await given.backup();
  assert.deepEqual([next.counts.filesMoved, read(next), next.counts.filesDeleted], [2, 0, 0]);
  renameSync(path('A renamed/inner'), path('B/moved'));
  next = await given.backup();
  assert.deepEqual([next.counts.filesMoved, read(next)], [1, 0]);
  renameSync(path('four'), path('five'));
  next = await given.backup();
  assert.deepEqual([read(next), next.counts.filesDeleted], [1, 1]);
  assert.ok(next.counts.dataAdded < 1000, 'only trees');
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
  assert.ok(first.snapshot !== undefined);
});

test('an interrupted run goes on where it stopped, without reading finished files again', async (t) => {
  const given = await library(t, {});
  mkdirSync(given.source);
  const files = 60;
  for (let number = 0; number < files; number++) writeFileSync(join(given.source, `${number}`), randomBytes(2 * MIB));
  await settle();
  for (let round = 0; round < 3; round++) {
    const controller = new AbortController();
    const stopAt = (round + 1) * 25 * MIB;
    const monitor = {
      progress: ({ bytesNew }: { bytesNew: number }) => {
        if (bytesNew > stopAt / 2) controller.abort();
      },
    };
    await given.backup({ signal: controller.signal, monitor, readBytesPerSecond: 100 * MIB }).then(
      () => assert.ok(round > 0, 'the first round was interrupted'),
      (error: unknown) => assert.ok(isEngineError(error, 'INTERRUPTED'), String(error)),
    );
    await given.reopen();
    const snapshots = await given.repository.snapshots.list();
    if (snapshots.length > 0) return;
  }
  const notes: string[] = [];
  const last = await given.backup({ monitor: { note: (text) => void notes.push(text) } });
  assert.match(notes.join(), /files that it stored are not read again/);
  assert.equal(last.counts.totalFilesProcessed, files);
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
});

test('a file that changes while it is read is read again, then reported', async (t) => {
  const given = await library(t, { quiet: 'quiet' });
  const busy = join(given.source, 'busy');
  writeFileSync(busy, randomBytes(30 * MIB));
  const changing = execChanging(busy);
  try {
    await settle();
    const result = await given.backup({ readBytesPerSecond: 200 * MIB });
    assert.deepEqual(
      result.problems.map(({ code, path }) => [code, path]),
      [['CHANGED_WHILE_READ', busy]],
    );
  } finally {
    changing.kill();
  }
  await settle();
  const after = await given.backup();
  assert.equal(after.problemCount, 0);
  const { target } = await given.restore();
  assert.deepEqual(treeState(target), treeState(given.source));
});

function execChanging(path: string): { kill(): void } {
  const program = `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'r+');
    setInterval(() => fs.writeSync(fd, String(Date.now()), Math.floor(Math.random() * 1e7)), 3)`;
  return spawn(process.execPath, ['-e', program, path], { stdio: 'ignore' });
}

test('a source that is missing is named; when none exists nothing is stored', async (t) => {
  const given = await library(t, BOOKS);
  const missing = Buffer.from(join(given.folder, 'nowhere'));
  const result = await given.backup({ paths: [Buffer.from(given.source), missing] });
  assert.deepEqual(
    result.problems.map(({ path, during, code }) => [path, during, code]),
    [[missing.toString(), 'stat', 'ENOENT']],
  );
  await assert.rejects(given.backup({ paths: [missing] }), (error) => isEngineError(error, 'SOURCE_MISSING'));
  assert.equal((await given.repository.snapshots.list()).length, 1);
});

test('a source that is a symbolic link is followed, others are not', async (t) => {
  const given = await library(t, BOOKS);
  symlinkSync(given.source, join(given.folder, 'link'));
  symlinkSync('A', join(given.source, 'to A'));
  await given.backup({ paths: [Buffer.from(join(given.folder, 'link'))] });
  const { target } = await given.restore('latest', { path: Buffer.from(join(given.folder, 'link')) });
  assert.deepEqual(treeState(target), treeState(given.source));
});

test('patterns, markers, caches, sizes and other file systems leave out what they say, and the snapshot says what', async (t) => {
  const given = await library(t, {
    ...BOOKS,
    'A/skip.tmp': 'x',
    'A/SKIP.TMP': 'x',
    'marked/.nobackup': '',
    'marked/inside': 'x',
    'cache/CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55\n',
    'cache/inside': 'x',
    'false cache/CACHEDIR.TAG': 'not the signature',
    'false cache/inside': 'x',
    big: Buffer.alloc(2 * MIB),
  });
  const result = await given.backup({
    excludes: ['*.tmp', `${given.source}/B`],
    excludeIfPresent: ['.nobackup'],
    excludeCaches: true,
    excludeLargerThan: MIB,
  });
  assert.deepEqual(await pathsIn(given), [
    'A',
    'A/SKIP.TMP',
    'A/one',
    'A/two',
    'cache',
    'cache/CACHEDIR.TAG',
    'false cache',
    'false cache/CACHEDIR.TAG',
    'false cache/inside',
    'four',
    'marked',
    'marked/.nobackup',
  ]);
  assert.equal(result.snapshot?.leftOut.count, 5);
  assert.deepEqual(result.snapshot?.rules['excludes'], ['*.tmp', `${given.source}/B`]);
  await given.backup({ caseInsensitiveExcludes: ['*.tmp'] });
  assert.equal(
    (await pathsIn(given)).some((path) => /skip/i.test(path)),
    false,
  );
});

test('the repository and the cache inside the source are left out by themselves', async (t) => {
  const given = await library(t, BOOKS);
  await given.backup({ paths: [Buffer.from(given.folder)] });
  const entries: string[] = [];
  for await (const { path } of listEntries(given.repository, { snapshot: 'latest', path: Buffer.from(given.folder) })) {
    entries.push(path.toString());
  }
  assert.deepEqual(entries, [given.source]);
});

test('a mount point inside is entered, unless one file system was asked for', async (t) => {
  if (process.geteuid?.() !== 0) return t.skip('only root mounts');
  const given = await library(t, BOOKS);
  const mount = join(given.source, 'mounted');
  mkdirSync(mount);
  try {
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mount], { stdio: 'ignore' });
  } catch {
    return t.skip('mounting is not allowed here');
  }
  try {
    writeFileSync(join(mount, 'inside'), 'x');
    await given.backup();
    assert.ok((await pathsIn(given)).includes('mounted/inside'));
    await given.backup({ oneFileSystem: true });
    assert.equal((await pathsIn(given)).includes('mounted/inside'), false);
  } finally {
    execFileSync('umount', [mount]);
  }
});

test('a dry run counts, and writes nothing anywhere', async (t) => {
  const given = await library(t, BOOKS);
  const before = treeState(given.folder);
  const result = await given.backup({ dryRun: true });
  assert.equal(result.counts.filesNew, 4);
  assert.equal(result.snapshot, undefined);
  assert.deepEqual(treeState(given.folder), before);
});

test('without changes no snapshot is saved where that was asked for', async (t) => {
  const given = await library(t, BOOKS);
  await given.backup();
  assert.equal((await given.backup({ skipIfUnchanged: true })).skipped, true);
  writeFileSync(join(given.source, 'new'), 'new');
  assert.equal((await given.backup({ skipIfUnchanged: true })).skipped, false);
  assert.equal((await given.repository.snapshots.list()).length, 2);
});

test('trap 18: one unreadable entry drops neither its neighbours nor its folder', async (t) => {
  const given = await library(t, {
    'open/a': 'a',
    'open/shut': 'b',
    'open/z': 'z',
    'closed/inside': 'c',
    'blind/inside': 'd',
  });
  execFileSync('chmod', ['-R', 'a+rX', given.folder]);
  chmodSync(join(given.source, 'open/shut'), 0o000);
  chmodSync(join(given.source, 'closed'), 0o000);
  chmodSync(join(given.source, 'blind'), 0o444);
  const run = runAsNobody(t, given.source);
  if (run === undefined) return t.skip('only root can become somebody else');
  assert.deepEqual(run.problems.map(({ path, code }) => [path.slice(given.source.length + 1), code]).sort(), [
    ['blind/inside', 'EACCES'],
    ['closed', 'EACCES'],
    ['open/shut', 'EACCES'],
  ]);
  assert.deepEqual([...run.paths].sort(), ['blind', 'open', 'open/a', 'open/z']);
});

test('invariant 10: a directory of 20,000 entries gets one more in a few KiB', async (t) => {
  const given = await library(t, {});
  mkdirSync(given.source);
  for (let number = 0; number < 20_000; number++) writeFileSync(join(given.source, `${number}.txt`), '');
  await settle();
  await given.backup();
  writeFileSync(join(given.source, 'zz one more'), '');
  const next = await given.backup();
  assert.equal(next.counts.filesNew, 1);
  assert.ok(next.counts.dataAdded < 600_000, `${next.counts.dataAdded}`);
  assert.ok(next.counts.dataAddedPacked < 150_000, `${next.counts.dataAddedPacked}`);
});

test('the parent is the newest snapshot of the same paths, or the one that was named', async (t) => {
  const given = await library(t, BOOKS);
  const first = await given.backup();
  const other = await given.backup({ paths: [Buffer.from(join(given.source, 'A'))] });
  assert.equal(other.parent, undefined);
  const second = await given.backup();
  assert.equal(second.parent, first.snapshot?.id);
  const named = await given.backup({ parent: first.snapshot?.id.slice(0, 12) });
  assert.equal(named.parent, first.snapshot?.id);
});

test('a snapshot records who, when, what and with which result', async (t) => {
  const given = await library(t, BOOKS);
  const time = new Date('2026-03-01T02:00:00Z');
  const { snapshot } = await given.backup({
    tags: ['a', 'b', 'a'],
    label: 'books',
    host: 'server',
    time,
    program: 'snap 0',
  });
  assert.equal(snapshot?.host, 'server');
  assert.deepEqual(snapshot?.tags, ['a', 'b']);
  assert.equal(snapshot?.label, 'books');
  assert.equal(new Date(snapshot?.time ?? '').getTime(), time.getTime());
  assert.equal(snapshot?.summary.filesNew, 4);
  assert.equal(
    snapshot?.users[String(lstatSync(given.source).uid)],
    execFileSync('id', ['-un'], { encoding: 'utf8' }).trim(),
  );
  assert.ok(existsSync(join(given.folder, 'repository', 'snapshots', snapshot?.id ?? '')));
});
