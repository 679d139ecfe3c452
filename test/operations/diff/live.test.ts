import assert from 'node:assert/strict';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupOptions } from '../../../engine/operations/backup/options.ts';
import { diff } from '../../../engine/operations/diff/diff.ts';
import type { DiffEvent, DiffOptions, LiveOptions } from '../../../engine/operations/diff/options.ts';
import { reopened, SnapshotBuilder } from '../../support/build-repository.ts';
import { Library } from '../../support/library.ts';
import { withOtherBytes } from '../../support/rotten-file.ts';

const BOOK = 'Call me Ishmael. '.repeat(100);

/** A library that was backed up after it had come to rest. */
async function given(t: TestContext, options: Partial<BackupOptions> = {}): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(join(library.source, 'Author', 'Title'), { recursive: true });
  for (const name of ['one', 'two', 'three']) writeFileSync(join(library.source, 'Author', 'Title', name), BOOK + name);
  writeFileSync(join(library.source, 'cover.jpg'), 'jpeg');
  symlinkSync('cover.jpg', join(library.source, 'link'));
  await sleep(60);
  await library.backup(options);
  return library;
}

async function lines(library: Library, live: LiveOptions = {}, options: Partial<DiffOptions> = {}): Promise<string[]> {
  const repository = await reopened(library.repository);
  const told: string[] = [];
  for await (const event of diff(repository, { before: 'latest', after: { live }, ...options })) {
    told.push(...textOf(event, library.source));
  }
  return told;
}

function textOf(event: DiffEvent, source: string): string[] {
  if (event.event === 'problem') return [`problem ${event.problem.code}`];
  if (event.event !== 'change') return [];
  const { change, path, from, fields } = event;
  const short = (one: Buffer): string => one.toString('latin1').slice(source.length + 1);
  const origin = from === undefined ? '' : ` from ${short(from)}`;
  return [`${change} ${short(path)}${origin}${change === 'metadata' ? ` (${fields.join(' ')})` : ''}`];
}

test('live: a source that nobody touched', async (t) => {
  const library = await given(t);
  assert.deepEqual(await lines(library), []);
  assert.deepEqual(await lines(library, { readData: true }), []);
});

test('live: added, removed, content, metadata, type, moved', async (t) => {
  const library = await given(t);
  const { source } = library;
  renameSync(join(source, 'Author'), join(source, 'Writer'));
  writeFileSync(join(source, 'Writer', 'Title', 'one'), `${BOOK}eno`);
  writeFileSync(join(source, 'Writer', 'Title', 'two'), 'shorter');
  renameSync(join(source, 'Writer', 'Title', 'three'), join(source, 'three'));
  writeFileSync(join(source, 'new'), 'new');
  rmSync(join(source, 'cover.jpg'));
  rmSync(join(source, 'link'));
  mkdirSync(join(source, 'link'));
  assert.deepEqual(await lines(library), [
    'moved Writer from Author',
    'content Writer/Title/one from Author/Title/one',
    'content Writer/Title/two from Author/Title/two',
    'removed cover.jpg',
    'type link',
    'added new',
    'moved three from Author/Title/three',
  ]);
  const below = { path: Buffer.from(join(source, 'new')) };
  assert.deepEqual(await lines(library, {}, below), ['added new']);
});

test('live: a file that was only touched is read, and is no change of content', async (t) => {
  const library = await given(t);
  const now = new Date();
  utimesSync(join(library.source, 'cover.jpg'), now, now);
  chmodSync(join(library.source, 'Author', 'Title', 'one'), 0o600);
  assert.deepEqual(await lines(library), [
    'metadata Author/Title/one (mode ctime)',
    'metadata cover.jpg (mtime ctime)',
  ]);
});

test('live: an edit whose mtime was put back is found (trap 6)', async (t) => {
  const library = await given(t);
  const path = join(library.source, 'cover.jpg');
  const { atime, mtime } = statSync(path);
  writeFileSync(path, 'JPEG');
  utimesSync(path, atime, mtime);
  assert.deepEqual(await lines(library), ['content cover.jpg']);
});

/** A snapshot that has the file as the disk shows it, but with other bytes; taken when `startedNs` says. */
async function forged(library: Library, content: string, startedNs?: bigint): Promise<string> {
  const path = join(library.source, 'cover.jpg');
  const entry = withOtherBytes(path, content);
  const repository = await library.reopen();
  const { id, ...record } = await new SnapshotBuilder(repository).save([entry], { paths: [Buffer.from(path)] });
  return startedNs === undefined ? id : (await repository.snapshots.save({ ...record, startedNs })).id;
}

test('live: an entry that is as new as the snapshot is read (trap 7)', async (t) => {
  const library = await given(t);
  const { ctimeNs } = lstatSync(join(library.source, 'cover.jpg'), { bigint: true });
  const before = await forged(library, 'JPEG', ctimeNs + 1_000_000n);
  assert.deepEqual(await lines(library, {}, { before }), ['content cover.jpg']);
});

test('live: bytes that rot are seen when they are read', async (t) => {
  const library = await given(t);
  const before = await forged(library, 'JPEG');
  assert.deepEqual(await lines(library, {}, { before }), []);
  assert.deepEqual(await lines(library, { readData: true }, { before }), ['bitrot cover.jpg']);
});

test('live: what the rules of the snapshot leave out is not new', async (t) => {
  const library = await given(t, { excludes: ['*.tmp'], excludeIfPresent: ['.nobackup'], excludeLargerThan: 100_000 });
  const { source } = library;
  writeFileSync(join(source, 'a.tmp'), '');
  writeFileSync(join(source, 'large'), Buffer.alloc(200_000));
  mkdirSync(join(source, 'marked'));
  writeFileSync(join(source, 'marked', '.nobackup'), '');
  writeFileSync(join(source, 'marked', 'inner'), '');
  assert.deepEqual(await lines(library), ['added marked', 'added marked/.nobackup']);
});

test('live: what lies beside a source is not looked at', async (t) => {
  const library = await given(t);
  writeFileSync(join(library.folder, 'beside'), '');
  assert.deepEqual(await lines(library), []);
  rmSync(library.source, { recursive: true });
  const told = await lines(library);
  assert.equal(told.filter((line) => line.startsWith('removed')).length, 8);
});

test('live: other names of a file are no change of it', async (t) => {
  const library = await given(t);
  linkSync(join(library.source, 'cover.jpg'), join(library.source, 'second name'));
  assert.deepEqual(await lines(library), ['added second name']);
});

test('live: names that are no text', async (t) => {
  const library = await given(t);
  const odd = Buffer.concat([Buffer.from(`${library.source}/`), Buffer.from([0x66, 0xff, 0x0a])]);
  writeFileSync(odd, 'odd');
  assert.deepEqual(await lines(library), ['added f\xff\n']);
});

test('live: a folder that cannot be read is a problem, and nothing of it counts as removed', {
  skip: process.geteuid?.() === 0 ? 'root reads everything' : false,
}, async (t) => {
  const library = await given(t);
  chmodSync(join(library.source, 'Author'), 0o000);
  t.after(() => chmodSync(join(library.source, 'Author'), 0o700));
  assert.deepEqual(await lines(library), ['problem EACCES', 'metadata Author (mode ctime)']);
});
