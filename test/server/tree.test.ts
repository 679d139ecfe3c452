/** Folders in pages, entries, and what files hold, through the API. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CliFixture, type Json } from '../support/cli.ts';
import { ServerFixture } from '../support/server.ts';
import { ServerProcess } from '../support/server-process.ts';
import { takeSnapshot, writeFiles } from '../support/server-snapshots.ts';

const HOSTILE = '<script>alert(document.cookie)</script>';

async function withLibrary(t: Parameters<typeof ServerFixture.start>[0]) {
  const server = await ServerFixture.start(t);
  const book = randomBytes(3_000_000);
  writeFiles(server, {
    'books/big.m4b': book,
    'books/small.txt': 'small',
    'books/empty': '',
    'books/page.html': HOSTILE,
    'books/cover.svg': `<svg xmlns="http://www.w3.org/2000/svg">${HOSTILE}</svg>`,
    'books/cover.jpg': 'no picture',
    'books/say "hi" – ä.txt': 'quoted',
  });
  symlinkSync('/etc/passwd', join(server.source, 'books/link'));
  const snapshot = await takeSnapshot(server, { time: new Date('2026-02-01T02:00:00Z') });
  const admin = await server.setUp();
  const path = (name: string): string => join(server.source, 'books', name);
  return { server, admin, snapshot, book, path };
}

test('a folder is listed in pages, in the order of names, sizes or times', async (t) => {
  const { admin, server } = await withLibrary(t);
  const list = async (more: { [name: string]: string }) => {
    const names: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const query = { snapshot: 'latest', path: join(server.source, 'books'), limit: '3', ...more };
      const answer = await admin.ask('/tree', { query: { ...query, ...(cursor === undefined ? {} : { cursor }) } });
      assert.equal(answer.status, 200, answer.text);
      const { items, next_cursor, total, sortable } = answer.json;
      assert.deepEqual([total, sortable], [8, true]);
      names.push(...items.map(({ path }: Json) => path.split('/').at(-1)));
      if (next_cursor === null) return names;
      cursor = next_cursor;
    }
  };
  const byName = await list({});
  assert.deepEqual(byName, [...byName].sort());
  assert.deepEqual((await list({ order: 'size', descending: 'true' }))[0], 'big.m4b');
  assert.deepEqual(await list({ descending: 'true' }), byName.toReversed());
  assert.equal(new Set(await list({ order: 'time' })).size, 8);
  const root = (await admin.ask('/tree', { query: { snapshot: 'latest' } })).json;
  assert.equal(root.path, '/');
});

test('later pages of latest are pages of the same snapshot', async (t) => {
  const { admin, server, snapshot } = await withLibrary(t);
  const query = { snapshot: 'latest', path: join(server.source, 'books'), limit: '4' };
  const first = (await admin.ask('/tree', { query })).json;
  writeFiles(server, { 'books/zz new': 'new' });
  await takeSnapshot(server);
  const second = (await admin.ask('/tree', { query: { ...query, cursor: first.next_cursor } })).json;
  assert.deepEqual([second.snapshot.id, second.total], [snapshot.id, 8]);
});

test('an entry tells what it is and an id of its content', async (t) => {
  const { admin, path } = await withLibrary(t);
  const entry = async (name: string) =>
    (await admin.ask('/entry', { query: { snapshot: 'latest', path: path(name) } })).json;
  const big = await entry('big.m4b');
  assert.deepEqual([big.entry.type, big.entry.size, big.entry.files], ['file', 3_000_000, null]);
  assert.match(big.entry.mtime, /^\d{4}-\d\d-\d\dT[\d:]+\.\d{9}Z$/);
  assert.equal((await entry('link')).entry.linktarget, '/etc/passwd');
  const folder = (await entry('')).entry;
  assert.deepEqual([folder.type, folder.files > 5, folder.size > 3_000_000], ['dir', true, true]);
  assert.equal(
    (await admin.ask('/entry', { query: { snapshot: 'latest', path: path('none') } })).json.code,
    'PATH_NOT_FOUND',
  );
});

test('a file comes whole, by range, or not at all where the client has it', async (t) => {
  const { admin, path, book, server } = await withLibrary(t);
  const query = { snapshot: 'latest', path: path('big.m4b') };
  const get = async (headers: { [name: string]: string } = {}, method: 'GET' | 'HEAD' = 'GET') => {
    const answer = await server.server.app.inject({
      method,
      url: server.api('/content'),
      query,
      headers: { cookie: admin.cookie, ...headers },
    });
    return { status: answer.statusCode, headers: answer.headers, body: answer.rawPayload };
  };
  const whole = await get();
  assert.equal(whole.status, 200);
  assert.ok(whole.body.equals(book));
  assert.equal(whole.headers['content-length'], '3000000');
  assert.equal(whole.headers['accept-ranges'], 'bytes');
  const etag = String(whole.headers['etag']);
  assert.match(etag, /^"[0-9a-f]{32}"$/);
  for (const [range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=1000000-2000000', 1_000_000, 2_000_001],
    ['bytes=2999999-', 2_999_999, 3_000_000],
    ['bytes=-5', 2_999_995, 3_000_000],
    ['bytes=5-99999999', 5, 3_000_000],
    ['bytes=-99999999', 0, 3_000_000],
  ] as const) {
    const part = await get({ range, 'if-range': etag });
    assert.equal(part.status, 206, range);
    assert.ok(part.body.equals(book.subarray(start, end)), range);
    assert.equal(part.headers['content-range'], `bytes ${start}-${end - 1}/3000000`);
  }
  for (const range of ['bytes=3000000-', 'bytes=-0', 'bytes=9999999-99999999']) {
    const none = await get({ range });
    assert.deepEqual([none.status, none.headers['content-range']], [416, 'bytes */3000000'], range);
    assert.equal(JSON.parse(none.body.toString()).code, 'RANGE_INVALID');
  }
  for (const range of ['bytes=5-1', 'bytes=a-b', 'words=1-2', 'bytes=0-1,5-6', 'bytes=-']) {
    assert.equal((await get({ range })).status, 200, range);
  }
  assert.equal((await get({ range: 'bytes=0-0', 'if-range': '"another"' })).status, 200);
  const same = await get({ 'if-none-match': `"x", ${etag}` });
  assert.deepEqual([same.status, same.body.length], [304, 0]);
  const head = await get({}, 'HEAD');
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '3000000', 0]);
});

test('a folder comes as one zip, and any range of it is a part of the same bytes', async (t) => {
  const { admin, book, path, server } = await withLibrary(t);
  const get = async (headers: { [name: string]: string } = {}) => {
    const answer = await server.server.app.inject({
      url: server.api('/zip'),
      query: { snapshot: 'latest', path: join(server.source, 'books') },
      headers: { cookie: admin.cookie, ...headers },
    });
    return { status: answer.statusCode, headers: answer.headers, body: answer.rawPayload };
  };
  const whole = await get();
  assert.equal(whole.status, 200);
  assert.equal(whole.headers['content-length'], String(whole.body.length));
  assert.match(String(whole.headers['content-disposition']), /^attachment; filename="books.zip"/);
  for (const [start, end] of [
    [0, 1],
    [1000, 2_000_000],
    [whole.body.length - 100, whole.body.length],
  ] as const) {
    const part = await get({ range: `bytes=${start}-${end - 1}`, 'if-range': String(whole.headers['etag']) });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(whole.body.subarray(start, end)), String(start));
  }
  const file = join(server.folder, 'books.zip');
  writeFileSync(file, whole.body);
  const unpacked = join(server.folder, 'unpacked');
  const unpack = 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])';
  execFileSync('python3', ['-c', unpack, file, unpacked]);
  assert.ok(readFileSync(join(unpacked, 'books/big.m4b')).equals(book));
  const none = await admin.ask('/zip', { query: { snapshot: 'latest', path: path('small.txt') } });
  assert.deepEqual([none.status, none.json.code], [400, 'REQUEST_INVALID']);
});

test('what people stored never runs as a page of ours', async (t) => {
  const { admin, path } = await withLibrary(t);
  for (const name of ['page.html', 'cover.svg', 'empty', 'cover.jpg', 'small.txt']) {
    for (const inline of ['true', 'false']) {
      const query = { snapshot: 'latest', path: path(name), inline };
      const { headers, status } = await admin.ask('/content', { query });
      assert.equal(status, 200);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(String(headers['content-security-policy']), /default-src 'none'.*sandbox/);
      assert.doesNotMatch(String(headers['content-type']), /html|svg|xml|javascript/);
      const isShown = inline === 'true' && ['cover.jpg', 'small.txt'].includes(name);
      assert.equal(String(headers['content-disposition']).split(';')[0], isShown ? 'inline' : 'attachment', name);
    }
  }
  const quoted = await admin.ask('/content', { query: { snapshot: 'latest', path: path('say "hi" – ä.txt') } });
  assert.equal(
    quoted.headers['content-disposition'],
    `attachment; filename="say _hi_ _ _.txt"; filename*=UTF-8''say%20%22hi%22%20%E2%80%93%20%C3%A4.txt`,
  );
});

test('what is no file has no content, and paths do not climb', async (t) => {
  const { admin, path, server } = await withLibrary(t);
  const refused = async (given: { [name: string]: string }, status: number, code: string) => {
    const answer = await admin.ask('/content', { query: { snapshot: 'latest', ...given } });
    assert.deepEqual([answer.status, answer.json.code], [status, code], JSON.stringify(given));
    assert.equal(answer.headers['etag'], undefined);
  };
  await refused({ path: path('') }, 400, 'REQUEST_INVALID');
  await refused({ path: path('link') }, 400, 'REQUEST_INVALID');
  await refused({ path: '/' }, 400, 'REQUEST_INVALID');
  await refused({}, 400, 'REQUEST_INVALID');
  await refused({ path: '/etc/passwd' }, 404, 'PATH_NOT_FOUND');
  await refused({ path: `${server.source}/../../etc/passwd` }, 400, 'REQUEST_INVALID');
  await refused({ path_base64: Buffer.from('/books/../x').toString('base64') }, 400, 'REQUEST_INVALID');
  await refused({ path_base64: '%%%' }, 400, 'REQUEST_INVALID');
  const odd = Buffer.concat([Buffer.from(path('odd ')), Buffer.from([0xff])]);
  writeFileSync(odd, 'odd words');
  await takeSnapshot(server);
  const found = await admin.ask('/content', { query: { snapshot: 'latest', path_base64: odd.toString('base64') } });
  assert.equal(found.text, 'odd words');
});

test('a damaged file is a problem, not a short file', async (t) => {
  const { path, server } = await withLibrary(t);
  const packs = join(server.options.location, 'packs');
  for (const name of readdirSync(packs)) rmSync(join(packs, name), { recursive: true });
  await server.restart();
  const again = await server.signIn();
  const answer = await again.ask('/content', { query: { snapshot: 'latest', path: path('big.m4b') } });
  assert.ok(answer.status >= 500, String(answer.status));
  assert.match(answer.json.code, /OBJECT_MISSING|STORAGE_FAILED|OBJECT_CORRUPT/);
  assert.equal(answer.headers['content-disposition'], undefined);
});

test('a download stops its work when its client goes away', async (t) => {
  const fixture = new CliFixture(t);
  await fixture.init();
  mkdirSync(fixture.source, { recursive: true });
  writeFileSync(join(fixture.source, 'huge.m4b'), randomBytes(300_000_000));
  await fixture.ok(['backup', fixture.source]);
  const server = await ServerProcess.start(t, fixture);
  const admin = await server.setUp();
  const controller = new AbortController();
  const url = `/content?snapshot=latest&path=${encodeURIComponent(join(fixture.source, 'huge.m4b'))}`;
  const response = await admin.fetch(url, { signal: controller.signal });
  assert.equal(response.status, 200);
  const reader = response.body?.getReader();
  await reader?.read();
  const before = cpuMs(server.pid);
  await sleep(1500);
  const stalled = cpuMs(server.pid) - before;
  assert.ok(stalled < 600, `a client that does not read holds the work up: ${stalled} ms`);
  controller.abort();
  await sleep(500);
  const gone = cpuMs(server.pid);
  await sleep(1000);
  assert.ok(cpuMs(server.pid) - gone < 300, 'nothing is read for nobody');
  assert.equal((await admin.fetch('/snapshots')).status, 200);
});

/** Processor time of a process so far. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
