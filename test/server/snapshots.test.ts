/** Snapshots through the API: listed in pages, by filters, and what stands beside them changed. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forget } from '../../engine/index.ts';
import { ServerFixture } from '../support/server.ts';
import { takeSnapshot, writeFiles } from '../support/server-snapshots.ts';

const DAYS = ['2026-02-01', '2026-02-02', '2026-02-03', '2026-02-04', '2026-02-05'].map((day) => `${day}T02:00:00Z`);

async function withNights(t: Parameters<typeof ServerFixture.start>[0]) {
  const server = await ServerFixture.start(t);
  const ids: string[] = [];
  for (const [number, day] of DAYS.entries()) {
    writeFiles(server, { 'book.m4b': `night ${number}` });
    const tags = number % 2 === 0 ? ['even', `night=${number}`] : [`night=${number}`];
    ids.push((await takeSnapshot(server, { time: new Date(day), label: number < 2 ? 'old' : 'new', tags })).id);
  }
  return { server, admin: await server.setUp(), ids };
}

test('snapshots are listed in pages, the newest first', async (t) => {
  const { admin, ids } = await withNights(t);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: '2', ...(cursor === undefined ? {} : { cursor }) };
    const { json } = await admin.ask('/snapshots', { query });
    seen.push(...json.items.map(({ id }: { id: string }) => id));
    cursor = json.next_cursor ?? undefined;
  } while (cursor !== undefined);
  assert.deepEqual(seen, ids.toReversed());
});

test('a list of snapshots goes on where it was although the last one seen was forgotten meanwhile', async (t) => {
  const { admin, ids, server } = await withNights(t);
  const first = (await admin.ask('/snapshots', { query: { limit: '2' } })).json;
  await forget(await server.server.context.repository(), { snapshots: [ids[3] ?? ''] });
  const second = (await admin.ask('/snapshots', { query: { limit: '2', cursor: first.next_cursor } })).json;
  assert.deepEqual(
    second.items.map(({ id }: { id: string }) => id),
    [ids[2], ids[1]],
  );
});

test('snapshots are found by label, host, tags, source and time', async (t) => {
  const { admin, ids, server } = await withNights(t);
  const list = async (query: { [name: string]: string | string[] }) => {
    const answer = await admin.ask('/snapshots', { query });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.items.map(({ id }: { id: string }) => ids.indexOf(id));
  };
  assert.deepEqual(await list({ label: 'old' }), [1, 0]);
  assert.deepEqual(await list({ tag: 'even' }), [4, 2, 0]);
  assert.deepEqual(await list({ tag: ['even', 'night=2'] }), [2]);
  assert.deepEqual(await list({ source: server.source }), [4, 3, 2, 1, 0]);
  assert.deepEqual(await list({ source: '/elsewhere' }), []);
  assert.deepEqual(await list({ host: 'nobody' }), []);
  assert.deepEqual(await list({ since: '2026-02-02T00:00:00Z', until: '2026-02-03T23:00:00Z' }), [2, 1]);
  assert.deepEqual(await list({ suspect: 'true' }), []);
});

test('tags, label and pin of snapshots are changed, by admins alone', async (t) => {
  const { admin, ids, server } = await withNights(t);
  const [first = '', second = ''] = ids;
  const body = {
    snapshots: [first, second],
    add_tags: ['keep'],
    remove_tags: ['even'],
    label: 'archive',
    pinned: true,
  };
  const { status, json, text } = await admin.ask('/snapshots', { method: 'PATCH', body });
  assert.equal(status, 200, text);
  assert.deepEqual(json.changed[0].tags.sort(), ['keep', 'night=0']);
  assert.deepEqual([json.changed[1].label, json.changed[1].pinned], ['archive', true]);
  const again = await admin.ask('/snapshots', { method: 'PATCH', body });
  assert.deepEqual([again.json.changed.length, again.json.unchanged.length], [0, 2]);
  const pinned = (await admin.ask('/snapshots', { query: { pinned: 'true' } })).json;
  assert.deepEqual(
    pinned.items.map(({ id }: { id: string }) => id),
    [second, first],
  );
  const nothing = await admin.ask('/snapshots', { method: 'PATCH', body: { snapshots: [first] } });
  assert.deepEqual([nothing.status, nothing.json.code], [400, 'INVALID_ARGUMENT']);
  for (const scope of ['read', 'backup', 'restore']) {
    const headers = await server.token(scope);
    const refused = await server.ask('/api/v1/snapshots', { method: 'PATCH', body, headers });
    assert.deepEqual([refused.status, refused.json.code], [403, 'SCOPE_MISSING']);
  }
});

test('one snapshot answers to its id, its first digits, latest and a moment', async (t) => {
  const { admin, ids } = await withNights(t);
  const find = async (snapshot: string) => (await admin.ask('/snapshot', { query: { snapshot } })).json;
  assert.equal((await find(ids[1] ?? '')).id, ids[1]);
  assert.equal((await find((ids[1] ?? '').slice(0, 12))).id, ids[1]);
  assert.equal((await find('latest~1')).id, ids[3]);
  assert.equal((await find('@2026-02-03T12:00:00Z')).id, ids[2]);
  assert.equal((await find('0000000000')).code, 'SNAPSHOT_NOT_FOUND');
  assert.equal((await find('../../etc/passwd')).code, 'INVALID_ARGUMENT');
});

test('cursors that no list gave are refused', async (t) => {
  const { admin } = await withNights(t);
  for (const cursor of ['x', 'bm90IGpzb24', Buffer.from('{"id":5}').toString('base64url')]) {
    const { status, json } = await admin.ask('/snapshots', { query: { cursor } });
    assert.deepEqual([status, json.code], [400, 'REQUEST_INVALID']);
  }
});
