/** Several paths of a snapshot at once, and a restore that removes exactly what somebody agreed to. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isEngineError } from '../../engine/base/errors.ts';
import { type RestoreOptions, type RestorePlan, type RestoreResult, restore } from '../../engine/index.ts';
import { fitsAgreement } from '../../engine/operations/restore/guards.ts';
import { Library } from '../support/library.ts';

interface Given {
  readonly library: Library;
  readonly path: (below: string) => string;
  readonly write: (below: string, content?: string) => void;
  readonly restore: (options: Partial<RestoreOptions>) => Promise<RestoreResult>;
}

/** `a`, `b` and `c` with a file each, beside a file of their own. */
async function given(t: TestContext): Promise<Given> {
  const library = await Library.make(t);
  const path = (below: string): string => join(library.source, below);
  const write = (below: string, content = `the words of ${below}`): void => {
    mkdirSync(dirname(path(below)), { recursive: true });
    writeFileSync(path(below), content);
  };
  for (const below of ['a/one.txt', 'b/two.txt', 'c/three.txt', 'notes.txt', 'other.txt']) write(below);
  // What is as young as the backup is not trusted.
  await sleep(30);
  await library.backup();
  const run = async (options: Partial<RestoreOptions>): Promise<RestoreResult> =>
    restore(await library.reopen(), { snapshot: 'latest', ...options });
  return { library, path, write, restore: run };
}

const bytes = (paths: readonly string[]): Buffer[] => paths.map((path) => Buffer.from(path));

test('several paths come back in place, and nothing beside them', async (t) => {
  const { path, write, restore } = await given(t);
  for (const below of ['a/one.txt', 'b/two.txt', 'notes.txt', 'other.txt']) rmSync(path(below));
  write('a/later.txt');
  write('c/later.txt');
  const paths = bytes([path('a/'), path('notes.txt'), path('a/one.txt')]);
  const { plan } = await restore({ inPlace: true, delete: true, paths, dryRun: true });
  assert.deepEqual([plan?.filesToCreate, plan?.removals.count], [2, 1]);
  const { filesRestored, filesDeleted } = await restore({ inPlace: true, delete: true, force: true, paths });
  assert.deepEqual([filesRestored, filesDeleted], [2, 1]);
  assert.equal(readFileSync(path('a/one.txt'), 'utf8'), 'the words of a/one.txt');
  assert.equal(readFileSync(path('notes.txt'), 'utf8'), 'the words of notes.txt');
  assert.deepEqual(readdirSync(path('a')), ['one.txt']);
  for (const gone of ['b/two.txt', 'other.txt']) assert.ok(!existsSync(path(gone)), gone);
  assert.ok(existsSync(path('c/later.txt')), 'what nobody asked for stays as it is');
});

test('in another folder one path comes straight, several below their whole paths', async (t) => {
  const { library, path, restore } = await given(t);
  const one = join(library.folder, 'one');
  await restore({ target: Buffer.from(one), paths: bytes([path('a')]) });
  assert.deepEqual(readdirSync(one), ['one.txt']);
  const several = join(library.folder, 'several');
  await restore({ target: Buffer.from(several), paths: bytes([path('b'), path('other.txt')]) });
  const whole = join(several, library.source);
  assert.deepEqual(readdirSync(whole).sort(), ['b', 'other.txt']);
  assert.equal(readFileSync(join(whole, 'b/two.txt'), 'utf8'), 'the words of b/two.txt');
  const all = join(library.folder, 'all');
  await restore({ target: Buffer.from(all), paths: [] });
  assert.deepEqual(readdirSync(join(all, library.source)).sort(), ['a', 'b', 'c', 'notes.txt', 'other.txt']);
});

test('a path that the snapshot does not hold is refused before the others are touched', async (t) => {
  const { library, path, restore } = await given(t);
  rmSync(path('a/one.txt'));
  const paths = bytes([path('a'), path('nowhere')]);
  for (const place of [{ inPlace: true }, { target: Buffer.from(join(library.folder, 'elsewhere')) }]) {
    await assert.rejects(restore({ ...place, paths }), (error) => isEngineError(error, 'PATH_NOT_FOUND'));
  }
  assert.ok(!existsSync(path('a/one.txt')));
  await assert.rejects(restore({ inPlace: true, paths, path: Buffer.from(path('a')) }), (error) =>
    isEngineError(error, 'INVALID_ARGUMENT'),
  );
});

test('what is removed is what was agreed to, in number and by name, or nothing is changed', async (t) => {
  const { path, write, restore } = await given(t);
  rmSync(path('b/two.txt'));
  write('a/later.txt');
  write('new/deep.txt');
  const how = { inPlace: true, delete: true, force: true } as const;
  const { plan } = await restore({ ...how, dryRun: true });
  const agreed = plan?.removals;
  assert.equal(agreed?.count, 3, 'two files and a folder');
  const refuses = (agreedRemovals: RestoreOptions['agreedRemovals'], message: RegExp): Promise<void> =>
    assert.rejects(restore({ ...how, agreedRemovals }), (error) => {
      assert.ok(isEngineError(error, 'DELETION_REFUSED'));
      assert.match(error.message, message);
      return true;
    });
  await refuses({ count: 0 }, /agreed that 0 entries are removed, and now it would be 3:/);
  await refuses({ count: 2 }, /nothing was changed/);
  await refuses({ count: 4 }, /nothing was changed/);
  rmSync(path('a/later.txt'));
  write('a/another.txt');
  await refuses(agreed, /it would be 3, but not the same ones/);
  for (const there of ['a/another.txt', 'new/deep.txt']) assert.ok(existsSync(path(there)), there);
  assert.ok(!existsSync(path('b/two.txt')), 'nothing was brought back either');
  const again = await restore({ ...how, dryRun: true });
  const done = await restore({ ...how, agreedRemovals: again.plan?.removals });
  assert.deepEqual([done.filesDeleted, done.directoriesDeleted, done.filesRestored], [2, 1, 1]);
});

test('a restore that goes on may remove what is left of it, and no more', () => {
  const plan = { removals: { count: 2, digest: 'of two' } } as RestorePlan;
  const fits = (count: number, resumed: boolean, digest?: string): boolean =>
    fitsAgreement(plan, { count, digest }, { resumed });
  assert.deepEqual([fits(2, false), fits(2, false, 'of two'), fits(2, false, 'of others')], [true, true, false]);
  assert.deepEqual([fits(3, false), fits(1, false)], [false, false]);
  assert.deepEqual([fits(3, true, 'of three'), fits(2, true), fits(1, true)], [true, true, false]);
});
