import assert from 'node:assert/strict';
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
import { type EngineError, isEngineError } from '../../engine/base/errors.ts';
import type { Time } from '../../engine/base/stat.ts';
import {
  type PlannedAction,
  type RestoreOptions,
  type RestorePlan,
  type RestoreResult,
  restore,
} from '../../engine/index.ts';
import { SAFETY_LABEL } from '../../engine/repository/snapshots.ts';
import { dir, file, type NamedEntry, SnapshotBuilder } from '../support/build-repository.ts';
import { Library } from '../support/library.ts';
import { touchState, treeState } from '../support/tree-state.ts';

class Shelf {
  readonly library: Library;
  readonly root: string;

  private constructor(library: Library) {
    this.library = library;
    this.root = library.source;
  }

  static async make(t: TestContext): Promise<Shelf> {
    const shelf = new Shelf(await Library.make(t));
    for (const author of ['Austen', 'Borges']) {
      for (const title of ['first', 'second']) {
        shelf.write(`${author}/${title}/book.epub`, `${author} ${title} `.repeat(2000));
        shelf.write(`${author}/${title}/cover.jpg`, `cover of ${title}`);
      }
    }
    // What is as young as the backup is not trusted, and would be compared.
    await sleep(30);
    return shelf;
  }

  path(below: string): string {
    return join(this.root, below);
  }

  write(below: string, content: string | Buffer): void {
    mkdirSync(join(this.path(below), '..'), { recursive: true });
    writeFileSync(this.path(below), content);
  }

  async restore(options: Partial<RestoreOptions> = {}): Promise<RestoreResult> {
    const repository = await this.library.reopen();
    return restore(repository, { snapshot: 'latest', inPlace: true, ...options });
  }

  async planned(options: Partial<RestoreOptions> = {}): Promise<string[]> {
    const actions: PlannedAction[] = [];
    const onPlanned = (action: PlannedAction): undefined => void actions.push(action);
    await this.restore({ ...options, dryRun: true, onPlanned });
    return actions.map(({ kind, path }) => `${kind} ${path.toString().slice(this.root.length + 1)}`).sort();
  }

  async labels(): Promise<string[]> {
    return (await (await this.library.reopen()).snapshots.list()).map(({ label }) => label);
  }
}

async function refusal(promise: Promise<unknown>): Promise<EngineError> {
  return promise.then(
    () => assert.fail('it was not refused'),
    (error: unknown) => (isEngineError(error) ? error : assert.fail(String(error))),
  );
}

test('in place: a tree that is as it was is not touched, and no snapshot is taken of it', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const before = { tree: treeState(shelf.root), touched: touchState(shelf.root) };
  const result = await shelf.restore();
  assert.deepEqual({ tree: treeState(shelf.root), touched: touchState(shelf.root) }, before);
  assert.deepEqual([result.filesRestored, result.filesSkipped, result.safetySnapshot], [0, 8, undefined]);
  assert.deepEqual(await shelf.labels(), ['']);
  assert.deepEqual(await shelf.planned(), []);
});

test('in place: only what differs is touched, and all of it comes back', async (t) => {
  const shelf = await Shelf.make(t);
  shelf.write('link target', 'x');
  symlinkSync('link target', shelf.path('link'));
  chmodSync(shelf.path('Borges'), 0o750);
  await sleep(30);
  await shelf.library.backup();
  const tree = treeState(shelf.root);
  const touched = touchState(shelf.root);
  appendFileSync(shelf.path('Austen/first/book.epub'), 'vandal');
  unlinkSync(shelf.path('Austen/second/cover.jpg'));
  chmodSync(shelf.path('Borges/first/cover.jpg'), 0o600);
  chmodSync(shelf.path('Borges'), 0o700);
  unlinkSync(shelf.path('link'));
  symlinkSync('elsewhere', shelf.path('link'));
  rmSync(shelf.path('Borges/second'), { recursive: true });
  const plan = await shelf.planned();
  assert.deepEqual(
    plan,
    [
      'compare Borges/first/cover.jpg',
      'compare link',
      'create Austen/second/cover.jpg',
      'create Borges/second',
      'create Borges/second/book.epub',
      'create Borges/second/cover.jpg',
      'mend Austen/second',
      'mend Borges',
      'mend ',
      'replace Austen/first/book.epub',
    ].sort(),
  );
  const result = await shelf.restore();
  assert.equal(result.problemCount, 0);
  assert.deepEqual(treeState(shelf.root), tree);
  assert.equal(result.filesRestored, 5, 'one replaced, three made, one link');
  const now = touchState(shelf.root);
  for (const untouched of [
    'Austen/first/cover.jpg',
    'Austen/second/book.epub',
    'Borges/first/book.epub',
    'link target',
  ]) {
    assert.equal(now.get(shelf.path(untouched)), touched.get(shelf.path(untouched)), untouched);
  }
  assert.equal(
    now.get(shelf.path('Borges/first/cover.jpg'))?.split(' ')[0],
    touched.get(shelf.path('Borges/first/cover.jpg'))?.split(' ')[0],
    'its mode was mended, the file is the same',
  );
  assert.deepEqual(await shelf.planned(), [], 'nothing is left to do');
});

test('trap 6: in place, an edit whose time of modification was put back is found', async (t) => {
  const shelf = await Shelf.make(t);
  const book = shelf.path('Austen/first/book.epub');
  const content = readFileSync(book);
  utimesSync(book, 1_700_000_000, 1_700_000_000);
  await sleep(30);
  await shelf.library.backup();
  const edited = Buffer.from(content);
  edited[100] = 0;
  writeFileSync(book, edited);
  utimesSync(book, 1_700_000_000, 1_700_000_000);
  await shelf.restore();
  assert.deepEqual(readFileSync(book), content);
});

test('trap 7: in place, what is as young as the snapshot is not trusted to be what it holds', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const path = join(library.source, 'file');
  writeFileSync(path, 'evil');
  const { ino, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true });
  const time = (ns: bigint): Time => ({
    seconds: Number(ns / 1_000_000_000n),
    nanoseconds: Number(ns % 1_000_000_000n),
  });
  // What a backup reads just before an edit in the same tick of the clock: all four of the entry agree, the bytes do not.
  const entry = file('good', { inode: ino, mtime: time(mtimeNs), ctime: time(ctimeNs) });
  const entries = Buffer.from(library.source)
    .toString()
    .slice(1)
    .split('/')
    .reduceRight<NamedEntry[]>((below, name) => [[name, dir(below)]], [['file', entry]]);
  const paths = [Buffer.from(library.source)];
  for (const [startedNs, content] of [
    [ctimeNs + 60_000_000_000n, 'evil'],
    [ctimeNs, 'good'],
  ] as const) {
    await new SnapshotBuilder(await library.reopen()).save(entries, { paths, startedNs });
    await restore(await library.reopen(), { snapshot: 'latest', inPlace: true, safetySnapshot: false });
    assert.equal(readFileSync(path, 'utf8'), content);
  }
});

test('in place: a folder, or one file, as of a date is one call', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup({ time: new Date('2026-01-02T02:00:00Z') });
  shelf.write('Austen/first/book.epub', 'edited');
  shelf.write('Borges/first/book.epub', 'edited');
  await shelf.library.backup({ time: new Date('2026-02-02T02:00:00Z') });
  const filter = { until: new Date('2026-01-15T00:00:00Z') };
  await shelf.restore({ filter, path: Buffer.from(shelf.path('Austen')) });
  assert.match(readFileSync(shelf.path('Austen/first/book.epub'), 'utf8'), /^Austen first/);
  assert.equal(readFileSync(shelf.path('Borges/first/book.epub'), 'utf8'), 'edited', 'it was not asked for');
  const result = await shelf.restore({ filter, path: Buffer.from(shelf.path('Borges/first/book.epub')) });
  assert.match(readFileSync(shelf.path('Borges/first/book.epub'), 'utf8'), /^Borges first/);
  assert.equal(result.filesRestored, 1);
  const repository = await shelf.library.reopen();
  const kept = (await repository.snapshots.list({ labels: [SAFETY_LABEL] })).map(({ paths }) => paths.map(String));
  assert.deepEqual(kept, [[shelf.path('Austen')], [shelf.path('Borges/first/book.epub')]]);
});

test('in place: what was there is in a snapshot of its own, which nobody means by latest', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  shelf.write('Austen/first/book.epub', 'my notes of today');
  shelf.write('new', 'came later');
  const before = treeState(shelf.root);
  const first = await shelf.restore({ delete: true });
  assert.ok(first.safetySnapshot !== undefined);
  assert.deepEqual(await shelf.labels(), ['', SAFETY_LABEL]);
  const repository = await shelf.library.reopen();
  assert.equal((await repository.snapshots.find('latest')).label, '');
  assert.equal((await repository.snapshots.find('latest', { labels: [SAFETY_LABEL] })).id, first.safetySnapshot);
  assert.equal((await repository.snapshots.find('@now')).label, '');
  // And it brings everything back.
  const back = await shelf.restore({ snapshot: first.safetySnapshot, delete: true });
  assert.equal(back.problemCount, 0);
  assert.deepEqual(treeState(shelf.root), before);
});

test('rollback: undoes the last restore in place with what it added, and a second one undoes the first', async (t) => {
  const shelf = await Shelf.make(t);
  const repository = await shelf.library.reopen();
  assert.equal((await refusal(restore(repository, { rollback: true }))).code, 'SNAPSHOT_NOT_FOUND');
  await shelf.library.backup();
  const good = treeState(shelf.root);
  shelf.write('Austen/first/book.epub', 'my notes of today');
  unlinkSync(shelf.path('Borges/first/cover.jpg'));
  const bad = treeState(shelf.root);
  await shelf.restore();
  assert.deepEqual(treeState(shelf.root), good);
  const undone = await restore(await shelf.library.reopen(), { rollback: true });
  assert.deepEqual([undone.filesRestored, undone.filesDeleted], [1, 1]);
  assert.deepEqual(treeState(shelf.root), bad);
  await restore(await shelf.library.reopen(), { rollback: true });
  assert.deepEqual(treeState(shelf.root), good);
  const error = await refusal(restore(await shelf.library.reopen(), { rollback: true, snapshot: 'latest' }));
  assert.equal(error.code, 'INVALID_ARGUMENT');
});

test('in place: without a safety snapshot where none is wanted, and where nothing is there', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const tree = treeState(shelf.root);
  shelf.write('Austen/first/book.epub', 'edited');
  assert.equal((await shelf.restore({ safetySnapshot: false })).safetySnapshot, undefined);
  rmSync(shelf.root, { recursive: true });
  assert.equal((await shelf.restore()).safetySnapshot, undefined);
  assert.deepEqual(treeState(shelf.root), tree);
  assert.deepEqual(await shelf.labels(), ['']);
});

test('in place: the folder itself comes back with mode and times', async (t) => {
  const shelf = await Shelf.make(t);
  chmodSync(shelf.root, 0o750);
  utimesSync(shelf.root, 1_000_000, 1_000_000);
  await sleep(30);
  await shelf.library.backup();
  chmodSync(shelf.root, 0o700);
  await shelf.restore();
  assert.equal(lstatSync(shelf.root).mode & 0o7777, 0o750);
  assert.equal(lstatSync(shelf.root).mtimeMs, 1_000_000_000);
  rmSync(shelf.root, { recursive: true });
  await shelf.restore();
  assert.equal(lstatSync(shelf.root).mode & 0o7777, 0o750);
  assert.equal(lstatSync(shelf.root).mtimeMs, 1_000_000_000);
});

test('in place: hard links stay, and come back', async (t) => {
  const shelf = await Shelf.make(t);
  linkSync(shelf.path('Austen/first/book.epub'), shelf.path('Borges/the same'));
  await sleep(30);
  await shelf.library.backup();
  const touched = touchState(shelf.root);
  assert.deepEqual(await shelf.planned(), []);
  await shelf.restore();
  assert.deepEqual(touchState(shelf.root), touched);
  const content = readFileSync(shelf.path('Borges/the same'));
  unlinkSync(shelf.path('Borges/the same'));
  writeFileSync(shelf.path('Borges/the same'), content);
  await shelf.restore();
  assert.equal(lstatSync(shelf.path('Borges/the same')).ino, lstatSync(shelf.path('Austen/first/book.epub')).ino);
});

test('delete: what the snapshot does not hold goes, folders too; beside the sources nothing does', async (t) => {
  const shelf = await Shelf.make(t);
  writeFileSync(join(shelf.library.folder, 'beside'), 'not ours');
  await shelf.library.backup();
  const tree = treeState(shelf.root);
  shelf.write('Austen/third/book.epub', 'a book that came later');
  shelf.write('Austen/third/deep/er/cover.jpg', 'its cover');
  shelf.write('new', 'x');
  symlinkSync('/etc', shelf.path('Austen/etc'));
  assert.deepEqual(
    (await shelf.planned({ delete: true })).filter((line) => line.startsWith('delete')),
    [
      'delete Austen/etc',
      'delete Austen/third',
      'delete Austen/third/book.epub',
      'delete Austen/third/deep',
      'delete Austen/third/deep/er',
      'delete Austen/third/deep/er/cover.jpg',
      'delete new',
    ],
  );
  const kept = await shelf.restore();
  assert.equal(existsSync(shelf.path('new')), true, 'nothing is removed unless that was said');
  assert.deepEqual([kept.filesDeleted, kept.directoriesDeleted], [0, 0]);
  const result = await shelf.restore({ delete: true });
  assert.deepEqual([result.filesDeleted, result.directoriesDeleted, result.problemCount], [4, 3, 0]);
  assert.deepEqual(treeState(shelf.root), tree);
  assert.equal(existsSync('/etc/passwd'), true);
  assert.equal(existsSync(join(shelf.library.folder, 'beside')), true);
});

test('delete: what the snapshot left out, or its rules leave out today, stays with the folders on the way to it', async (t) => {
  const shelf = await Shelf.make(t);
  shelf.write('Austen/thumbs/1.jpg', 'cached');
  shelf.write('Austen/old.tmp', 'temporary');
  shelf.write('huge', Buffer.alloc(100_000));
  shelf.write('marked/.nobackup', '');
  shelf.write('marked/inner/file', 'kept out');
  shelf.write('cache/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55');
  shelf.write('cache/entry', 'cached');
  await shelf.library.backup({
    excludes: ['thumbs/', '*.tmp'],
    excludeIfPresent: ['.nobackup'],
    excludeCaches: true,
    excludeLargerThan: 50_000,
  });
  // Smaller than the rule now: the snapshot left it out all the same, and does not know what was in it.
  shelf.write('huge', 'small now');
  shelf.write('cache/entry too', 'cached');
  shelf.write('marked/another', 'kept out');
  shelf.write('later/deep/new.tmp', 'temporary');
  shelf.write('later/deep/goes', 'x');
  shelf.write('later/goes too', 'x');
  shelf.write('larger', Buffer.alloc(60_000));
  const result = await shelf.restore({ delete: true });
  assert.deepEqual(
    readdirSync(shelf.root).sort(),
    ['Austen', 'Borges', 'cache', 'huge', 'larger', 'later', 'marked'].sort(),
  );
  assert.deepEqual(readdirSync(shelf.path('Austen')).sort(), ['first', 'old.tmp', 'second', 'thumbs']);
  assert.deepEqual(readdirSync(shelf.path('cache')).sort(), ['CACHEDIR.TAG', 'entry', 'entry too']);
  assert.deepEqual(readdirSync(shelf.path('marked')).sort(), ['.nobackup', 'another', 'inner']);
  assert.deepEqual(readdirSync(shelf.path('later')), ['deep']);
  assert.deepEqual(readdirSync(shelf.path('later/deep')), ['new.tmp']);
  assert.deepEqual([result.filesDeleted, result.directoriesDeleted], [2, 0]);
});

test('delete: the repository and the cache stay wherever they lie, also where the snapshot did not know of them', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const { repository } = shelf.library;
  const store = repository.backend.address?.path ?? assert.fail('a local one');
  mkdirSync(shelf.path('disk'));
  renameSync(store, shelf.path('disk/store'));
  symlinkSync(shelf.path('disk/store'), store);
  shelf.write('disk/goes', 'x');
  const result = await shelf.restore({ delete: true, safetySnapshot: false });
  assert.equal(result.filesDeleted, 1);
  assert.deepEqual(readdirSync(shelf.path('disk')), ['store']);
  assert.equal((await (await shelf.library.reopen()).snapshots.list()).length, 1);
});

test('delete: more than half is refused unless it is forced or somebody says yes, and nothing was touched', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const good = treeState(shelf.root);
  for (let number = 0; number < 9; number++) shelf.write(`new/${number}`, 'x');
  appendFileSync(shelf.path('Austen/first/book.epub'), 'edited');
  const before = { tree: treeState(shelf.root), touched: touchState(shelf.root) };
  const asked: number[] = [];
  const confirm = (answer: boolean) => async (plan: RestorePlan) => {
    asked.push(plan.filesToDelete, plan.shares[0]?.present ?? 0);
    return answer;
  };
  for (const options of [{}, { confirm: confirm(false) }]) {
    const error = await refusal(shelf.restore({ delete: true, ...options }));
    assert.equal(error.code, 'DELETION_REFUSED');
    assert.match(error.message, /9 of 17 files/);
  }
  assert.deepEqual({ tree: treeState(shelf.root), touched: touchState(shelf.root) }, before);
  assert.deepEqual(await shelf.labels(), [''], 'no safety snapshot either');
  assert.equal((await shelf.restore({ delete: true, confirm: confirm(true) })).filesDeleted, 9);
  assert.deepEqual(asked, [9, 17, 9, 17]);
  assert.deepEqual(treeState(shelf.root), good);
  for (let number = 0; number < 9; number++) shelf.write(`new/${number}`, 'x');
  assert.equal((await shelf.restore({ delete: true, force: true })).filesDeleted, 9);
});

test('delete: half of the files is not more than half', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  for (let number = 0; number < 8; number++) shelf.write(`new/${number}`, 'x');
  assert.equal((await shelf.restore({ delete: true })).filesDeleted, 8);
});

test('delete: a folder where a file belongs makes room for it, and stays without --delete', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const tree = treeState(shelf.root);
  unlinkSync(shelf.path('Austen/first/cover.jpg'));
  shelf.write('Austen/first/cover.jpg/inner/file', 'in the way');
  const stays = await shelf.restore();
  assert.deepEqual(
    stays.problems.map(({ code }) => code),
    ['EISDIR'],
  );
  assert.equal(existsSync(shelf.path('Austen/first/cover.jpg/inner/file')), true);
  const result = await shelf.restore({ delete: true });
  assert.equal(result.problemCount, 0);
  assert.deepEqual(treeState(shelf.root), tree);
});

test('delete: what comes while the restore runs is left, and named', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  shelf.write('old extra', 'x');
  await sleep(60);
  const repository = await shelf.library.reopen();
  const { restore: run } = await import('../../engine/operations/restore/restore.ts');
  // The moment between plan and act: the safety snapshot is being taken.
  const result = await run(repository, { snapshot: 'latest', inPlace: true, delete: true }, async () => {
    shelf.write('new extra', 'nobody planned its end');
    return undefined;
  });
  assert.equal(existsSync(shelf.path('old extra')), false);
  assert.equal(existsSync(shelf.path('new extra')), true);
  assert.deepEqual(
    result.problems.map(({ code }) => code),
    ['CHANGED_MEANWHILE'],
  );
});

test('delete: with patterns, only within what they ask for', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  shelf.write('Austen/new', 'x');
  shelf.write('Austen/new.log', 'x');
  shelf.write('Borges/new', 'x');
  await shelf.restore({ delete: true, include: ['/Austen'].map((path) => shelf.path(path)), exclude: ['*.log'] });
  assert.equal(existsSync(shelf.path('Austen/new')), false);
  assert.equal(existsSync(shelf.path('Austen/new.log')), true);
  assert.equal(existsSync(shelf.path('Borges/new')), true);
});

test('delete: into a target only with a policy, and only below the mapped sources', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const target = join(shelf.library.folder, 'target');
  const options = { inPlace: false, target: Buffer.from(target) };
  assert.equal((await refusal(shelf.restore({ ...options, delete: true }))).code, 'INVALID_ARGUMENT');
  await shelf.restore(options);
  const copy = join(target, shelf.root);
  writeFileSync(join(copy, 'extra'), 'x');
  writeFileSync(join(target, 'beside'), 'x');
  const result = await shelf.restore({ ...options, delete: true, overwrite: 'if-changed' });
  assert.equal(result.filesDeleted, 1);
  assert.equal(existsSync(join(target, 'beside')), true);
  assert.deepEqual(treeState(copy), treeState(shelf.root));
});

test('map: a library comes up under another path, and the old one is not touched', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const moved = join(shelf.library.folder, 'new machine', 'library');
  const touched = touchState(shelf.root);
  const mappings = [{ from: Buffer.from(shelf.root), to: Buffer.from(moved) }];
  await shelf.restore({ inPlace: false, mappings });
  assert.deepEqual(treeState(moved), treeState(shelf.root));
  assert.deepEqual(touchState(shelf.root), touched);
  assert.equal((await refusal(shelf.restore({ inPlace: false, mappings }))).code, 'TARGET_NOT_EMPTY');
  const again = await shelf.restore({ mappings });
  assert.equal(again.filesRestored, 0);
});

test('map: a part of a source goes elsewhere, the rest to its origin, and nothing of the two is taken for superfluous', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const tree = treeState(shelf.path('Borges'));
  const moved = join(shelf.library.folder, 'moved');
  writeFileSync(shelf.path('Borges/first/cover.jpg'), 'edited after');
  appendFileSync(shelf.path('Austen/first/book.epub'), 'edited');
  const mappings = [{ from: Buffer.from(shelf.path('Borges')), to: Buffer.from(moved) }];
  const result = await shelf.restore({ mappings, delete: true });
  assert.equal(result.problemCount, 0);
  assert.deepEqual(treeState(moved), tree);
  assert.equal(readFileSync(shelf.path('Borges/first/cover.jpg'), 'utf8'), 'edited after', 'it stays as it is');
  assert.match(readFileSync(shelf.path('Austen/first/book.epub'), 'utf8'), /second|first $/);
});

test('in place: two sources, one of them a single file, with hard links between them', async (t) => {
  const library = await Library.make(t);
  const config = join(library.folder, 'config');
  const settings = join(library.folder, 'settings.json');
  mkdirSync(library.source);
  mkdirSync(config);
  writeFileSync(join(library.source, 'one'), 'shared content');
  linkSync(join(library.source, 'one'), join(config, 'one'));
  writeFileSync(settings, '{"dark":true}');
  await sleep(30);
  await library.backup({ paths: [library.source, config, settings].map((path) => Buffer.from(path)) });
  const parent = lstatSync(library.folder, { bigint: true });
  rmSync(config, { recursive: true });
  rmSync(join(library.source, 'one'));
  writeFileSync(settings, '{"dark":false}');
  const result = await restore(await library.reopen(), { snapshot: 'latest', inPlace: true });
  assert.equal(result.problemCount, 0);
  assert.equal(readFileSync(settings, 'utf8'), '{"dark":true}');
  assert.equal(lstatSync(join(config, 'one')).ino, lstatSync(join(library.source, 'one')).ino);
  assert.equal(
    lstatSync(library.folder, { bigint: true }).mode,
    parent.mode,
    'what only leads to sources stays as it is',
  );
  assert.deepEqual(
    readdirSync(library.folder).filter((name) => name.startsWith('.snap')),
    [],
  );
});

test('in place: damage in a directory of the snapshot removes nothing in it', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const extra = shelf.path('Austen/first/extra');
  writeFileSync(extra, 'x');
  const repository = await shelf.library.reopen();
  const leaves = repository.blobs.leaves.bind(repository.blobs);
  // What a damaged tree part looks like to a walk.
  let count = 0;
  repository.blobs.leaves = async function* (treeId) {
    for await (const leaf of leaves(treeId)) {
      yield leaf;
      if (leaf.bytes.includes('cover.jpg')) {
        count++;
        const { EngineError: Failure } = await import('../../engine/base/errors.ts');
        throw new Failure('OBJECT_CORRUPT', 'a part of the tree is damaged');
      }
    }
  };
  const result = await restore(repository, { snapshot: 'latest', inPlace: true, delete: true, safetySnapshot: false });
  assert.ok(count > 0);
  assert.equal(existsSync(extra), true);
  assert.ok(result.problems.some(({ code }) => code === 'OBJECT_CORRUPT'));
});

test('restore: where to is said exactly once', async (t) => {
  const shelf = await Shelf.make(t);
  await shelf.library.backup();
  const target = Buffer.from('/tmp/nowhere');
  for (const options of [
    { inPlace: false },
    { target },
    { inPlace: false, target, mappings: [{ from: Buffer.from(shelf.root), to: target }] },
    { inPlace: false, target: Buffer.from('relative') },
  ]) {
    assert.equal((await refusal(shelf.restore(options))).code, 'INVALID_ARGUMENT');
  }
});
