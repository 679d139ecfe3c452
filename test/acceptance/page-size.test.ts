/** How much a browser loads for the page, and how it is answered. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerFixture } from '../support/server.ts';

const PAGE_BYTES_MAX = 60_000;

test('the whole page is under 60 KB, compressed, and all but the document may be kept for ever', async (t) => {
  const fixture = await ServerFixture.start(t, { basePath: '/snap' });
  let bytes = 0;
  const load = async (path: string) => {
    const response = await fixture.server.app.inject({
      url: path,
      headers: { 'accept-encoding': 'gzip, deflate, br' },
    });
    assert.equal(response.statusCode, 200, path);
    assert.equal(response.headers['content-encoding'], 'br', path);
    bytes += response.rawPayload.length;
    return response;
  };
  assert.equal((await load('/snap/')).headers['cache-control'], 'no-cache');
  const { body } = await fixture.server.app.inject({ url: '/snap/settings/backup' });
  const assets = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = '']) => path);
  assert.equal(assets.length, 3);
  for (const path of assets) {
    assert.match(path, /^\/snap\/assets\/\w+-\w+\.(?:js|css|svg)$/);
    assert.match(String((await load(path)).headers['cache-control']), /immutable/);
  }
  t.diagnostic(`${bytes} bytes`);
  assert.ok(bytes < PAGE_BYTES_MAX, `${bytes} bytes`);
});

test('the document runs nothing that stands in it, and other addresses are no pages', async (t) => {
  const fixture = await ServerFixture.start(t);
  const document = await fixture.ask('/');
  assert.match(document.text, /^<!doctype html>/);
  assert.doesNotMatch(document.text, /<style|style=|<script(?![^>]* src=)[^>]*>|\son\w+=/);
  assert.match(String(document.headers['content-security-policy']), /script-src 'self'/);
  for (const path of ['/assets/', '/assets/..%2findex.html', '/assets/../../package.json', '/nothing', '/index.html']) {
    assert.equal((await fixture.ask(path)).status, 404, path);
  }
  const gzip = await fixture.ask('/', { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(gzip.headers['content-encoding'], 'gzip');
});
