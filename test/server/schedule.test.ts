/** Nights: when they are due, in which zone, once each, and what they leave behind. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nextRuns } from '../../server/schedule/schedule.ts';
import { ServerFixture, type SignedIn } from '../support/server.ts';

const HOUR_MS = 3600_000;
const DAY_MS = 24 * HOUR_MS;

/** Moments in UTC; what a clock on the wall shows stands beside them. */
const NIGHTS: readonly {
  readonly what: string;
  readonly cron: string;
  readonly zone: string;
  readonly after: string;
  readonly runs: readonly string[];
}[] = [
  {
    what: 'to summer time: 02:00 does not exist on 29 March, and runs at the change',
    cron: '0 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-03-27T12:00Z',
    runs: ['2026-03-28T01:00Z', '2026-03-29T01:00Z', '2026-03-30T00:00Z', '2026-03-31T00:00Z'],
  },
  {
    what: 'to summer time: so does 02:30',
    cron: '30 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-03-28T12:00Z',
    runs: ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  },
  {
    what: 'to summer time: once that ran, it does not run again on that day',
    cron: '30 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-03-29T01:00Z',
    runs: ['2026-03-30T00:30Z', '2026-03-31T00:30Z'],
  },
  {
    what: 'to winter time: 02:00 comes twice on 25 October, and runs the first time',
    cron: '0 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-10-24T12:00Z',
    runs: ['2026-10-25T00:00Z', '2026-10-26T01:00Z', '2026-10-27T01:00Z'],
  },
  {
    what: 'to winter time: begun in the hour that comes twice, the next is a day later',
    cron: '0 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-10-25T00:30Z',
    runs: ['2026-10-26T01:00Z'],
  },
  {
    what: 'to winter time: nor does the second half of that hour run',
    cron: '30 2 * * *',
    zone: 'Europe/Berlin',
    after: '2026-10-25T01:00Z',
    runs: ['2026-10-26T01:30Z'],
  },
  {
    what: 'the other side of the ocean changes on other days',
    cron: '0 2 * * *',
    zone: 'America/New_York',
    after: '2026-03-06T12:00Z',
    runs: ['2026-03-07T07:00Z', '2026-03-08T07:00Z', '2026-03-09T06:00Z'],
  },
  {
    what: 'and back',
    cron: '0 1 * * *',
    zone: 'America/New_York',
    after: '2026-10-30T12:00Z',
    runs: ['2026-10-31T05:00Z', '2026-11-01T05:00Z', '2026-11-02T06:00Z'],
  },
  {
    what: 'a change of half an hour',
    cron: '0 2 * * *',
    zone: 'Australia/Lord_Howe',
    after: '2026-10-02T12:00Z',
    runs: ['2026-10-02T15:30Z', '2026-10-03T15:30Z', '2026-10-04T15:00Z'],
  },
  {
    what: 'a midnight that does not exist',
    cron: '0 0 * * *',
    zone: 'America/Sao_Paulo',
    after: '2018-11-03T12:00Z',
    runs: ['2018-11-04T03:00Z', '2018-11-05T02:00Z'],
  },
  {
    what: 'no zone that changes: nothing changes',
    cron: '0 2 * * *',
    zone: 'UTC',
    after: '2026-03-28T12:00Z',
    runs: ['2026-03-29T02:00Z', '2026-03-30T02:00Z'],
  },
];

describe('daylight saving time, over both changes', () => {
  for (const { what, cron, zone, after, runs } of NIGHTS) {
    test(what, () => {
      const found = nextRuns({ cron, zone }, Date.parse(after), runs.length);
      assert.deepEqual(
        found.map((ms) => new Date(ms).toISOString()),
        runs.map((text) => new Date(text).toISOString()),
      );
    });
  }
});

test('a night begins when it is due, once, and not before', async (t) => {
  const server = await ServerFixture.start(t);
  const { scheduler, state } = server.server.context;
  const nights = (): number => state.jobs.list({ limit: 100 }).filter(({ kind }) => kind === 'night').length;
  server.nowMs = Date.parse('2026-03-02T01:59:59Z');
  scheduler.tick();
  assert.equal(nights(), 0);
  server.nowMs = Date.parse('2026-03-02T02:00:00Z');
  scheduler.tick();
  scheduler.tick();
  assert.equal(nights(), 1);
  const [night] = state.jobs.list({ limit: 1 });
  assert.deepEqual([night?.trigger, night?.createdBy, night?.title], ['schedule', 'schedule', 'Night']);
});

test('nights that were missed are made up for once, some time after the start', async (t) => {
  const server = await ServerFixture.start(t);
  const nights = () => server.server.context.state.jobs.list({ limit: 100 }).filter(({ kind }) => kind === 'night');
  server.nowMs += 5 * DAY_MS;
  await server.restart();
  server.server.context.scheduler.tick();
  assert.equal(nights().length, 0, 'disks and other servers come first');
  server.nowMs += 60_000;
  server.server.context.scheduler.tick();
  assert.equal(nights().length, 1);
  assert.match(nights()[0]?.title ?? '', /^Night of 2026-03-02T02:00:00.000Z, made up for$/);
  await server.restart();
  server.nowMs += 60_000;
  server.server.context.scheduler.tick();
  assert.equal(nights().length, 1, 'not again at the next start');
});

test('a first start, a schedule that was off or another one have missed nothing; a clock set back runs nothing twice', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const { scheduler, state } = server.server.context;
  const nights = (): number => state.jobs.list({ limit: 100 }).filter(({ kind }) => kind === 'night').length;
  const { schedule } = (await admin.ask('/schedule')).json;
  await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, enabled: false } });
  server.nowMs += 3 * DAY_MS;
  scheduler.tick();
  await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, enabled: true, cron: '0 11 * * *' } });
  scheduler.tick();
  assert.equal(nights(), 0);
  server.nowMs += DAY_MS;
  scheduler.tick();
  assert.equal(nights(), 1);
  await admin.untilOver((await admin.ask('/schedule')).json.last_night.id);
  server.nowMs -= 2 * DAY_MS;
  scheduler.tick();
  server.nowMs += 2 * DAY_MS;
  scheduler.tick();
  assert.equal(nights(), 1);
});

test('a night that is due while another one runs is let go', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const { scheduler, state } = server.server.context;
  const first = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  assert.equal(first.status, 202);
  server.nowMs += DAY_MS;
  scheduler.tick();
  const second = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  assert.equal(second.status, 409);
  assert.equal(state.jobs.list({ limit: 100 }).length, 1);
  assert.ok(server.log.some((line) => line.includes('The scheduled night did not begin')));
});

test('a schedule that cannot be is refused, and says why', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const { schedule } = (await admin.ask('/schedule')).json;
  for (const [change, why] of [
    [{ cron: '0 2 * *' }, /is no time/],
    [{ cron: '61 2 * * *' }, /is no time/],
    [{ cron: '0 0 2 * * *' }, /is no time/],
    [{ cron: '0 0 31 2 *' }, /never comes/],
    [{ zone: 'Europe/Atlantis' }, /is no time zone/],
    [{ retention_days: 0 }, /retention_days/],
    [{ retention_days: '30' }, /retention_days/],
    [{ surprise: true }, /./],
  ] as const) {
    const { status, json } = await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, ...change } });
    assert.equal(status, 400, JSON.stringify(change));
    assert.match(json.detail, why);
  }
  assert.deepEqual((await admin.ask('/schedule')).json.schedule, schedule);
});

async function night(admin: SignedIn) {
  const { json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  const { job } = await admin.untilOver(json.job.id);
  return job;
}

test('a night makes a backup, lists it, and keeps the state of the server in the repository', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const job = await night(admin);
  assert.deepEqual([job.status, job.outcome], ['COMPLETED', 'done'], JSON.stringify(job));
  const { context } = server.server;
  const [record] = context.state.backups.list({ limit: 10 });
  assert.equal(record?.status, 'COMPLETED');
  assert.equal(record?.jobId, job.id);
  assert.equal(record?.sizeBytes, 5);
  const { snapshots } = await context.repository();
  const backup = await snapshots.find(record?.snapshotId ?? '');
  assert.equal(backup.label, 'library-backup');
  assert.deepEqual(backup.tags, ['by=admin', 'includes=books+covers', 'trigger=manual', `name=${record?.backupId}`]);
  const state = await snapshots.find(job.result.state_snapshot_id);
  assert.equal(state.label, 'snap-server-state');
  assert.equal((await snapshots.find('latest')).id, backup.id, 'nobody means it by "latest"');
  assert.equal((await snapshots.find('latest', { labels: ['snap-server-state'] })).id, state.id);
  assert.equal(state.databases.length, 1, 'as a database, not as a file that changes while it is read');
  assert.equal((await admin.ask('/schedule')).json.last_night.id, job.id);
});

test('backups past their days go, others stay; the newest always does', async (t) => {
  const server = await ServerFixture.start(t);
  const admin = await server.setUp();
  const { schedule } = (await admin.ask('/schedule')).json;
  await admin.ask('/schedule', { method: 'PUT', body: { ...schedule, retention_days: 7 } });
  writeFileSync(join(server.source, 'book.m4b'), 'words');
  const { context } = server.server;
  const old = { time: new Date(Date.now() - 8 * DAY_MS) };
  const start = async (label: string): Promise<string> => {
    const { id } = context.jobs.start({
      kind: 'backup',
      request: { options: { paths: server.options.sources, label, ...old }, hooks: [], hookEnvironment: {} },
      title: 'An old one',
      trigger: 'manual',
      createdBy: 'admin',
    });
    return (await admin.untilOver(id)).job.result.snapshot_id;
  };
  const past = await start('library-backup');
  const foreign = await start('by-hand');
  const job = await night(admin);
  assert.equal(job.status, 'COMPLETED', JSON.stringify(job));
  const forget = job.result.parts.find(({ part }: { part: string }) => part === 'forget');
  assert.deepEqual(forget.details.snapshots_removed, [past]);
  const left = (await admin.ask('/snapshots')).json.items.map(({ id }: { id: string }) => id);
  assert.ok(left.includes(foreign));
  assert.ok(!left.includes(past));
});

test('a night whose sources are gone fails, and its row says why', async (t) => {
  const server = await ServerFixture.start(t, { sources: [Buffer.from('/nowhere/at/all')] });
  const admin = await server.setUp();
  const job = await night(admin);
  assert.equal(job.status, 'FAILED');
  assert.equal(job.error.code, 'SOURCE_MISSING');
  const [record] = server.server.context.state.backups.list({ limit: 1 });
  assert.equal(record?.status, 'FAILED');
  assert.match(record?.reason ?? '', /nowhere/);
});

test('a server without a source schedules nothing and begins nothing', async (t) => {
  const server = await ServerFixture.start(t, { sources: [] });
  const admin = await server.setUp();
  assert.equal((await admin.ask('/schedule')).json.schedule.enabled, false);
  const { status, json } = await admin.ask('/schedule/run', { method: 'POST', body: {} });
  assert.deepEqual([status, json.code], [409, 'CONFLICT']);
});
