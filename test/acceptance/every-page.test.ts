/**
 * What holds for every page and dialog: axe finds nothing wrong, nothing is wider than the window, and the browser has
 * nothing to complain about, in light and in dark, on a screen and on a phone.
 */

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import Database from 'better-sqlite3';
import type { Locator, Page } from 'playwright-core';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { type LibraryServer, makeLibraryServer } from '../support/library-server.ts';
import { ServerProcess } from '../support/server-process.ts';

interface Shown {
  readonly name: string;
  readonly path: string;
  /** Opens a dialog, or fills something in; answers what has to be there in the end. */
  readonly open?: (page: Page) => Promise<Locator>;
}

async function press(page: Page, name: string | RegExp): Promise<void> {
  await page.getByRole('button', { name }).first().click();
}

const PAGES: readonly Shown[] = [
  { name: 'overview', path: '/' },
  { name: 'snapshots', path: '/snapshots' },
  {
    name: 'a snapshot',
    path: '/snapshots',
    open: async (page) => {
      await page.getByRole('list', { name: 'Snapshots' }).getByRole('button').first().click();
      return page.getByRole('dialog', { name: /^Snapshot / });
    },
  },
  { name: 'browse', path: '/browse' },
  {
    name: 'a search',
    path: '/browse',
    open: async (page) => {
      await page.getByLabel('Search by name').fill('part');
      await page.keyboard.press('Enter');
      return page.getByRole('list', { name: 'Matches' }).getByRole('button').first();
    },
  },
  {
    name: 'a search that finds nothing',
    path: '/browse',
    open: async (page) => {
      await page.getByLabel('Search by name').fill('no such name');
      await page.keyboard.press('Enter');
      return page.getByText('Nothing has such a name');
    },
  },
  {
    name: 'a file',
    path: '/browse',
    open: async (page) => {
      await page.getByLabel('Search by name').fill('notes.txt');
      await page.keyboard.press('Enter');
      await page.getByRole('list', { name: 'Matches' }).getByRole('button').first().click();
      return page.getByRole('dialog', { name: 'notes.txt' }).getByText('it appeared');
    },
  },
  { name: 'a folder that is not there', path: '/browse?path=/nowhere' },
  {
    name: 'compare',
    path: '/compare',
    open: async (page) => page.getByRole('list', { name: 'Changes' }).getByText('notes.txt'),
  },
  {
    name: 'rows of a table',
    path: '/compare',
    open: async (page) => {
      await press(page, 'Table books');
      return page.getByRole('list', { name: 'Rows' });
    },
  },
  {
    name: 'restore onto other folders',
    path: '/restore',
    open: async (page) => {
      await page.getByLabel('Where to').selectOption('Other folders, as on a new machine');
      return page.getByLabel('The server whose library it is');
    },
  },
  {
    name: 'what a restore would do',
    path: '/restore',
    open: async (page) => {
      await page.getByRole('slider', { name: 'Moment' }).press('ArrowLeft');
      await page.waitForURL(/snapshot=/);
      await page.getByLabel('Remove what the snapshot does not have').check();
      await press(page, 'See what it would do');
      return page.getByRole('region', { name: 'What it would do' }).getByText('Before anything changes').first();
    },
  },
  { name: 'jobs', path: '/jobs' },
  { name: 'a job', path: '/jobs/1' },
  { name: 'a job that is not there', path: '/jobs/9999' },
  {
    name: 'settings: backup',
    path: '/settings/backup',
    open: async (page) => {
      await page.getByText('Stored, and never shown').nth(1).waitFor();
      return page.getByRole('list', { name: 'Passwords' });
    },
  },
  {
    name: 'creating a backup',
    path: '/settings/backup?create=1',
    open: async (page) => page.getByRole('dialog', { name: 'Create Backup' }),
  },
  {
    name: 'uploading a backup',
    path: '/settings/backup',
    open: async (page) => {
      await press(page, 'Upload a backup');
      return page.getByRole('dialog', { name: 'Upload a backup' });
    },
  },
  {
    name: 'deleting a backup',
    path: '/settings/backup',
    open: async (page) => {
      await press(page, /^Delete the backup/);
      return page.getByRole('dialog', { name: 'Delete this backup?' });
    },
  },
  {
    name: 'restoring a backup',
    path: '/settings/backup',
    open: async (page) => {
      await press(page, /^Restore the backup/);
      return page
        .getByRole('dialog', { name: 'Restore this backup' })
        .getByRole('button', { name: /Restore|Close/ })
        .last();
    },
  },
  {
    name: 'what would stay',
    path: '/settings/backup',
    open: async (page) => {
      await press(page, 'What would stay?');
      return page.getByRole('dialog').getByText('Nothing happens now');
    },
  },
  {
    name: 'notifications with mistakes',
    path: '/settings/backup',
    open: async (page) => {
      await page.getByLabel('Webhook', { exact: true }).check();
      await page.getByLabel('To', { exact: true }).fill('nobody');
      await press(page, 'Change: Access token');
      await press(page, 'Save the notifications');
      return page.getByText('"nobody" is no address');
    },
  },
  {
    name: "changing the repository's password",
    path: '/settings/backup',
    open: async (page) => {
      await press(page, 'Change the password');
      return page.getByRole('dialog', { name: "Change the repository's password" });
    },
  },
  {
    name: 'settings: access',
    path: '/settings/access',
    open: async (page) => page.getByRole('list', { name: 'API tokens' }),
  },
  {
    name: 'adding a person',
    path: '/settings/access',
    open: async (page) => {
      await press(page, 'Add a person');
      return page.getByRole('dialog', { name: 'Add a person' });
    },
  },
  {
    name: 'making a token',
    path: '/settings/access',
    open: async (page) => {
      await press(page, 'Make a token');
      return page.getByRole('dialog', { name: 'Make a token' });
    },
  },
  {
    name: 'removing a token',
    path: '/settings/access',
    open: async (page) => {
      await press(page, 'Remove the token script');
      return page.getByRole('dialog', { name: 'Remove the token script?' });
    },
  },
];

/** With secrets, which show as such. Nothing is sent there. */
const NOTIFICATIONS = {
  on_failure: false,
  on_success: false,
  stale_days: null,
  page_url: null,
  ping_url: null,
  webhook: null,
  ntfy: { url: 'http://127.0.0.1:9/topic', token: 'tk_secret' },
  email: {
    host: '127.0.0.1',
    port: 9,
    security: 'none',
    user: 'snap',
    password: 'a mail password',
    from: 'snap@example.org',
    to: ['admin@example.org'],
  },
};

/** Two backups of a library, between which files and rows came and went, and a token. */
async function given(t: TestContext): Promise<{ readonly server: ServerProcess; readonly first: PageFixture }> {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  const library = makeLibraryServer(fixture.source);
  await fixture.init();
  const backUp = ['backup', '--label', 'library-backup', fixture.source];
  await fixture.ok([...backUp, '--time', '2026-03-01T02:00:00Z']);
  change(library);
  await fixture.ok([...backUp, '--time', '2026-03-02T02:00:00Z']);
  const server = await ServerProcess.start(t, fixture);
  const first = await PageFixture.open(t, server);
  await first.setUp(server);
  const admin = await server.signIn();
  await admin.post('/tokens', { name: 'script', scopes: ['read'] });
  const notified = await admin.fetch('/settings/notifications', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(NOTIFICATIONS),
  });
  assert.equal(notified.status, 200, await notified.text());
  const { job } = await admin.post('/check');
  await admin.untilOver(job.id);
  return { server, first };
}

function change({ books, database }: LibraryServer): void {
  rmSync(join(books, 'Author 1', 'Book 1'), { recursive: true });
  writeFileSync(join(books, 'Author 1', 'notes.txt'), 'words of somebody');
  const opened = new Database(database);
  opened.exec("UPDATE books SET title = 'Another title' WHERE rowid = 1");
  opened.close();
}

const SIZES = [
  ['a screen', { viewport: { width: 1280, height: 800 } }],
  ['a phone', { viewport: { width: 360, height: 700 }, hasTouch: true }],
] as const;

test('every page and dialog passes axe and fits, in both themes, on a screen and on a phone', {
  skip: NO_BROWSER,
}, async (t) => {
  const { server, first } = await given(t);
  const storageState = await first.page.context().storageState();
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [size, options] of SIZES) {
      await t.test(`${colorScheme}, ${size}`, async (inner) => {
        const visit = await PageFixture.open(inner, server, { ...options, colorScheme, storageState });
        for (const shown of PAGES) await look(visit, shown);
        assert.deepEqual(visit.complaints, []);
      });
    }
  }
});

async function look(visit: PageFixture, { name, path, open }: Shown): Promise<void> {
  await visit.go(path);
  await visit.untilLoaded();
  const wanted = await open?.(visit.page);
  await wanted?.waitFor();
  await visit.untilLoaded();
  assert.deepEqual(await visit.violations(), [], name);
  assert.ok((await visit.overhang()) <= 0, `${name} is wider than the window`);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`whoever is not signed in sees pages that pass axe, too: ${colorScheme}`, { skip: NO_BROWSER }, async (t) => {
    const fixture = new CliFixture(t);
    mkdirSync(fixture.source);
    await fixture.init();
    const server = await ServerProcess.start(t, fixture);
    const visit = await PageFixture.open(t, server, { colorScheme, viewport: { width: 360, height: 700 } });
    for (const [path, heading] of [
      ['/', 'Sign in'],
      ['/setup', 'The link is not whole'],
      [`/setup#token=${await server.untilSetupToken()}`, 'Make the admin'],
    ] as const) {
      await visit.go('/api/v1/setup');
      await visit.go(path);
      await visit.heading(heading).waitFor();
      await look(visit, { name: heading, path: new URL(visit.page.url()).pathname + new URL(visit.page.url()).hash });
    }
  });
}

test('empty states and the description of the API make nobody complain', { skip: NO_BROWSER }, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  await fixture.init();
  const server = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  for (const path of [
    '/',
    '/snapshots',
    '/browse',
    '/compare',
    '/restore',
    '/jobs',
    '/settings/backup',
    '/settings/access',
  ]) {
    await look(visit, { name: `${path}, empty`, path });
  }
  await visit.go('/api/docs');
  await visit.page.getByText('/api/v1/session', { exact: true }).first().waitFor();
  assert.deepEqual(visit.complaints, []);
});
