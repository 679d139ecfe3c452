import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Progress } from '../../engine/base/monitor.ts';
import { createFileSystem } from '../../engine/filesystem/create.ts';
import { countOptionsOf, countSources } from '../../engine/operations/backup/count-sources.ts';
import { Library } from '../support/library.ts';
import { makeZoo } from '../support/zoo.ts';

test('what is counted beforehand is what the backup finds, whatever is left out', async (t) => {
  const library = await Library.make(t);
  makeZoo(library.source);
  mkdirSync(join(library.source, 'cache'));
  writeFileSync(join(library.source, 'cache', 'CACHEDIR.TAG'), 'Signature: 8a477f597d28d172789f06886806bc55');
  writeFileSync(join(library.source, 'cache', 'thing'), 'thing');
  mkdirSync(join(library.source, 'skipped'));
  writeFileSync(join(library.source, 'skipped', '.nobackup'), '');
  writeFileSync(join(library.source, 'skipped', 'thing'), 'thing');
  const link = join(library.folder, 'link');
  symlinkSync(library.source, link);
  const paths = [Buffer.from(library.source)];
  for (const options of [
    { paths },
    { paths, excludes: ['many/1*', '*.hidden'], caseInsensitiveExcludes: ['PLAIN/TEXT'] },
    { paths, excludeCaches: true, excludeIfPresent: ['.nobackup'], excludeLargerThan: 100_000, oneFileSystem: true },
    { paths: [Buffer.from(link), Buffer.from(join(library.source, 'plain', 'text')), Buffer.from('/no/such')] },
  ]) {
    const counted = countSources(createFileSystem(), countOptionsOf(options, []));
    const { counts } = await library.backup({ ...options, force: true, dryRun: true });
    const found = { files: counts.totalFilesProcessed, bytes: counts.totalBytesProcessed };
    assert.deepEqual(counted, found);
    assert.ok(counted.files > 0);
  }
});

test('a first run tells how much there is as soon as it is counted', async (t) => {
  const library = await Library.make(t);
  mkdirSync(library.source);
  for (let file = 0; file < 5; file++) writeFileSync(join(library.source, String(file)), Buffer.alloc(4_000_000, file));
  const seen: Progress[] = [];
  const monitor = { progress: (progress: Progress) => void seen.push(progress) };
  await library.backup({ countSources: true, monitor, readBytesPerSecond: 10_000_000, workers: 1 });
  const totals = seen.filter(({ filesTotal }) => filesTotal !== undefined);
  assert.ok(totals.length > 0);
  for (const { filesTotal, bytesTotal } of totals) assert.deepEqual([filesTotal, bytesTotal], [5, 20_000_000]);
});
