/** Server-sent events: live, with a heartbeat, and without a gap after a lost connection. */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventLog } from '../../server/events.ts';
import { EVENTS_KEPT_MAX } from '../../server/limits.ts';
import type { Json } from '../support/cli.ts';
import { ServerFixture, type SignedIn } from '../support/server.ts';

interface Heard {
  readonly id: string | undefined;
  readonly type: string;
  readonly data: Json;
}

/** A page that watches. */
class Watcher {
  readonly events: Heard[] = [];
  readonly response: Response;
  readonly #controller: AbortController;
  isOver = false;

  private constructor(response: Response, controller: AbortController) {
    this.response = response;
    this.#controller = controller;
    this.#read().catch(() => undefined);
  }

  static async open(t: TestContext, url: string, headers: Record<string, string>): Promise<Watcher> {
    const controller = new AbortController();
    t.after(() => controller.abort());
    const response = await fetch(`${url}/api/v1/events`, { headers, signal: controller.signal });
    return new Watcher(response, controller);
  }

  leave(): void {
    this.#controller.abort();
  }

  async until(fits: (event: Heard) => boolean): Promise<Heard> {
    for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 20) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      await sleep(20);
    }
    throw new Error(`It did not come; what came: ${JSON.stringify(this.events)}`);
  }

  async untilOver(): Promise<void> {
    for (let waitedMs = 0; !this.isOver; waitedMs += 20) {
      assert.ok(waitedMs < 20_000, 'the stream does not end');
      await sleep(20);
    }
  }

  async #read(): Promise<void> {
    let text = '';
    try {
      for await (const piece of this.response.body ?? []) {
        text += Buffer.from(piece).toString();
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) this.#take(block);
      }
    } finally {
      this.isOver = true;
    }
  }

  #take(block: string): void {
    const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]));
    const type = fields.get('event');
    if (type === undefined) return;
    this.events.push({ id: fields.get('id'), type, data: JSON.parse(fields.get('data') ?? '') });
  }
}

async function listening(t: TestContext): Promise<{ server: ServerFixture; admin: SignedIn; url: string }> {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  return { server, admin, url: await server.server.listen() };
}

test('a page hears of jobs as they go', async (t) => {
  const { admin, url } = await listening(t);
  const page = await Watcher.open(t, url, { cookie: admin.cookie });
  assert.equal(page.response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.equal(page.response.headers.get('x-content-type-options'), 'nosniff');
  await page.until(({ type }) => type === 'hello');
  const { json } = await admin.ask('/check', { method: 'POST', body: {} });
  await page.until(({ type, data }) => type === 'job' && data.id === json.job.id && data.status === 'QUEUED');
  await page.until(({ type, data }) => type === 'job' && data.id === json.job.id && data.status === 'RUNNING');
  await page.until(({ type, data }) => type === 'job' && data.id === json.job.id && data.status === 'COMPLETED');
});

test('who comes back hears what was missed, once and in order', async (t) => {
  const { server, admin, url } = await listening(t);
  const { events } = server.server.context;
  const first = await Watcher.open(t, url, { cookie: admin.cookie });
  events.publish('test', { number: 1 });
  const last = await first.until(({ type }) => type === 'test');
  first.leave();
  events.publish('test', { number: 2 });
  events.publish('test', { number: 3 });
  events.publish('progress', { number: 0 }, { isKept: false });
  const second = await Watcher.open(t, url, { cookie: admin.cookie, 'last-event-id': last.id ?? '' });
  events.publish('test', { number: 4 });
  await second.until(({ data }) => data.number === 4);
  assert.deepEqual(
    second.events.map(({ type, data }) => [type, data.number]),
    [
      ['test', 2],
      ['test', 3],
      ['test', 4],
    ],
  );
});

test('who comes back to another server, or after too much, is told that there is a gap', async (t) => {
  const { server, admin, url } = await listening(t);
  const { events } = server.server.context;
  for (const lastId of ['another.17', 'nonsense', `${events.lastId.split('.')[0]}.99999`]) {
    const page = await Watcher.open(t, url, { cookie: admin.cookie, 'last-event-id': lastId });
    const gap = await page.until(({ type }) => type === 'gap');
    assert.equal(gap.id, events.lastId, lastId);
    page.leave();
  }
});

test('the log of events is bounded, and tells a gap from what it still has', () => {
  const log = new EventLog();
  const begin = log.lastId;
  log.publish('test', { number: 0 });
  const early = log.lastId;
  for (let number = 1; number <= EVENTS_KEPT_MAX; number++) log.publish('test', { number });
  assert.equal(log.subscribe(() => undefined, begin).isGap, true, 'number 0 is not there any more');
  const { missed, isGap } = log.subscribe(() => undefined, early);
  assert.equal(isGap, false);
  assert.equal(missed.length, EVENTS_KEPT_MAX);
  assert.deepEqual(log.subscribe(() => undefined, log.lastId).missed, []);
});

test('who signed out, or whose token was taken back, hears no more; a server that ends lets go of its pages', async (t) => {
  const { server, admin, url } = await listening(t);
  const authorization = await server.token('read');
  const page = await Watcher.open(t, url, { cookie: admin.cookie });
  const script = await Watcher.open(t, url, authorization);
  await page.until(({ type }) => type === 'hello');
  await script.until(({ type }) => type === 'hello');
  const [token] = server.server.context.state.tokens.list();
  await admin.ask(`/tokens/${token?.id}`, { method: 'DELETE' });
  await admin.ask('/session', { method: 'DELETE' });
  server.server.context.events.publish('secret', {});
  await page.untilOver();
  await script.untilOver();
  assert.ok([...page.events, ...script.events].every(({ type }) => type !== 'secret'));
  const admin2 = await server.signIn();
  const last = await Watcher.open(t, url, { cookie: admin2.cookie });
  await last.until(({ type }) => type === 'hello');
  const begunMs = performance.now();
  await server.server.app.close();
  await last.untilOver();
  assert.ok(performance.now() - begunMs < 3000);
});
