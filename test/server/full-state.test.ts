/** The disk of the server's own state is full: people can still look, and what cannot be done says why. */

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ServerFixture } from '../support/server.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const DISK_BYTES = 2_000_000;

test('with a full disk reads go on, changes say why they fail, and all is well once there is room', async (t) => {
  const disk = mountSmallDisk(t, DISK_BYTES);
  if (disk === undefined) return t.skip('this user may not mount a disk');
  const server = await ServerFixture.start(t, { stateDirectory: join(disk.folder, 'state') });
  const admin = await server.setUp();
  const ballast = join(disk.folder, 'ballast');
  assert.throws(() => writeFileSync(ballast, Buffer.alloc(2 * DISK_BYTES)), /ENOSPC/);
  server.nowMs += 3600_000;
  for (const path of ['/session', '/snapshots', '/jobs', '/schedule']) {
    assert.equal((await admin.ask(path)).status, 200, path);
  }
  let refused = await admin.ask('/check', { method: 'POST', body: {} });
  for (let tries = 0; refused.status < 300 && tries < 200; tries++) {
    refused = await admin.ask('/tokens', { method: 'POST', body: { name: 'x'.repeat(100), scopes: ['read'] } });
  }
  assert.deepEqual([refused.status, refused.json.code], [503, 'STORAGE_FAILED'], refused.text);
  assert.match(refused.json.detail, /disk is full/);
  assert.equal((await admin.ask('/session')).status, 200);
  rmSync(ballast);
  const { json } = await admin.ask('/check', { method: 'POST', body: {} });
  assert.equal((await admin.untilOver(json.job.id)).job.status, 'COMPLETED');
});
