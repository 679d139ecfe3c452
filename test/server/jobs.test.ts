/** Long work in processes of their own: in a queue, stopped, killed, and found again. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Hook } from '../../engine/index.ts';
import type { Job } from '../../server/jobs/job.ts';
import { hasCommandsAfter } from '../../server/jobs/kinds.ts';
import { testFolder } from '../support/build-repository.ts';
import { ServerFixture, type SignedIn } from '../support/server.ts';
import { SLOW_RATE, writeSlowLibrary } from '../support/slow-library.ts';

const SLOW = { readBytesPerSecond: SLOW_RATE } as const;

function startBackup(server: ServerFixture, options: { readonly readBytesPerSecond?: number } = {}): Job {
  const { sources: paths } = server.options;
  return server.server.context.jobs.start({
    kind: 'backup',
    request: { options: { paths, ...options }, hooks: [], hookEnvironment: {} },
    title: 'Backup',
    trigger: 'manual',
    createdBy: 'admin',
  });
}

async function untilBytes(admin: SignedIn, id: number): Promise<void> {
  for (;;) {
    const { job } = (await admin.ask(`/jobs/${id}`)).json;
    assert.ok(['QUEUED', 'RUNNING'].includes(job.status), JSON.stringify(job));
    if ((job.progress?.bytes_done ?? 0) > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a backup runs as a job, and its snapshot can be read afterwards', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const { job } = await admin.untilOver(startBackup(server).id);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  assert.equal(job.outcome, 'done');
  const { json } = await admin.ask('/snapshots');
  assert.equal(json.items[0].id, job.result.snapshot_id);
});

test('an audit runs as a job and is answered with its address', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const started = await admin.ask('/check', { method: 'POST', body: {} });
  assert.equal(started.status, 202);
  assert.equal(started.headers.location, `/api/v1/jobs/${started.json.job.id}`);
  const { job } = await admin.untilOver(started.json.job.id);
  assert.deepEqual([job.status, job.outcome, job.result.error_count], ['COMPLETED', 'done', 0]);
});

test('one job writes at a time, in order; those that only read run beside it', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeSlowLibrary(server.source);
  const first = startBackup(server, SLOW);
  const second = startBackup(server);
  await untilBytes(admin, first.id);
  const audit = await admin.ask('/check', { method: 'POST', body: {} });
  const { job } = await admin.untilOver(audit.json.job.id);
  assert.equal(job.status, 'COMPLETED');
  const waiting = await admin.ask(`/jobs/${second.id}`);
  assert.equal(waiting.json.job.status, 'QUEUED');
  assert.equal((await admin.ask('/snapshots')).status, 200, 'reads never wait');
  await admin.ask(`/jobs/${first.id}`, { method: 'DELETE' });
  const next = await admin.untilOver(second.id);
  assert.equal(next.job.status, 'COMPLETED');
});

test('a job that is cancelled ends, waiting or running, and says so', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeSlowLibrary(server.source);
  const running = startBackup(server, SLOW);
  const waiting = startBackup(server);
  await untilBytes(admin, running.id);
  const taken = await admin.ask(`/jobs/${waiting.id}`, { method: 'DELETE' });
  assert.deepEqual([taken.status, taken.json.job.status], [202, 'CANCELLED']);
  const stopped = await admin.ask(`/jobs/${running.id}`, { method: 'DELETE' });
  assert.equal(stopped.status, 202);
  const { job } = await admin.untilOver(running.id);
  assert.deepEqual([job.status, job.error.message], ['CANCELLED', 'It was cancelled']);
  const again = await admin.ask(`/jobs/${running.id}`, { method: 'DELETE' });
  assert.deepEqual([again.status, again.json.code], [409, 'CONFLICT']);
  assert.equal((await admin.ask('/jobs/999', { method: 'DELETE' })).status, 404);
  assert.equal((await admin.ask('/snapshots')).json.items.length, 0);
});

test('too many waiting jobs are refused', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeSlowLibrary(server.source);
  const first = startBackup(server, SLOW);
  let refused = 0;
  for (let count = 0; count < 60; count++) {
    const { status } = await admin.ask('/prune', { method: 'POST', body: {} });
    refused += status === 503 ? 1 : 0;
  }
  assert.ok(refused > 0 && refused < 60, String(refused));
  assert.ok((await admin.ask(`/jobs/${first.id}`)).status === 200);
});

test('a job that fails tells the code of the engine', async (t) => {
  const server = await ServerFixture.start(t, { sources: [Buffer.from('/nowhere')] });
  const admin = await server.setUp();
  const { job } = await admin.untilOver(startBackup(server).id);
  assert.deepEqual([job.status, job.error.code], ['FAILED', 'SOURCE_MISSING']);
});

test('jobs are listed in pages, the newest first, by status where that is asked for', async (t) => {
  const server = await ServerFixture.start(t, { sources: [Buffer.from('/nowhere')] });
  const admin = await server.setUp();
  const ids = [1, 2, 3].map(() => startBackup(server).id);
  for (const id of ids) await admin.untilOver(id);
  const { job: audit } = (await admin.ask('/check', { method: 'POST', body: {} })).json;
  await admin.untilOver(audit.id);
  const first = (await admin.ask('/jobs', { query: { limit: '2' } })).json;
  assert.deepEqual(
    first.items.map(({ id }: Job) => id),
    [audit.id, ids[2]],
  );
  const second = (await admin.ask('/jobs', { query: { limit: '2', cursor: first.next_cursor } })).json;
  assert.deepEqual(
    second.items.map(({ id }: Job) => id),
    [ids[1], ids[0]],
  );
  assert.equal(second.next_cursor, null);
  const failed = (await admin.ask('/jobs', { query: { status: 'FAILED' } })).json;
  assert.equal(failed.items.length, 3);
  const both = (await admin.ask('/jobs', { query: { status: ['FAILED', 'COMPLETED'] } })).json;
  assert.equal(both.items.length, 4);
  const wrong = await admin.ask('/jobs', { query: { status: 'LOST' } });
  assert.equal(wrong.status, 400);
});

test('what commands say is in the log of their job; one that leaves a server running does not hold up the job', async (t) => {
  const pidFile = join(testFolder(t), 'pid');
  const script = `sleep 30 & echo $! > ${pidFile}; echo started it >&2`;
  const hook: Hook = {
    when: 'after',
    point: 'backup',
    command: ['/bin/sh', '-c', script],
    timeoutMs: 10_000,
    onFailure: 'stop',
    on: 'always',
  };
  const server = await ServerFixture.start(t, { hooks: [hook], hookEnvironment: { PATH: process.env['PATH'] } });
  const admin = await server.setUp();
  const begunMs = performance.now();
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  const { job, lines } = await admin.untilOver(json.job.id);
  const pid = Number(readFileSync(pidFile, 'utf8'));
  assert.ok(existsSync(`/proc/${pid}`), 'it still runs');
  process.kill(pid);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  assert.ok(lines.includes('started it'), JSON.stringify(lines));
  assert.ok(performance.now() - begunMs < 25_000);
});

test('a job gets the time for the commands that must run after it, whoever starts it, or starts it again', () => {
  const hook = (when: Hook['when'], point: Hook['point']): Hook => ({
    when,
    point,
    command: ['true'],
    timeoutMs: 1000,
    onFailure: 'stop',
    on: 'always',
  });
  const after = { hooks: [hook('before', 'backup'), hook('after', 'restore')] };
  assert.equal(hasCommandsAfter('restore', after), true);
  assert.equal(hasCommandsAfter('restore-upload', after), true);
  assert.equal(hasCommandsAfter('night', after), true);
  assert.equal(hasCommandsAfter('backup', after), false);
  assert.equal(hasCommandsAfter('night', { hooks: [hook('before', 'backup')] }), false);
  assert.equal(hasCommandsAfter('check', { options: {} }), false);
});
