import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { Quarantine } from '../../server/backups/quarantine.ts';
import { testFolder } from '../support/build-repository.ts';

const DESCRIPTORS = '/proc/self/fd';

/** Files below a folder that this process holds open, removed ones too: those take their room still. */
function openBelow(folder: string): string[] {
  const held = readdirSync(DESCRIPTORS).flatMap((name) => {
    try {
      return [readlinkSync(join(DESCRIPTORS, name))];
    } catch {
      return [];
    }
  });
  return held.filter((path) => path.startsWith(`${folder}/`));
}

test('an upload that failed is reported once its file is closed, so that its room is back', async (t) => {
  if (process.platform !== 'linux') return t.skip('open files are seen in /proc only');
  const folder = testFolder(t);
  const quarantine = new Quarantine(folder);
  let openMeanwhile: string[] = [];
  async function* cutOff(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(3_000_000);
    yield Buffer.alloc(3_000_000);
    openMeanwhile = openBelow(folder);
    throw Object.assign(new Error('gone'), { code: 'ECONNRESET' });
  }
  const given = { declaredBytes: undefined, nowMs: 0, createdBy: 'admin' };
  await assert.rejects(quarantine.receive(Readable.from(cutOff()), given), { code: 'REQUEST_INVALID' });
  assert.equal(openMeanwhile.length, 1, 'it was being written');
  assert.deepEqual(openBelow(folder), []);
  assert.deepEqual(readdirSync(join(folder, 'quarantine')), ['CACHEDIR.TAG']);
});
