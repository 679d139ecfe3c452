/** Debian's Chromium, driven by playwright-core, on the page of a true server. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { ADMIN } from './server.ts';
import type { ServerProcess } from './server-process.ts';

const CHROMIUM = '/usr/bin/chromium';

/** Why tests in a browser are skipped; false where they are not. */
export const NO_BROWSER = existsSync(CHROMIUM)
  ? false
  : 'Chromium is not installed: "npm run setup -- --servers" does it where it may';

/** How long anything that the page waits for may take. */
const WAIT_MS_MAX = 20_000;

export class PageFixture {
  readonly page: Page;
  /** Addresses of requests, and what the browser complained about: refused by the policy, failed, thrown. */
  readonly requests: string[] = [];
  readonly complaints: string[] = [];
  readonly #url: string;

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#url = url;
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.complaints.push(`thrown: ${error.stack ?? error.message}`));
    page.on('console', (message) => {
      // Answers that are no success stand there, too; the page shows those itself.
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
        this.complaints.push(`console: ${message.text()}`);
      }
    });
  }

  /** A browser of its own, ended after the test. */
  static async open(
    t: TestContext,
    { url }: Pick<ServerProcess, 'url'>,
    options: BrowserContextOptions = {},
  ): Promise<PageFixture> {
    const browser = await launchBrowser();
    t.after(() => browser.close());
    const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', ...options });
    context.setDefaultTimeout(WAIT_MS_MAX);
    return new PageFixture(await context.newPage(), url);
  }

  /** Uses the setup link of the log. */
  async setUp(server: ServerProcess): Promise<void> {
    await this.go(`/setup#token=${await server.untilSetupToken()}`);
    await this.page.getByLabel('Name').fill(ADMIN.name);
    await this.page.getByLabel('Password', { exact: true }).fill(ADMIN.password);
    await this.page.getByLabel('Password again').fill(ADMIN.password);
    await this.page.getByRole('button', { name: 'Make the account' }).click();
    try {
      await this.page.getByRole('heading', { name: 'Overview' }).waitFor();
    } catch (error) {
      const shown = await this.page.locator('body').textContent();
      throw new Error(`The setup leads nowhere: ${shown}\n${this.complaints.join('\n')}`, { cause: error });
    }
  }

  async signIn(password: string = ADMIN.password): Promise<void> {
    await this.go('/');
    await this.page.getByLabel('Name').fill(ADMIN.name);
    await this.page.getByLabel('Password').fill(password);
    await this.button('Sign in').click();
    await this.heading('Overview').waitFor();
  }

  async go(path: string): Promise<void> {
    await this.page.goto(`${this.#url}${path}`);
  }

  heading(name: string) {
    return this.page.getByRole('heading', { name, exact: true });
  }

  button(name: string) {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Words of what has the focus. What runs in the browser is text: this program knows no types of it. */
  async focused(): Promise<string> {
    return String(await this.page.evaluate("document.activeElement?.textContent?.trim() ?? ''"));
  }

  /** False where the focus is on something behind the dialog. */
  async isFocusInDialog(): Promise<boolean> {
    const found = "document.querySelector('dialog').contains(document.activeElement)";
    return Boolean(await this.page.evaluate(`${found} || document.activeElement === document.body`));
  }

  /** How much wider the page is than the window. */
  async overhang(): Promise<number> {
    return Number(await this.page.evaluate('document.documentElement.scrollWidth - innerWidth'));
  }

  /** Until every answer that the page waits for is there. */
  async untilLoaded(): Promise<void> {
    await this.page.locator('h1').waitFor();
    // Asked from here: the page's policy refuses text that waits in it.
    while ((await this.page.locator('.waiting').count()) > 0) await this.page.waitForTimeout(50);
  }

  /** What axe finds wrong in what is shown now. */
  async violations(): Promise<string[]> {
    // Its text is run by the test, not loaded by the page: the page's policy would refuse it.
    await this.page.evaluate(AXE);
    const found = (await this.page.evaluate('axe.run().then(({ violations }) => violations)')) as AxeViolation[];
    return found.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(' | ')}`);
  }
}

interface AxeViolation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string }[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    // The tests run as root in containers, where its sandbox cannot be made.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}
