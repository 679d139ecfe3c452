import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runAsNobody } from '../support/as-nobody.ts';
import { testFolder } from '../support/build-repository.ts';
import { Library } from '../support/library.ts';
import { type ProcessOptions, type RoundTripResult, roundTrip } from '../support/round-trip.ts';
import { describeTree, type EntryFacts, makeZoo } from '../support/zoo.ts';

const isRoot = process.geteuid?.() === 0;
/** Made once; no test changes it. */
const zooFolder = join(testFolder({ after }), 'zoo');
const zoo = makeZoo(zooFolder);
const zooPath = Buffer.from(zooFolder);

test('trap 28: everything a file system holds comes back as it was', async (t) => {
  const library = await Library.make(t);
  if (isRoot) assert.deepEqual(zoo.missing, []);
  const saved = await library.backup({ paths: [zooPath] });
  assert.deepEqual(saved.problems, []);
  const restored = await library.restore('latest', { path: zooPath, verify: true });
  assert.deepEqual(restored.problems, []);
  assert.deepEqual(describeTree(restored.target), describeTree(zooFolder));
});

test('trap 8: nothing is read again in the second run, nor in the third', async (t) => {
  const library = await Library.make(t);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const first = await library.backup({ paths: [zooPath] });
  for (const run of ['second', 'third']) {
    const next = await library.backup({ paths: [zooPath] });
    assert.equal(next.counts.filesUnmodified, first.counts.totalFilesProcessed, run);
    assert.equal(next.counts.dataAdded, 0, run);
    assert.equal(next.counts.dataAddedPacked, 0, run);
    assert.ok(next.snapshot?.tree.equals(first.snapshot?.tree ?? Buffer.alloc(0)), run);
  }
});

const TYPE = 0o170000;
const NODES_MADE_BY_MKNOD = new Set([0o010000, 0o020000, 0o060000, 0o140000]);

/** The zoo, backed up by this user and restored by a process with less power. */
function restoredBy(
  t: { after(act: () => void): void },
  run: ProcessOptions,
): {
  readonly before: Map<string, EntryFacts>;
  readonly after: Map<string, EntryFacts>;
  readonly result: RoundTripResult;
} {
  const top = testFolder(t);
  const folder = join(top, 'work');
  const source = zooFolder;
  mkdirSync(folder);
  roundTrip({ folder, source, backup: true });
  const target = join(folder, 'target', 'restored');
  const result = roundTrip({ folder, source, backup: false, target }, run);
  return { before: describeTree(source), after: describeTree(target), result };
}

/** How many entries of the source differ in something from what was restored. */
function differing(
  before: Map<string, EntryFacts>,
  after: Map<string, EntryFacts>,
  differs: (one: EntryFacts, other: EntryFacts) => boolean,
): string[] {
  return [...before].flatMap(([path, facts]) => {
    const other = after.get(path);
    return other !== undefined && differs(facts, other) ? [path] : [];
  });
}

test('restored by somebody who owns nothing: all that the system allows, and the rest is counted and named once by kind', (t) => {
  if (!isRoot) return t.skip('only root can become somebody else');
  const { before, after, result } = restoredBy(t, { asNobody: true });
  const missing = [...before.keys()].filter((path) => !after.has(path));
  assert.deepEqual(missing.sort(), ['loop', 'null'], 'only devices are missing');
  assert.deepEqual(
    [...after.keys()].filter((path) => !before.has(path)),
    [],
  );
  // Content, holes, links, times: as if root had done it.
  const essence = ({ content, holes, target, sameInodeAs, mtimeNs }: EntryFacts): unknown => {
    return { content, holes, target, sameInodeAs, mtimeNs };
  };
  for (const [path, facts] of after) {
    const was = before.get(path);
    assert.deepEqual(essence(facts), was === undefined ? undefined : essence(was), path);
    assert.equal(facts.owner, '65534:65534', path);
    assert.equal(facts.mode & 0o6000, 0, `${path}: nobody's file gets no set-user-id bit`);
  }
  assert.deepEqual(
    differing(before, after, (one, other) => (one.mode & 0o1777) !== (other.mode & 0o1777)),
    [],
  );
  const kinds = result.restoreProblems.map(({ during, code }) => `${during} ${code}`);
  const aggregated = kinds.filter((kind) => /^(owner|mode|times|attributes) /.test(kind));
  assert.deepEqual(aggregated.sort(), [...new Set(aggregated)].sort(), 'each kind once');
  assert.deepEqual([...new Set(aggregated)].sort(), ['attributes EPERM', 'owner EPERM']);
  const devices = result.restoreProblems.filter(({ path }) => /\/(loop|null)$/.test(path));
  assert.deepEqual(
    devices.map(({ code }) => code),
    ['EPERM'],
    'one stands for all devices',
  );
  assert.equal(result.restoreProblems.length, 3, JSON.stringify(result.restoreProblems));
  // One inode counts once: its other names share what was set.
  const owned = new Set([...before].map(([path, facts]) => facts.sameInodeAs ?? path)).size;
  assert.ok(result.restoreProblemCount >= owned, `${result.restoreProblemCount} of ${owned}`);
});

test('without the C library a backup and a restore bring all but what Node cannot do, and say so', (t) => {
  const top = testFolder(t);
  const folder = join(top, 'work');
  const source = zooFolder;
  const target = join(folder, 'restored');
  mkdirSync(folder);
  const result = roundTrip({ folder, source, backup: true, target }, { withoutKoffi: true });
  const before = describeTree(source);
  const after = describeTree(target);
  assert.deepEqual(result.backupProblems, []);
  assert.equal(new Set(result.notes).size, 4, 'what it cannot do');
  const nodes = [...before].filter(([, facts]) => NODES_MADE_BY_MKNOD.has(facts.mode & TYPE)).map(([path]) => path);
  assert.deepEqual([...before.keys()].filter((path) => !after.has(path)).sort(), nodes.sort());
  assert.deepEqual(
    result.restoreProblems.map(({ code }) => code),
    // One stands for all devices.
    nodes.filter((path) => path !== 'loop').map(() => 'ENOTSUP'),
  );
  const essence = ({ content, target: to, sameInodeAs, mode, owner }: EntryFacts): unknown => {
    return { content, to, sameInodeAs, mode, owner };
  };
  const access = new Set(['attributes', 'empty folder']);
  for (const [path, facts] of after) {
    const was = before.get(path);
    assert.ok(was !== undefined, path);
    if (!access.has(path)) assert.deepEqual(essence(facts), essence(was), path);
    const off = facts.mtimeNs - was.mtimeNs;
    assert.ok(off > -3000n && off < 3000n, `${path}: ${off} ns`);
  }
});

test('trap 18: parent, folder and file x 000, 100, 400, 700: what cannot be read is named, and nothing else is missing', (t) => {
  if (!isRoot) return t.skip('only root can become somebody else');
  const top = testFolder(t);
  chmodSync(top, 0o711);
  const source = join(top, 'source');
  mkdirSync(source);
  const modes = [0o000, 0o100, 0o400, 0o700];
  const name = (mode: number): string => mode.toString(8).padStart(3, '0');
  const problems: string[] = [];
  const paths: string[] = [];
  const modesToSet: (readonly [string, number])[] = [];
  /** What is expected of an entry with this mode in a folder that was listed; true where it can be looked into. */
  const expect = (path: string, mode: number, above: 'open' | 'listed' | 'closed'): 'open' | 'listed' | 'closed' => {
    if (above === 'closed') return 'closed';
    const readable = above === 'open' && (mode & 0o400) !== 0;
    (readable ? paths : problems).push(path);
    if (!readable) return 'closed';
    return (mode & 0o100) !== 0 ? 'open' : 'listed';
  };
  for (const parentMode of modes) {
    const parent = name(parentMode);
    mkdirSync(join(source, parent));
    const parentState = expect(parent, parentMode, 'open');
    for (const folderMode of modes) {
      const folder = `${parent}/${name(folderMode)}`;
      mkdirSync(join(source, folder));
      const folderState = expect(folder, folderMode, parentState);
      for (const fileMode of modes) {
        const file = `${folder}/${name(fileMode)}`;
        writeFileSync(join(source, file), file);
        expect(file, fileMode, folderState);
        modesToSet.push([file, fileMode]);
      }
      modesToSet.push([folder, folderMode]);
    }
    modesToSet.push([parent, parentMode]);
  }
  execFileSync('chown', ['-R', '65534:65534', source]);
  for (const [path, mode] of modesToSet) chmodSync(join(source, path), mode);
  const run = runAsNobody(t, source);
  assert.ok(run !== undefined);
  assert.deepEqual([...run.paths].sort(), paths.sort());
  assert.deepEqual(
    run.problems.map(({ path, code }) => `${path.slice(source.length + 1)} ${code}`).sort(),
    problems.map((path) => `${path} EACCES`).sort(),
  );
});

test('a source below folders that may be passed through but not listed is stored, and a link to it is followed', (t) => {
  if (!isRoot) return t.skip('only root can become somebody else');
  const top = testFolder(t);
  const source = join(top, 'homes', 'somebody');
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, 'file'), 'content');
  symlinkSync('homes/somebody', join(top, 'link'));
  for (const path of ['', 'homes']) chmodSync(join(top, path), 0o711);
  for (const path of [source, join(top, 'link')]) {
    const run = runAsNobody(t, path);
    assert.deepEqual(run, { problems: [], paths: ['file'] });
  }
});

test('trap 18: root reads all of it, and all of it comes back', async (t) => {
  if (!isRoot) return t.skip('only root reads everything');
  const library = await Library.make(t);
  mkdirSync(join(library.source, 'closed', 'inner'), { recursive: true });
  writeFileSync(join(library.source, 'closed', 'inner', 'file'), 'content');
  for (const path of ['closed/inner/file', 'closed/inner', 'closed']) {
    chownSync(join(library.source, path), 1234, 1234);
    chmodSync(join(library.source, path), 0);
  }
  assert.deepEqual((await library.backup()).problems, []);
  const restored = await library.restore();
  assert.deepEqual(restored.problems, []);
  assert.deepEqual(describeTree(restored.target), describeTree(library.source));
});
