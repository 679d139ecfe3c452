/** Long work in processes of their own. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Job } from '../../server/jobs/job.ts';
import { ServerFixture } from '../support/server.ts';

function startBackup(server: ServerFixture): Job {
  const { options } = server;
  return server.server.context.jobs.start({
    kind: 'backup',
    request: { options: { paths: options.sources }, hooks: [], hookEnvironment: {} },
    title: 'Backup',
    trigger: 'manual',
    createdBy: 'admin',
  });
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
