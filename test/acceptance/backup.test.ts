/** What the person asked for, to the letter: a backup made, seen and downloaded in the page, while the library server writes. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import { Listener, uuid } from '../support/audiobookshelf.ts';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { BOOKS, type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { ServerProcess } from '../support/server-process.ts';

const skip = NO_BROWSER;

interface Given {
  readonly fixture: CliFixture;
  readonly library: LibraryServer;
  readonly server: ServerProcess;
  readonly visit: PageFixture;
}

/** An admin who is signed in, on a library whose folders the server has recognized. */
async function given(t: TestContext): Promise<Given> {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  const library = makeLibraryServer(fixture.source);
  await fixture.init();
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  await visit.page.getByRole('link', { name: 'Backup', exact: true }).click();
  await visit.page.getByText('Found by looking into the folders').waitFor();
  return { fixture, library, server, visit };
}

async function createBackup(visit: PageFixture): Promise<void> {
  await visit.button('Create Backup').click();
  const dialog = visit.page.getByRole('dialog', { name: 'Create Backup' });
  await dialog.getByLabel('Include book files').check();
  await dialog.getByLabel('Include covers').check();
  await dialog.getByRole('button', { name: 'Create Backup' }).click();
  await visit.page.getByText('The backup has begun').waitFor();
}

test('1: Create Backup with books and covers shows its progress, is listed, and downloads as one zip', {
  skip,
}, async (t) => {
  const { fixture, library, visit } = await given(t);
  const { page } = visit;
  const listener = await Listener.start(t, library.database);
  await createBackup(visit);
  await page.getByRole('progressbar', { name: /^Progress of / }).waitFor();
  const row = page.getByRole('list', { name: 'Backups' }).getByRole('listitem').first();
  await row.getByText('Completed').waitFor();
  await row.getByText('database, covers, books').waitFor();
  const { failures } = await listener.stop();
  assert.deepEqual(failures, [], 'the server writes on while it is backed up');

  const downloading = page.waitForEvent('download');
  await row.getByRole('link', { name: /Download/ }).click();
  const download = await downloading;
  const zip = join(fixture.folder, 'backup.zip');
  await download.saveAs(zip);
  const names = execFileSync('unzip', ['-Z1', zip], { encoding: 'utf8' }).trimEnd().split('\n');
  assert.equal(names[0], 'manifest.json');
  for (const folder of ['database/', 'covers/', 'books/']) {
    assert.ok(
      names.some((name) => name.startsWith(folder)),
      `${folder} in ${names.join(', ')}`,
    );
  }
  assert.equal(names.filter((name) => name.endsWith('part 1.m4b')).length, BOOKS);
  execFileSync('unzip', ['-tq', zip]);
  assert.deepEqual(visit.complaints, []);
});

test('a backup of the list is restored: what was deleted is back, what came later stays, and the page says so', {
  skip,
}, async (t) => {
  const { library, visit } = await given(t);
  const { page } = visit;
  await createBackup(visit);
  const row = page.getByRole('list', { name: 'Backups' }).getByRole('listitem').first();
  await row.getByText('Completed').waitFor();

  const cover = join(library.metadata, 'items', uuid(6, 1), 'cover.jpg');
  const book = join(library.books, 'Author 1', 'Book 1', 'part 2.m4b');
  const [coverBytes, bookBytes] = [readFileSync(cover), readFileSync(book)];
  rmSync(cover);
  rmSync(book);
  const database = new Database(library.database);
  database.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  database.close();

  await row.getByRole('button', { name: /Restore/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Restore this backup' });
  await dialog.getByText('The database').waitFor();
  await dialog.getByText('2 missing files come back').waitFor();
  assert.deepEqual(await visit.violations(), []);
  assert.ok(!existsSync(cover), 'nothing happens before it is confirmed');
  await dialog.getByRole('button', { name: 'Restore', exact: true }).click();
  await dialog.getByText('The restore was successful').waitFor();
  assert.deepEqual(readFileSync(cover), coverBytes);
  assert.deepEqual(readFileSync(book), bookBytes);
  const after = new Database(library.database, { readonly: true });
  assert.equal(after.prepare('SELECT title FROM books WHERE id = ?').pluck().get(uuid(5, 1)), 'Book 1');
  after.close();
  assert.deepEqual(visit.complaints, []);
});

test('2: an uploaded backup is shown, confirmed and restored: cover, book and row are back, what came later stays', {
  skip,
}, async (t) => {
  const { fixture, library, visit } = await given(t);
  const { page } = visit;
  await createBackup(visit);
  const list = page.getByRole('list', { name: 'Backups' });
  await list.getByText('Completed').waitFor();
  const downloading = page.waitForEvent('download');
  await list.getByRole('link', { name: /Download/ }).click();
  const zip = join(fixture.folder, 'backup.zip');
  await (await downloading).saveAs(zip);
  // One that is still here would be restored from the list.
  await list.getByRole('button', { name: /Delete/ }).click();
  await visit.button('Delete the backup').click();
  await page.getByText('There is no backup yet').waitFor();

  const cover = join(library.metadata, 'items', uuid(6, 1), 'cover.jpg');
  const book = join(library.books, 'Author 1', 'Book 1', 'part 2.m4b');
  const later = join(library.books, 'Author 1', 'later.m4b');
  const [coverBytes, bookBytes] = [readFileSync(cover), readFileSync(book)];
  rmSync(cover);
  rmSync(book);
  writeFileSync(later, 'came later');
  const database = new Database(library.database);
  database.prepare('DELETE FROM books WHERE id = ?').run(uuid(5, 1));
  database.close();

  await visit.button('Upload a backup').click();
  const dialog = page.getByRole('dialog', { name: 'Upload a backup' });
  await dialog.getByLabel('File of the backup').setInputFiles(zip);
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click();
  await dialog.getByText('the database, covers, book files').waitFor();
  await dialog.getByText('2 missing files come back').waitFor();
  assert.equal(await dialog.locator('dt', { hasText: 'Books' }).locator('+ dd').textContent(), String(BOOKS));
  assert.deepEqual(await visit.violations(), []);
  assert.ok(!existsSync(cover), 'nothing happens before it is confirmed');
  await dialog.getByRole('button', { name: 'Restore', exact: true }).click();
  await dialog.getByText('The restore was successful').waitFor();
  assert.deepEqual([readFileSync(cover), readFileSync(book)], [coverBytes, bookBytes]);
  assert.equal(readFileSync(later, 'utf8'), 'came later');
  const after = new Database(library.database, { readonly: true });
  assert.equal(after.prepare('SELECT title FROM books WHERE id = ?').pluck().get(uuid(5, 1)), 'Book 1');
  after.close();
  assert.deepEqual(visit.complaints, []);
});

test('a file that is no backup is refused with its reason, and nothing changes', { skip }, async (t) => {
  const { fixture, visit } = await given(t);
  const { page } = visit;
  const wrong = join(fixture.folder, 'wrong.zip');
  writeFileSync(wrong, 'no zip at all');
  await visit.button('Upload a backup').click();
  const dialog = page.getByRole('dialog', { name: 'Upload a backup' });
  await dialog.getByLabel('File of the backup').setInputFiles(wrong);
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click();
  await dialog.getByText('The file was refused').waitFor();
  await dialog.getByText('Nothing was changed').waitFor();
});

test('a backup is deleted only after a question', { skip }, async (t) => {
  const { visit } = await given(t);
  const { page } = visit;
  await createBackup(visit);
  const list = page.getByRole('list', { name: 'Backups' });
  await list.getByText('Completed').waitFor();
  await list.getByRole('button', { name: /Delete/ }).click();
  await visit.button('Keep it').click();
  await list.getByText('Completed').waitFor();
  await list.getByRole('button', { name: /Delete/ }).click();
  await visit.button('Delete the backup').click();
  await page.getByText('There is no backup yet').waitFor();
});
