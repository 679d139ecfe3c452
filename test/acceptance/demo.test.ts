/** `npm run demo` as a person uses it: a link that signs in, weeks to look at, and nothing left behind. */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SignInDoor } from '../../cli/demo/sign-in-door.ts';
import { NO_BROWSER, PageFixture } from '../support/browser.ts';
import { testFolder } from '../support/build-repository.ts';

const PROGRAM = fileURLToPath(new URL('../../cli/demo/main.js', import.meta.url));
const STARTS_MS_MAX = 120_000;

interface Demo {
  readonly child: ChildProcess;
  /** Its folder for temporary files, where all that it makes lies. */
  readonly folder: string;
  readonly link: string;
  readonly url: string;
  readonly exited: Promise<readonly [number | null, string | null]>;
}

async function startDemo(t: TestContext): Promise<Demo> {
  const folder = testFolder(t);
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, string | null]>;
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (let waitedMs = 0; !said.includes('after Ctrl-C'); waitedMs += 50) {
    if (child.exitCode !== null || waitedMs > STARTS_MS_MAX) throw new Error(`The demo did not start: ${said}`);
    await sleep(50);
  }
  const link = /^ {2}(http:\S+)$/m.exec(said)?.[1] ?? assert.fail(said);
  const url = /sign in again: (\S+)\/ with the name demo/.exec(said)?.[1] ?? assert.fail(said);
  return { child, folder, link, url, exited };
}

function childrenOf(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
}

test('the link signs in once and shows weeks of a library; Ctrl-C leaves nothing behind', {
  skip: NO_BROWSER,
}, async (t) => {
  const { child, folder, link, url, exited } = await startDemo(t);
  const visit = await PageFixture.open(t, { url });
  const { page } = visit;
  await page.goto(link);
  await visit.heading('Overview').waitFor();
  assert.equal(page.url(), `${url}/`);
  await page.getByRole('link', { name: '26 snapshots' }).waitFor();
  await page.getByText('Night, begun by hand: done.').waitFor();

  await page.getByRole('link', { name: 'Snapshots', exact: true }).click();
  await page.getByText('1 snapshot is suspect').waitFor();
  // The newest of all is the server's own state, which nobody means.
  await page.getByRole('link', { name: 'Browse', exact: true }).click();
  await page.getByRole('button', { name: 'audiobooks', exact: true }).waitFor();
  await page.getByRole('link', { name: 'Compare', exact: true }).click();
  const chosen = await page.getByLabel('To', { exact: true }).locator('option:checked').textContent();
  assert.match(chosen ?? '', /library-backup/);
  const [cookie] = await page.context().cookies();
  assert.equal(cookie?.path, '/demo', 'that of a server at the top stays as it is');
  assert.equal(cookie?.httpOnly, true);

  const library = await page.request.get(`${url}/api/v1/settings/library`);
  const { library: found } = await library.json();
  assert.equal(found.profile, 'audiobookshelf');
  assert.deepEqual(
    [found.database_paths, found.cover_paths, found.book_paths].map((paths) => paths.length),
    [1, 1, 2],
  );
  const audiobooks = found.book_paths.find((path: string) => path.endsWith('/audiobooks'));
  const backups = await page.request.get(`${url}/api/v1/snapshots?label=library-backup`);
  const { items } = await backups.json();
  assert.equal(items.length, 25);
  await page.goto(`${url}/browse?snapshot=${items[0].id}&path=${audiobooks}/Bram Stoker/Dracula`);
  await page.getByRole('button', { name: 'cover.png' }).click();
  await page.getByRole('img', { name: 'Preview of cover.png' }).waitFor();
  const width = await page.evaluate(
    "document.querySelector('dialog img').decode().then(() => document.querySelector('dialog img').naturalWidth)",
  );
  assert.equal(width, 240, 'a browser shows the cover');
  assert.deepEqual(visit.complaints, []);

  // Somebody else who saw the link.
  const other = await PageFixture.open(t, { url });
  await other.page.goto(link);
  await other.page.getByText('This link worked once').waitFor();
  assert.deepEqual(await other.page.context().cookies(), []);

  const jobs = childrenOf(child.pid);
  assert.equal(jobs, '', 'no job is left running');
  child.kill('SIGINT');
  assert.deepEqual(await exited, [0, null]);
  assert.deepEqual(readdirSync(folder), []);
});

test('a demonstration that is ended while it makes its library leaves nothing behind either', async (t) => {
  const folder = testFolder(t);
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  child.kill('SIGINT');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.deepEqual(readdirSync(folder), []);
});

test('the door lets in one visitor, for a while, and none who guesses or looks ahead', async (t) => {
  const clock = { nowMs: Date.parse('2026-03-01T12:00:00Z') };
  let signIns = 0;
  const open = async (): Promise<SignInDoor> => {
    const signIn = async (): Promise<string> => `snap_session=${++signIns}; Path=/demo; HttpOnly`;
    const door = await SignInDoor.open({ signIn, page: 'http://127.0.0.1:1/demo/', nowMs: () => clock.nowMs });
    t.after(() => door.close());
    return door;
  };
  const ask = (url: string, options: RequestInit = {}) => fetch(url, { redirect: 'manual', ...options });
  const { link } = await open();
  assert.match(link, /^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}$/);
  assert.equal((await ask(link.replace(/.$/, '!'))).status, 404);
  assert.equal((await ask(new URL('/', link).href)).status, 404);
  assert.equal((await ask(link, { method: 'POST' })).status, 404);
  assert.equal((await ask(link, { headers: { 'sec-purpose': 'prefetch;prerender' } })).status, 503);
  assert.equal(signIns, 0);
  const [first, second] = await Promise.all([ask(link), ask(link)]);
  const [letIn, refused] = first.status === 303 ? [first, second] : [second, first];
  assert.equal(letIn.status, 303);
  assert.equal(letIn.headers.get('location'), 'http://127.0.0.1:1/demo/');
  assert.equal(letIn.headers.get('set-cookie'), 'snap_session=1; Path=/demo; HttpOnly');
  assert.equal(refused.status, 410);
  assert.equal(refused.headers.get('set-cookie'), null);

  const late = await open();
  clock.nowMs += 15 * 60_000;
  assert.equal((await ask(late.link)).status, 410);
  assert.equal(signIns, 1);
});
