/** Passwords of the repository through the API: a new one comes beside the old, and the server is never locked out. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Credential, openRepository } from '../../engine/index.ts';
import { CliFixture, type Json, PASSWORD, type RunOptions } from '../support/cli.ts';
import { type Answer, ServerFixture, type SignedIn } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';

const OLD = 'the old password';
const NEW = 'quite another pässword';

function passwordOf(text: string): Credential {
  return { type: 'password', password: Buffer.from(text) };
}

async function given(t: TestContext): Promise<{ readonly server: ServerFixture; readonly admin: SignedIn }> {
  const passwordOrigin = { type: 'file', name: '/etc/snap.password' } as const;
  const server = await ServerFixture.start(t, { credential: passwordOf(OLD), passwordOrigin });
  return { server, admin: await server.setUp() };
}

function add(admin: SignedIn, body: object = {}): Promise<Answer> {
  const whole = { password: OLD, new_password: NEW, label: 'laptop', ...body };
  return admin.ask('/repository/keys', { method: 'POST', body: JSON.parse(JSON.stringify(whole)) });
}

function remove(admin: SignedIn, id: string, password = OLD): Promise<Answer> {
  return admin.ask('/repository/keys/remove', { method: 'POST', body: { password, id } });
}

async function opens({ options }: ServerFixture, text: string): Promise<boolean> {
  const { location, cacheDirectory } = options;
  try {
    await (await openRepository({ location, cacheDirectory, credential: passwordOf(text) })).close();
    return true;
  } catch {
    return false;
  }
}

test('keys are listed for admins alone, without anything that opens them, and where the server has its own from', async (t) => {
  const { admin, server } = await given(t);
  const { json } = await admin.ask('/repository/keys');
  assert.deepEqual(
    json.items.map(({ in_use }: Json) => in_use),
    [true],
  );
  assert.deepEqual(Object.keys(json.items[0]).sort(), ['created', 'host', 'id', 'in_use', 'label', 'protection']);
  assert.deepEqual(json.server_password, { origin: 'file', name: '/etc/snap.password' });
  const headers = await server.token('read', 'backup', 'restore');
  assert.equal((await server.ask('/api/v1/repository/keys', { headers })).status, 403);
  const body = { password: OLD, new_password: NEW, label: '' };
  const refused = await server.ask('/api/v1/repository/keys', { method: 'POST', body, headers });
  assert.equal(refused.json.code, 'SCOPE_MISSING');
  const forged = await server.ask('/api/v1/repository/keys', {
    method: 'POST',
    body,
    headers: { cookie: admin.cookie },
  });
  assert.equal(forged.json.code, 'CSRF_MISSING');
});

test('the password is changed without locking the server out: both open, and the old one goes after a start with the new', async (t) => {
  const { admin, server } = await given(t);
  const added = await add(admin);
  assert.equal(added.status, 201, added.text);
  assert.deepEqual([added.json.key.label, added.json.key.in_use], ['laptop', false]);
  assert.deepEqual([await opens(server, OLD), await opens(server, NEW)], [true, true]);
  const [old] = (await admin.ask('/repository/keys')).json.items;
  const kept = await remove(admin, old.id);
  assert.equal(kept.json.code, 'CONFLICT');
  assert.match(kept.json.detail, /server itself uses/);
  assert.ok(await opens(server, OLD));

  await server.restart({ credential: passwordOf(NEW) });
  const again = await server.signIn();
  const { items } = (await again.ask('/repository/keys')).json;
  assert.deepEqual(
    items.map(({ label, in_use }: Json) => [label, in_use]),
    [
      ['', false],
      ['laptop', true],
    ],
  );
  assert.equal((await remove(again, old.id, NEW)).status, 204);
  assert.deepEqual([await opens(server, OLD), await opens(server, NEW)], [false, true]);
  // Jobs open the repository anew.
  const { json } = await again.ask('/check', { method: 'POST', body: {} });
  assert.equal((await again.untilOver(json.job.id)).job.status, 'COMPLETED');
  await server.restart({ credential: passwordOf(NEW) });
});

test('a wrong present password changes nothing, and is tried only so often', async (t) => {
  const { admin, server } = await given(t);
  const [own] = (await admin.ask('/repository/keys')).json.items;
  for (const password of ['no such one', undefined]) {
    const { status, json } = await add(admin, { password });
    assert.deepEqual([status, json.code], [401, 'SIGN_IN_FAILED'], 'and the session goes on');
  }
  assert.equal((await remove(admin, own.id, 'no such one')).json.code, 'SIGN_IN_FAILED');
  for (let tries = 3; tries < 10; tries++) await add(admin, { password: `guess ${tries}` });
  const { status, headers } = await add(admin);
  assert.equal(status, 429, 'the right one does not help any more');
  assert.ok(Number(headers['retry-after']) > 60);
  server.nowMs += 16 * 60_000;
  assert.equal((await add(admin)).status, 201);
  assert.equal((await admin.ask('/repository/keys')).json.items.length, 2);
});

test('what no file could hold, what is too short, known already or not there is refused', async (t) => {
  const { admin } = await given(t);
  for (const new_password of ['short', 'with a\nline break', `${'x'.repeat(300)}`]) {
    assert.equal((await add(admin, { new_password })).json.code, 'REQUEST_INVALID', new_password);
  }
  assert.equal((await add(admin, { new_password: OLD })).json.code, 'CONFLICT');
  assert.equal((await remove(admin, 'f'.repeat(32))).json.code, 'KEY_NOT_FOUND');
  assert.equal((await remove(admin, 'f')).json.code, 'REQUEST_INVALID');
  assert.equal((await admin.ask('/repository/keys')).json.items.length, 1);
});

test('a repository without a password gets one', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  assert.equal((await add(admin, { password: undefined })).status, 201);
  const [none] = (await admin.ask('/repository/keys')).json.items;
  assert.deepEqual([none.protection, none.in_use], ['none', true]);
  assert.equal((await remove(admin, none.id, NEW)).json.code, 'CONFLICT');
  await server.restart({ credential: passwordOf(NEW) });
  assert.equal((await remove(await server.signIn(), none.id, NEW)).status, 204);
  assert.ok(await opens(server, NEW));
});

test('the server says where it has its password from, whichever way it was told', async (t) => {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  await fixture.init();
  const file = join(fixture.folder, 'password');
  writeFileSync(file, `${PASSWORD}\n`);
  const config = join(fixture.folder, 'snap.yaml');
  writeFileSync(config, `password_file: ${file}\n`);
  const without = { SNAP_PASSWORD: undefined };
  const ways: readonly (readonly [RunOptions & { readonly flags?: readonly string[] }, object])[] = [
    [{}, { origin: 'variable', name: 'SNAP_PASSWORD' }],
    [{ flags: ['--password-file', file] }, { origin: 'file', name: file }],
    [{ env: { ...without, SNAP_PASSWORD_FILE: file } }, { origin: 'file', name: file }],
    [
      { flags: ['--config', config], env: without },
      { origin: 'file', name: file },
    ],
    [{ flags: ['--password-command', `cat ${file}`] }, { origin: 'command', name: null }],
    [{ env: { ...without, SNAP_PASSWORD_COMMAND: `cat ${file}` } }, { origin: 'command', name: null }],
  ];
  for (const [options, expected] of ways) {
    const server = await ServerProcess.start(t, fixture, options);
    const admin = server.setupToken === undefined ? await server.signIn() : await server.setUp();
    const { server_password: told } = await admin.get('/repository/keys');
    assert.deepEqual(told, expected, JSON.stringify(options));
    await server.end('SIGTERM');
  }
});

/** Every byte below a folder, as text. */
function textOf(folder: string): string {
  const paths = existsSync(folder)
    ? readdirSync(folder, { recursive: true }).map((name) => join(folder, String(name)))
    : [];
  return paths.map((path) => (statSync(path).isFile() ? readFileSync(path, 'utf8') : '')).join('\n');
}

test('no password of the repository is in the log, in the state, in a job or in the repository', async (t) => {
  const { admin, server } = await given(t);
  const { json } = await add(admin);
  await add(admin, { password: 'a wrong guess' });
  const [own] = (await admin.ask('/repository/keys')).json.items;
  await remove(admin, json.key.id);
  await remove(admin, own.id);
  const { options } = server;
  const written = [
    server.log.join(''),
    textOf(options.stateDirectory),
    textOf(options.cacheDirectory),
    textOf(options.location),
    (await admin.ask('/jobs')).text,
  ].join('\n');
  for (const secret of [OLD, NEW, 'a wrong guess']) assert.ok(!written.includes(secret), secret);
  assert.match(server.log.join(''), /A password of the repository was added/);
});
