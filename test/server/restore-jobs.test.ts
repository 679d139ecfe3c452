/** A restore that was cut off: it says so, and the same request goes on. */

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { RestoreRequest } from '../../server/jobs/kinds/restore.ts';
import { over, ServerFixture, type SignedIn } from '../support/server.ts';

interface Saved {
  readonly server: ServerFixture;
  readonly admin: SignedIn;
  readonly target: string;
  readonly request: RestoreRequest;
}

async function saved(t: TestContext): Promise<Saved> {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  await admin.untilOver(json.job.id);
  const target = join(server.folder, 'restored');
  const filter = { labels: ['library-backup'] };
  const request = {
    options: { snapshot: 'latest', filter, path: Buffer.from(server.source), target: Buffer.from(target) },
  };
  return { server, admin, target, request };
}

function start({ server, request }: Saved): number {
  const { jobs } = server.server.context;
  return jobs.start({ kind: 'restore', request, title: 'Restore', trigger: 'manual', createdBy: 'admin' }).id;
}

/** The server as it comes back after it was killed while a restore ran. */
async function afterDeath(server: ServerFixture, request: RestoreRequest) {
  const { state } = server.server.context;
  const left = state.jobs.add({
    kind: 'restore',
    title: 'Restore',
    trigger: 'manual',
    createdBy: 'admin',
    createdMs: server.nowMs,
    request,
  });
  state.jobs.save({ ...left, status: 'RUNNING', startedMs: server.nowMs });
  await server.restart();
  const admin = await server.signIn();
  return { admin, job: (await admin.ask(`/jobs/${left.id}`)).json.job };
}

test('a restore that was cancelled goes on when it is asked to, once', async (t) => {
  const place = await saved(t);
  const { admin, target } = place;
  const id = start(place);
  await admin.ask(`/jobs/${id}`, { method: 'DELETE' });
  const { job } = await admin.untilOver(id);
  assert.deepEqual([job.status, job.can_go_on], ['CANCELLED', true]);
  const again = await admin.ask(`/jobs/${id}/resume`, { method: 'POST' });
  assert.equal(again.status, 202, again.text);
  const { job: second } = await admin.untilOver(again.json.job.id);
  assert.deepEqual([second.status, second.can_go_on], ['COMPLETED', false]);
  assert.equal(readFileSync(join(target, 'book.m4b'), 'utf8'), 'words');
  for (const over of [id, second.id]) {
    const refused = await admin.ask(`/jobs/${over}/resume`, { method: 'POST' });
    assert.deepEqual([refused.status, refused.json.code], [409, 'CONFLICT']);
  }
});

test('a restore that the end of the server cut off says that it goes on, and does', async (t) => {
  const place = await saved(t);
  const { server, target, request } = place;
  const { admin, job } = await afterDeath(server, request);
  assert.deepEqual([job.status, job.can_go_on], ['FAILED', true]);
  assert.match(job.error.message, /goes on where it stopped/);
  const again = await admin.ask(`/jobs/${job.id}/resume`, { method: 'POST' });
  assert.equal((await admin.untilOver(again.json.job.id)).job.status, 'COMPLETED');
  assert.equal(readFileSync(join(target, 'book.m4b'), 'utf8'), 'words');
});

test('a way back that was cut off goes on with the same snapshot, not with the one that it took itself', async (t) => {
  const place = await saved(t);
  const { server, admin } = place;
  const book = join(server.source, 'book.m4b');
  writeFileSync(book, 'other words');
  const how = { snapshot: 'latest', label: ['library-backup'], in_place: true, confirm: true };
  assert.equal((await over(admin, '/restores', how)).status, 'COMPLETED');
  assert.equal(readFileSync(book, 'utf8'), 'words');
  const { json } = await admin.ask('/restores/rollback', { method: 'POST', body: { confirm: true } });
  const request = server.server.context.state.jobs.findRequest(json.job.id) as RestoreRequest;
  const { job: undone } = await admin.untilOver(json.job.id);
  assert.match(undone.result.safety_snapshot, /^[0-9a-f]{64}$/, 'it took one itself');
  // Its own snapshot is taken, and nothing is put back yet.
  writeFileSync(book, 'words');
  const after = await afterDeath(server, request);
  const again = await over(after.admin, `/jobs/${after.job.id}/resume`, {});
  assert.equal(again.status, 'COMPLETED');
  assert.equal(readFileSync(book, 'utf8'), 'other words');
});
