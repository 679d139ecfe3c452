/** Two moments beside each other: a tree of what changed, moved, came and went, with sizes, and the rows of databases. */

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { openRepository } from '../../engine/index.ts';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { file, type NamedEntry, SnapshotBuilder } from '../support/build-repository.ts';
import { CliFixture, PASSWORD } from '../support/cli.ts';
import { makeLibraryServer } from '../support/library-server.ts';
import { withOtherBytes } from '../support/rotten-file.ts';
import { ServerProcess } from '../support/server-process.ts';

test('what changed is a tree with sizes that opens and closes, with moves, and rows of databases cell by cell', {
  skip: NO_BROWSER,
}, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  const { books, database } = makeLibraryServer(fixture.source);
  await fixture.init();
  await fixture.ok(['backup', '--time', '2026-03-01T02:00:00Z', fixture.source]);
  renameSync(join(books, 'Author 1', 'Book 1'), join(books, 'Author 1', 'Another name'));
  rmSync(join(books, 'Author 0', 'Book 2'), { recursive: true });
  mkdirSync(join(books, 'Author 9'));
  writeFileSync(join(books, 'Author 9', 'new.m4b'), Buffer.alloc(3 * 1024 * 1024, 'new words '));
  const opened = new Database(database);
  opened.exec("UPDATE books SET title = 'Another title' WHERE rowid = 1; DELETE FROM books WHERE rowid = 2");
  opened.close();
  await fixture.ok(['backup', '--time', '2026-03-02T02:00:00Z', fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  const { page } = visit;
  await visit.go('/compare');
  const changes = page.getByRole('list', { name: 'Changes' });
  const row = (words: string | RegExp) => changes.getByRole('listitem').filter({ hasText: words });

  await row('Another name (was Book 1)').getByText('moved').waitFor();
  await row('Author 0/Book 2').getByText('gone').waitFor();
  const came = row(/^Author 9/);
  await came.getByText('+3.0 MiB').waitFor();
  await came.getByText('new', { exact: true }).waitFor();
  // What came as a whole is told by its folder until somebody opens it: by the keyboard, too.
  assert.equal(await row('new.m4b').count(), 0);
  await came.getByRole('button', { name: 'Author 9' }).focus();
  await page.keyboard.press('Enter');
  await row('new.m4b').getByText('3.0 MiB').waitFor();
  await page.keyboard.press('Enter');
  await row('new.m4b').waitFor({ state: 'detached' });

  await changes.getByRole('button', { name: 'Table books' }).click();
  const rows = page.getByRole('dialog', { name: 'Table books' }).getByRole('list', { name: 'Rows' });
  const changed = rows.getByRole('listitem').filter({ hasText: 'Another title' });
  await changed.getByText('changed').waitFor();
  assert.deepEqual(
    [await changed.locator('del').textContent(), await changed.locator('ins').textContent()],
    ['Book 1', 'Another title'],
  );
  await rows.getByRole('listitem').filter({ hasText: 'Book 2' }).getByText('gone').waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('bytes that differ although nobody wrote to their file are told apart, above all others', {
  skip: NO_BROWSER,
}, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  await fixture.init();
  for (const words of ['a right word', 'a wrong word']) {
    const password = Buffer.from(PASSWORD);
    const place = { location: fixture.repository, cacheDirectory: fixture.cache };
    const repository = await openRepository({ ...place, credential: { type: 'password', password } });
    const entries: NamedEntry[] = [['book.m4b', file(words, { inode: 7n })]];
    await new SnapshotBuilder(repository).save(entries, { paths: [Buffer.from('/book.m4b')] });
    await repository.close();
  }
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  await visit.go('/compare');
  await visit.page.getByText('1 file changed although nobody wrote to it').waitFor();
  const changes = visit.page.getByRole('list', { name: 'Changes' });
  await changes.getByRole('listitem').filter({ hasText: 'book.m4b' }).getByText('silent damage?').waitFor();
  assert.deepEqual(await visit.violations(), []);
});

test('every file on the disk is read and held against a moment; what rotted is named, and comes back', {
  skip: NO_BROWSER,
}, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  const rotten = join(fixture.source, 'book.m4b');
  writeFileSync(rotten, 'a wrong word');
  await fixture.init();
  const password = Buffer.from(PASSWORD);
  const place = { location: fixture.repository, cacheDirectory: fixture.cache };
  const repository = await openRepository({ ...place, credential: { type: 'password', password } });
  await new SnapshotBuilder(repository).save([withOtherBytes(rotten, 'a right word')], {
    paths: [Buffer.from(fixture.source)],
  });
  await repository.close();
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  const { page } = visit;
  await visit.setUp(server);
  await visit.go('/compare?after=now');
  await page.getByText('Nothing differs').waitFor();
  await visit.button('Read every file').click();
  await page.getByText('1 file changed although nobody wrote to it').waitFor();
  await page.getByText('1 file read').first().waitFor();
  assert.deepEqual(await visit.violations(), []);
  await page
    .getByRole('list', { name: 'Damaged files' })
    .getByRole('link', { name: `Restore ${rotten}` })
    .click();
  await visit.heading('Restore').waitFor();
  const chosen = page.getByRole('list', { name: 'Chosen folders and files' });
  assert.deepEqual(await chosen.getByRole('listitem').allTextContents(), [rotten]);
  await visit.button('See what it would do').click();
  await page
    .getByRole('region', { name: 'What it would do' })
    .getByRole('button', { name: 'Restore', exact: true })
    .click();
  await page.getByText('The restore was successful').waitFor();
  assert.equal(readFileSync(rotten, 'utf8'), 'a right word');
  assert.deepEqual(visit.complaints, []);
});
