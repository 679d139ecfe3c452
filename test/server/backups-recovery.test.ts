/** A fresh machine with nothing but the repository, or one downloaded file, and the password: the library comes up again. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { burned, requireEqual } from '../support/burned-machine.ts';
import { CHEAP_PASSWORD, CliFixture, type Json } from '../support/cli.ts';
import { ServerProcess, type Visitor } from '../support/server-process.ts';

/** Serves another machine's folder, which holds nothing but what it is given. */
async function freshServer(t: TestContext, fresh: CliFixture): Promise<Visitor> {
  mkdirSync(fresh.source, { recursive: true });
  const server = await ServerProcess.start(t, fresh);
  return server.setUp();
}

test('from the repository alone: the backup is listed, and comes up in another place with its paths', async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  cpSync(saved.old.repository, fresh.repository, { recursive: true });
  const admin = await freshServer(t, fresh);
  const { items } = await admin.get('/backups');
  assert.deepEqual(
    items.map(({ backup_id }: Json) => backup_id),
    [saved.backup.backup_id],
  );
  const mappings = [{ from: saved.old.source, to: join(fresh.source, 'new') }];
  const body = { confirm: true, mappings, profile: 'audiobookshelf' };
  const { job } = await admin.post(`/backups/${items[0].id}/restore`, body);
  const { job: over } = await admin.untilOver(job.id);
  assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
  requireEqual(saved, join(fresh.source, 'new'));
});

test('from one downloaded file: a new repository takes it, and the library comes up in another place', async (t) => {
  const saved = await burned(t);
  const fresh = new CliFixture(t);
  await fresh.ok(['init', ...CHEAP_PASSWORD]);
  const file = join(fresh.folder, 'backup.zip');
  writeFileSync(file, saved.zip);
  const admin = await freshServer(t, fresh);
  const uploaded = await admin.fetch('/backups/upload', {
    method: 'POST',
    body: readFileSync(file),
    headers: { 'content-type': 'application/zip' },
  });
  const { job, upload } = (await uploaded.json()) as Json;
  const { job: judged } = await admin.untilOver(job.id);
  assert.equal(judged.status, 'COMPLETED', JSON.stringify(judged));
  const mappings = [{ from: saved.old.source, to: join(fresh.source, 'new') }];
  const body = { confirm: true, mappings, profile: 'audiobookshelf' };
  const { job: restoring } = await admin.post(`/uploads/${upload.id}/restore`, body);
  const { job: over } = await admin.untilOver(restoring.id);
  assert.equal(over.status, 'COMPLETED', JSON.stringify(over));
  requireEqual(saved, join(fresh.source, 'new'));
});
