import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { backup, check, openRepository, type Repository, restore } from '../engine/index.ts';
import { describeRepository, GOLDEN_PASSWORD, type GoldenContent } from './support/golden.ts';

const GOLDEN = fileURLToPath(new URL('../../test/golden', import.meta.url));

interface Given {
  readonly repository: Repository;
  readonly expected: { readonly source: string; readonly content: GoldenContent };
  readonly folder: string;
}

async function opened(t: TestContext, version: string, password = GOLDEN_PASSWORD): Promise<Given> {
  const folder = mkdtempSync(join(tmpdir(), 'snap-golden-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(join(GOLDEN, version, 'repository'), join(folder, 'repository'), { recursive: true });
  const repository = await openRepository({
    location: join(folder, 'repository'),
    cacheDirectory: join(folder, 'cache'),
    credential: { type: 'password', password: Buffer.from(password) },
  });
  t.after(() => repository.close());
  const expected = JSON.parse(readFileSync(join(GOLDEN, version, 'expected.json'), 'utf8')) as Given['expected'];
  return { repository, expected, folder };
}

for (const version of readdirSync(GOLDEN)) {
  test(`a repository of format ${version} is read for ever`, async (t) => {
    const { repository, expected, folder } = await opened(t, version);
    assert.deepEqual((await check(repository, { readData: true })).errors, []);
    assert.deepEqual(await describeRepository(repository), expected.content);
    const snapshots = await repository.snapshots.list();
    assert.deepEqual(
      snapshots.map(({ tags, host }) => [tags.join(), host]),
      [
        ['first', 'golden'],
        ['second', 'golden'],
      ],
    );
    const target = join(folder, 'restored');
    const result = await restore(repository, {
      snapshot: 'latest~1',
      path: Buffer.from(expected.source),
      target: Buffer.from(target),
      verify: true,
    });
    assert.deepEqual(result.problems, []);
    const database = new Database(join(target, 'server.db'), { readonly: true });
    assert.equal(database.prepare('SELECT count(*) FROM books').pluck().get(), 50);
    assert.equal(database.pragma('user_version', { simple: true }), 26);
    database.close();
  });

  test(`a repository of format ${version} opens with each of its passwords, and takes new snapshots`, async (t) => {
    const { repository, folder } = await opened(t, version, 'a second password');
    const source = join(folder, 'a book');
    writeFileSync(source, 'a book');
    await backup(repository, { paths: [Buffer.from(source)] });
    assert.equal((await repository.snapshots.list()).length, 3);
    assert.deepEqual((await check(repository, { readData: true })).errors, []);
  });
}
