/** Trap 22: sources that came up empty, shrank, or are not mounted any more. */

import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { annotate } from '../../engine/operations/annotate.ts';
import type { BackupResult } from '../../engine/operations/backup/options.ts';
import { findSuspicion } from '../../engine/operations/backup/shrink-guard.ts';
import { forget } from '../../engine/operations/forget/forget.ts';
import { Library } from '../support/library.ts';

/** Folders of ten files each, as one trusted snapshot. */
async function given(t: TestContext, folders: readonly string[]): Promise<Library> {
  const made = await Library.make(t);
  for (const folder of folders) fill(made, folder);
  const { suspicion } = await made.backup();
  assert.equal(suspicion, undefined, 'there is nothing to compare with');
  return made;
}

function fill(made: Library, folder: string): void {
  mkdirSync(join(made.source, folder), { recursive: true });
  for (let number = 0; number < 10; number++)
    writeFileSync(join(made.source, folder, `${number}`), `${folder} ${number}`);
}

function drop(made: Library, folder: string): void {
  rmSync(join(made.source, folder), { recursive: true });
}

async function saved(made: Library, result: BackupResult): Promise<readonly [boolean, string | undefined]> {
  const snapshot = await made.repository.snapshots.load(result.snapshot?.id ?? ('' as SnapshotId));
  return [snapshot.suspect, snapshot.suspicion];
}

test('trap 22: a source that came up empty is kept, and suspect, night after night', async (t) => {
  const made = await given(t, ['a', 'b']);
  for (const folder of ['a', 'b']) drop(made, folder);
  for (let night = 0; night < 3; night++) {
    const result = await made.backup({ skipIfUnchanged: true, maxShrink: 100 });
    assert.match(
      result.suspicion ?? '',
      /source is empty \(lost 20 of 20 files, 100 percent\), most of all in .*source\/a/,
    );
    assert.match(result.suspicion ?? '', /Compared with snapshot [0-9a-f]{8} of 20/);
    assert.deepEqual(await saved(made, result), [true, result.suspicion]);
  }
  const { groups } = await forget(made.repository, { policy: { keepLast: 1 }, dryRun: true });
  const keptGood = groups.flatMap(({ keep }) => keep).filter(({ flaws }) => flaws.length === 0);
  assert.equal(keptGood.length, 1, 'the good night is not rotated out');
  fill(made, 'a');
  fill(made, 'b');
  assert.equal((await made.backup()).suspicion, undefined, 'it came back');
});

test('trap 22: more than half of the files, or of the bytes, is too much; half is not', async (t) => {
  const made = await given(t, ['a', 'b', 'c', 'd']);
  drop(made, 'a');
  drop(made, 'b');
  assert.equal((await made.backup({ maxShrink: 50 })).suspicion, undefined, 'half of it');
  const result = await made.backup({ maxShrink: 49, force: true, parent: 'latest~1' });
  assert.equal(result.suspicion, undefined, 'the smaller one is trusted, and what is compared with');
  drop(made, 'c');
  rmSync(join(made.source, 'd', '0'));
  const lost = await made.backup();
  assert.match(lost.suspicion ?? '', /lost 11 of 20 files, 55 percent, most of all in .*\/c, .*\/d\./);
  const bytes = await Library.make(t);
  mkdirSync(bytes.source);
  for (let number = 0; number < 10; number++)
    writeFileSync(join(bytes.source, `${number}`), Buffer.alloc(1000, number));
  await bytes.backup();
  for (let number = 0; number < 6; number++) writeFileSync(join(bytes.source, `${number}`), '');
  assert.match((await bytes.backup()).suspicion ?? '', /lost 6000 of 10000 bytes, 60 percent/);
});

test('a snapshot is compared with the last that is trusted, and trusting one ends the alarm', async (t) => {
  const made = await given(t, ['a', 'b', 'c']);
  drop(made, 'a');
  drop(made, 'b');
  const first = await made.backup();
  const second = await made.backup();
  assert.ok(first.suspicion !== undefined && second.suspicion === first.suspicion);
  await annotate(made.repository, { snapshots: ['latest'], trusted: true });
  assert.equal((await made.backup()).suspicion, undefined);
});

test('other paths, other rules and another label are another library', async (t) => {
  const made = await given(t, ['a', 'b', 'c']);
  const paths = ['a', 'b', 'c'].map((folder) => Buffer.from(join(made.source, folder)));
  assert.equal((await made.backup({ paths: paths.slice(0, 1) })).suspicion, undefined);
  assert.equal((await made.backup({ excludes: ['b', 'c'] })).suspicion, undefined);
  drop(made, 'a');
  drop(made, 'b');
  assert.equal((await made.backup({ label: 'new' })).suspicion, undefined);
  assert.ok((await made.backup({ host: 'another container' })).suspicion !== undefined);
});

test('one of several sources that is gone or lost its files is named, however small it is', async (t) => {
  const made = await given(t, ['a', 'b']);
  for (let number = 0; number < 100; number++) writeFileSync(join(made.source, 'a', `more ${number}`), 'more');
  const paths = ['a', 'b'].map((folder) => Buffer.from(join(made.source, folder)));
  await made.backup({ paths });
  renameSync(join(made.source, 'b'), join(made.source, 'elsewhere'));
  assert.match((await made.backup({ paths })).suspicion ?? '', /source\/b is not there any more \(lost 10 of 10/);
  mkdirSync(join(made.source, 'b'));
  const empty = await made.backup({ paths });
  assert.match(empty.suspicion ?? '', /source\/b is empty/);
  assert.doesNotMatch(empty.suspicion ?? '', /source\/a/);
  writeFileSync(join(made.source, 'b', 'one'), '');
  assert.match((await made.backup({ paths })).suspicion ?? '', /source\/b lost 9 of 10 files/);
});

test('a disk that is not mounted any more is named; one whose content moved is not missed', async (t) => {
  const made = await given(t, ['a', 'disk', 'c']);
  const [trusted] = await made.repository.snapshots.list();
  assert.ok(trusted !== undefined);
  // As if the folder had been a mount of its own.
  const disk = { path: Buffer.from(join(made.source, 'disk')), device: '9:9' };
  const { id: _, pinned: __, suspect: ___, forgotten: ____, ...record } = trusted;
  const reference = await made.repository.snapshots.save({ ...record, mounts: [...record.mounts, disk] });
  const options = { paths: [Buffer.from(made.source)], host: reference.host, applied: [] };
  const judge = async (parent: typeof reference): Promise<string | undefined> => {
    await made.reopen();
    await made.repository.loadIndex();
    const [now] = (await made.repository.snapshots.list()).slice(-1);
    assert.ok(now !== undefined);
    return findSuspicion(made.repository, options, { tree: now.tree, mounts: trusted.mounts, parent });
  };
  writeFileSync(join(made.source, 'a', 'new'), 'new');
  await made.backup();
  assert.equal(await judge(reference), undefined, 'all files are there');
  drop(made, 'disk');
  mkdirSync(join(made.source, 'disk'));
  await made.backup();
  assert.match((await judge(reference)) ?? '', /source\/disk is not mounted any more \(lost 10 of 10 files/);
});

test('--strict: a suspect run leaves no snapshot', async (t) => {
  const made = await given(t, ['a']);
  drop(made, 'a');
  await assert.rejects(made.backup({ strict: true }), { code: 'PROBLEMS_FOUND' });
  assert.equal((await made.repository.snapshots.list()).length, 1);
  await assert.rejects(made.backup({ maxShrink: 101 }), { code: 'INVALID_ARGUMENT' });
});

test('a stream that came out empty is suspect', async (t) => {
  const made = await Library.make(t);
  const stream = (text: string): Promise<BackupResult> => {
    const content = (async function* () {
      yield Buffer.from(text);
    })();
    const stdin = { name: Buffer.from('dump.sql'), stream: content, succeeded: Promise.resolve() };
    return made.backup({ paths: [], stdin });
  };
  assert.equal((await stream('x'.repeat(1000))).suspicion, undefined);
  assert.match((await stream('')).suspicion ?? '', /dump\.sql is empty \(lost 1000 of 1000 bytes/);
});

test('damage of what a run would be compared with is said, and no reason to go without a snapshot', async (t) => {
  const made = await given(t, ['a']);
  const [reference] = await made.repository.snapshots.list();
  assert.ok(reference !== undefined);
  const lost = { ...reference, tree: Buffer.alloc(16, 9) as typeof reference.tree };
  const notes: string[] = [];
  await made.repository.loadIndex();
  const options = {
    paths: [Buffer.from(made.source)],
    applied: [],
    monitor: { note: (text: string) => notes.push(text) },
  };
  const now = { tree: reference.tree, mounts: [], parent: lost };
  assert.equal(await findSuspicion(made.repository, options, now), undefined);
  assert.match(notes.join(), /cannot be told: snapshot [0-9a-f]{8} cannot be read/);
});
