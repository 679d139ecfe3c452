/** What the person asked for, to the letter: a fresh machine, and a page by which the library comes up under other paths. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { type Burned, burned, requireEqual } from '../support/burned-machine.ts';
import { CHEAP_PASSWORD, CliFixture } from '../support/cli.ts';
import { ServerProcess } from '../support/server-process.ts';

const skip = NO_BROWSER;

/** The page of a server on a machine that has nothing but a repository, and an empty folder. */
async function freshPage(t: TestContext, fresh: CliFixture): Promise<PageFixture> {
  mkdirSync(fresh.source);
  const server = await ServerProcess.start(t, fresh);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  return visit;
}

/** Says for each folder of the old machine where it goes. */
async function fillPlaces(visit: PageFixture, { old }: Burned, place: string): Promise<void> {
  const labels = visit.page.locator('label', { hasText: /^Instead of / });
  await labels.first().waitFor();
  for (const label of await labels.allTextContents()) {
    const field = visit.page.getByLabel(label, { exact: true });
    await field.fill('new library');
    await visit.page.getByText('A whole path begins with a slash').waitFor();
    await field.fill(label.replace('Instead of ', '').replace(old.source, place));
  }
  await visit.page.getByLabel('The server whose library it is').selectOption('Audiobookshelf');
}

test('6: from the repository alone: the snapshots are there, and a restore onto other folders brings the library up', {
  skip,
}, async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  cpSync(saved.old.repository, fresh.repository, { recursive: true });
  const place = join(fresh.folder, 'new library');
  const visit = await freshPage(t, fresh);
  const { page } = visit;
  await page.getByRole('link', { name: 'Backup', exact: true }).click();
  const row = page.getByRole('list', { name: 'Backups' }).getByRole('listitem').first();
  await row.getByText('Completed').waitFor();
  await page.getByRole('link', { name: 'Restore', exact: true }).click();
  await page.getByLabel('Where to').selectOption('Other folders, as on a new machine');
  await fillPlaces(visit, saved, place);
  assert.deepEqual(await visit.violations(), []);
  await visit.button('See what it would do').click();
  const plan = page.getByRole('region', { name: 'What it would do' });
  await plan.getByRole('button', { name: 'Restore', exact: true }).click();
  await page.getByText('The restore was successful').waitFor();
  requireEqual(saved, place);
  assert.deepEqual(visit.complaints, []);
});

test('6: from one downloaded file: a new repository takes it, and the library comes up in other folders', {
  skip,
}, async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  await fresh.ok(['init', ...CHEAP_PASSWORD]);
  const file = join(fresh.folder, 'backup.zip');
  writeFileSync(file, saved.zip);
  const place = join(fresh.folder, 'new library');
  const visit = await freshPage(t, fresh);
  const { page } = visit;
  await page.getByRole('link', { name: 'Backup', exact: true }).click();
  await visit.button('Upload a backup').click();
  const dialog = page.getByRole('dialog', { name: 'Upload a backup' });
  await dialog.getByLabel('File of the backup').setInputFiles(file);
  await dialog.getByRole('button', { name: 'Upload', exact: true }).click();
  await fillPlaces(visit, saved, place);
  assert.deepEqual(await visit.violations(), []);
  await dialog.getByRole('button', { name: 'Restore', exact: true }).click();
  await dialog.getByText('The restore was successful').waitFor();
  requireEqual(saved, place);
  assert.deepEqual(visit.complaints, []);
});
