import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { check } from '../../engine/operations/check/check.ts';
import { unlock } from '../../engine/operations/unlock.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { file, SnapshotBuilder } from '../support/build-repository.ts';
import { Library } from '../support/library.ts';
import { Random } from '../support/random.ts';

/** Two nights: what the first stored, both need; the second's file only the second. */
async function twoNights(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  mkdirSync(library.source);
  writeFileSync(join(library.source, 'both'), new Random(1).bytes(400_000));
  await library.backup();
  writeFileSync(join(library.source, 'second only'), new Random(2).bytes(300_000));
  await library.backup();
  return library;
}

function packFiles(library: Library): string[] {
  const folder = join(library.folder, 'repository', 'packs');
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((path) => /[0-9a-f]{32}$/.test(path));
}

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

test('a sound repository has no errors, and every part of the data is read by one of seven checks', async (t) => {
  const library = await twoNights(t);
  const structure = await check(await library.reopen());
  assert.deepEqual(structure.errors, []);
  assert.deepEqual([structure.snapshotsChecked, structure.packsChecked, structure.bytesRead], [2, 4, 0]);
  const all = await check(await library.reopen(), { readData: true });
  assert.ok(all.blobsChecked > 4);
  let parts = 0;
  for (let part = 1; part <= 7; part++) {
    parts += (await check(await library.reopen(), { readDataSubset: `${part}/7` })).bytesRead;
  }
  assert.equal(parts, all.bytesRead);
  assert.equal((await check(await library.reopen(), { readDataSubset: '100%' })).bytesRead, all.bytesRead);
  assert.equal((await check(await library.reopen(), { readDataSubset: '2G' })).bytesRead, all.bytesRead);
  for (const readDataSubset of ['0%', '101%', '8/7', '0/7', 'half', '']) {
    await assert.rejects(check(await library.reopen(), { readDataSubset }), (error) =>
      isEngineError(error, 'INVALID_ARGUMENT'),
    );
  }
});

test('trap 27: each damaged object is named with the snapshots and paths that need it, by every check anew', async (t) => {
  const library = await twoNights(t);
  const [first, second] = await library.repository.snapshots.list();
  const largest = packFiles(library).sort((a, b) => readFileSync(b).length - readFileSync(a).length);
  for (const path of largest.slice(0, 2)) flipByte(path, 1000);
  for (let round = 0; round < 2; round++) {
    assert.deepEqual((await check(await library.reopen())).errors, [], 'structure alone does not read it');
    const { errors } = await check(await library.reopen(), { readData: true });
    assert.equal(errors.length, 2, 'it never stops at the first damage');
    for (const error of errors) {
      assert.equal(error.code, 'OBJECT_CORRUPT');
      assert.match(error.object, /^packs\/[0-9a-f]{2}\/[0-9a-f]{32}$/);
    }
    const both = errors.find(({ paths }) => paths.includes(join(library.source, 'both')));
    assert.deepEqual([...(both?.snapshots ?? [])].sort(), [first?.id, second?.id].sort());
    const own = errors.find(({ paths }) => paths.includes(join(library.source, 'second only')));
    assert.deepEqual(own?.snapshots, [second?.id]);
  }
});

test('snapshots that another copy keeps whole do not need a pack that is gone', async (t) => {
  const library = await twoNights(t);
  const [largest = ''] = packFiles(library).sort((a, b) => readFileSync(b).length - readFileSync(a).length);
  rmSync(largest);
  const before = (await check(await library.reopen())).errors;
  assert.deepEqual(
    before.map(({ code, snapshots }) => [code, snapshots.length]),
    [['OBJECT_MISSING', 2]],
  );
  await library.backup({ force: true });
  const after = (await check(await library.reopen(), { readData: true })).errors;
  assert.deepEqual(
    after.flatMap(({ snapshots, paths }) => [...snapshots, ...paths]),
    [],
  );
  for (const snapshot of await library.repository.snapshots.list()) {
    assert.equal((await library.restore(snapshot.id)).problemCount, 0);
  }
});

test('trap 3: of two copies of a blob one whole one is enough, whichever comes first', async (t) => {
  for (const copy of [0, 1]) {
    const library = await Library.make(t);
    mkdirSync(library.source);
    const bytes = new Random(3).bytes(3000);
    writeFileSync(join(library.source, 'twice'), bytes);
    await library.backup();
    // By somebody who had not read the index: the same blob once more.
    const { backend } = library.repository;
    const cacheDirectory = join(library.folder, 'other cache');
    const other = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory });
    await new SnapshotBuilder(other).save([['twice', file(bytes)]]);
    await (await library.reopen()).loadIndex();
    const data = [...library.repository.index.packs()].filter(({ kind }) => kind === 'data');
    assert.equal(data.length, 2);
    const path = packFiles(library).find((name) => name.endsWith(data[copy]?.packId ?? ''));
    flipByte(path ?? '', 200);
    const { errors } = await check(await library.reopen(), { readData: true });
    assert.equal(errors.length, 1);
    assert.deepEqual(errors[0]?.snapshots, []);
  }
});

test('packs whose segments were lost are damage while snapshots need them, until a backup names them again', async (t) => {
  const library = await twoNights(t);
  const left = join(library.folder, 'repository', 'index');
  for (const name of readdirSync(left)) rmSync(join(left, name));
  const notes: string[] = [];
  const monitor = { note: (text: string) => void notes.push(text) };
  const { errors } = await check(await library.reopen(), { monitor });
  assert.deepEqual(notes, [], 'nobody is told that prune removes what snapshots need');
  assert.equal(errors.length, 4);
  for (const { code, message } of errors) {
    assert.equal(code, 'OBJECT_MISSING');
    assert.match(message, /no index segment names it/);
  }
  await library.backup();
  assert.deepEqual((await check(await library.reopen(), { monitor, readData: true })).errors, []);
  assert.deepEqual(notes, []);
});

test('what a probe left in locks/ is no damage and no lease, and goes with a later probe', async (t) => {
  const library = await twoNights(t);
  const locks = join(library.folder, 'repository', 'locks');
  const probe = join(locks, `${'0'.repeat(60)}beef`);
  writeFileSync(probe, 'half a probe');
  assert.deepEqual((await check(await library.reopen())).errors, []);
  assert.deepEqual(await unlock(await library.reopen()), { removed: [], kept: [], unreadable: [] });
  assert.ok(existsSync(probe), 'it may be under way');
  utimesSync(probe, 1e9, 1e9);
  await Repository.open({
    backend: library.repository.backend,
    credential: { type: 'none' },
    cacheDirectory: join(library.folder, 'new client'),
  }).then((repository) => repository.probe());
  assert.equal(existsSync(probe), false);
  writeFileSync(join(locks, 'a'.repeat(64)), 'junk');
  assert.equal((await check(await library.reopen())).errors.length, 1);
});
