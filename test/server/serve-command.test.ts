/** `snap serve` as a person starts it: what it says, and how it ends. */

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseBasePath, parseListen } from '../../cli/values.ts';
import { CliFixture, PASSWORD } from '../support/cli.ts';
import { ADMIN } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';

async function library(t: TestContext): Promise<CliFixture> {
  const fixture = new CliFixture(t);
  mkdirSync(fixture.source);
  writeFileSync(join(fixture.source, 'book.m4b'), 'words');
  await fixture.init();
  return fixture;
}

test('addresses: this machine alone where none is named', () => {
  assert.deepEqual(parseListen(':8480'), { host: '127.0.0.1', port: 8480 });
  assert.deepEqual(parseListen('0.0.0.0:80'), { host: '0.0.0.0', port: 80 });
  assert.deepEqual(parseListen('[::1]:8480'), { host: '::1', port: 8480 });
  assert.deepEqual(parseListen('nas.local:0'), { host: 'nas.local', port: 0 });
  for (const wrong of ['8480', 'host', 'host:', 'host:70000', '::1:80', 'http://host:80', 'host:80/x', '']) {
    assert.throws(() => parseListen(wrong), /Give an address/, wrong);
  }
  assert.equal(parseBasePath('/snap/'), '/snap');
  assert.equal(parseBasePath('/'), '');
  for (const wrong of ['snap', '/sn ap', '/a//b', '/a?b', '/ä', '//evil.example']) {
    assert.throws(() => parseBasePath(wrong), /Give a path/, wrong);
  }
});

test('the first start says where it is and how the first admin is made; the second only where', async (t) => {
  const fixture = await library(t);
  const first = await ServerProcess.start(t, fixture);
  assert.match(first.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(first.setupToken ?? '', /^[\w-]{43}$/);
  const admin = await first.setUp();
  assert.equal((await admin.get('/session')).name, ADMIN.name);
  const { job } = await admin.post('/schedule/run');
  assert.equal((await admin.untilOver(job.id)).job.status, 'COMPLETED');
  assert.equal((await admin.get('/snapshots?label=library-backup')).items.length, 1);
  assert.deepEqual(await first.end('SIGTERM'), { code: 143, signal: null });
  const second = await ServerProcess.start(t, fixture);
  assert.equal(second.setupToken, undefined);
  assert.equal((await (await second.signIn()).get('/snapshots')).items.length, 2, 'and one of the state');
  const text = [...first.lines, ...second.lines].join('\n');
  for (const secret of [PASSWORD, ADMIN.password, admin.csrfToken, admin.cookie.split('=')[1] ?? '?']) {
    assert.ok(!text.includes(secret));
  }
});

test('the state is for its owner alone', async (t) => {
  const fixture = await library(t);
  const server = await ServerProcess.start(t, fixture);
  await server.setUp();
  const state = join(fixture.folder, 'state');
  assert.equal(statSync(state).mode & 0o777, 0o700);
  for (const name of ['state.db', 'state.db-wal', 'state.db-shm']) {
    const path = join(state, name);
    if (existsSync(path)) assert.equal(statSync(path).mode & 0o077, 0, name);
  }
});

test('the configuration file says what flags do not; flags win', async (t) => {
  const fixture = await library(t);
  const config = join(fixture.folder, 'config.yaml');
  const state = join(fixture.folder, 'state of the file');
  writeFileSync(
    config,
    `server:\n  listen: 127.0.0.1:1\n  base_path: /library\n  state_directory: ${state}\nkeep_daily: 7\nzone: Europe/Berlin\n`,
  );
  // Port 1 is nobody's: the flag must have won.
  const server = await ServerProcess.start(t, fixture, { flags: ['--config', config] });
  assert.match(server.url, /\/library$/);
  assert.ok(!existsSync(state), 'a flag names another one');
  const admin = await server.setUp();
  const { schedule } = await admin.get('/schedule');
  assert.equal(schedule.zone, 'Europe/Berlin');
  assert.equal(schedule.retention_days, null, 'the rules of the file hold');
  const { job } = await admin.post('/schedule/run');
  const { job: over } = await admin.untilOver(job.id);
  const forget = over.result.parts.find(({ part }: { part: string }) => part === 'forget');
  assert.equal(forget.details.policy, 'daily 7');
  const wrong = await fixture.run(['config', 'validate', '--config', config]);
  assert.equal(wrong.code, 0, wrong.stderr);
  writeFileSync(config, 'server:\n  listen: everywhere\n  base_pth: /x\n');
  const { code, stdout, stderr } = await fixture.run(['config', 'validate', '--config', config]);
  assert.equal(code, 2);
  assert.match(`${stdout}${stderr}`, /server\.listen: expected an address such as 127\.0\.0\.1:8480/);
  assert.match(`${stdout}${stderr}`, /base_path/);
});

test('what keeps it from starting has the exit code that it has everywhere', async (t) => {
  const fixture = await library(t);
  const state = ['--state', join(fixture.folder, 'state')];
  const serve = (flags: readonly string[], env: Record<string, string> = {}) =>
    fixture.run(['serve', '--listen', '127.0.0.1:0', ...state, ...flags], { env });
  const none = await serve(['-r', join(fixture.folder, 'nowhere')]);
  assert.equal(none.code, 10, none.stderr);
  const password = await serve([], { SNAP_PASSWORD: 'wrong' });
  assert.equal(password.code, 12, password.stderr);
  const address = await serve(['--listen', 'here']);
  assert.equal(address.code, 2, address.stderr);
  const variable = await fixture.run(['serve', ...state], { env: { SNAP_LISTEN: 'here' } });
  assert.equal(variable.code, 2, variable.stderr);
  assert.match(variable.stderr, /SNAP_LISTEN is an address/);
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await new Promise((resolve) => taken.once('listening', resolve));
  const bound = taken.address();
  const port = typeof bound === 'object' ? bound?.port : undefined;
  const used = await fixture.run(['serve', '--listen', `127.0.0.1:${port}`, ...state]);
  assert.equal(used.code, 2, used.stderr);
  assert.match(used.stderr, /another program does already/);
  writeFileSync(join(fixture.folder, 'file'), '');
  const blocked = await fixture.run(['serve', '--listen', '127.0.0.1:0', '--state', join(fixture.folder, 'file')]);
  assert.equal(blocked.code, 1, blocked.stderr);
});

test('a lost password: --setup-link lets its owner in again', async (t) => {
  const fixture = await library(t);
  const first = await ServerProcess.start(t, fixture);
  await first.setUp();
  await first.end('SIGKILL');
  const second = await ServerProcess.start(t, fixture, { flags: ['--setup-link'] });
  assert.ok(second.setupToken !== undefined);
  const admin = await second.setUp();
  assert.equal((await admin.get('/users')).items.length, 1);
});
