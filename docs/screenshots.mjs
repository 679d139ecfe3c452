/**
 * `npm run screenshots [-- NAME...]`: pictures of the real page for these pages, of the library that `npm run demo` makes up.
 * Each is a place of the page, by its address; one that the page does not have is left out, and said so.
 * Plain JavaScript, since it is no part of the program. Needs Chromium (CHROMIUM names it where it lies elsewhere).
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const output = join(here, 'screenshots');
const DESKTOP = { width: 1120, height: 760 };
const PHONE = { width: 390, height: 780 };

/** `address` may ask for the nights, the newest first, and for the folder of the library. `act` does what a person would. */
const SHOTS = [
  { name: 'overview', address: () => '/' },
  { name: 'overview-phone', address: () => '/', viewport: PHONE, colorScheme: 'dark' },
  { name: 'snapshots', address: () => '/snapshots' },
  {
    name: 'browse-file',
    address: ({ nights, library }) => `/browse?snapshot=${nights[1].id}&path=${library}/audiobooks/Bram Stoker/Dracula`,
    act: async (page) => {
      await page.getByRole('button', { name: 'cover.png' }).click();
      await page.getByRole('dialog').getByRole('img').waitFor();
      await page.getByRole('dialog').getByRole('region', { name: 'Its history' }).waitFor();
    },
  },
  // Between these two somebody deleted a book.
  { name: 'compare', address: ({ nights }) => `/compare?before=${nights[5].id}&after=${nights[4].id}` },
  {
    name: 'restore',
    address: ({ nights, library }) => `/restore?snapshot=${nights[5].id}&path=${library}/audiobooks/Jane Austen`,
    act: async (page) => {
      await page.getByRole('button', { name: 'See what it would do' }).click();
      const plan = page.getByRole('region', { name: 'What it would do' });
      await plan.getByRole('button', { name: 'Restore' }).waitFor();
      await plan.scrollIntoViewIfNeeded();
    },
  },
  { name: 'backup', address: () => '/settings/backup' },
];

/** The demonstration, with the link that signs in. */
async function startDemo() {
  const child = spawn(process.execPath, [join(here, '..', 'dist', 'cli', 'demo', 'main.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const end = async () => {
    child.kill('SIGINT');
    await exited;
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const link = /^ +(http:\S+)$/.exec(line)?.[1];
    if (link !== undefined) return { link, end };
  }
  await end();
  throw new Error('The demonstration wrote no link');
}

async function placesOf(page, base) {
  const answer = await page.request.get(`${base}/api/v1/snapshots?label=library-backup&limit=100`);
  const { items } = await answer.json();
  const nights = items.sort((a, b) => (a.time < b.time ? 1 : -1));
  const library = dirname(nights[0].paths.map(({ path }) => path).find((path) => path.endsWith('/audiobooks')));
  return { nights, library };
}

async function untilShown(page) {
  await page.locator('h1').waitFor();
  await page.waitForLoadState('networkidle', { timeout: 2000 }).catch(() => undefined);
  while ((await page.locator('.waiting').count()) > 0) await page.waitForTimeout(50);
  await page.waitForTimeout(200);
}

async function take(page, base, { name, address, act, viewport = DESKTOP, colorScheme = 'light' }, places) {
  await page.setViewportSize(viewport);
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  const response = await page.goto(`${base}${address(places)}`);
  const isThere = response?.ok() === true;
  if (isThere) await untilShown(page);
  if (!isThere || (await page.getByRole('heading', { name: 'Nothing is here' }).count()) > 0) {
    process.stdout.write(`${name}: the page has no such place\n`);
    return;
  }
  await act?.(page);
  await page.waitForTimeout(200);
  const path = join(output, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  process.stdout.write(`${name}: ${Math.ceil(statSync(path).size / 1024)} KiB\n`);
}

const wanted = process.argv.slice(2);
mkdirSync(output, { recursive: true });
const demo = await startDemo();
try {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // As root, in a container, its sandbox cannot be made.
    args: process.geteuid?.() === 0 ? ['--no-sandbox', '--disable-dev-shm-usage'] : [],
  });
  try {
    const context = await browser.newContext({ locale: 'en-GB' });
    const page = await context.newPage();
    await page.goto(demo.link);
    await untilShown(page);
    const base = page.url().replace(/\/$/, '');
    const places = await placesOf(page, base);
    const shots = SHOTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
    for (const shot of shots) {
      try {
        await take(page, base, shot, places);
      } catch (error) {
        process.stderr.write(`${shot.name}: not taken: ${error.message}\n`);
        process.exitCode = 1;
      }
    }
  } finally {
    await browser.close();
  }
} finally {
  await demo.end();
}
