/** Files of a repository that lie there and cannot be read: a bad sector, a wrong owner. */

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
import { CliFixture, type Json, lastJson } from '../support/cli.ts';
import { filesBelow, give, runAsNobody } from '../support/cli-as-nobody.ts';
import { UnreadableFile } from '../support/faulty-backend.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

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
  const run = runAsNobody(cli, ['restore', `latest:${cli.source}`, '--target', join(target, 'in'), '--json']);
  assert.equal(run.code, 20, run.stderr);
  assert.deepEqual(readdirSync(join(target, 'in')), ['second']);
  const problems: Json[] = lastJson(run.stdout).problems.filter((problem: Json) => problem.during === 'read');
  assert.deepEqual(
    problems.map((problem) => problem.path),
    [join(target, 'in', 'first')],
  );
  assert.match(problems[0].message, /permission is denied/);
  const checked = runAsNobody(cli, ['check', '--json']);
  assert.equal(checked.code, 20, checked.stderr);
  assert.ok(lastJson(checked.stdout).errors.some((error: Json) => error.code === 'OBJECT_UNREADABLE'));
  assert.equal(lastJson(checked.stdout).snapshots_checked, 2);
});

test('a snapshot that cannot be read is named by check, and the others are checked', async (t) => {
  const cli = new CliFixture(t);
  const { snapshots } = await twoNights(cli);
  const [first = ''] = snapshots;
  give(cli, first);
  const { code, stdout, stderr } = runAsNobody(cli, ['check', '--json']);
  const json = lastJson(stdout);
  assert.equal(code, 20, stderr);
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
  await library.backup();
  const first = filesBelow(join(library.repository.backend.location, 'packs'));
  const { backend } = library.repository;
  // By somebody who had not read the index: the same blobs once more.

  const cacheDirectory = join(library.folder, 'other cache');
  const other = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
  await new SnapshotBuilder(other).save([['twice', file(bytes)]]);
  for (const path of first) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    await library.reopen(new UnreadableFile(backend, { kind: 'pack', name }));
    const errors = (await check(library.repository, { readData: true })).errors;
    assert.ok(errors.some(({ code }) => code === 'OBJECT_UNREADABLE'));
  }
  await library.repository.loadIndex();
  const packs = [...library.repository.index.packs()];
  const isFirst = (packId: string): boolean => first.some((path) => path.endsWith(packId));
  const name = packs.find(({ kind, packId }) => kind === 'data' && isFirst(packId))?.packId ?? '';
  await library.reopen(new UnreadableFile(backend, { kind: 'pack', name }));
  const target = join(library.folder, 'target');
  const [snapshot] = await library.repository.snapshots.list();
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
