import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { atOnce, LIST_SLICE_ENTRIES, sortInSlices } from '../../engine/filesystem/slices.ts';
import { testFolder } from '../support/build-repository.ts';
import { randomFor } from '../support/random.ts';

test('names sorted in slices are sorted as at once, with a pause for each slice', (t) => {
  const random = randomFor(t);
  for (const count of [0, 1, LIST_SLICE_ENTRIES, LIST_SLICE_ENTRIES + 1, 5 * LIST_SLICE_ENTRIES + 7]) {
    const names = Array.from({ length: count }, () => Buffer.from(random.bytes(1 + random.below(6))));
    const expected = [...names].sort(Buffer.compare);
    const slices = sortInSlices([...names]);
    let pauses = 0;
    let next = slices.next();
    for (; next.done !== true; next = slices.next()) pauses++;
    assert.ok(next.value.every((name, index) => name.equals(expected[index] ?? Buffer.from('?'))));
    assert.equal(next.value.length, count);
    assert.ok(pauses >= Math.ceil(count / LIST_SLICE_ENTRIES) - 1);
  }
});

for (const [name, options] of [
  ['with the C library', {}],
  ['without it', { portable: true }],
] as const) {
  test(`a large folder is listed with pauses, and as at once, ${name}`, (t) => {
    const folder = join(testFolder(t), 'large');
    mkdirSync(folder);
    for (let number = 0; number < LIST_SLICE_ENTRIES + 100; number++) writeFileSync(join(folder, `${number}`), '');
    const fileSystem = createFileSystem(options);
    const directory = fileSystem.openDirectory(Buffer.from(folder));
    const slices = fileSystem.listInSlices(directory);
    assert.equal(slices.next().done, false);
    const paused = atOnce(slices);
    const whole = fileSystem.list(directory);
    fileSystem.close(directory);
    assert.equal(whole.names.length, LIST_SLICE_ENTRIES + 100);
    assert.deepEqual(paused.names, whole.names);
    assert.ok(paused.stats.equals(whole.stats));
  });
}
