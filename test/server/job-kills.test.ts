/** The true server and its jobs, killed: what is left says what happened, and goes on where it can. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { CliFixture } from '../support/cli.ts';
import { ServerProcess } from '../support/server-process.ts';
import { SLOW_RATE, writeSlowLibrary } from '../support/slow-library.ts';

/** A source whose backup takes a while, since the configuration limits how fast it is read. */
async function slowLibrary(t: TestContext): Promise<{ fixture: CliFixture; flags: string[] }> {
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  const config = join(fixture.folder, 'slow.yaml');
  writeFileSync(config, `limit_read: ${SLOW_RATE}\n`);
  await fixture.init();
  return { fixture, flags: ['--config', config] };
}

async function untilGone(pid: number): Promise<void> {
  for (let waitedMs = 0; existsSync(`/proc/${pid}`); waitedMs += 50) {
    assert.ok(waitedMs < 20_000, `process ${pid} is still there`);
    await sleep(50);
  }
}

test('a job whose process is killed fails and says so; the server goes on', async (t) => {
  const { fixture, flags } = await slowLibrary(t);
  const server = await ServerProcess.start(t, fixture, { flags });
  const admin = await server.setUp();
  const { job } = await admin.post('/schedule/run');
  await admin.untilRunning(job.id);
  const [pid = 0] = server.jobPids();
  process.kill(pid, 'SIGKILL');
  const { job: over } = await admin.untilOver(job.id);
  assert.deepEqual([over.status, over.error.code], ['FAILED', 'INTERRUPTED']);
  assert.match(over.error.message, /SIGKILL/);
  const { job: audit } = await admin.post('/check');
  assert.equal((await admin.untilOver(audit.id)).job.status, 'COMPLETED');
});

test('a server that is killed takes its job with it, and the next one says what happened', async (t) => {
  const { fixture, flags } = await slowLibrary(t);
  const first = await ServerProcess.start(t, fixture, { flags });
  const before = await first.setUp();
  const { job } = await before.post('/schedule/run');
  const { job: waiting } = await before.post('/prune');
  await before.untilRunning(job.id);
  const [pid = 0] = first.jobPids();
  await first.end('SIGKILL');
  await untilGone(pid);
  const second = await ServerProcess.start(t, fixture, { flags });
  assert.equal(second.setupToken, undefined, 'there is an admin already');
  const after = await second.signIn();
  const { job: over } = await after.get(`/jobs/${job.id}`);
  assert.deepEqual([over.status, over.error.message], ['FAILED', 'The server ended while it ran']);
  const { job: never } = await after.get(`/jobs/${waiting.id}`);
  assert.deepEqual([never.status, never.error.message], ['FAILED', 'The server ended before it began']);
  const state = new Database(join(fixture.folder, 'state', 'state.db'), { readonly: true });
  t.after(() => state.close());
  const row = state.prepare('SELECT status, reason FROM backups').get();
  assert.deepEqual(row, { status: 'FAILED', reason: 'The server ended while it ran' });
  const { code } = await fixture.run(['check']);
  assert.equal(code, 0, 'the repository is whole');
});

test('SIGTERM ends the server in time: its job is told to stop, and the exit code says why', async (t) => {
  const { fixture, flags } = await slowLibrary(t);
  const server = await ServerProcess.start(t, fixture, { flags });
  const admin = await server.setUp();
  const { job } = await admin.post('/schedule/run');
  await admin.untilRunning(job.id);
  const [pid = 0] = server.jobPids();
  const begunMs = performance.now();
  assert.deepEqual(await server.end('SIGTERM'), { code: 143, signal: null });
  assert.ok(performance.now() - begunMs < 8000);
  assert.ok(!existsSync(`/proc/${pid}`));
  const next = await ServerProcess.start(t, fixture, { flags });
  const { job: over } = await (await next.signIn()).get(`/jobs/${job.id}`);
  assert.deepEqual([over.status, over.error.message], ['FAILED', 'The server was stopped while it ran']);
  assert.deepEqual(await next.end('SIGINT'), { code: 130, signal: null });
});

test('a server that is started again and again by a cut-off night does not begin it again', async (t) => {
  const { fixture, flags } = await slowLibrary(t);
  const first = await ServerProcess.start(t, fixture, { flags });
  const admin = await first.setUp();
  await admin.post('/schedule/run');
  await first.end('SIGKILL');
  const second = await ServerProcess.start(t, fixture, { flags });
  const again = await second.signIn();
  const { items } = await again.get('/jobs');
  const nights = items.filter(({ kind }: { kind: string }) => kind === 'night');
  assert.deepEqual(
    nights.map(({ status }: { status: string }) => status),
    ['FAILED'],
  );
});

test('commands after a night run though the server was killed: a library server that was stopped is started again', async (t) => {
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  const [stopped, started] = ['stopped', 'started'].map((name) => join(fixture.folder, name));
  const config = join(fixture.folder, 'config.yaml');
  const commands = [
    `  - { before: backup, run: [touch, ${stopped}] }`,
    `  - { after: backup, run: [touch, ${started}], when: always }`,
  ];
  writeFileSync(config, `limit_read: ${SLOW_RATE}\ncommands:\n${commands.join('\n')}\n`);
  await fixture.init();
  const server = await ServerProcess.start(t, fixture, { flags: ['--config', config] });
  const admin = await server.setUp();
  const { job } = await admin.post('/schedule/run');
  await admin.untilRunning(job.id);
  assert.ok(existsSync(stopped ?? ''));
  const [pid = 0] = server.jobPids();
  await server.end('SIGKILL');
  await untilGone(pid);
  assert.ok(existsSync(started ?? ''));
});

test('one state is served by one server', async (t) => {
  const { fixture } = await slowLibrary(t);
  const server = await ServerProcess.start(t, fixture);
  const state = join(fixture.folder, 'state');
  const { code, stderr } = await fixture.run(['serve', '--listen', '127.0.0.1:0', '--state', state]);
  assert.equal(code, 11);
  assert.match(stderr, /Another "snap serve" uses the state/);
  await server.end('SIGKILL');
  await ServerProcess.start(t, fixture);
});

test('a job lets the server go first for the processor, and what its commands start does not step back', async (t) => {
  const own = getPriority();
  if (own >= 10) return t.skip('this process has stepped back itself');
  const fixture = new CliFixture(t);
  writeSlowLibrary(fixture.source);
  const seen = join(fixture.folder, 'seen');
  const config = join(fixture.folder, 'config.yaml');
  const script = `cut -d' ' -f19 /proc/self/stat > ${seen}.own; cat /proc/$PPID/task/*/stat | sed 's/.*) //' | cut -d' ' -f17 > ${seen}`;
  writeFileSync(config, `commands:\n  - before: backup\n    run: ${JSON.stringify(script)}\n    shell: true\n`);
  await fixture.init();
  const server = await ServerProcess.start(t, fixture, { flags: ['--config', config] });
  const admin = await server.setUp();
  for (const path of ['/backups', '/schedule/run']) {
    const { job } = await admin.post(path, { ...(path === '/backups' ? { includes_books: true } : {}) });
    const { job: over } = await admin.untilOver(job.id);
    assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
    const nices = readFileSync(seen, 'utf8').trimEnd().split('\n').map(Number);
    assert.equal(nices.filter((nice) => nice === own).length, 1, `${path}: ${nices}`);
    assert.equal(nices.filter((nice) => nice === 10).length, nices.length - 1, `${path}: ${nices}`);
    assert.equal(Number(readFileSync(`${seen}.own`, 'utf8')), own, path);
  }
});
