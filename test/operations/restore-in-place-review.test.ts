/** Defects that a review of the restore in place found. Each test says what should hold, and failed when it was written. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type RestoreOptions, type RestoreResult, restore } from '../../engine/index.ts';
import { CliFixture } from '../support/cli.ts';
import { Library } from '../support/library.ts';

const isRoot = process.geteuid?.() === 0;

async function given(t: TestContext, files = 6): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (let number = 0; number < files; number++) writeFileSync(join(library.source, `f${number}`), `content ${number}`);
  return library;
}

async function inPlace(library: Library, options: Partial<RestoreOptions> = {}): Promise<RestoreResult> {
  return restore(await library.reopen(), { snapshot: 'latest', inPlace: true, ...options });
}

/** What the safety snapshot holds of a path; undefined where it holds nothing. */
async function saved(library: Library, result: RestoreResult, path: string): Promise<string | undefined> {
  const target = join(library.folder, 'saved');
  rmSync(target, { recursive: true, force: true });
  await restore(await library.reopen(), { snapshot: result.safetySnapshot ?? '', target: Buffer.from(target) });
  return existsSync(join(target, path)) ? readFileSync(join(target, path), 'utf8') : undefined;
}

function mounted(words: readonly string[], place: string): boolean {
  if (!isRoot) return false;
  try {
    execFileSync('mount', [...words, place], { stdio: 'ignore' });
  } catch {
    return false;
  }
  return true;
}

// 1
test('delete: what is mounted on a folder that the snapshot has empty stays', async (t) => {
  const library = await given(t);
  const nas = join(library.source, 'nas');
  mkdirSync(nas);
  await library.backup({ oneFileSystem: true });
  if (!mounted(['-t', 'tmpfs', 'tmpfs'], nas)) return t.skip('needs mount');
  writeFileSync(join(nas, 'precious'), 'on another file system');
  await inPlace(library, { delete: true }).catch(() => undefined);
  const isKept = existsSync(join(nas, 'precious'));
  execFileSync('umount', [nas], { stdio: 'ignore' });
  assert.equal(isKept, true);
});

// 1
test('delete: a bind mount in a folder that goes is not followed out of the source', async (t) => {
  const library = await given(t);
  await library.backup();
  const home = join(library.folder, 'home');
  mkdirSync(home);
  writeFileSync(join(home, 'document'), 'not ours');
  const bind = join(library.source, 'extra', 'bind');
  mkdirSync(bind, { recursive: true });
  if (!mounted(['--bind', home], bind)) return t.skip('needs mount');
  await inPlace(library, { delete: true, safetySnapshot: false }).catch(() => undefined);
  const isKept = existsSync(join(home, 'document'));
  execFileSync('umount', [bind], { stdio: 'ignore' });
  assert.equal(isKept, true);
});

// 2
test('in place: what the safety snapshot could not hold is not overwritten (size rule, marker)', async (t) => {
  const library = await given(t);
  const grown = join(library.source, 'f0');
  const marked = join(library.source, 'marked', 'notes');
  mkdirSync(join(library.source, 'marked'));
  writeFileSync(marked, 'old notes');
  await library.backup({ excludeLargerThan: 1000, excludeIfPresent: ['.nobackup'] });
  writeFileSync(grown, 'a year of work '.repeat(1000));
  writeFileSync(marked, 'a week of work');
  writeFileSync(join(library.source, 'marked', '.nobackup'), '');
  const result = await inPlace(library);
  for (const [path, content] of [
    [grown, 'a year of work '.repeat(1000)],
    [marked, 'a week of work'],
  ] as const) {
    const isKept = readFileSync(path, 'utf8') === content || (await saved(library, result, path)) === content;
    assert.ok(isKept, `${path} is neither there nor in the safety snapshot`);
  }
});

// 3
test('in place: the same command after an interruption saves what was made meanwhile', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let number = 0; number < 200; number++)
    writeFileSync(join(cli.source, `f${number}`), Buffer.alloc(200_000, number));
  await sleep(30);
  await cli.ok(['backup', cli.source]);
  for (let number = 0; number < 200; number++) writeFileSync(join(cli.source, `f${number}`), 'edited');
  const child = cli.spawn(['restore', 'latest', '--in-place']);
  while (!existsSync(join(cli.source, '.snap-restore'))) await sleep(1);
  child.kill('SIGKILL');
  await sleep(200);
  assert.ok(existsSync(join(cli.source, '.snap-restore')), 'it was killed in the middle');
  writeFileSync(join(cli.source, 'f7'), 'a week of work');
  writeFileSync(join(cli.source, 'new'), 'a new book');
  const done = await cli.json(['restore', 'latest', '--in-place', '--delete']);
  assert.ok(typeof done.safety_snapshot_id === 'string', 'edited and new files are gone, and nothing holds them');
});

// 4
test('in place: what the safety snapshot could not read is not destroyed without a word', (t) => {
  if (!isRoot) return t.skip('needs root, to take rights away');
  const cli = new CliFixture(t);
  const as = { uid: 65_534, gid: 65_534 } as const;
  mkdirSync(cli.source, { recursive: true });
  writeFileSync(join(cli.source, 'f0'), 'saved');
  writeFileSync(join(cli.source, 'f1'), 'saved');
  for (let at = cli.folder; at.length > 4; at = join(at, '..')) chmodSync(at, 0o755);
  execFileSync('chown', ['-R', '65534:65534', cli.folder]);
  const snap = (words: readonly string[]) => {
    const program = new URL('../../cli/main.js', import.meta.url).pathname;
    const env = {
      PATH: process.env['PATH'],
      HOME: cli.folder,
      SNAP_CACHE_DIR: cli.cache,
      SNAP_REPOSITORY: cli.repository,
    };
    return execFileSync(process.execPath, [program, '--insecure-no-password', ...words], {
      ...as,
      env,
      encoding: 'utf8',
    });
  };
  snap(['init']);
  snap(['backup', cli.source, '-q']);
  const only = join(cli.source, 'f1');
  writeFileSync(only, 'the only copy');
  execFileSync('chown', ['0:0', only]);
  chmodSync(only, 0o600);
  let code = 0;
  try {
    snap(['restore', 'latest', '--in-place', '--json']);
  } catch (error) {
    code = (error as { status: number }).status;
  }
  assert.ok(
    code !== 0 || readFileSync(only, 'utf8') === 'the only copy',
    'exit 0, problem_count 0, and it is gone for good',
  );
});

// 5
test('in place: a file or folder that came while it ran is let be, and an edit too', async (t) => {
  const library = await given(t);
  for (const folder of ['a', 'z', 'aside/mine'])
    mkdirSync(join(library.folder, 'source', '..', folder === 'aside/mine' ? folder : `source/${folder}`), {
      recursive: true,
    });
  writeFileSync(join(library.folder, 'aside/mine/old'), 'moved in');
  for (let number = 0; number < 25_000; number++) writeFileSync(join(library.source, 'a', `${number}`), `${number}`);
  const one = join(library.source, 'z', 'one');
  writeFileSync(one, 'as saved');
  const extra = join(library.source, 'a', 'extra');
  await sleep(30);
  await library.backup();
  rmSync(join(library.source, 'a'), { recursive: true });
  mkdirSync(join(library.source, 'a'));
  writeFileSync(one, 'vandal');
  writeFileSync(extra, 'draft');
  let isDone = false;
  const monitor = {
    progress: ({ filesDone }: { filesDone: number }): void => {
      if (isDone || filesDone === 0) return;
      isDone = true;
      renameSync(join(library.folder, 'aside/mine'), join(library.source, 'z', 'mine'));
      writeFileSync(one, 'an edit of this minute');
      appendFileSync(extra, ', and the end of it');
    },
  };
  const result = await inPlace(library, { delete: true, force: true, monitor });
  assert.ok(isDone);
  assert.equal(existsSync(join(library.source, 'z', 'mine', 'old')), true, 'a folder that was moved in is gone');
  assert.equal(existsSync(extra), true, 'an edited file is gone');
  assert.ok(readFileSync(one, 'utf8') === 'an edit of this minute' || result.problemCount > 0, 'an edit is gone');
});

// 6
test('in place: a folder whose name is not UTF-8 is restored, and no other one is touched', async (t) => {
  const library = await given(t);
  const folder = (name: string): Buffer =>
    Buffer.concat([Buffer.from(`${library.source}/`), Buffer.from(name, 'latin1')]);
  const below = (parent: Buffer, name: string): Buffer => Buffer.concat([parent, Buffer.from(`/${name}`)]);
  const meant = folder('d\xfe');
  const other = Buffer.from(`${library.source}/d\ufffd`);
  mkdirSync(meant);
  for (const name of ['1', '2', '3']) writeFileSync(below(meant, name), name);
  await library.backup();
  mkdirSync(other);
  for (const name of ['1', '2', '3', 'precious']) writeFileSync(below(other, name), name);
  unlinkSync(below(meant, '1'));
  await inPlace(library, { path: meant, delete: true });
  assert.equal(existsSync(below(other, 'precious')), true, 'a file of another folder was removed');
  assert.equal(existsSync(below(meant, '1')), true);
});

// 7
test('in place: a link that was planted where a folder of the snapshot belongs is not followed, also when that is asked for by name', async (t) => {
  const library = await given(t);
  const author = join(library.source, 'Author');
  mkdirSync(author);
  writeFileSync(join(author, 'book'), 'x');
  await library.backup();
  const victim = join(library.folder, 'victim');
  mkdirSync(victim, { mode: 0o700 });
  rmSync(author, { recursive: true });
  symlinkSync(victim, author);
  await inPlace(library, { path: Buffer.from(author), safetySnapshot: false }).catch(() => undefined);
  assert.deepEqual(readdirSync(victim), []);
  assert.equal(lstatSync(victim).mode & 0o777, 0o700);
});

// 8
test('two restores at once into one target: the second is refused', async (t) => {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  for (let number = 0; number < 4; number++)
    writeFileSync(join(cli.source, `big${number}`), Buffer.alloc(60_000_000, `${number}${Math.random()}`));
  await sleep(30);
  await cli.ok(['backup', cli.source]);
  for (let number = 0; number < 4; number++) writeFileSync(join(cli.source, `big${number}`), 'x');
  const words = ['restore', 'latest', '--in-place', '--no-safety-snapshot'];
  let child: ChildProcess | undefined;
  const first = cli.run(words, {
    onStart: (started) => {
      child = started;
    },
  });
  while (!existsSync(join(cli.source, '.snap-restore'))) await sleep(1);
  child?.kill('SIGSTOP');
  t.after(() => child?.kill('SIGKILL'));
  const second = await cli.run(words);
  assert.equal(second.code, 21, second.stderr);
  assert.match(second.stderr, /Another restore is at work/);
  child?.kill('SIGCONT');
  assert.equal((await first).code, 0);
});

// 9
test('in place: the time of the root comes back when only something below it differed', async (t) => {
  const library = await given(t);
  mkdirSync(join(library.source, 'sub'));
  writeFileSync(join(library.source, 'sub', 'file'), 'x');
  utimesSync(library.source, 1_000_000, 1_000_000);
  await sleep(30);
  await library.backup();
  appendFileSync(join(library.source, 'sub', 'file'), 'y');
  await inPlace(library);
  assert.equal(lstatSync(library.source).mtimeMs, 1_000_000_000);
});

// 10
test('in place: a file that lies where a folder belongs is in the plan, and a plan of nothing else is carried out', async (t) => {
  const library = await given(t);
  mkdirSync(join(library.source, 'empty'));
  utimesSync(library.source, 1_000_000, 1_000_000);
  await sleep(30);
  await library.backup();
  rmSync(join(library.source, 'empty'), { recursive: true });
  writeFileSync(join(library.source, 'empty'), 'a file');
  utimesSync(library.source, 1_000_000, 1_000_000);
  const told: string[] = [];
  await inPlace(library, { dryRun: true, onPlanned: ({ kind, path }) => void told.push(`${kind} ${path}`) });
  assert.ok(
    told.some((line) => line.endsWith('/empty')),
    `the plan says nothing of it: ${told.join('; ')}`,
  );
  await inPlace(library);
  assert.equal(lstatSync(join(library.source, 'empty')).isDirectory(), true);
});

// 11
test('in place: extended attributes of a folder come back when nothing else differs', async (t) => {
  const library = await given(t);
  const sub = join(library.source, 'sub');
  mkdirSync(sub);
  const python = (code: string): void => void execFileSync('python3', ['-c', code, sub], { stdio: 'ignore' });
  try {
    python('import os,sys; os.setxattr(sys.argv[1], "user.tag", b"good")');
  } catch {
    return t.skip('needs python3 and extended attributes');
  }
  await sleep(30);
  await library.backup();
  python('import os,sys; os.setxattr(sys.argv[1], "user.tag", b"bad")');
  await inPlace(library);
  python('import os,sys; assert os.getxattr(sys.argv[1], "user.tag") == b"good"');
});

// 12
test('delete: two names of one superfluous file both go', async (t) => {
  const library = await given(t);
  await library.backup();
  for (const folder of ['e1', 'e2']) mkdirSync(join(library.source, folder));
  writeFileSync(join(library.source, 'e1', 'x'), 'x');
  linkSync(join(library.source, 'e1', 'x'), join(library.source, 'e2', 'x'));
  await sleep(60);
  const result = await inPlace(library, { delete: true });
  assert.deepEqual(result.problems, []);
  assert.equal(existsSync(join(library.source, 'e2')), false);
});

// 13
test('in place: a snapshot of which one source was missing restores the others', async (t) => {
  const library = await given(t);
  const paths = [library.source, join(library.folder, 'missing')].map((path) => Buffer.from(path));
  await library.backup({ paths });
  unlinkSync(join(library.source, 'f0'));
  await inPlace(library);
  assert.equal(existsSync(join(library.source, 'f0')), true);
});

// 14
test('delete: all of one source is not removed unasked because another one is large', async (t) => {
  const library = await given(t, 40);
  const config = join(library.folder, 'config');
  mkdirSync(config);
  await library.backup({ paths: [library.source, config].map((path) => Buffer.from(path)) });
  for (let number = 0; number < 30; number++) writeFileSync(join(config, `${number}`), 'settings');
  await assert.rejects(inPlace(library, { delete: true }));
});

// 15
test('in place: what an interrupted restore of another snapshot left goes, and no backup stores it', async (t) => {
  const library = await given(t);
  await library.backup();
  const left = join(library.source, '.snap-restore-0123abcd-h-0');
  writeFileSync(left, Buffer.alloc(1000));
  writeFileSync(join(library.source, '.snap-restore'), 'a journal of another snapshot');
  await library.backup();
  const { target } = await library.restore('latest');
  assert.deepEqual(
    readdirSync(target).filter((name) => name.startsWith('.snap-restore')),
    [],
  );
  await inPlace(library, { delete: true });
  assert.equal(existsSync(left), false);
});

// 16
test('in place: a database that the snapshot holds as a plain file is not replaced beneath a program', async (t) => {
  const library = await given(t);
  const database = join(library.source, 'app.db');
  const python = (code: string): void => void execFileSync('python3', ['-c', code, database], { stdio: 'ignore' });
  const open = 'import sqlite3,sys,time; c=sqlite3.connect(sys.argv[1]); c.execute("pragma journal_mode=wal")';
  try {
    python(`${open}; c.execute("create table t(x)"); c.commit()`);
  } catch {
    return t.skip('needs python3');
  }
  await library.backup({ databases: false });
  python(`${open}; c.executemany("insert into t values(?)", [("x"*100,)]*500); c.commit()`);
  const holder = spawn('python3', [
    '-c',
    `${open}; c.execute("insert into t values(1)"); c.commit(); print(1, flush=True); time.sleep(60)`,
    database,
  ]);
  t.after(() => holder.kill('SIGKILL'));
  await new Promise((resolve) => holder.stdout.once('data', resolve));
  await assert.rejects(inPlace(library), /in use/);
});

// 17
test('in place: two places that are one folder by a link are refused', async (t) => {
  const library = await Library.make(t);
  const folder = (name: string): string => join(library.folder, name);
  for (const name of ['a', 'b']) {
    mkdirSync(folder(name));
    for (let number = 0; number < 3; number++) writeFileSync(join(folder(name), `${name}${number}`), name);
  }
  await library.backup({ paths: ['a', 'b'].map((name) => Buffer.from(folder(name))) });
  mkdirSync(folder('one'));
  symlinkSync('one', folder('other'));
  const mappings = [
    { from: Buffer.from(folder('a')), to: Buffer.from(folder('one')) },
    { from: Buffer.from(folder('b')), to: Buffer.from(folder('other')) },
  ];
  const options = { inPlace: false, mappings, overwrite: 'if-changed', delete: true, force: true } as const;
  for (const _ of [1, 2]) await assert.rejects(inPlace(library, options), /are one folder/);
  assert.deepEqual(readdirSync(folder('one')), []);
});

// 18
test('delete: what is called like a log of a file that is no database goes', async (t) => {
  const library = await given(t);
  mkdirSync(join(library.source, 'Austen'));
  await library.backup();
  mkdirSync(join(library.source, 'Austen-journal'));
  writeFileSync(join(library.source, 'Austen-journal', 'notes'), 'x');
  await inPlace(library, { delete: true });
  assert.equal(existsSync(join(library.source, 'Austen-journal')), false);
});

// 19
test('in place: a second run of the same has nothing to do, also where hard links were mended', async (t) => {
  const library = await given(t);
  linkSync(join(library.source, 'f0'), join(library.source, 'g'));
  linkSync(join(library.source, 'f0'), join(library.source, 'h'));
  await sleep(30);
  await library.backup();
  unlinkSync(join(library.source, 'g'));
  await inPlace(library);
  await inPlace(library);
  assert.equal((await inPlace(library)).safetySnapshot, undefined);
});
