import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { check } from '../../engine/operations/check/check.ts';
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
