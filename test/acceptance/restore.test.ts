/** A person who broke something brings it back: sees what that would do, confirms what goes, watches it, and undoes it. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BrowserContextOptions } from 'playwright-core';
import { Listener, makeServer } from '../support/audiobookshelf.ts';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { ServerProcess } from '../support/server-process.ts';
import { treeState } from '../support/tree-state.ts';

const skip = NO_BROWSER;

interface Given {
  readonly fixture: CliFixture;
  readonly visit: PageFixture;
  /** A path of the library. */
  readonly path: (below: string) => string;
  readonly write: (below: string, content: string) => void;
}

/** A shelf at two moments: its note is another one at the second, and a chapter more is there. */
async function given(
  t: TestContext,
  options: BrowserContextOptions = {},
): Promise<Given & { readonly first: unknown }> {
  const fixture = new CliFixture(t);
  const path = (below: string): string => join(fixture.source, below);
  const write = (below: string, content: string): void => {
    mkdirSync(dirname(path(below)), { recursive: true });
    writeFileSync(path(below), content);
  };
  write('Shelf <1>/notes.txt', 'the first words');
  write('Shelf <1>/chapter 1.m4b', 'a chapter');
  write('Shelf <1>/cover.jpg', 'a cover');
  write('Other/book.epub', 'a book');
  await fixture.init();
  await fixture.ok(['backup', '--label', 'first', '--time', '2026-03-01T02:00:00Z', fixture.source]);
  const first = treeState(path('Shelf <1>'));
  write('Shelf <1>/notes.txt', 'other words, and more of them');
  write('Shelf <1>/chapter 2.m4b', 'another chapter');
  await fixture.ok(['backup', '--label', 'second', '--time', '2026-03-02T02:00:00Z', fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server, options);
  await visit.setUp(server);
  return { fixture, visit, path, write, first };
}

test('a broken folder goes back to a date with all that came later removed, and the whole restore is rolled back', {
  skip,
}, async (t) => {
  const { fixture, visit, path, write, first } = await given(t);
  const { page } = visit;
  rmSync(path('Shelf <1>/chapter 1.m4b'));
  write('Shelf <1>/notes.txt', 'spoilt');
  write('Shelf <1>/came later.txt', 'it came later');
  rmSync(path('Other/book.epub'));
  const broken = treeState(fixture.source);

  await page.getByRole('link', { name: 'Browse', exact: true }).click();
  await page.getByRole('list', { name: 'Entries' }).getByRole('button', { name: 'Shelf <1>' }).click();
  await page.getByRole('slider', { name: 'Moment' }).press('ArrowLeft');
  await page.getByText('3 entries').waitFor();
  await page.getByRole('link', { name: 'Restore …' }).click();
  await visit.heading('Restore').waitFor();
  await page.getByText('1 Mar 2026').first().waitFor();
  const chosen = page.getByRole('list', { name: 'Chosen folders and files' });
  assert.deepEqual(await chosen.getByRole('listitem').allTextContents(), [path('Shelf <1>')]);
  await page.getByLabel('Remove what the snapshot does not have').check();
  assert.deepEqual(await visit.violations(), []);
  await visit.button('See what it would do').click();

  const plan = page.getByRole('region', { name: 'What it would do' });
  await plan.getByText('1 missing file comes back').waitFor();
  await plan.getByText('Removed, since the snapshot does not have them: 2 files').waitFor();
  for (const name of ['came later.txt', 'chapter 2.m4b']) await plan.getByText(path(`Shelf <1>/${name}`)).waitFor();
  await plan.getByText('Before anything changes a snapshot of what is there now is taken').waitFor();
  assert.deepEqual(await visit.violations(), []);
  const typed = plan.getByLabel('To confirm, type how many are removed: 2');
  await typed.fill('3');
  await plan.getByRole('button', { name: 'Restore and remove' }).click();
  await plan.getByText('Type 2, or leave it as it is').waitFor();
  assert.deepEqual(treeState(fixture.source), broken, 'a look and a wrong word change nothing');

  await typed.fill('2');
  await page.keyboard.press('Enter');
  await page.getByText('The restore was successful').waitFor();
  await page.getByText('2 files came back. 2 entries went.').waitFor();
  assert.deepEqual(treeState(path('Shelf <1>')), first);
  assert.ok(!existsSync(path('Other/book.epub')), 'what nobody chose stays as it is');
  assert.deepEqual(await visit.violations(), []);

  await page.reload();
  await page.getByText('The restore was successful').waitFor();
  await visit.go('/restore');
  await page
    .getByRole('region', { name: 'Restores before' })
    .getByRole('link', { name: /^Restore of / })
    .click();
  await visit.button('Roll back').click();
  await visit.heading('Undo the last restore').waitFor();
  await page.getByText('The restore was successful').waitFor();
  assert.deepEqual(treeState(fixture.source), broken);
  assert.deepEqual(visit.complaints, []);
});

test('on a phone, in the dark, one file is picked and brought into another folder, which is not rolled back', {
  skip,
}, async (t) => {
  const { fixture, visit, path } = await given(t, {
    viewport: { width: 360, height: 700 },
    hasTouch: true,
    colorScheme: 'dark',
  });
  const { page } = visit;
  const fits = async (where: string): Promise<void> => {
    assert.ok((await visit.overhang()) <= 0, where);
    assert.deepEqual(await visit.violations(), [], where);
  };
  await visit.go('/restore');
  await visit.untilLoaded();
  await page.getByText(`Everything that the snapshot holds: ${fixture.source}`).waitFor();
  await fits('the choice');
  await visit.button('Choose a folder or file').click();
  const picker = page.getByRole('dialog', { name: 'Choose a folder or file' });
  await picker.getByRole('button', { name: 'Other' }).click();
  await picker.getByRole('button', { name: 'Take this folder' }).click();
  await visit.button('Add a folder or file').click();
  await picker.getByRole('button', { name: 'Shelf <1>' }).click();
  await picker.getByRole('button', { name: 'chapter 1.m4b' }).waitFor();
  await fits('the picker');
  await picker.getByRole('button', { name: 'chapter 1.m4b' }).click();
  const chosen = page.getByRole('list', { name: 'Chosen folders and files' });
  await chosen.getByText('chapter 1.m4b').waitFor();
  await visit.button(`Leave out ${path('Other')}`).click();
  assert.deepEqual(await chosen.getByRole('listitem').allTextContents(), [path('Shelf <1>/chapter 1.m4b')]);

  await page.getByLabel('Where to').selectOption('Another folder of the server');
  assert.equal(await page.getByLabel('Remove what the snapshot does not have').count(), 0, 'nothing may be there');
  const target = join(fixture.folder, 'elsewhere');
  await page.getByLabel('Folder', { exact: true }).fill(target);
  await visit.button('See what it would do').click();
  const plan = page.getByRole('region', { name: 'What it would do' });
  await plan.getByText('1 missing file comes back').waitFor();
  await plan.getByText('Nothing is removed').waitFor();
  await fits('the plan');
  await plan.getByRole('button', { name: 'Restore', exact: true }).click();
  await page.getByText('The restore was successful').waitFor();
  await fits('the end');
  assert.equal(await visit.button('Roll back').count(), 0);
  assert.equal(readFileSync(join(target, 'chapter 1.m4b'), 'utf8'), 'a chapter');

  await visit.button('Another restore').click();
  await visit.button('See what it would do').click();
  await plan.getByText(/is not empty|exists in/).waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('a server that runs is never swapped under: the page says so, and goes on when it was stopped', {
  skip,
}, async (t) => {
  const { fixture, visit } = await given(t);
  const { page } = visit;
  const { database } = makeServer(fixture.source, { books: 2 });
  await fixture.ok(['backup', fixture.source]);
  const saved = readFileSync(database);
  const listener = await Listener.start(t, database);
  await page.waitForTimeout(200);
  await visit.go(`/restore?path=${encodeURIComponent(dirname(database))}`);
  await visit.button('See what it would do').click();
  await page.getByText('goes back to that moment').waitFor();
  await visit.button('Restore').click();
  await page.getByText('A server runs on this database. Stop it, then go on here').waitFor();
  assert.deepEqual(await visit.violations(), []);
  assert.deepEqual((await listener.stop()).failures, []);
  assert.notDeepEqual(readFileSync(database), saved);
  await visit.button('It is stopped: go on').click();
  await page.getByText('The restore was successful').waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('a version of a file, a folder and a whole snapshot lead to the page with what was meant', { skip }, async (t) => {
  const { fixture, visit, path, write } = await given(t);
  const { page } = visit;
  const chosen = page.getByRole('list', { name: 'Chosen folders and files' });
  write('Shelf <1>/notes.txt', 'spoilt');
  await visit.go(`/browse?path=${encodeURIComponent(path('Shelf <1>'))}`);
  await page.getByRole('list', { name: 'Entries' }).getByRole('button', { name: 'notes.txt' }).click();
  const dialog = page.getByRole('dialog', { name: 'notes.txt' });
  await dialog.getByRole('link', { name: 'Restore …', exact: true }).waitFor();
  await dialog.getByRole('link', { name: /^Restore the version of .*\b1 March 2026/ }).click();
  await page.getByText('1 Mar 2026').first().waitFor();
  assert.deepEqual(await chosen.getByRole('listitem').allTextContents(), [path('Shelf <1>/notes.txt')]);
  await visit.button('See what it would do').click();
  await visit.button('Restore').click();
  await page.getByText('The restore was successful').waitFor();
  assert.equal(readFileSync(path('Shelf <1>/notes.txt'), 'utf8'), 'the first words');

  await page.getByRole('link', { name: 'Snapshots', exact: true }).click();
  await page.getByRole('list', { name: 'Snapshots' }).getByRole('button', { name: /first/ }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Restore …' }).click();
  await page.getByText('1 Mar 2026').first().waitFor();
  await page.getByText(`Everything that the snapshot holds: ${fixture.source}`).waitFor();
  assert.deepEqual(visit.complaints, []);
});
