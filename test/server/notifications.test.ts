/** People hear of what failed, by every way that they set, and passwords stay where they are. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Json } from '../support/cli.ts';
import { MailReceiver, WebReceiver } from '../support/receivers.ts';
import { type Answer, ServerFixture, type SignedIn } from '../support/server.ts';

const DAY_MS = 24 * 3600_000;

async function set(admin: SignedIn, change: object): Promise<Answer> {
  const { json } = await admin.ask('/settings/notifications');
  const given = {
    ...json,
    ntfy: json.ntfy === null ? null : { url: json.ntfy.url },
    email: json.email === null ? null : { ...json.email, password_set: undefined },
    ...change,
  };
  return admin.ask('/settings/notifications', { method: 'PUT', body: JSON.parse(JSON.stringify(given)) });
}

async function night(admin: SignedIn): Promise<Json> {
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  return (await admin.untilOver(json.job.id)).job;
}

test('a night that failed is told by webhook, ntfy and mail', async (t) => {
  const server = await ServerFixture.start(t, { sources: [Buffer.from('/nowhere/at/all')] });
  const admin = await server.setUp();
  const web = await WebReceiver.start(t);
  const mailbox = await MailReceiver.start(t, { user: 'snap', password: 'mail secret' });
  const email = {
    host: '127.0.0.1',
    port: mailbox.port,
    security: 'none',
    user: 'snap',
    password: 'mail secret',
    from: 'snap@example.org',
    to: ['admin@example.org', 'other@example.org'],
  };
  const { status, text } = await set(admin, {
    page_url: 'https://nas.example/snap/',
    webhook: { url: `${web.url}/hook` },
    ntfy: { url: `${web.url}/ntfy/my%20topic`, token: 'tk_secret' },
    email,
  });
  assert.equal(status, 200, text);
  const job = await night(admin);
  assert.equal(job.status, 'FAILED');
  const posted = await web.until(2);
  const hook = posted.find(({ path }) => path === '/hook')?.json;
  assert.deepEqual([hook.event, hook.level, hook.job.id], ['job', 'error', job.id]);
  assert.match(hook.title, /: the night failed$/);
  assert.match(hook.text, /nowhere/);
  assert.equal(hook.url, `https://nas.example/snap/jobs/${job.id}`);
  const push = posted.find(({ path }) => path === '/ntfy/');
  assert.equal(push?.headers.authorization, 'Bearer tk_secret');
  assert.deepEqual([push?.json.topic, push?.json.priority], ['my topic', 5]);
  const [mail] = await mailbox.until(1);
  assert.deepEqual(mail?.to, email.to);
  assert.match(mail?.data ?? '', /^Subject: .*the night failed$/m);
  assert.match(mail?.data ?? '', /jobs\/\d/);
});

test('what went well is told only where that is wanted; what was cancelled never', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const web = await WebReceiver.start(t);
  await set(admin, { webhook: { url: web.url }, on_success: false });
  assert.equal((await night(admin)).status, 'COMPLETED');
  await set(admin, { on_success: true });
  assert.equal((await night(admin)).status, 'COMPLETED');
  const [well] = await web.until(1);
  assert.deepEqual([well?.json.level, well?.json.event], ['info', 'job']);
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  await admin.ask(`/jobs/${json.job.id}`, { method: 'DELETE' });
  await admin.untilOver(json.job.id);
  await server.server.close();
  assert.equal(web.items.length, 1);
  await server.restart();
});

test('a backup that is too old is told once a day, and no more once there is a new one', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const web = await WebReceiver.start(t);
  const { notifier } = server.server.context;
  notifier.checkAge();
  await set(admin, { webhook: { url: web.url }, stale_days: 2 });
  notifier.checkAge();
  server.nowMs += 2 * DAY_MS;
  notifier.checkAge();
  notifier.checkAge();
  const [never] = await web.until(1);
  assert.deepEqual([never?.json.event, never?.json.level], ['stale', 'error']);
  assert.match(never?.json.text, /no backup at all yet/);
  server.nowMs += DAY_MS;
  notifier.checkAge();
  assert.equal((await web.until(2)).length, 2, 'again a day later');
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const back = await server.signIn();
  assert.equal((await night(back)).status, 'COMPLETED');
  server.nowMs += DAY_MS;
  notifier.checkAge();
  server.nowMs += DAY_MS;
  notifier.checkAge();
  const last = (await web.until(3)).at(-1);
  assert.match(last?.json.text, /is 2 days old/);
});

test('a night that the server did not survive is told at the next start', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const web = await WebReceiver.start(t);
  await set(admin, { webhook: { url: web.url } });
  const { state } = server.server.context;
  const job = state.jobs.add({
    kind: 'night',
    title: 'Night',
    trigger: 'schedule',
    createdBy: 'schedule',
    createdMs: 0,
  });
  state.jobs.save({ ...job, status: 'RUNNING', startedMs: 0 });
  await server.restart();
  const [told] = await web.until(1);
  assert.equal(told?.json.text, 'The server ended while it ran');
});

test('a test says which way got through and why another did not; what fails is tried again', async (t) => {
  const server = await ServerFixture.start(t, { sources: [Buffer.from('/nowhere')] });
  const admin = await server.setUp();
  const none = await admin.ask('/settings/notifications/test', { method: 'POST', body: {} });
  assert.deepEqual([none.status, none.json.code], [409, 'CONFLICT']);
  let status = 500;
  const web = await WebReceiver.start(t, () => status);
  const mailbox = await MailReceiver.start(t, { user: 'snap', password: 'right' });
  const email = {
    host: '127.0.0.1',
    port: mailbox.port,
    security: 'none',
    user: 'snap',
    password: 'wrong',
    from: 'a@example.org',
    to: ['b@example.org'],
  };
  await set(admin, { webhook: { url: web.url }, email });
  const test = await admin.ask('/settings/notifications/test', { method: 'POST', body: {} });
  const problems = new Map(test.json.deliveries.map(({ channel, problem }: Json) => [channel, problem]));
  assert.match(String(problems.get('webhook')), /status 500/);
  assert.match(String(problems.get('email')), /535/);
  assert.equal(web.items.length, 1);
  await set(admin, { email: null });
  status = 302;
  const redirected = await admin.ask('/settings/notifications/test', { method: 'POST', body: {} });
  assert.match(redirected.json.deliveries[0].problem, /status 302/);
  assert.ok(
    web.items.every(({ path }) => path === '/'),
    'no redirect is followed',
  );
  const before = web.items.length;
  status = 503;
  await night(admin);
  await web.until(before + 1);
  status = 200;
  assert.equal((await web.until(before + 2)).length, before + 2);
});

test('secrets go in and never come out; they stay where they are left out, but never go to another place', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const email = {
    host: 'mail.example.org',
    port: 587,
    security: 'starttls',
    user: 'snap',
    from: 'a@b.org',
    to: ['c@d.org'],
  };
  const ntfy = { url: 'https://ntfy.example.org/topic' };
  const first = await set(admin, {
    ntfy: { ...ntfy, token: 'tk_secret' },
    email: { ...email, password: 'mail secret' },
  });
  assert.equal(first.status, 200, first.text);
  for (const { text } of [first, await admin.ask('/settings/notifications')]) {
    assert.ok(!text.includes('secret'), text);
    assert.match(text, /"token_set":true/);
    assert.match(text, /"password_set":true/);
  }
  const same = await set(admin, { email: { ...email, port: 465, security: 'tls' } });
  assert.deepEqual([same.json.email.password_set, same.json.ntfy.token_set], [true, true]);
  const other = await set(admin, {
    email: { ...email, host: 'evil.example' },
    ntfy: { url: 'https://evil.example/topic' },
  });
  assert.deepEqual([other.json.email.password_set, other.json.ntfy.token_set], [false, false]);
  assert.ok(!server.log.join('').includes('secret"'));
  const token = await server.token('backup');
  assert.equal((await server.ask(server.api('/settings/notifications'), { headers: token })).status, 403);
  for (const wrong of [
    { webhook: { url: 'file:///etc/passwd' } },
    { webhook: { url: 'http://' } },
    { email: { ...email, to: ['a@b.org\r\nBcc: c@d.org'] } },
    { email: { ...email, to: [] } },
    { email: { ...email, from: 'nobody' } },
    { stale_days: 0 },
  ]) {
    assert.equal((await set(admin, wrong)).status, 400, JSON.stringify(wrong));
  }
});

test('a health check hears of each night', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const web = await WebReceiver.start(t);
  await set(admin, { ping_url: `${web.url}/uuid` });
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  await night(admin);
  assert.deepEqual(
    (await web.until(2)).map(({ path }) => path),
    ['/uuid/start', '/uuid'],
  );
});
