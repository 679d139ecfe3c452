/** Only admins: sign-in, sessions, tokens, and everything that must not let anybody else through. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LOGIN_FAILURES_MAX, LOGIN_WINDOW_MS, SESSION_IDLE_MS_MAX, SESSION_MS_MAX } from '../../server/limits.ts';
import { ADMIN, type Answer, ServerFixture } from '../support/server.ts';

test('every route but a few asks who is there, before anything else of a request counts', async (t) => {
  const server = await ServerFixture.start(t);
  const open = new Set([
    '/api/v1/session POST',
    '/api/v1/setup GET',
    '/api/v1/setup POST',
    '/healthz GET',
    '/readyz GET',
  ]);
  const headers = await server.token('read');
  const { paths } = (await server.ask('/api/docs/json', { headers })).json;
  let guarded = 0;
  for (const [path, methods] of Object.entries<object>(paths)) {
    for (const method of Object.keys(methods).map((name) => name.toUpperCase())) {
      if (open.has(`${path} ${method}`)) continue;
      guarded++;
      // A body that is no JSON at all: nobody looked at it.
      const headers = { 'content-type': 'application/json' };
      const ask = { method: method as 'GET', ...(method === 'GET' ? {} : { body: '{not json', headers }) };
      const { status, json } = await server.ask(path.replace('{id}', '1'), ask);
      assert.deepEqual([status, json?.code], [401, 'NOT_SIGNED_IN'], `${method} ${path}`);
    }
  }
  assert.ok(guarded > 15, String(guarded));
});

describe('the setup link', () => {
  test('makes the first admin, once', async (t) => {
    const server = await ServerFixture.start(t);
    const link = server.server.context.authentication.setupLink.addressAt('http://here');
    assert.match(link ?? '', /^http:\/\/here\/setup#token=[\w-]{43}$/);
    const body = { token: link?.split('=')[1], ...ADMIN };
    assert.deepEqual((await server.ask(server.api('/setup'))).json, { open: true });
    const [first, second] = await Promise.all([
      server.ask(server.api('/setup'), { method: 'POST', body }),
      server.ask(server.api('/setup'), { method: 'POST', body: { ...body, name: 'other' } }),
    ]);
    assert.deepEqual([first.status, second.status].sort(), [201, 403], 'two at once: one of them');
    const third = await server.ask(server.api('/setup'), { method: 'POST', body });
    assert.deepEqual([third.status, third.json.code], [403, 'SETUP_LINK_INVALID']);
    assert.equal(server.server.context.state.users.count(), 1);
    await server.restart();
    assert.deepEqual((await server.ask(server.api('/setup'))).json, { open: false }, 'nor after another start');
  });

  test('is not to be guessed', async (t) => {
    const server = await ServerFixture.start(t);
    const guess = (): Promise<Answer> =>
      server.ask(server.api('/setup'), { method: 'POST', body: { token: 'guess', ...ADMIN } });
    for (let count = 0; count < LOGIN_FAILURES_MAX; count++) assert.equal((await guess()).status, 403);
    assert.equal((await guess()).status, 429);
  });

  test('brings in again who lost the password, and old sessions end', async (t) => {
    const server = await ServerFixture.start(t);
    const before = await server.setUp();
    await server.restart({ setupLink: true });
    assert.equal((await before.ask('/session')).status, 200);
    const again = await server.setUp();
    assert.equal((await again.ask('/session')).json.name, ADMIN.name);
    assert.equal((await before.ask('/session')).status, 401);
    assert.equal(server.server.context.state.users.count(), 1);
  });
});

describe('a session', () => {
  test('reads; signing out ends it', async (t) => {
    const server = await ServerFixture.start(t);
    await server.setUp();
    const admin = await server.signIn();
    assert.equal((await admin.ask('/snapshots')).status, 200);
    const out = await admin.ask('/session', { method: 'DELETE' });
    assert.equal(out.status, 204);
    assert.equal(out.cookies[0]?.value, '', 'the browser forgets its cookie');
    assert.equal((await admin.ask('/snapshots')).status, 401, 'and the server its session');
  });

  test('ends when it was not used for long, and after its time in any case', async (t) => {
    const server = await ServerFixture.start(t);
    const idle = await server.setUp();
    server.nowMs += SESSION_IDLE_MS_MAX - 1;
    assert.equal((await idle.ask('/session')).status, 200);
    server.nowMs += SESSION_IDLE_MS_MAX;
    assert.equal((await idle.ask('/session')).status, 401);
    const busy = await server.signIn();
    const endMs = server.nowMs + SESSION_MS_MAX;
    while (server.nowMs < endMs - 1) {
      assert.equal((await busy.ask('/session')).status, 200);
      server.nowMs = Math.min(endMs - 1, server.nowMs + SESSION_IDLE_MS_MAX / 2);
    }
    server.nowMs = endMs;
    assert.equal((await busy.ask('/session')).status, 401);
  });

  test('lives through another start of the server; its secret is nowhere in the state', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    await server.restart();
    assert.equal((await admin.ask('/session')).status, 200);
    const { database } = server.server.context.state;
    const secret = admin.cookie.split('=')[1] ?? '';
    assert.ok(!database.serialize().includes(secret));
    assert.ok(!database.serialize().includes(ADMIN.password));
  });

  test('ends with its user, and with a new password, but for the one that set it', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    const elsewhere = await server.signIn();
    const change = { password: ADMIN.password, new_password: 'another long one' };
    const wrong = await admin.ask('/session/password', { method: 'PUT', body: { ...change, password: 'wrong' } });
    assert.deepEqual([wrong.status, wrong.json.code], [401, 'SIGN_IN_FAILED']);
    assert.equal((await admin.ask('/session/password', { method: 'PUT', body: change })).status, 204);
    assert.equal((await admin.ask('/session')).status, 200);
    assert.equal((await elsewhere.ask('/session')).status, 401);
    const body = { name: 'other', password: 'a third long one' };
    const { json } = await admin.ask('/users', { method: 'POST', body });
    assert.equal((await admin.ask('/users', { method: 'POST', body: { ...body, name: 'OTHER' } })).status, 409);
    const other = await server.ask(server.api('/session'), { method: 'POST', body });
    assert.equal(other.status, 201);
    assert.equal((await admin.ask(`/users/${json.user.id}`, { method: 'DELETE' })).status, 204);
    const cookie = other.cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    assert.equal((await server.ask(server.api('/session'), { headers: { cookie } })).status, 401);
    const [last] = server.server.context.state.users.list();
    const refused = await admin.ask(`/users/${last?.id}`, { method: 'DELETE' });
    assert.equal(refused.status, 409, 'the last user stays');
  });
});

describe('cookies', () => {
  test('cannot be read by scripts, are not sent by other sites, and come back over plain HTTP at home', async (t) => {
    const server = await ServerFixture.start(t);
    const { answer } = await server.setUp();
    const cookie = String(answer.headers['set-cookie']);
    assert.match(cookie, /^snap_session=[\w-]{43};/);
    for (const attribute of ['HttpOnly', 'SameSite=Lax', 'Path=/', 'Max-Age=']) assert.ok(cookie.includes(attribute));
    assert.ok(!cookie.includes('Secure'), cookie);
  });

  test('are Secure where a trusted proxy speaks TLS, and only what that one says counts', async (t) => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' };
    for (const [trustedProxies, isSecure] of [
      [['127.0.0.1'], true],
      [['10.0.0.0/8'], false],
      [[], false],
    ] as const) {
      const server = await ServerFixture.start(t, { trustedProxies, basePath: '/snap' });
      await server.setUp();
      const { headers: sent } = await server.ask(server.api('/session'), { method: 'POST', body: ADMIN, headers });
      const cookie = String(sent['set-cookie']);
      assert.equal(cookie.includes('Secure'), isSecure, cookie);
      assert.match(cookie, /Path=\/snap;/);
      const line = server.log
        .map((text) => JSON.parse(text))
        .find(({ msg, req }) => msg === 'Answered' && req.path.endsWith('/session'));
      assert.equal(line.req.address, isSecure ? '203.0.113.9' : '127.0.0.1');
    }
  });
});

describe('changes', () => {
  test('need the token of their own session in a header: another site cannot know it', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    const other = await server.signIn();
    for (const given of ['', 'x', other.csrfToken, `${admin.csrfToken}x`]) {
      const { status, json } = await admin.ask('/prune', {
        method: 'POST',
        body: {},
        headers: { 'x-csrf-token': given },
      });
      assert.deepEqual([status, json.code], [403, 'CSRF_MISSING'], given);
    }
    const without = await server.ask(server.api('/prune'), {
      method: 'POST',
      body: {},
      headers: { cookie: admin.cookie },
    });
    assert.deepEqual([without.status, without.json.code], [403, 'CSRF_MISSING']);
    for (const method of ['PUT', 'DELETE', 'POST'] as const) {
      const path = method === 'PUT' ? '/schedule' : method === 'DELETE' ? '/session' : '/schedule/run';
      const { status } = await server.ask(server.api(path), { method, headers: { cookie: admin.cookie } });
      assert.equal(status, 403, `${method} ${path}`);
    }
    assert.equal(server.server.context.state.jobs.list({ limit: 10 }).length, 0);
    assert.equal((await admin.ask('/prune', { method: 'POST', body: {} })).status, 202);
  });

  test('are not made by forms of other sites, nor asked for by their pages', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const body = JSON.stringify(ADMIN);
      const signIn = await server.ask(server.api('/session'), {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
      assert.equal(signIn.status, 415, type);
    }
    const headers = { 'sec-fetch-site': 'cross-site' };
    assert.equal((await server.ask(server.api('/session'), { method: 'POST', body: ADMIN, headers })).status, 403);
    assert.equal((await admin.ask('/prune', { method: 'POST', body: {}, headers })).status, 403);
    const answer = await server.ask(server.api('/session'), {
      headers: { origin: 'https://evil.example', cookie: admin.cookie },
    });
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  });
});

describe('who tries passwords', () => {
  const tryOne = (server: ServerFixture, name: string, address: string): Promise<Answer> =>
    server.ask(server.api('/session'), {
      method: 'POST',
      body: { name, password: 'wrong' },
      headers: { 'x-forwarded-for': address },
    });

  test('is stopped by address, for a while', async (t) => {
    const server = await ServerFixture.start(t, { trustedProxies: ['127.0.0.1'] });
    await server.setUp();
    for (let count = 0; count < LOGIN_FAILURES_MAX; count++) {
      const { status, json } = await tryOne(server, `user${count}`, '203.0.113.1');
      assert.deepEqual([status, json.code], [401, 'SIGN_IN_FAILED']);
    }
    const stopped = await tryOne(server, ADMIN.name, '203.0.113.1');
    assert.deepEqual([stopped.status, stopped.json.code], [429, 'TOO_MANY_REQUESTS']);
    assert.equal(stopped.headers['retry-after'], String(LOGIN_WINDOW_MS / 1000));
    assert.equal((await server.signIn()).answer.status, 201, 'others come in');
    server.nowMs += LOGIN_WINDOW_MS;
    assert.equal((await tryOne(server, ADMIN.name, '203.0.113.1')).status, 401);
  });

  test('is stopped by name, from however many addresses; also when all come at once', async (t) => {
    const server = await ServerFixture.start(t, { trustedProxies: ['127.0.0.1'] });
    await server.setUp();
    const answers = await Promise.all(
      Array.from({ length: 2 * LOGIN_FAILURES_MAX }, (_, index) => tryOne(server, 'ADMIN', `203.0.113.${index + 1}`)),
    );
    const judged = answers.filter(({ status }) => status === 401).length;
    assert.equal(judged, LOGIN_FAILURES_MAX);
    const right = await server.ask(server.api('/session'), { method: 'POST', body: ADMIN });
    assert.equal(right.status, 429, 'not even the right password');
  });

  test('does not learn which names exist', async (t) => {
    const server = await ServerFixture.start(t);
    await server.setUp();
    const known = await tryOne(server, ADMIN.name, '');
    const unknown = await tryOne(server, 'nobody', '');
    assert.deepEqual(known.json, unknown.json);
  });

  test('must not even hold up the server: what is not signed in is counted', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    let refused: Answer | undefined;
    for (let count = 0; count < 400 && refused === undefined; count++) {
      const answer = await server.ask(server.api('/setup'));
      if (answer.status !== 200) refused = answer;
    }
    assert.deepEqual([refused?.status, refused?.json.code], [429, 'TOO_MANY_REQUESTS']);
    assert.equal((await admin.ask('/session')).status, 200, 'who is signed in is not kept out by others');
  });
});

describe('a token', () => {
  test('may do what its scopes say, and no more', async (t) => {
    const server = await ServerFixture.start(t);
    await server.setUp();
    const asks = [
      ['GET', '/snapshots', 'read'],
      ['GET', '/jobs', 'read'],
      ['POST', '/check', 'backup'],
      ['POST', '/schedule/run', 'backup'],
      ['POST', '/jobs/999/resume', 'restore'],
      ['POST', '/prune', 'admin'],
      ['PUT', '/schedule', 'admin'],
      ['GET', '/users', 'admin'],
      ['GET', '/tokens', 'admin'],
      ['DELETE', '/jobs/999', 'admin'],
    ] as const;
    const included = {
      read: ['read'],
      backup: ['read', 'backup'],
      restore: ['read', 'restore'],
      admin: ['read', 'backup', 'restore', 'admin'],
    };
    for (const [scope, allowed] of Object.entries(included)) {
      const headers = await server.token(scope);
      for (const [method, path, wanted] of asks) {
        const { status, json } = await server.ask(server.api(path), {
          method,
          headers,
          ...(method === 'GET' ? {} : { body: {} }),
        });
        const isRefused = status === 403 && json.code === 'SCOPE_MISSING';
        assert.equal(isRefused, !allowed.includes(wanted), `${scope}: ${method} ${path} ${status}`);
      }
    }
  });

  test('needs no header against other sites, is shown once, and ends', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    const expires = new Date(server.nowMs + 60_000).toISOString();
    const made = await admin.ask('/tokens', {
      method: 'POST',
      body: { name: 'nightly', scopes: ['backup'], expires_at: expires },
    });
    assert.equal(made.status, 201, made.text);
    const { secret, token } = made.json;
    assert.match(secret, /^snap_[\w-]{43}$/);
    const headers = { authorization: `Bearer ${secret}` };
    assert.equal((await server.ask(server.api('/check'), { method: 'POST', body: {}, headers })).status, 202);
    const list = await admin.ask('/tokens');
    assert.ok(!list.text.includes(secret));
    assert.equal(list.json.items[0].used_at, new Date(server.nowMs).toISOString());
    assert.ok(!server.server.context.state.database.serialize().includes(secret));
    server.nowMs += 60_000;
    const over = await server.ask(server.api('/session'), { headers });
    assert.deepEqual([over.status, over.headers['www-authenticate']], [401, 'Bearer']);
    assert.equal((await admin.ask(`/tokens/${token.id}`, { method: 'DELETE' })).status, 204);
    assert.equal((await admin.ask(`/tokens/${token.id}`, { method: 'DELETE' })).status, 404);
  });

  test('that is wrong is refused, though a good cookie comes with it', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    for (const authorization of [
      'Bearer snap_wrong',
      'Bearer',
      'Basic YWRtaW46Y29ycmVjdCBob3JzZQ==',
      `Bearer ${'x'.repeat(5000)}`,
    ]) {
      assert.equal(
        (await admin.ask('/session', { headers: { authorization } })).status,
        401,
        authorization.slice(0, 20),
      );
    }
  });
});
