/** How things stand: the overview, jobs as they run, and when nights are made and how long their backups stay. */

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SLOW_RATE, writeSlowLibrary } from '../support/slow-library.ts';

const skip = NO_BROWSER;

interface Given {
  readonly fixture: CliFixture;
  readonly server: ServerProcess;
  readonly visit: PageFixture;
}

const NIGHTS = ['2026-03-01T02:00:00Z', '2026-03-02T02:00:00Z', '2026-03-04T02:00:00Z'];

async function given(t: TestContext): Promise<Given> {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  await fixture.init();
  for (const [night, time] of NIGHTS.entries()) {
    writeFileSync(join(fixture.source, `book ${night}.m4b`), Buffer.alloc(50_000, `words ${night}`));
    await fixture.ok(['backup', '--label', 'library-backup', '--time', time, fixture.source]);
  }
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  return { fixture, server, visit };
}

test('the overview has last night in one line, the next run, health, and the growth of each night', {
  skip,
}, async (t) => {
  const { fixture, visit } = await given(t);
  const { page } = visit;
  const tile = (name: string) => page.getByRole('region', { name, exact: true });
  await tile('Last night').getByText('There was no night yet').waitFor();
  await tile('Next run')
    .getByText(/^in \d+ hours?$|^in \d+ minutes?$|^in a moment$/)
    .waitFor();
  assert.match(String(await tile('Next run').locator('time').getAttribute('title')), /\d{4}/, 'the exact one on hover');
  await tile('Health').getByText('The repository was not checked yet').waitFor();
  const chart = page.getByRole('img', { name: /were stored from 1 Mar 2026 to 4 Mar 2026, at most/ });
  await chart.waitFor();
  assert.equal(await chart.locator('title').nth(2).textContent(), '3 Mar 2026: nothing new');

  await visit.go('/jobs');
  await visit.button('Check the repository').click();
  await page.getByText('Check: done').waitFor();
  await visit.go('/settings/backup');
  await visit.button('Run a night now').click();
  await page.getByText(/^Night, begun by hand: done/).waitFor();
  await page.getByRole('link', { name: 'Overview' }).click();
  await tile('Last night')
    .getByText(/^Night, begun by hand: done\..*files?, .*B of it new/)
    .waitFor();
  await tile('Health').getByText('All is well').waitFor();
  await tile('Health').getByText('Nothing wrong was found by').waitFor();

  for (const name of readdirSync(fixture.source)) rmSync(join(fixture.source, name));
  await fixture.run(['backup', '--label', 'library-backup', fixture.source]);
  await visit.go('/');
  await tile('Health').getByText('Look at this').waitFor();
  await tile('Health').getByRole('link', { name: '1 snapshot is suspect' }).click();
  await page.getByText('1 snapshot is suspect: much was missing').waitFor();
  assert.equal(await page.getByRole('list', { name: 'Snapshots' }).getByRole('listitem').count(), 1);
  assert.deepEqual(visit.complaints, []);
});

test('a job shows its progress and its log as it is written, and is cancelled after a question', {
  skip,
}, async (t) => {
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  await fixture.init();
  const config = join(fixture.folder, 'snap.yaml');
  writeFileSync(config, `limit_read: ${SLOW_RATE}\n`);
  const server = await ServerProcess.start(t, fixture, { flags: ['--config', config] });
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  const { page } = visit;
  await visit.go('/settings/backup');
  await visit.button('Run a night now').click();
  await page.getByRole('link', { name: /^Jobs/ }).click();
  await page.getByRole('link', { name: 'Night, begun by hand' }).click();
  await visit.heading('Night, begun by hand').waitFor();
  await page.getByText(/of \d+ files, .* of 17\.2 MiB/).waitFor();
  await page.getByRole('region', { name: 'Log' }).getByText('Begins: backup').waitFor();
  const path = page.locator('.progress .path');
  const before = await path.textContent();
  while ((await path.textContent()) === before) await page.waitForTimeout(50);
  await page.getByRole('button', { name: 'Cancel Night, begun by hand' }).click();
  await visit.button('Keep it').click();
  await page.getByRole('button', { name: 'Cancel Night, begun by hand' }).click();
  await visit.button('Cancel the job').click();
  await page.getByText('Night, begun by hand: cancelled. What was stored is kept.').first().waitFor();
  await page.getByRole('link', { name: 'All jobs' }).click();
  const past = page.getByRole('region', { name: 'Before' }).getByRole('listitem').filter({ hasText: 'Night' });
  await past.getByText('Cancelled').waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('nights are set with a look at the next ones; what their days would keep is shown, and why, before it is saved', {
  skip,
}, async (t) => {
  const { server, visit } = await given(t);
  const { page } = visit;
  await visit.go('/settings/backup');
  const nights = page.getByRole('region', { name: 'Every night' });
  await nights.getByLabel('At', { exact: true }).fill('04:30');
  await nights.getByLabel('Time zone').fill('Nowhere/At all');
  await nights.getByRole('alert').waitFor();
  await nights.getByLabel('Time zone').fill('Europe/Berlin');
  await nights.getByText(/^Next: in .*04:30 of this device's clock/).waitFor();
  await nights.getByLabel('Keep backups for (days)').fill('1');
  await nights.getByRole('button', { name: 'What would stay?' }).click();
  const preview = page.getByRole('dialog', { name: 'What would stay, and what would go' });
  const row = (at: number) => preview.getByRole('list', { name: 'Backups' }).getByRole('listitem').nth(at);
  await row(0).getByText('stays').waitFor();
  await row(1).getByText('goes').waitFor();
  await row(1).getByText('No rule keeps it').waitFor();
  await preview.getByRole('button', { name: 'Close' }).last().click();
  await nights.getByRole('button', { name: 'Save the schedule' }).click();
  await page.getByText('The schedule was saved').waitFor();
  const { schedule } = await (await server.signIn()).get('/schedule');
  assert.deepEqual([schedule.cron, schedule.zone, schedule.retention_days], ['30 4 * * *', 'Europe/Berlin', 1]);
  assert.equal((await (await server.signIn()).get('/snapshots')).items.length, 3, 'nothing went yet');
  assert.deepEqual(visit.complaints, []);
});

test('a backup is made by the keyboard alone', { skip }, async (t) => {
  const { visit } = await given(t);
  const { page } = visit;
  const tabTo = async (words: string): Promise<void> => {
    for (let press = 0; press < 60; press++) {
      await page.keyboard.press('Tab');
      if ((await visit.focused()) === words) return;
    }
    throw new Error(`Tab never comes to ${words}`);
  };
  await tabTo('Backup');
  await page.keyboard.press('Enter');
  await visit.heading('Backup').waitFor();
  await tabTo('Create Backup');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Create Backup' });
  await dialog.waitFor();
  // The first field has the focus.
  await page.keyboard.press('Space');
  assert.ok(await dialog.getByLabel('Include book files').isChecked());
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await tabTo('Create Backup');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await page.getByText(/^Backup.*: done/).waitFor();
});
