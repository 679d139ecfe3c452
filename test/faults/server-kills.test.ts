import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { CliFixture } from '../support/cli.ts';
import { randomFor, rounds } from '../support/random.ts';
import { assertAgree, type Machine, machineIn, makeMachine, pathsInRows } from '../support/server-machine.ts';
import { makeFiles, STAMPS } from '../support/servers.ts';

/** So many rows that a rewriting takes long enough to be met by a kill. */
function addItems(machine: Machine, count: number): void {
  const database = new Database(machine.database);
  const insert = database.prepare(
    'INSERT INTO libraryItems (id, path, libraryFiles, createdAt, updatedAt) VALUES (?, ?, ?, ?, ?)',
  );
  database.transaction(() => {
    for (let item = 0; item < count; item++) {
      const path = join(machine.library, 'Austen/Emma');
      const files = JSON.stringify([{ metadata: { path: join(path, 'book.m4b') }, note: `${item} `.repeat(200) }]);
      insert.run(`more ${item}`, path, files, STAMPS.createdAt, STAMPS.updatedAt);
    }
  })();
  database.close();
}

for (const wal of [false, true]) {
  test(`trap 35: a server on its way to a new machine, killed at any moment and again, comes out whole (${wal ? 'wal' : 'rollback'})`, async (t: TestContext) => {
    const random = randomFor(t);
    const cli = new CliFixture(t);
    await cli.init();
    const old = makeMachine(join(cli.folder, 'old'), { wal });
    addItems(old, 20_000);
    makeFiles(
      old.library,
      Array.from({ length: 300 }, (_, at) => `many/${at}.txt`),
    );
    await sleep(30);
    await cli.ok(['backup', old.server, old.library, '--profile', 'audiobookshelf']);
    const fresh = machineIn(join(cli.folder, 'new'));
    const words = ['restore', 'latest', '--profile', 'audiobookshelf', '--map', `${old.folder}=${fresh.folder}`];
    const begunMs = performance.now();
    await cli.ok(words);
    const spanMs = performance.now() - begunMs;
    const expected = pathsInRows(fresh.database);
    let kills = 0;
    while (kills < rounds(12)) {
      rmSync(fresh.folder, { recursive: true, force: true });
      rmSync(cli.cache, { recursive: true, force: true });
      for (let attempt = 0; ; attempt++) {
        assert.ok(attempt < 12, 'it comes to an end');
        const child = cli.spawn(words);
        child.stdout?.resume();
        let told = '';
        child.stderr?.on('data', (text: Buffer) => {
          told += text.toString();
        });
        // Nearly all of it passes before the database is in its place.
        const afterMs = spanMs * (0.4 + 0.7 * random.next()) + attempt * 200;
        const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
        const [code] = (await once(child, 'exit')) as [number | null];
        clearTimeout(timer);
        if (code !== null) {
          assert.equal(code, 0, told);
          break;
        }
        kills++;
        if (existsSync(fresh.database))
          assert.deepEqual(pathsInRows(fresh.database), expected, 'no half of it is ever there');
      }
      assertAgree(fresh);
      assert.deepEqual(pathsInRows(fresh.database), expected);
      const names = readdirSync(join(fresh.server, 'config')).filter((name) => !/-(?:wal|shm)$/.test(name));
      assert.deepEqual(names.sort(), ['absdatabase.sqlite', 'migrations']);
      assert.deepEqual(
        [fresh.server, fresh.library].flatMap((path) => readdirSync(path)).filter((name) => name.startsWith('.snap')),
        [],
      );
    }
    t.diagnostic(`${kills} kills, a run takes ${Math.round(spanMs)} ms`);
  });
}
