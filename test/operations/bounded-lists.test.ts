/** Lists of a run that grow with the library: they leave memory when they are long. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BlobId } from '../../engine/base/ids.ts';
import { CHUNK_SMALL_BYTES_MAX, DIRECTORY_LOG_BYTES_MAX } from '../../engine/base/limits.ts';
import { STAT_BYTES } from '../../engine/base/stat.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { LISTING_EXTRA_WORDS } from '../../engine/filesystem/types.ts';
import { DirectoryLog } from '../../engine/operations/backup/directory-log.ts';
import { decodeLeftOut, LeftOut } from '../../engine/operations/backup/left-out.ts';
import { testFolder } from '../support/build-repository.ts';

test('paths that are left out are stored piece by piece, and come back in their order', () => {
  const leftOut = new LeftOut();
  const pieces: Buffer[] = [];
  leftOut.storeWith((piece) => {
    pieces.push(Buffer.from(piece));
    return Buffer.alloc(16, pieces.length) as BlobId;
  });
  const paths = Array.from({ length: 20_000 }, (_, number) => `/library/folder ${number % 97}/cache ${number}`);
  for (const [index, path] of paths.entries()) {
    leftOut.add(Buffer.from(path), index % 2 === 0 ? 'excluded' : 'tooLarge');
    if (index === 10_000) assert.ok(pieces.length > 3, 'long before the end');
  }
  const ids = leftOut.finish();
  assert.equal(ids.length, pieces.length);
  assert.deepEqual(
    ids.map((id) => id[0]),
    pieces.map((_, index) => index + 1),
  );
  for (const piece of pieces) assert.ok(piece.length <= CHUNK_SMALL_BYTES_MAX);
  const found = decodeLeftOut(Buffer.concat(pieces));
  assert.deepEqual(
    found.map(({ path }) => path.toString()),
    paths,
  );
  assert.deepEqual([found[0]?.reason, found[1]?.reason, leftOut.count], ['excluded', 'tooLarge', paths.length]);
});

for (const where of ['a cache directory', 'no place for a file'] as const) {
  test(`a log of very many directories finds those that moved, with ${where}`, (t) => {
    const folder = testFolder(t);
    const cache = where === 'a cache directory' ? join(folder, 'cache') : '/proc/no/such/place';
    const fileSystem = createFileSystem();
    const log = new DirectoryLog(cache);
    const target = { block: Buffer.alloc(STAT_BYTES), extras: new Uint32Array(LISTING_EXTRA_WORDS) };
    const logged = (path: string): void => {
      const directory = fileSystem.openDirectory(Buffer.from(path));
      fileSystem.statDirectory(directory, target);
      fileSystem.close(directory);
      log.add(Buffer.from(path), target.block);
    };
    for (const name of ['first', 'middle', 'last']) mkdirSync(join(folder, name));
    logged(join(folder, 'first'));
    // Names of one folder over and over: as long as those of a million.
    const many = join(folder, 'middle', '.'.repeat(1), '.', '.');
    const rounds = Math.ceil(DIRECTORY_LOG_BYTES_MAX / (many.length + 21)) + 1000;
    logged(many);
    for (let round = 0; round < rounds; round++) log.add(Buffer.from(many), target.block);
    logged(join(folder, 'last'));
    assert.deepEqual(log.changed(fileSystem), []);
    rmSync(join(folder, 'first'), { recursive: true });
    mkdirSync(join(folder, 'last', 'new'));
    const changed = log.changed(fileSystem).map((path) => path.toString());
    assert.deepEqual(changed, [join(folder, 'first'), join(folder, 'last')]);
    if (where === 'a cache directory') assert.deepEqual(readdirSync(cache), [], 'the file has no name');
    log.close();
  });
}
