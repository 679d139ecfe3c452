import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Library } from '../support/library.ts';
import { describeTree, makeZoo } from '../support/zoo.ts';

const isRoot = process.geteuid?.() === 0;

test('everything a file system holds comes back as it was', async (t) => {
  const library = await Library.make(t);
  const zoo = makeZoo(library.source);
  if (isRoot) assert.deepEqual(zoo.missing, []);
  const saved = await library.backup();
  assert.deepEqual(saved.problems, []);
  const restored = await library.restore('latest', { verify: true });
  assert.deepEqual(restored.problems, []);
  assert.deepEqual(describeTree(restored.target), describeTree(library.source));
});

test('trap 8: nothing is read again in the second run, nor in the third', async (t) => {
  const library = await Library.make(t);
  makeZoo(library.source);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const first = await library.backup();
  for (const run of ['second', 'third']) {
    const next = await library.backup();
    assert.equal(next.counts.filesUnmodified, first.counts.totalFilesProcessed, run);
    assert.equal(next.counts.dataAdded, 0, run);
    assert.equal(next.counts.dataAddedPacked, 0, run);
    assert.ok(next.snapshot?.tree.equals(first.snapshot?.tree ?? Buffer.alloc(0)), run);
  }
});
