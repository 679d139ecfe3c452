/** Rows of an image by a process of its own: no faster than they are taken, sorted beside the image, and never for ever. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { DATABASE_ROWS_BATCH } from '../../engine/base/limits.ts';
import { pathOfTreeKey } from '../../engine/base/server-paths.ts';
import { type Row, readRows } from '../../engine/databases/sqlite-rows.ts';
import { testFolder } from '../support/build-repository.ts';
import { processes } from '../support/server-fixtures.ts';
import { makeDatabase } from '../support/servers.ts';

const NUMBERS = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) SELECT i FROM n';

/** Of the processes that read this image. */
function openFiles(): string[] {
  return processes()
    .filter(({ words }) => words.includes('sqlite-rows-child'))
    .flatMap(({ pid }) => {
      try {
        if (!readFileSync(`/proc/${pid}/status`, 'utf8').includes(`PPid:\t${process.pid}\n`)) return [];
        return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return [];
      }
    });
}

test('keys sort rows as a tree is walked, in files beside the image, and no listener is left behind for each batch', async (t) => {
  const folder = testFolder(t);
  const image = join(folder, 'image');
  makeDatabase(
    image,
    `CREATE TABLE t (p); INSERT INTO t SELECT '/' || (i % 7) || substr('. -', i % 4, 1) || '/' || i || hex(zeroblob(100)) FROM (${NUMBERS})`,
  );
  const warnings: string[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  const places = [{ said: '/1', path: Buffer.from('/zz') }];
  let last = Buffer.alloc(0);
  let count = 0;
  const files = new Set<string>();
  for await (const rows of readRows({ image, sql: 'SELECT tree_key(p) AS k FROM t ORDER BY k', places })) {
    assert.ok(rows.length <= DATABASE_ROWS_BATCH);
    if (count === 0) for (const file of openFiles()) files.add(file);
    for (const [key] of rows as readonly Row[]) {
      assert.ok(key instanceof Uint8Array);
      const bytes = Buffer.from(key);
      assert.ok(last.compare(bytes) <= 0);
      last = bytes;
      count++;
    }
  }
  assert.equal(count, 200_000);
  assert.match(pathOfTreeKey(last).toString(), /^\/zz\/\d+$/);
  const sorts = [...files].filter((file) => /etilqs/.test(file)).map((file) => dirname(file));
  assert.deepEqual([...new Set(sorts)], [folder]);
  assert.deepEqual(warnings, []);
});

test('a statement that does not end, or writes, or is of another database, fails; its process is gone', async (t) => {
  const image = join(testFolder(t), 'image');
  makeDatabase(
    image,
    'CREATE TABLE t (x); CREATE VIEW v AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n',
  );
  const cases = [
    { sql: 'SELECT c FROM v', why: /No rows came within 0\.4 seconds/, waitMsMax: 400 },
    { sql: 'INSERT INTO t VALUES (1) RETURNING x', why: /readonly|read-only|query_only/i, waitMsMax: 60_000 },
    { sql: 'SELECT * FROM elsewhere', why: /no such table: elsewhere/, waitMsMax: 60_000 },
  ];
  for (const { sql, why, waitMsMax } of cases) {
    await assert.rejects(
      async () => {
        for await (const _ of readRows({ image, sql, waitMsMax })) assert.fail('no rows');
      },
      (error) => isEngineError(error, 'DATABASE_FAILED') && why.test(error.message),
      sql,
    );
  }
  for (let waited = 0; openFiles().length > 0 && waited < 100; waited++)
    await new Promise((done) => setTimeout(done, 20));
  assert.deepEqual(openFiles(), []);
});
