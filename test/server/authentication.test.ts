/** Only admins: sign-in, sessions, tokens, and everything that must not let anybody else through. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ADMIN, ServerFixture } from '../support/server.ts';

test('without a session or token nothing of the library is told', async (t) => {
  const server = await ServerFixture.start(t);
  for (const path of ['/snapshots', '/jobs', '/events', '/tokens', '/session']) {
    const { status, json, headers } = await server.ask(server.api(path));
    assert.equal(status, 401, path);
    assert.equal(json.code, 'NOT_SIGNED_IN', path);
    assert.match(String(headers['content-type']), /^application\/problem\+json/);
  }
});

test('the setup link makes the first admin, once', async (t) => {
  const server = await ServerFixture.start(t);
  const link = server.server.context.authentication.setupLink.addressAt('http://here');
  assert.match(link ?? '', /^http:\/\/here\/setup#token=[\w-]{43}$/);
  const token = link?.split('=')[1];
  const body = { token, ...ADMIN };
  assert.deepEqual((await server.ask(server.api('/setup'))).json, { open: true });
  const [first, second] = await Promise.all([
    server.ask(server.api('/setup'), { method: 'POST', body }),
    server.ask(server.api('/setup'), { method: 'POST', body: { ...body, name: 'other' } }),
  ]);
  assert.deepEqual([first.status, second.status].sort(), [201, 403], 'two at once: one of them');
  const third = await server.ask(server.api('/setup'), { method: 'POST', body });
  assert.equal(third.status, 403);
  assert.equal(third.json.code, 'SETUP_LINK_INVALID');
  assert.equal(server.server.context.state.users.count(), 1);
  await server.restart();
  assert.deepEqual((await server.ask(server.api('/setup'))).json, { open: false }, 'nor after another start');
});

test('who lost the password comes in again by a setup link, and old sessions end', async (t) => {
  const server = await ServerFixture.start(t);
  const before = await server.setUp();
  await server.restart({ setupLink: true });
  assert.equal((await before.ask('/session')).status, 200);
  const again = await server.setUp();
  assert.equal((await again.ask('/session')).json.name, ADMIN.name);
  assert.equal((await before.ask('/session')).status, 401);
  assert.equal(server.server.context.state.users.count(), 1);
});

test('a session reads, and signing out ends it', async (t) => {
  const server = await ServerFixture.start(t);
  await server.setUp();
  const admin = await server.signIn();
  assert.equal((await admin.ask('/snapshots')).status, 200);
  const out = await admin.ask('/session', { method: 'DELETE' });
  assert.equal(out.status, 204);
  assert.equal(out.cookies[0]?.value, '', 'the browser forgets its cookie');
  assert.equal((await admin.ask('/snapshots')).status, 401, 'and the server its session');
});
