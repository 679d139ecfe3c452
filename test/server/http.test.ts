/** What every answer has in common: headers, problem details, and a log that tells no secrets. */

import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { ERROR_CODES } from '../../engine/index.ts';
import { BODY_BYTES_MAX } from '../../server/limits.ts';
import { PROBLEM_CODES, SERVER_CODES, statusOf } from '../../server/problems.ts';
import { ADMIN, ServerFixture } from '../support/server.ts';

const HEADERS: { readonly [name: string]: RegExp } = {
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/,
  'referrer-policy': /^no-referrer$/,
  'cross-origin-opener-policy': /^same-origin$/,
  'cross-origin-resource-policy': /^same-origin$/,
  'permissions-policy': /camera=\(\)/,
};

test('every answer has its security headers, whatever it is', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const answers = {
    'an answer': await admin.ask('/session'),
    'a refusal': await server.ask(server.api('/session')),
    'nothing there': await server.ask('/nowhere'),
    'nothing there in the API': await server.ask(server.api('/nowhere')),
    'a wrong request': await admin.ask('/jobs', { query: { limit: 'many' } }),
    health: await server.ask('/healthz'),
    'a wrong body': await admin.ask('/check', {
      method: 'POST',
      body: '{',
      headers: { 'content-type': 'application/json' },
    }),
  };
  for (const [what, { headers }] of Object.entries(answers)) {
    for (const [name, value] of Object.entries(HEADERS)) assert.match(String(headers[name]), value, `${what}: ${name}`);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'/, what);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/, what);
    assert.equal(headers['x-powered-by'], undefined);
    assert.equal(headers['strict-transport-security'], undefined, 'a proxy decides about TLS');
  }
  for (const what of ['an answer', 'a refusal', 'a wrong request', 'a wrong body'] as const) {
    assert.equal(answers[what].headers['cache-control'], 'no-store', what);
    assert.match(
      String(answers[what].headers['content-security-policy']),
      /sandbox/,
      `${what}: files of others run nothing`,
    );
  }
});

describe('errors', () => {
  test('each code of the engine has a status that says whose fault it is', () => {
    assert.deepEqual([...PROBLEM_CODES].sort(), [...ERROR_CODES, ...SERVER_CODES].sort());
    for (const code of PROBLEM_CODES) assert.ok(statusOf(code) >= 400 && statusOf(code) <= 599, code);
  });

  test('are problem details with a code', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    for (const [path, ask, status, code] of [
      ['/snapshot', { query: { snapshot: 'abcdef' } }, 404, 'SNAPSHOT_NOT_FOUND'],
      ['/snapshot', { query: { snapshot: '../../etc/passwd' } }, 400, 'INVALID_ARGUMENT'],
      ['/snapshot', {}, 400, 'REQUEST_INVALID'],
      ['/jobs/1', {}, 404, 'NOT_FOUND'],
      ['/jobs/one', {}, 400, 'REQUEST_INVALID'],
      ['/nowhere', {}, 404, 'NOT_FOUND'],
      ['/check', { method: 'POST', body: { read_data: 'yes' } }, 400, 'REQUEST_INVALID'],
      ['/check', { method: 'POST', body: { surprise: 1 } }, 400, 'REQUEST_INVALID'],
      ['/check', { method: 'POST', body: [] }, 400, 'REQUEST_INVALID'],
      ['/check', { method: 'POST', body: { read_data_subset: 'x'.repeat(BODY_BYTES_MAX) } }, 413, 'TOO_LARGE'],
      [
        '/check',
        { method: 'POST', body: '<check/>', headers: { 'content-type': 'text/xml' } },
        415,
        'MEDIA_TYPE_UNKNOWN',
      ],
    ] as const) {
      const { json, headers, ...answer } = await admin.ask(path, ask);
      const what = `${path} ${JSON.stringify(ask).slice(0, 60)}`;
      assert.deepEqual([answer.status, json.status, json.code], [status, status, code], what);
      assert.equal(headers['content-type'], 'application/problem+json', what);
      assert.deepEqual(Object.keys(json), ['type', 'title', 'status', 'detail', 'code'], what);
      assert.match(json.type, /^urn:snap:problem:[a-z-]+$/);
      assert.doesNotMatch(json.detail, /\bat .*\.js:\d/, 'no stack trace');
    }
  });

  test('of the server itself tell a client nothing but that; its log tells all', async (t) => {
    const server = await ServerFixture.start(t);
    const admin = await server.setUp();
    const { context } = server.server;
    context.state.database.exec('ALTER TABLE jobs RENAME TO gone');
    const { status, json } = await admin.ask('/jobs');
    assert.deepEqual([status, json.code], [500, 'INTERNAL']);
    assert.doesNotMatch(json.detail, /gone|table|sqlite/i);
    assert.ok(server.log.some((line) => line.includes('no such table: jobs')));
    context.state.database.exec('ALTER TABLE gone RENAME TO jobs');
  });

  test('of something that is no HTTP are answered, too', async (t) => {
    const server = await ServerFixture.start(t);
    const { port, hostname } = new URL(await server.server.listen());
    const socket = connect(Number(port), hostname);
    socket.end('SSH-2.0-OpenSSH_9.2\r\n\r\n');
    let text = '';
    for await (const piece of socket) text += piece;
    assert.match(text, /^HTTP\/1.1 400 .*application\/problem\+json/s);
  });
});

/** Ways out of wherever a parameter is meant to stay, and things that parsers trip over. */
const HOSTILE = [
  '../../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '/etc/passwd',
  '....//....//etc/passwd',
  'C:\\Windows\\win.ini',
  'latest:/etc/passwd',
  '\u0000',
  'a\u0000b',
  '%00',
  "' OR 1=1 --",
  '"; DROP TABLE jobs; --',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  '-1',
  '1e309',
  '9'.repeat(40),
  'x'.repeat(5000),
];

test('no parameter leads anywhere: each hostile value is refused or finds nothing, and nothing fails', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const headers = { cookie: admin.cookie, 'x-csrf-token': admin.csrfToken };
  const { paths } = (await server.ask('/api/docs/json', { headers })).json;
  let asked = 0;
  for (const [path, methods] of Object.entries<Record<string, { parameters?: { name: string; in: string }[] }>>(
    paths,
  )) {
    for (const [method, { parameters = [] }] of Object.entries(methods)) {
      for (const { name, in: place } of parameters.filter((one) => one.in !== 'header')) {
        for (const value of HOSTILE) {
          const encoded = encodeURIComponent(value);
          const url = place === 'path' ? path.replace(`{${name}}`, encoded) : `${path}?${name}=${encoded}`;
          const body = method === 'get' || method === 'delete' ? {} : { body: {} };
          const { status, text } = await server.ask(url, { method: method.toUpperCase() as 'GET', headers, ...body });
          assert.ok(status < 500, `${method} ${url}: ${status} ${text}`);
          assert.doesNotMatch(text, /root:x:0/, url);
          asked++;
        }
      }
    }
  }
  assert.ok(asked > 100, String(asked));
  const raw = await server.ask(`${server.api('/jobs/')}..%2f..%2f..%2fetc%2fpasswd`, { headers });
  assert.ok(raw.status === 400 || raw.status === 404);
  const climbing = await server.ask('/api/v1/../../etc/passwd', { headers });
  assert.equal(climbing.status, 404);
});

test('the same field twice, or one that nobody knows, is no way around a check', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const twice = await admin.ask('/snapshot', { query: { snapshot: ['latest', '../x'] } });
  assert.equal(twice.status, 400);
  const body = '{"name":"x","password":"long enough 1","__proto__":{"access":"public"}}';
  const proto = await admin.ask('/users', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  assert.equal(proto.status, 400);
});

test('a log line is JSON and holds no password, token or cookie; nor do addresses give away paths', async (t) => {
  const server = await ServerFixture.start(t);
  const setupToken = server.server.context.authentication.setupLink.addressAt('')?.split('=')[1] ?? '?';
  const admin = await server.setUp();
  const made = await admin.ask('/tokens', { method: 'POST', body: { name: 'script', scopes: ['read'] } });
  const { secret } = made.json;
  const password = 'a password that must not be told';
  await admin.ask('/users', { method: 'POST', body: { name: 'other', password } });
  await admin.ask('/session/password', { method: 'PUT', body: { password: 'wrong one', new_password: password } });
  await server.ask(server.api('/session'), { method: 'POST', body: { name: 'other', password: `${password} wrong` } });
  await server.ask(server.api('/session'), { headers: { authorization: `Bearer ${secret}x` } });
  await server.ask(server.api('/session'), { headers: { authorization: `Bearer ${secret}` } });
  await server.ask(`${server.api('/snapshot')}?snapshot=/srv/private/diary.txt`, { headers: { cookie: admin.cookie } });
  await server.ask('/nowhere?password=told', {});
  const job = await admin.ask('/check', { method: 'POST', body: {} });
  await admin.untilOver(job.json.job.id);
  const { context } = server.server;
  // Even where somebody writes them there by mistake.
  context.log.info({ password, authorization: secret, headers: { cookie: admin.cookie } }, 'Careless');
  const text = server.log.join('');
  for (const line of server.log) JSON.parse(line);
  assert.ok(server.log.length > 10);
  const hidden = [
    ADMIN.password,
    password,
    secret,
    setupToken,
    admin.cookie.split('=')[1] ?? '?',
    admin.csrfToken,
    'diary',
    'told',
  ];
  for (const one of hidden) assert.ok(!text.includes(one), one);
});

test('on a terminal a log line is for people, and still tells no secret', async (t) => {
  const lines: string[] = [];
  const log = { level: 'info', format: 'text', write: (line: string) => lines.push(line) } as const;
  const server = await ServerFixture.start(t, { log });
  const admin = await server.setUp();
  await admin.ask('/check', { method: 'POST', body: {} });
  server.server.context.log.error({ err: new Error('It broke'), password: 'told' }, 'Something failed');
  server.server.context.log.info({ name: '\u001b[31mred\u009b' }, 'A \u0007 name');
  assert.match(lines.join(''), /^\d\d:\d\d:\d\d info {3}The setup link was used {2}user=admin$/m);
  assert.match(lines.join(''), /^\d\d:\d\d:\d\d error {2}Something failed {2}It broke {2}password=\*\*\*$/m);
  const isControl = (code: number): boolean => (code < 0x20 && code !== 0x0a) || (code >= 0x7f && code < 0xa0);
  const controls = [...lines.join('')].filter((character) => isControl(character.charCodeAt(0)));
  assert.deepEqual(controls, [], 'nothing reaches a terminal but text');
  assert.match(lines.join(''), /^\d\d:\d\d:\d\d info {3}Answered {2}POST \/api\/v1\/check {2}status=202/m);
});

test('behind a base path everything lies below it', async (t) => {
  const server = await ServerFixture.start(t, { basePath: '/library/snap' });
  const admin = await server.setUp();
  assert.equal((await admin.ask('/session')).status, 200);
  assert.equal((await server.ask('/library/snap/healthz')).status, 200);
  assert.equal((await server.ask('/healthz')).status, 404);
  assert.equal((await server.ask('/api/v1/session')).status, 404);
  const { json, headers } = await admin.ask('/check', { method: 'POST', body: {} });
  assert.equal(headers.location, `/library/snap/api/v1/jobs/${json.job.id}`);
  assert.match(await server.server.listen(), /^http:\/\/127\.0\.0\.1:\d+\/library\/snap$/);
});

test('health: it lives, is ready, and says so where it is not', async (t) => {
  const server = await ServerFixture.start(t);
  assert.deepEqual((await server.ask('/healthz')).json, { status: 'ok' });
  assert.deepEqual((await server.ask('/readyz')).json, { status: 'ok' });
  // As a disk that is not there any more.
  renameSync(server.options.location, `${server.options.location} gone`);
  const { status, json } = await server.ask('/readyz');
  assert.deepEqual([status, json], [503, { status: 'not ready', detail: 'REPOSITORY_NOT_FOUND' }]);
  assert.equal((await server.ask('/healthz')).status, 200);
  renameSync(`${server.options.location} gone`, server.options.location);
  assert.equal((await server.ask('/readyz')).status, 200);
});

test('metrics are for those who may read, and count what happened', async (t) => {
  const server = await ServerFixture.start(t);
  assert.equal((await server.ask('/metrics')).status, 401);
  const headers = await server.token('read');
  const before = await server.ask('/metrics', { headers });
  assert.match(String(before.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  assert.match(before.text, /^snap_jobs_total\{kind="night",status="FAILED",outcome=""\} 0$/m);
  assert.match(before.text, /^snap_last_backup_timestamp_seconds 0$/m);
  assert.match(before.text, /^snap_next_night_timestamp_seconds 1772416800$/m);
  const admin = await server.signIn();
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  await admin.untilOver(json.job.id);
  await server.ask('/made/up/by/somebody');
  const { text } = await server.ask('/metrics', { headers });
  assert.match(text, /^snap_jobs_total\{kind="night",status="COMPLETED",outcome="done"\} 1$/m);
  assert.match(text, /^snap_last_backup_timestamp_seconds 1772366400$/m);
  assert.match(text, /snap_http_request_duration_seconds_count\{method="GET",route="none",status="404"\} 1/);
  assert.ok(!text.includes('/made/up'));
});

test('the description is OpenAPI 3.1, says of each route what it is, and has a page of its own', async (t) => {
  const server = await ServerFixture.start(t, { basePath: '/snap' });
  const headers = await server.token('read');
  const { json } = await server.ask('/snap/api/docs/json', { headers });
  assert.equal(json.openapi, '3.1.0');
  assert.deepEqual(json.servers, [{ url: '/snap' }]);
  for (const [path, methods] of Object.entries<Record<string, { summary?: string; responses: object }>>(json.paths)) {
    assert.match(path, /^\/(?:api\/v1\/|healthz|readyz|metrics)/);
    for (const [method, { summary, responses }] of Object.entries(methods)) {
      assert.ok(summary !== undefined && summary !== '', `${method} ${path}`);
      assert.ok(
        Object.keys(responses).some((status) => /^2/.test(status)),
        `${method} ${path}`,
      );
    }
  }
  const page = await server.ask('/snap/api/docs/', { headers });
  assert.equal(page.status, 200);
  assert.doesNotMatch(page.text, /https?:\/\//);
  assert.equal((await server.ask('/snap/api/docs/')).status, 401);
});
