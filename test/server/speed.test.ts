/** Speed that people notice. Bounds are generous: tests run on busy machines. True figures are told as diagnostics. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { browse, metricOf, quickestMs } from '../../bench/server-load.ts';
import { mapBounded } from '../../engine/base/concurrency.ts';
import { dir, file, type NamedEntry, SnapshotBuilder, testFolder } from '../support/build-repository.ts';
import { CliFixture } from '../support/cli.ts';
import { ServerFixture } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';
import { untilCalm } from '../support/server-snapshots.ts';
import { snapshotRecord } from '../support/snapshot-record.ts';

const ENTRIES = 100_000;

test('the first page of a folder of 100,000 entries comes at once, and so does any other one', async (t) => {
  const server = await ServerFixture.start(t);
  const headers = await server.token('read');
  const repository = await server.server.context.repository();
  const entries = Array.from({ length: ENTRIES }, (_, number): NamedEntry => [`book ${1e6 + number}`, file([])]);
  await new SnapshotBuilder(repository).save([['books', dir(entries)]]);
  await untilCalm(server);
  const ask = async (cursor?: string) => {
    const query = { snapshot: 'latest', path: '/books', ...(cursor === undefined ? {} : { cursor }) };
    const answer = await server.ask('/api/v1/tree', { query, headers });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const first = await ask();
  assert.deepEqual([first.items.length, first.total, first.sortable], [100, ENTRIES, false]);
  const ms = await quickestMs(10, () => ask());
  const laterMs = await quickestMs(10, () => ask(first.next_cursor));
  t.diagnostic(`first page: ${ms.toFixed(1)} ms, second page: ${laterMs.toFixed(1)} ms`);
  assert.ok(ms < 50 && laterMs < 50, `${ms} ms, ${laterMs} ms`);
  const query = { snapshot: 'latest', path: '/books', order: 'size' };
  const sorted = await server.ask('/api/v1/tree', { query, headers });
  assert.deepEqual([sorted.status, sorted.json.code], [400, 'INVALID_ARGUMENT']);
});

const SNAPSHOTS = 10_000;

test('a list of 10,000 snapshots comes at once, the second time, wherever its page begins', async (t) => {
  // So many files take long to be made where each is durable.
  const memory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const server = await ServerFixture.start(t, { location: join(testFolder(t, memory), 'repository') });
  const headers = await server.token('read');
  const { snapshots } = await server.server.context.repository();
  const numbers = Array.from({ length: SNAPSHOTS }, (_, number) => number);
  await mapBounded(numbers, 32, async (number) => {
    const time = new Date(Date.parse('2024-01-01T00:00:00Z') + number * 3_600_000).toISOString();
    await snapshots.save(snapshotRecord({ time, label: number % 2 === 0 ? 'even' : 'odd' }));
  });
  await untilCalm(server);
  const ask = async (query: { [name: string]: string } = {}) => {
    const answer = await server.ask('/api/v1/snapshots', { query, headers });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const begunMs = performance.now();
  const { items, next_cursor: cursor } = await ask();
  const coldMs = performance.now() - begunMs;
  assert.equal(items.length, 100);
  const ms = await quickestMs(10, () => ask());
  const laterMs = await quickestMs(10, () => ask({ cursor }));
  const filteredMs = await quickestMs(10, () => ask({ label: 'odd', until: '2024-06-01T00:00:00Z' }));
  const told = [coldMs, ms, laterMs, filteredMs].map((one) => `${one.toFixed(1)} ms`).join(', ');
  t.diagnostic(`first time, warm, second page, filtered: ${told}`);
  assert.ok(Math.max(ms, laterMs, filteredMs) < 250, told);
});

const CLIENTS = 100;
const DELAY_SECONDS_MAX = 0.4;
const MEMORY_BYTES_MAX = 700e6;

test('100 people browse and download while a backup runs: no error, a free event loop, bounded memory', async (t) => {
  const fixture = new CliFixture(t);
  await fixture.init();
  const folders: string[] = [];
  const files: string[] = [];
  for (let shelf = 0; shelf < 30; shelf++) {
    const folder = join(fixture.source, `shelf ${shelf}`);
    folders.push(folder);
    mkdirSync(folder, { recursive: true });
    for (let book = 0; book < 60; book++) writeFileSync(join(folder, `note ${book}.txt`), `words ${shelf} ${book}`);
    files.push(join(folder, 'book.m4b'), join(folder, 'note 7.txt'));
    writeFileSync(join(folder, 'book.m4b'), randomBytes(1_500_000));
  }
  await fixture.ok(['backup', fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const admin = await server.setUp();
  const { secret } = await admin.post('/tokens', { name: 'crowd', scopes: ['read'] });
  const { items } = await admin.get('/snapshots');
  const snapshot: string = items[0].id;
  const target = { url: server.url, headers: { authorization: `Bearer ${secret}` }, snapshot, folders, files };
  // What is loaded and compiled at the first requests is not what is measured.
  await browse(target, 5, new Promise((resolve) => setTimeout(resolve, 1000)));
  await metricOf(target, 'snap_nodejs_eventloop_lag_p99_seconds');
  for (let book = 0; book < 150; book++) writeFileSync(join(fixture.source, `new ${book}.m4b`), randomBytes(1_500_000));
  const { job } = await admin.post('/schedule/run');
  const { requests, bytes, errors } = await browse(target, CLIENTS, admin.untilOver(job.id));
  const delay = await metricOf(target, 'snap_nodejs_eventloop_lag_p99_seconds');
  const memory = await metricOf(target, 'snap_process_resident_memory_bytes');
  t.diagnostic(
    `${requests} requests, ${Math.round(bytes / 1e6)} MB, p99 ${(delay * 1000).toFixed(1)} ms, ${Math.round(memory / 1e6)} MB of memory`,
  );
  assert.deepEqual(errors.slice(0, 5), []);
  assert.ok(requests > CLIENTS * 2, String(requests));
  assert.equal((await admin.get(`/jobs/${job.id}`)).job.status, 'COMPLETED');
  assert.ok(delay < DELAY_SECONDS_MAX, `${delay} s`);
  assert.ok(memory < MEMORY_BYTES_MAX, `${memory} bytes`);
});
