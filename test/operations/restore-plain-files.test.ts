/** Small new files in folders that the restore makes itself take a way of their own (plain-files.ts): what may go wrong on it. */

import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EngineError } from '../../engine/base/errors.ts';
import type { PackId } from '../../engine/base/ids.ts';
import { PROLOGUE_BYTES } from '../../engine/format/envelope.ts';
import type { RestoreResult } from '../../engine/operations/restore/options.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { loadPackHeader } from '../../engine/repository/pack-headers.ts';
import type { Repository } from '../../engine/repository/repository.ts';
import {
  dir,
  file,
  type NamedEntry,
  reopened,
  SnapshotBuilder,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';

/** More than one task, window and thread need. */
const FILES = 6000;

const folderOf = (texts: readonly string[]): NamedEntry => [
  'folder',
  dir(texts.map((text): NamedEntry => [`file ${text}`, file(text)])),
];

async function dataPacks(repository: Repository): Promise<Set<PackId>> {
  const packs = new Set<PackId>();
  for await (const { name } of repository.backend.list('pack')) {
    const { table } = await loadPackHeader(repository, name as PackId);
    if (table.kind === 'data') packs.add(name as PackId);
  }
  return packs;
}

/** Changes the first byte of a pack's first frame. */
function damage(folder: string, packId: PackId): void {
  const packs = join(folder, 'repository', 'packs');
  const name = readdirSync(packs, { recursive: true, encoding: 'utf8' }).find((path) => path.endsWith(packId));
  assert.ok(name !== undefined);
  const bytes = readFileSync(join(packs, name));
  bytes[PROLOGUE_BYTES] = (bytes[PROLOGUE_BYTES] ?? 0) ^ 1;
  chmodSync(join(packs, name), 0o600);
  writeFileSync(join(packs, name), bytes);
}

function restoreTo(repository: Repository, target: string, verify = false): Promise<RestoreResult> {
  return restore(repository, { snapshot: 'latest', target: Buffer.from(target), verify });
}

async function made(t: TestContext): Promise<{ readonly folder: string; readonly repository: Repository }> {
  const folder = testFolder(t);
  return { folder, repository: await testRepository({ folder }) };
}

test('many small files in many folders come back through threads, and read back as they should', async (t) => {
  const { folder, repository } = await made(t);
  const entries = Array.from({ length: 200 }, (_, number): NamedEntry => {
    const names = Array.from({ length: FILES / 200 }, (_unused, at) => number * 1000 + at);
    return [`folder ${number}`, dir(names.map((name): NamedEntry => [`file ${name}`, file(`content ${name}`)]))];
  });
  await new SnapshotBuilder(repository).save(entries);
  const target = join(folder, 'target');
  const result = await restoreTo(await reopened(repository), target, true);
  assert.equal(result.problemCount, 0);
  assert.equal(result.filesRestored, FILES);
  let bytes = 0;
  for (const name of readdirSync(target)) {
    for (const inner of readdirSync(join(target, name))) {
      const text = readFileSync(join(target, name, inner), 'utf8');
      assert.equal(text, inner.replace('file', 'content'));
      bytes += text.length;
    }
  }
  assert.equal(result.bytesRestored, bytes);
  const again = await restore(await reopened(repository), {
    snapshot: 'latest',
    target: Buffer.from(target),
    overwrite: 'if-changed',
  });
  assert.deepEqual([again.filesRestored, again.filesSkipped], [0, FILES], 'each was noted in the journal');
});

test('of a damaged frame, files come from another copy; those without one are left out and named', async (t) => {
  for (const damaged of ['first', 'second'] as const) {
    const { folder, repository } = await made(t);
    await new SnapshotBuilder(repository).save([folderOf(['both', 'first'])]);
    const first = await dataPacks(repository);
    // Written by somebody who had not read the index: what both have is stored twice.
    await new SnapshotBuilder(await reopened(repository)).save([folderOf(['both', 'second'])]);
    const all = await dataPacks(repository);
    const reader = await reopened(repository);
    await reader.loadIndex();
    await new SnapshotBuilder(reader).save([folderOf(['both', 'first', 'second', 'third'])]);
    for (const packId of all) if (first.has(packId) === (damaged === 'first')) damage(folder, packId);
    const target = join(folder, 'target');
    const result = await restoreTo(await reopened(repository), target);
    const kept = ['both', 'first', 'second', 'third'].filter((text) => text !== damaged);
    assert.deepEqual(readdirSync(join(target, 'folder')).sort(), kept.map((text) => `file ${text}`).sort());
    for (const text of kept) assert.equal(readFileSync(join(target, 'folder', `file ${text}`), 'utf8'), text);
    assert.equal(result.problemCount, 1);
    assert.equal(result.problems[0]?.code, 'OBJECT_CORRUPT');
    assert.equal(result.problems[0]?.path.toString(), join(target, 'folder', `file ${damaged}`));
    assert.equal(result.filesRestored, 3);
  }
});

test('trap 11: a small file whose name leads out of its folder is damage, and nothing is written outside', async (t) => {
  for (const name of ['..', '.', '../outside', '/etc/outside', 'nul\0inside', '']) {
    const { folder, repository } = await made(t);
    try {
      await new SnapshotBuilder(repository).save([
        [
          'folder',
          dir([
            [name, file('out')],
            ['good', file('good')],
          ]),
        ],
      ]);
    } catch (error) {
      // What cannot be written need not be read.
      assert.ok(error instanceof EngineError, String(error));
      continue;
    }
    const target = join(folder, 'target');
    const outcome = await restoreTo(await reopened(repository), target).then(
      ({ problems }) => problems.map(({ code }) => code),
      (error: unknown) => [error instanceof EngineError ? error.code : String(error)],
    );
    assert.deepEqual([...new Set(outcome)], ['OBJECT_CORRUPT'], JSON.stringify(name));
    assert.equal(existsSync(join(target, 'outside')), false);
    assert.deepEqual(
      readdirSync(join(target, 'folder')).filter((entry) => entry !== 'good'),
      [],
    );
  }
});

test('a name that is taken when its file comes is a problem of that file alone', async (t) => {
  const { folder, repository } = await made(t);
  const names = Array.from({ length: 5000 }, (_, number) => String(number).padStart(5, '0'));
  await new SnapshotBuilder(repository).save([folderOf(names)]);
  const target = join(folder, 'target');
  let taken = false;
  const result = await restore(await reopened(repository), {
    snapshot: 'latest',
    target: Buffer.from(target),
    workers: 1,
    monitor: {
      progress: () => {
        if (taken || existsSync(join(target, 'folder', 'file 04999'))) return;
        taken = true;
        writeFileSync(join(target, 'folder', 'file 04999'), 'somebody else');
      },
    },
  });
  assert.equal(result.problemCount, taken ? 1 : 0);
  assert.equal(result.filesRestored, taken ? names.length - 1 : names.length);
  if (!taken) return t.diagnostic('all was restored before the name could be taken');
  assert.equal(result.problems[0]?.code, 'EEXIST');
  assert.equal(readFileSync(join(target, 'folder', 'file 04999'), 'utf8'), 'somebody else');
});
