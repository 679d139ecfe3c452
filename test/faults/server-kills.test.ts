import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { isEngineError, restore } from '../../engine/index.ts';
import { CliFixture } from '../support/cli.ts';
import { Library } from '../support/library.ts';
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
        if (!existsSync(fresh.database)) continue;
        assert.deepEqual(pathsInRows(fresh.database), expected, 'no half of it is ever there');
        // Without its journal it was done, and only its account was not given.
        if (!existsSync(join(fresh.server, 'config', '.snap-restore'))) break;
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

/** The process that rewrites paths, as often as one begins. */
function rewriters(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const isOurs = readFileSync(`/proc/${pid}/status`, 'utf8').includes(`PPid:\t${process.pid}\n`);
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('sqlite-paths-child');
      } catch {
        return false;
      }
    })
    .map(Number);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was done before: the test fails by what it left.
  }
}

test('when only the process that rewrites is killed, what was there is there, nothing lies beside it, and it is a problem', async (t) => {
  const library = await Library.make(t);
  const old = makeMachine(join(library.folder, 'old'), { wal: true });
  addItems(old, 20_000);
  await sleep(30);
  await library.backup({ paths: [Buffer.from(join(old.folder, 'srv'))], profiles: ['audiobookshelf'] });
  const fresh = machineIn(join(library.folder, 'new'));
  const mappings = [{ from: Buffer.from(old.folder), to: Buffer.from(fresh.folder) }];
  for (const nth of [1, 2]) {
    const seen = new Set<number>();
    const timer = setInterval(() => {
      for (const pid of rewriters()) {
        if (seen.has(pid)) continue;
        seen.add(pid);
        // It has begun by then, and is not done.
        if (seen.size === nth) setTimeout(() => killIfThere(pid), 150);
      }
    }, 5);
    try {
      const act = restore(await library.reopen(), { snapshot: 'latest', profile: 'audiobookshelf', mappings });
      if (nth === 1) {
        await assert.rejects(
          act,
          (error) => isEngineError(error, 'DATABASE_FAILED') && /Nothing was changed/.test(error.message),
        );
        assert.equal(existsSync(fresh.folder), false);
        continue;
      }
      const result = await act;
      assert.deepEqual(
        result.problems.map(({ path, during, code }) => [path, during, code]),
        [[fresh.database, 'swap', 'DATABASE_FAILED']],
      );
      assert.equal(result.server?.databases[0]?.state, 'failed');
      assert.deepEqual(readdirSync(join(fresh.server, 'config')), ['migrations']);
    } finally {
      clearInterval(timer);
    }
  }
  const again = { snapshot: 'latest', profile: 'audiobookshelf', mappings, overwrite: 'if-changed' } as const;
  assert.deepEqual((await restore(await library.reopen(), again)).problems, []);
  assertAgree(fresh);
});
