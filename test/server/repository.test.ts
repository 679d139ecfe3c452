/** What the repository is and how it grows, its audits, and what retention would do, through the API. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '../support/cli.ts';
import { ServerFixture } from '../support/server.ts';
import { takeSnapshot, writeFiles } from '../support/server-snapshots.ts';

/** Ten nights of backups of the library, one of something else. */
async function withNights(t: Parameters<typeof ServerFixture.start>[0], options = {}) {
  const server = await ServerFixture.start(t, options);
  const ids: string[] = [];
  for (let day = 1; day <= 6; day++) {
    writeFiles(server, { [`book ${day}.m4b`]: `words of day ${day}` });
    const time = new Date(`2026-02-2${day}T02:00:00Z`);
    ids.push((await takeSnapshot(server, { time, label: 'library-backup' })).id);
  }
  ids.push((await takeSnapshot(server, { time: new Date('2025-01-01T02:00:00Z'), label: 'other' })).id);
  return { server, admin: await server.setUp(), ids };
}

test('the repository tells what it is, how large it is and how it grew', async (t) => {
  const { admin, server } = await withNights(t);
  const { json } = await admin.ask('/repository');
  assert.equal(json.location, server.options.location);
  assert.equal(json.snapshots, 7);
  assert.equal(new Date(json.first_snapshot).toISOString(), '2025-01-01T02:00:00.000Z');
  assert.ok(json.bytes > 1000, JSON.stringify(json));
  const { json: sizes } = await admin.ask('/stats', { query: { label: 'library-backup' } });
  assert.equal(sizes.growth.length, 6);
  assert.ok(sizes.growth.every(({ data_added }: Json) => data_added > 0));
  assert.equal((await admin.ask('/stats', { query: { days: '2' } })).json.growth.length, 2);
  assert.deepEqual([sizes.repository_bytes, sizes.sums], [json.bytes, null]);
});

test('the exact sums are made by a job, of all snapshots or of one', async (t) => {
  const { admin, ids } = await withNights(t);
  const started = await admin.ask('/stats', { method: 'POST', body: {} });
  assert.equal(started.status, 202, started.text);
  await admin.untilOver(started.json.job.id);
  const { json } = await admin.ask('/stats');
  assert.deepEqual([json.sums.status, json.sums.result.snapshots], ['COMPLETED', 7]);
  const [first = ''] = ids;
  const one = await admin.ask('/stats', { method: 'POST', body: { snapshot: first.slice(0, 10) } });
  const { job } = await admin.untilOver(one.json.job.id);
  assert.deepEqual([job.result.snapshots, job.result.total_file_count], [1, 1]);
  const unknown = await admin.ask('/stats', { method: 'POST', body: { snapshot: '0000000000' } });
  assert.equal(unknown.json.code, 'SNAPSHOT_NOT_FOUND');
});

test('audits that are over are listed with what they found', async (t) => {
  const { admin } = await withNights(t);
  assert.deepEqual((await admin.ask('/check')).json.items, []);
  const started = await admin.ask('/check', { method: 'POST', body: { read_data: true } });
  await admin.untilOver(started.json.job.id);
  const { json } = await admin.ask('/check');
  assert.deepEqual([json.items[0].job_id, json.items[0].result.error_count], [started.json.job.id, 0]);
});

test('the plan of retention says of each snapshot whether it is kept, and why', async (t) => {
  const { admin, ids, server } = await withNights(t);
  await admin.ask('/snapshots', { method: 'PATCH', body: { snapshots: [ids[0]], pinned: true } });
  const { json } = await admin.ask('/retention/plan', { query: { keep_daily: '2' } });
  assert.deepEqual([json.kept, json.removed, json.policy], [4, 3, 'daily 2'], JSON.stringify(json));
  const of = (id: string | undefined) => json.items.find(({ snapshot }: Json) => snapshot.id === id);
  assert.deepEqual(of(ids[0]).reasons, [{ rule: 'pinned', text: 'pinned' }]);
  assert.equal(of(ids[5]).reasons[0].rule, 'daily');
  assert.deepEqual([of(ids[2]).kept, of(ids[2]).reasons], [false, []]);
  assert.deepEqual(
    json.groups.map(({ keep, remove }: Json) => [keep, remove]),
    [
      [1, 0],
      [3, 3],
    ],
  );
  const first = (await admin.ask('/retention/plan', { query: { keep_daily: '2', limit: '4' } })).json;
  const query = { keep_daily: '2', limit: '4', cursor: first.next_cursor };
  const second = (await admin.ask('/retention/plan', { query })).json;
  assert.deepEqual([...first.items, ...second.items], json.items);
  assert.equal(second.next_cursor, null);
  const nothing = await admin.ask('/retention/plan', { query: { keep_daily: '0' } });
  assert.deepEqual([nothing.status, nothing.json.code], [409, 'RETENTION_REFUSED']);
  assert.equal((await admin.ask('/snapshots')).json.items.length, 7, 'a plan removes nothing');
  assert.equal(
    server.log.some((line) => line.includes('A job begins')),
    false,
  );
});

test('without rules the plan is that of nights, and applying it does just that', async (t) => {
  const { admin, ids } = await withNights(t);
  const schedule = (await admin.ask('/schedule')).json.schedule;
  assert.equal((await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, retention_days: 2 } })).status, 200);
  const rules = (await admin.ask('/retention')).json;
  assert.deepEqual([rules.source, rules.rules, rules.labels], ['days', { keep_within: '2d' }, ['library-backup']]);
  const plan = (await admin.ask('/retention/plan')).json;
  const going = plan.items.filter(({ kept }: Json) => !kept).map(({ snapshot }: Json) => snapshot.id);
  assert.deepEqual(going, [ids[2], ids[1], ids[0]]);
  const started = await admin.ask('/retention/apply', { method: 'POST', body: {} });
  const { job } = await admin.untilOver(started.json.job.id);
  assert.deepEqual(job.result.snapshots_removed.sort(), going.sort());
  assert.equal((await admin.ask('/snapshots')).json.items.length, 4);
});

test('where nights let nothing go, the plan says so', async (t) => {
  const { admin } = await withNights(t);
  const schedule = (await admin.ask('/schedule')).json.schedule;
  await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, retention_days: null } });
  assert.equal((await admin.ask('/retention')).json.source, 'none');
  assert.deepEqual((await admin.ask('/retention/plan')).json.code, 'CONFLICT');
});

test('snapshots that are named are forgotten by a job, never the last good one', async (t) => {
  const { admin, ids, server } = await withNights(t);
  const started = await admin.ask('/snapshots/forget', { method: 'POST', body: { snapshots: ['latest'] } });
  const { job } = await admin.untilOver(started.json.job.id);
  assert.deepEqual(job.result.snapshots_removed, [ids[5]]);
  const all = await admin.ask('/snapshots/forget', {
    method: 'POST',
    body: { snapshots: ids.filter((id) => id !== ids[5]) },
  });
  const refused = (await admin.untilOver(all.json.job.id)).job;
  assert.deepEqual([refused.status, refused.error.code], ['FAILED', 'RETENTION_REFUSED']);
  const headers = await server.token('backup');
  const body = { snapshots: [ids[0] ?? ''] };
  const token = await server.ask('/api/v1/snapshots/forget', { method: 'POST', body, headers });
  assert.equal(token.status, 403);
});
