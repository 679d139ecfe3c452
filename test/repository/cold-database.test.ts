import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MappedTables } from '../../engine/filesystem/mapped-tables.ts';
import { ENTRY_WORDS } from '../../engine/repository/chunk-table.ts';
import { ColdDatabase } from '../../engine/repository/cold-database.ts';
import { type ColdRun, ColdRunWriter, writeSorted } from '../../engine/repository/cold-run.ts';
import { sortEntries } from '../../engine/repository/run-filter.ts';
import { testFolder } from '../support/build-repository.ts';
import { type Random, randomFor } from '../support/random.ts';

const PAGE_BYTES = 2048;

function mappedBytes(): number {
  const kib = /^RssFile:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return Number(kib) * 1024;
}

test('a scan of a large database leaves little of it in memory', async (t) => {
  if (MappedTables.load() === undefined) return t.skip('mappings cannot be given back here');
  const random = randomFor(t);
  const location = join(testFolder(t), 'database');
  const written = await ColdDatabase.open(location);
  const page = random.bytes(PAGE_BYTES);
  const pages = 60_000;
  for (let number = 0; number < pages; number++) {
    page.writeUInt32LE(number, 0);
    if (written.put({ run: 0, kind: 'page', number }, page)) await written.drain();
  }
  await written.drain();
  await written.close();
  const database = await ColdDatabase.open(location);
  t.after(() => database.close());
  const before = mappedBytes();
  let grown = 0;
  for (let number = 0; number < pages; number++) {
    assert.equal(database.scan(0, 'page', number)?.readUInt32LE(0), number);
    if (number % 1000 === 0) grown = Math.max(grown, mappedBytes() - before);
  }
  assert.ok(grown < 40e6, `${grown} bytes of ${pages * PAGE_BYTES}`);
  for (let number = 0; number < pages; number += 7) {
    assert.equal(database.read(0, 'page', number)?.readUInt32LE(0), number, 'what was given back can be read again');
  }
});

async function makeRun(database: ColdDatabase, random: Random, count: number): Promise<ColdRun> {
  const entries = new Uint32Array(random.bytes(count * ENTRY_WORDS * 4).buffer.slice(0, count * ENTRY_WORDS * 4));
  const writer = new ColdRunWriter(database, { run: 0, entryWords: ENTRY_WORDS, countMax: count + 5 });
  const filter = await writeSorted(writer, sortEntries(entries, ENTRY_WORDS), ENTRY_WORDS);
  await database.putPieces(0, 'packs', random.bytes(2 * 24));
  await database.putPieces(0, 'segments', random.bytes(100));
  return writer.finish(filter, { packFirst: 0, packCount: 2, segmentsBytes: 100 });
}

test('a clone of a run counts only where nothing of it is missing or another', async (t) => {
  const random = randomFor(t);
  const folder = testFolder(t);
  const database = await ColdDatabase.open(join(folder, 'own'));
  t.after(() => database.close());
  const run = await makeRun(database, random, 5000);
  assert.ok(run.isWholeIn(database, 7));
  for (const missing of ['page', 'filter', 'packs', 'segments', 'summary', undefined] as const) {
    const clone = await ColdDatabase.open(join(folder, `clone without ${missing}`));
    for (const kind of ['page', 'filter', 'packs', 'segments', 'summary'] as const) {
      for (let number = 0; ; number++) {
        const value = database.read(0, kind, number);
        if (value === undefined) break;
        if (kind !== missing || number > 0) clone.put({ run: 0, kind, number }, value);
      }
    }
    await clone.drain();
    assert.equal(run.isWholeIn(clone, 7), missing === undefined, String(missing));
    await clone.close();
  }
  const other = await ColdDatabase.open(join(folder, 'another'));
  await makeRun(other, random, 5000);
  assert.ok(!run.isWholeIn(other, 7));
  await other.close();
});
