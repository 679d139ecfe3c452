import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileKindOf } from '../../engine/codec/file-kind.ts';
import { stats } from '../../engine/operations/stats.ts';
import { Library } from '../support/library.ts';

/** Three nights: a book stays, a cover comes and goes, a song comes last, and a copy of it. */
async function given(t: TestContext): Promise<Library> {
  const library = await Library.make(t);
  const { source } = library;
  mkdirSync(source);
  const song = randomBytes(30_000);
  writeFileSync(join(source, 'book.epub'), randomBytes(50_000));
  await library.backup({ time: new Date('2026-03-01T12:00:00Z') });
  writeFileSync(join(source, 'cover.jpg'), randomBytes(20_000));
  await library.backup({ time: new Date('2026-03-02T12:00:00Z') });
  rmSync(join(source, 'cover.jpg'));
  writeFileSync(join(source, 'song.mp3'), song);
  writeFileSync(join(source, 'song.copy'), song);
  await library.backup({ time: new Date('2026-03-02T13:00:00Z') });
  await library.reopen();
  return library;
}

test('stats: what only one snapshot holds, by type', async (t) => {
  const { repository } = await given(t);
  const middle = await stats(repository, { snapshot: 'latest~1' });
  assert.deepEqual([middle.restoreSize, middle.distinctSize, middle.uniqueSize], [70_000, 70_000, 20_000]);
  assert.deepEqual(middle.byType, [
    { type: 'ebook', files: 1, distinctSize: 50_000, uniqueSize: 0 },
    { type: 'image', files: 1, distinctSize: 20_000, uniqueSize: 20_000 },
  ]);
  assert.ok(middle.uniqueStoredSize >= 20_000 && middle.uniqueStoredSize < 22_000, `${middle.uniqueStoredSize}`);
  const last = await stats(repository, { snapshot: 'latest' });
  assert.deepEqual([last.restoreSize, last.distinctSize, last.uniqueSize], [110_000, 80_000, 30_000]);
  const first = await stats(repository, { snapshot: 'latest~2' });
  assert.deepEqual([first.uniqueSize, first.uniqueStoredSize], [0, 0]);
});

test('stats: of all snapshots, and what was added night by night', async (t) => {
  const { repository } = await given(t);
  const all = await stats(repository);
  assert.deepEqual([all.snapshots, all.restoreSize, all.distinctSize, all.uniqueSize], [3, 230_000, 100_000, 100_000]);
  assert.deepEqual(all.byType.map(({ type, files }) => `${type} ${files}`).sort(), ['ebook 1', 'image 1', 'other 1']);
  assert.deepEqual(
    all.growth.map(({ date, snapshots }) => `${date} ${snapshots}`),
    ['2026-03-01 1', '2026-03-02 2'],
  );
  const [first, second] = all.growth;
  assert.ok((first?.dataAdded ?? 0) >= 50_000 && (second?.dataAdded ?? 0) >= 50_000);
  assert.ok((second?.dataAddedPacked ?? 0) > 50_000 && (second?.dataAddedPacked ?? 0) < 80_000);
});

test('files are told apart by the ends of their names', () => {
  const kinds = ['a.MP3', 'x.epub', 'b.cbz', '.mp3', 'noend', 'a.b.sqlite', 'a.unheardof'].map((name) =>
    fileKindOf(Buffer.from(name)),
  );
  assert.deepEqual(kinds, ['audio', 'ebook', 'comic', 'other', 'other', 'database', 'other']);
});
