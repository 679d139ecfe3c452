/** Files of a repository that lie there and cannot be read: a bad sector, a wrong owner. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, lchownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { check } from '../../engine/operations/check/check.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { unlock } from '../../engine/operations/unlock.ts';
import { HeldLease } from '../../engine/repository/leases.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { LocalBackend } from '../../engine/storage/local.ts';
import { file, SnapshotBuilder, testFolder } from '../support/build-repository.ts';
import { CliFixture, type Json, lastJson, PASSWORD, PROGRAM } from '../support/cli.ts';
import { UnreadableFile } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

/** Files below, relative. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** `snap` as somebody whom modes concern. */
function runAsNobody(
  cli: CliFixture,
  parameters: readonly string[],
): { code: number | null; json: Json; text: string } {
  const env = { SNAP_REPOSITORY: cli.repository, SNAP_PASSWORD: PASSWORD, SNAP_CACHE_DIR: join(cli.folder, 'nobody') };
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...parameters, '--json'], {
    env: { PATH: process.env['PATH'] ?? '', HOME: cli.folder, ...env },
    encoding: 'utf8',
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  return { code: status, json: stdout === '' ? undefined : lastJson(stdout), text: stderr };
}

/** Lets nobody have all of the repository but what is taken from him. */
function give(cli: CliFixture, unreadable: string): void {
  chmodSync(cli.folder, 0o777);
  if (isRoot) {
    for (const path of readdirSync(cli.repository, { recursive: true, encoding: 'utf8' })) {
      lchownSync(join(cli.repository, path), NOBODY, NOBODY);
    }
    lchownSync(cli.repository, NOBODY, NOBODY);
    lchownSync(unreadable, 0, 0);
  }
  chmodSync(unreadable, isRoot ? 0o600 : 0);
}

async function twoNights(cli: CliFixture): Promise<{ packs: string[]; snapshots: string[] }> {
  const at = (name: string): string => join(cli.source, name);
  mkdirSync(cli.source);
  await cli.init();
  writeFileSync(at('first'), new Random(1).bytes(100_000));
  await cli.ok(['backup', cli.source]);
  const packs = filesBelow(join(cli.repository, 'packs'));
  const snapshots = filesBelow(join(cli.repository, 'snapshots'));
  writeFileSync(at('second'), new Random(2).bytes(100_000));
  await cli.ok(['backup', cli.source]);
  return { packs, snapshots };
}

test('a pack that cannot be read costs the files in it, and nothing else', async (t) => {
  const cli = new CliFixture(t);
  const { packs } = await twoNights(cli);
  // Of the first night's packs the larger one holds the file.
  const data = packs.toSorted((a, b) => readFileSync(b).length - readFileSync(a).length)[0] ?? '';
  give(cli, data);
  const target = join(cli.folder, 'target');
  mkdirSync(target);
  chmodSync(target, 0o777);
  const run = runAsNobody(cli, ['restore', `latest:${cli.source}`, '--target', join(target, 'in')]);
  assert.equal(run.code, 20, run.text);
  assert.deepEqual(readdirSync(join(target, 'in')), ['second']);
  const problems: Json[] = run.json.problems.filter((problem: Json) => problem.during === 'read');
  assert.deepEqual(
    problems.map((problem) => problem.path),
    [join(target, 'in', 'first')],
  );
  assert.match(problems[0].message, /permission is denied/);
  const checked = runAsNobody(cli, ['check']);
  assert.equal(checked.code, 20, checked.text);
  assert.ok(checked.json.errors.some((error: Json) => error.code === 'OBJECT_UNREADABLE'));
  assert.equal(checked.json.snapshots_checked, 2);
});

test('a snapshot that cannot be read is named by check, and the others are checked', async (t) => {
  const cli = new CliFixture(t);
  const { snapshots } = await twoNights(cli);
  const [first = ''] = snapshots;
  give(cli, first);
  const { code, json, text } = runAsNobody(cli, ['check']);
  assert.equal(code, 20, text);
  assert.equal(json.snapshots_checked, 1);
  assert.deepEqual(
    json.errors.map((error: Json) => [error.code, error.object]),
    [['OBJECT_UNREADABLE', first.slice(cli.repository.length + 1)]],
  );
});

test('what an unreadable pack holds is read from another one that has it', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  const bytes = new Random(3).bytes(3000);
  writeFileSync(join(library.source, 'twice'), bytes);
  const { snapshot } = await library.backup();
  const first = filesBelow(join(library.repository.backend.location, 'packs'));
  const { backend } = library.repository;
  await library.reopen();
  await library.repository.loadIndex();
  const name = [...library.repository.index.packs()].find(({ kind }) => kind === 'data')?.packId ?? '';
  // By somebody who had not read the index: the same blobs once more.

  const cacheDirectory = join(library.folder, 'other cache');
  const other = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
  await new SnapshotBuilder(other).save([['twice', file(bytes)]]);
  for (const path of first) {
    const one = path.slice(path.lastIndexOf('/') + 1);
    await library.reopen(new UnreadableFile(backend, { kind: 'pack', name: one }));
    const errors = (await check(library.repository, { readData: true })).errors;
    assert.ok(errors.some(({ code }) => code === 'OBJECT_UNREADABLE'));
  }
  await library.reopen(new UnreadableFile(backend, { kind: 'pack', name }));

  const target = join(library.folder, 'target');
  const result = await restore(library.repository, {
    snapshot: snapshot?.id ?? '',
    path: Buffer.from(library.source),
    target: Buffer.from(target),
  });
  assert.equal(result.problemCount, 0, JSON.stringify(result.problems));
  assert.deepEqual(treeState(target), treeState(library.source));
});

test('where nothing can be read any more, the store has failed and nothing is damaged', async (t) => {
  const folder = join(testFolder(t), 'repository');
  const name = '0'.repeat(64);
  mkdirSync(join(folder, 'locks', name), { recursive: true });
  writeFileSync(join(folder, 'config'), 'config');
  const backend = new LocalBackend(folder);
  const failsWith = (code: 'OBJECT_UNREADABLE' | 'STORAGE_FAILED'): Promise<void> =>
    assert.rejects(backend.read('lock', name), (error) => isEngineError(error, code));
  await failsWith('OBJECT_UNREADABLE');
  rmSync(join(folder, 'config'));
  await failsWith('STORAGE_FAILED');
});

test('trap 12: a lease that cannot be read is nobody to be passed over, and nothing to be removed', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  await HeldLease.acquire(library.repository, { verb: 'prune', exclusive: true }).then((lease) =>
    t.after(() => lease.release()),
  );
  const [path = ''] = filesBelow(join(library.repository.backend.location, 'locks'));
  const name = path.slice(path.lastIndexOf('/') + 1);
  const repository = await library.reopen(new UnreadableFile(library.repository.backend, { kind: 'lock', name }));
  const isUnreadable = (error: unknown): boolean => isEngineError(error, 'OBJECT_UNREADABLE');
  await assert.rejects(HeldLease.acquire(repository, { verb: 'backup', exclusive: false }), isUnreadable);
  await assert.rejects(unlock(repository), isUnreadable);
  assert.ok(filesBelow(join(repository.backend.location, 'locks')).includes(path));
});
