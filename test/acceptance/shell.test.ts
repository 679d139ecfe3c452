/** The frame of the page: coming in, moving about, by pointer, keyboard and phone, in light and dark. */

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { CliFixture } from '../support/cli.ts';
import { ADMIN } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';

const skip = NO_BROWSER;

async function startServer(t: TestContext, flags: readonly string[] = []): Promise<ServerProcess> {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  writeFileSync(join(fixture.source, 'book.m4b'), 'a book');
  await fixture.init();
  return ServerProcess.start(t, fixture, { flags });
}

test('the setup link makes the admin, who comes in again by name and password', { skip }, async (t) => {
  const server = await startServer(t);
  const visit = await PageFixture.open(t, server);
  const { page } = visit;

  await visit.go('/');
  await page.getByText('The server wrote a setup link into its log').waitFor();

  await visit.setUp(server);
  assert.equal(new URL(page.url()).hash, '', 'the token stays in no history');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await visit.heading('Sign in').waitFor();

  await page.getByLabel('Name').fill(ADMIN.name);
  await page.getByLabel('Password').fill('a wrong one');
  await visit.button('Sign in').click();
  await page.getByText('The name or the password is wrong').waitFor();
  await page.getByLabel('Password').fill(ADMIN.password);
  await visit.button('Sign in').click();
  await visit.heading('Overview').waitFor();

  await visit.go(`/setup#token=${await server.untilSetupToken()}`);
  await page.getByLabel('Name').fill('intruder');
  await page.getByLabel('Password', { exact: true }).fill('long enough for it');
  await page.getByLabel('Password again').fill('long enough for it');
  await visit.button('Make the account').click();
  await page.getByText('This setup link was used already').waitFor();
  assert.deepEqual(visit.complaints, []);
});

test('the page asks no other host for anything, and nothing that its policy refuses', { skip }, async (t) => {
  const server = await startServer(t, ['--base-path', '/behind/proxy']);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  for (const path of [
    '/snapshots',
    '/browse',
    '/compare',
    '/restore',
    '/jobs',
    '/settings/backup',
    '/settings/access',
  ]) {
    await visit.go(path);
    await visit.page.locator('h1').waitFor();
  }
  const own = new URL(server.url);
  const strange = visit.requests.filter((url) => !url.startsWith(`${own.origin}/behind/proxy/`));
  assert.deepEqual(strange, []);
  assert.deepEqual(visit.complaints, []);
});

test('whoever has only a keyboard reaches and does everything in the frame', { skip }, async (t) => {
  const server = await startServer(t);
  const visit = await PageFixture.open(t, server);
  await visit.setUp(server);
  const { page } = visit;
  const reached: string[] = [];
  await page.evaluate('document.activeElement.blur()');
  for (let press = 0; press < 18; press++) {
    await page.keyboard.press('Tab');
    reached.push(await visit.focused());
  }
  for (const words of ['Skip to the content', 'Overview', 'Snapshots', 'Jobs', 'Backup', 'Access', 'Sign out']) {
    assert.ok(
      reached.some((one) => one.startsWith(words)),
      `${words} in ${reached.join(', ')}`,
    );
  }

  await page.getByRole('link', { name: 'Backup', exact: true }).focus();
  await page.keyboard.press('Enter');
  await visit.heading('Backup').waitFor();
  assert.equal(await visit.focused(), 'Backup', 'the focus is at the top of the new page');

  await visit.button('Create Backup').focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Create Backup' });
  await dialog.waitFor();
  for (let press = 0; press < 7; press++) {
    await page.keyboard.press('Tab');
    assert.ok(await visit.isFocusInDialog(), 'the focus stays in the dialog');
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await page.waitForTimeout(100);
  assert.equal(await visit.focused(), 'Create Backup', 'the focus is where it came from');
});

test('live events come back after the server was away', { skip }, async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  writeFileSync(join(fixture.source, 'book.m4b'), 'a book');
  await fixture.init();
  const first = await ServerProcess.start(t, fixture);
  const visit = await PageFixture.open(t, first);
  await visit.setUp(first);
  await visit.go('/jobs');
  await visit.untilLoaded();

  const { port } = new URL(first.url);
  await first.end('SIGKILL');
  await visit.page.getByText('The connection to the server is lost').waitFor();

  const second = await ServerProcess.start(t, fixture, { flags: ['--listen', `127.0.0.1:${port}`] });
  await visit.page.getByText('The connection to the server is lost').waitFor({ state: 'detached' });
  const admin = await second.signIn();
  const { job } = await admin.post('/check');
  await visit.page.locator('.rows').getByRole('link', { name: 'Check', exact: true }).waitFor();
  await visit.go(`/jobs/${job.id}`);
  await visit.page.getByText('Check: done.').first().waitFor();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds nothing wrong in ${colorScheme} colours`, { skip }, async (t) => {
    const server = await startServer(t);
    const visit = await PageFixture.open(t, server, { colorScheme });
    await visit.go('/');
    await visit.heading('Sign in').waitFor();
    assert.deepEqual(await visit.violations(), []);
    await visit.setUp(server);
    const admin = await server.signIn();
    const { job } = await admin.post('/schedule/run');
    await admin.untilOver(job.id);
    const paths = ['/', '/snapshots', '/browse', '/compare', '/jobs', `/jobs/${job.id}`, '/settings/backup'];
    for (const path of [...paths, '/settings/access']) {
      await visit.go(path);
      await visit.untilLoaded();
      assert.deepEqual(await visit.violations(), [], path);
    }
    await visit.go('/settings/backup?create=1');
    await visit.page.getByRole('dialog').waitFor();
    assert.deepEqual(await visit.violations(), [], 'the dialog');
  });
}

test('nothing is wider than a phone, and its menu opens and closes', { skip }, async (t) => {
  const server = await startServer(t);
  const visit = await PageFixture.open(t, server, { viewport: { width: 360, height: 700 }, hasTouch: true });
  await visit.setUp(server);
  const { page } = visit;
  for (const path of ['/', '/snapshots', '/browse', '/compare', '/jobs', '/settings/backup', '/settings/access']) {
    await visit.go(path);
    await visit.untilLoaded();
    assert.ok((await visit.overhang()) <= 0, path);
  }
  await visit.button('Menu').tap();
  await page.getByRole('link', { name: 'Overview' }).tap();
  await visit.heading('Overview').waitFor();
  await page.getByRole('link', { name: 'Snapshots', exact: true }).waitFor({ state: 'hidden' });
});
