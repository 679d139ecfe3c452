/** A library of more rows than should be in memory at a time. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { checkServers } from '../../engine/operations/servers/check-servers.ts';
import {
  dir,
  file,
  type NamedEntry,
  SnapshotBuilder,
  testFolder,
  testRepository,
} from '../support/build-repository.ts';
import { childPeakMib } from '../support/child-peak.ts';
import { makeCalibreLibrary } from '../support/servers.ts';

const BOOKS = 34_000;
const BOOKS_BY_ONE = 20;

interface Shelf {
  readonly entries: readonly NamedEntry[];
  readonly database: Buffer;
}

/** Every thousandth book has lost its file, and every 997th folder its row. */
function makeShelf(folder: string): Shelf {
  const path = makeCalibreLibrary(folder);
  const database = new Database(path);
  database.function('title_sort', (title) => title);
  database.function('uuid4', () => String(Math.random()));
  const addBook = database.prepare('INSERT INTO books (id, title, path, has_cover) VALUES (?, ?, ?, 1)');
  const addData = database.prepare('INSERT INTO data (book, format, uncompressed_size, name) VALUES (?, ?, 1, ?)');
  const authors = new Map<string, NamedEntry[]>();
  database.transaction(() => {
    for (let id = 1; id <= BOOKS; id++) {
      // Names whose order among paths is not that of a tree.
      const author = `Author${['', '.', ' ', '-'][id % 4]}${(Math.floor(id / BOOKS_BY_ONE) * 7919) % BOOKS}`;
      const title = `Title ${id}`;
      if (id % 997 !== 0) {
        addBook.run(id, title, `${author}/${title} (${id})`);
        addData.run(id, 'EPUB', title);
      }
      const text: NamedEntry[] = id % 1000 === 0 ? [] : [[`${title}.epub`, file('')]];
      const titles = authors.get(author) ?? [];
      titles.push([`${title} (${id})`, dir([...text, ['cover.jpg', file('')]])]);
      authors.set(author, titles);
    }
  })();
  database.close();
  return { entries: [...authors].map(([name, titles]) => [name, dir(titles)]), database: readFileSync(path) };
}

test('10^5 rows are compared in seconds and in little memory, by the process that reads them and by this one', async (t) => {
  const folder = testFolder(t);
  const repository = await testRepository({ folder });
  const { entries, database } = makeShelf(join(folder, 'made'));
  const library = dir([...entries, ['metadata.db', file(database, { chunkBytes: 64 * 1024 })]]);
  const saved = await new SnapshotBuilder(repository).save([['books', library]]);
  const profile = { name: 'calibre', folder: '/books', parts: { library: '/books' }, folders: [], excludes: [] };
  const snapshot = { ...saved, rules: { profiles: [profile] } };
  const begunMs = performance.now();
  const before = process.memoryUsage.rss();
  let [peak, childPeak] = [before, 0];
  const monitor = {
    progress: () => {
      peak = Math.max(peak, process.memoryUsage.rss());
      childPeak = Math.max(childPeak, childPeakMib('sqlite-rows-child'));
    },
  };
  const [check] = await checkServers(repository, { snapshot, recordedOnly: true, monitor });
  const seconds = (performance.now() - begunMs) / 1000;
  const [gone, nobodys] = [Math.floor(BOOKS / 1000), Math.floor(BOOKS / 997)];
  assert.equal(check?.rowsChecked, 3 * (BOOKS - nobodys));
  assert.equal(check.missCount, gone + nobodys);
  assert.equal(check.misses.filter(({ what }) => what === 'file').length, gone);
  assert.equal(check.misses.filter(({ what }) => what === 'row').length, nobodys);
  t.diagnostic(
    `${seconds.toFixed(1)} s, ${childPeak} MiB there, ${Math.round((peak - before) / 2 ** 20)} MiB more here`,
  );
  assert.ok(seconds < 60, `${seconds} s`);
  assert.ok(childPeak > 0 && childPeak < 250, `${childPeak} MiB`);
  assert.ok(peak - before < 250 * 2 ** 20, `${(peak - before) / 2 ** 20} MiB more`);
});
