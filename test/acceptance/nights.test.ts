/** What the person asked for, to the letter: nights by themselves, old backups gone, and what a death cut off. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { makeLibraryServer } from '../support/library-server.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SLOW_RATE, writeSlowLibrary } from '../support/slow-library.ts';

const skip = NO_BROWSER;
const DAY_MS = 24 * 3600_000;
/** The next minute of the clock, and a night after it. */
const NIGHT_MS_MAX = 150_000;

test('3: a night begins by itself at its time, and lets backups go that are past their days', { skip }, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  makeLibraryServer(fixture.source);
  await fixture.init();
  const time = new Date(Date.now() - 9 * DAY_MS).toISOString();
  await fixture.ok(['backup', '--label', 'library-backup', '--tag', 'name=an-old-one', '--time', time, fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  const { page } = visit;
  await visit.setUp(server);
  await page.getByRole('link', { name: 'Backup', exact: true }).click();
  const list = page.getByRole('list', { name: 'Backups' });
  const old = list.getByRole('link', { name: 'Download the backup an-old-one' });
  await old.waitFor();

  await page.getByLabel('Keep backups for (days)').fill('7');
  await page.getByLabel('Other times than once a day').check();
  await page.getByLabel('At (cron)').fill('* * * * *');
  await visit.button('Save the schedule').click();
  await page.getByText('The schedule was saved.').waitFor();
  await old.waitFor({ state: 'detached', timeout: NIGHT_MS_MAX });
  await list.getByText('Completed').first().waitFor();
  await page.getByLabel('Back up every night').uncheck();
  await visit.button('Save the schedule').click();
  await page.getByText('The schedule was saved.').first().waitFor();
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await page.getByText('Night', { exact: true }).first().waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('4: a backup that the death of the server cut off is told as failed, with its reason, at the next start', {
  skip,
}, async (t) => {
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  const config = join(fixture.folder, 'slow.yaml');
  writeFileSync(config, `limit_read: ${SLOW_RATE}\n`);
  await fixture.init();
  const flags = ['--config', config];
  const first = await ServerProcess.start(t, fixture, { flags });
  const admin = await first.setUp();
  const { job } = await admin.post('/schedule/run');
  await admin.untilRunning(job.id);
  await first.end('SIGKILL');

  const second = await ServerProcess.start(t, fixture, { flags });
  const visit = await PageFixture.open(t, second);
  await visit.signIn();
  const { page } = visit;
  await page.getByRole('link', { name: 'Backup', exact: true }).click();
  const row = page.getByRole('list', { name: 'Backups' }).getByRole('listitem').first();
  await row.getByText('Failed').waitFor();
  await row.getByText('The server ended while it ran').waitFor();
  assert.deepEqual(await visit.violations(), []);
  assert.deepEqual(visit.complaints, []);
});
