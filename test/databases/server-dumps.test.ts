import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BackupOptions, BackupResult } from '../../engine/operations/backup/options.ts';
import { readFileContent } from '../../engine/operations/cat.ts';
import { diff } from '../../engine/operations/diff/diff.ts';
import { listEntries } from '../../engine/operations/list.ts';
import {
  type RestoreDatabaseOptions,
  type RestoreDatabaseResult,
  restoreDatabase,
} from '../../engine/operations/restore-database/restore-database.ts';
import { lacks, ownEnvironment, startServer, type TestServer } from '../support/database-servers.ts';
import { Library } from '../support/library.ts';
import {
  CLIENT,
  DUMPER,
  fakeProgram,
  type Kind,
  LONG_TABLE,
  longTable,
  makeDatabase,
  whenRuns,
  wordyTable,
} from '../support/server-fixtures.ts';

const FOLDER: { readonly [kind in Kind]: string } = {
  postgresql: '/.snap-databases/postgresql',
  mariadb: '/.snap-databases/mariadb',
};

async function library(t: TestContext): Promise<Library> {
  const given = await Library.make(t);
  mkdirSync(given.source);
  writeFileSync(join(given.source, 'book.txt'), 'a book');
  return given;
}

function backUp(
  given: Library,
  url: string,
  more: Partial<BackupOptions> & { readonly environment?: { readonly [name: string]: string } } = {},
): Promise<BackupResult> {
  const { environment, ...options } = more;
  return given.backup({ databaseServers: [{ url, environment: ownEnvironment(environment) }], ...options });
}

async function restoreInto(
  given: Library,
  url: string,
  more: Partial<RestoreDatabaseOptions> & { readonly environment?: { readonly [name: string]: string } } = {},
): Promise<RestoreDatabaseResult> {
  const { environment, ...options } = more;
  await given.reopen();
  return restoreDatabase(given.repository, {
    snapshot: 'latest',
    database: 'app',
    into: { url, environment: ownEnvironment(environment) },
    ...options,
  });
}

async function paths(given: Library, snapshot = 'latest'): Promise<string[]> {
  await given.reopen();
  const found: string[] = [];
  for await (const { path, node } of listEntries(given.repository, { snapshot, recursive: true })) {
    if (node.type === 'file') found.push(path.toString());
  }
  return found;
}

async function content(given: Library, path: string): Promise<Buffer> {
  await given.reopen();
  const pieces: Buffer[] = [];
  for await (const piece of readFileContent(given.repository, { snapshot: 'latest', path: Buffer.from(path) })) {
    pieces.push(Buffer.from(piece));
  }
  return Buffer.concat(pieces);
}

for (const kind of ['postgresql', 'mariadb'] as const) {
  describe(`dumps of ${kind}`, { skip: lacks(kind) }, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer(kind);
      makeDatabase(server, 'app');
      makeDatabase(server, 'big', longTable(kind, 60_000));
    });
    after(() => server.stop());

    test('everything in a database comes back, and a dump of that is the same, byte for byte', async (t) => {
      const given = await library(t);
      const { databases, problems, snapshot } = await backUp(given, server.urlOf('app'));
      assert.deepEqual(problems, []);
      assert.deepEqual(snapshot?.paths.map(String), [given.source]);
      const record = databases.find(({ path }) => path.toString() === `${FOLDER[kind]}/app.sql`);
      assert.equal(record?.kind, kind);
      assert.match(String(record?.details['serverVersion']), /^\d+\./);
      const rows = JSON.stringify(record?.details['rowCounts']);
      assert.match(
        rows,
        kind === 'postgresql' ? /\{"table":"public.page","rows":500\}/ : /\{"table":"page","rows":500\}/,
      );
      const dump = await content(given, `${FOLDER[kind]}/app.sql`);
      assert.equal(dump.length, record?.bytes);
      const result = await restoreInto(given, server.urlOf('copy of app'));
      assert.deepEqual([result.created, result.objectsReplaced], [true, 0]);
      await backUp(given, server.urlOf('copy of app'));
      const again = await content(given, `${FOLDER[kind]}/copy of app.sql`);
      assert.equal(again.toString('latin1').replaceAll('copy of app', 'app'), dump.toString('latin1'));
      const bytes = kind === 'postgresql' ? "encode(raw, 'hex')" : 'HEX(raw)';
      const held = server.sql('copy of app', `SELECT ${bytes} FROM book WHERE id = 1`).trim().toLowerCase();
      assert.equal(held, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString('hex'));
      server.sql('copy of app', "UPDATE book SET title = 'low' WHERE id = 2");
      assert.equal(server.sql('copy of app', 'SELECT title FROM book WHERE id = 2').trim(), 'LOW');
    });

    test('all databases of a server are dumped, and a night in which nothing changes stores nothing', async (t) => {
      const given = await library(t);
      const first = await backUp(given, server.url);
      assert.deepEqual(first.problems, []);
      const names = first.databases.map(({ details }) => details['database']).filter((name) => name !== undefined);
      assert.ok(names.includes('app') && names.includes('big'), names.join());
      assert.ok(!names.includes('mysql') && !names.includes('template0'));
      const second = await backUp(given, server.url, { skipIfUnchanged: true });
      assert.deepEqual([second.skipped, second.counts.dataAdded], [true, 0]);
      assert.equal(second.counts.filesUnmodified, second.counts.totalFilesProcessed);
      server.sql('big', `UPDATE ${LONG_TABLE[kind]} SET body = 'changed' WHERE id = 30000`);
      const third = await backUp(given, server.url, { skipIfUnchanged: true });
      assert.deepEqual([third.skipped, third.counts.filesChanged], [false, 1]);
      assert.ok(third.counts.dataAdded < 200_000, `${third.counts.dataAdded}`);
    });

    test('a dump is no source: a diff with the disk, the shrink guard and a restore in place know none', async (t) => {
      const given = await library(t);
      await backUp(given, server.urlOf('big'));
      const told: string[] = [];
      await given.reopen();
      for await (const event of diff(given.repository, { before: 'latest', after: { live: {} } })) {
        if (event.event === 'change') told.push(event.path.toString());
      }
      assert.deepEqual(told, []);
      await given.restore('latest', {
        path: undefined,
        inPlace: true,
        target: undefined,
        safetySnapshot: false,
      } as never);
      await assert.rejects(
        given.restore('latest', { path: Buffer.from('/.snap-databases'), inPlace: true, target: undefined } as never),
        { code: 'INVALID_ARGUMENT' },
      );
      const without = await given.backup();
      assert.deepEqual([without.suspicion, without.databases.length, without.counts.filesDeleted], [undefined, 0, 0]);
      assert.deepEqual(await paths(given), [`${given.source}/book.txt`]);
      const { target } = await given.restore('latest~1', { path: undefined } as never);
      assert.ok((await paths(given, 'latest~1')).includes(`${FOLDER[kind]}/big.sql`), target);
    });

    test('a dump beside writers is of one moment', async (t) => {
      const given = await library(t);
      makeDatabase(
        server,
        'bank',
        `CREATE TABLE account (id int PRIMARY KEY, money int); ${longTable(kind, 20_000)}
         INSERT INTO account VALUES (1, 1000), (2, 0); CREATE TABLE moves (id int);`,
      );
      const transfer = `BEGIN; UPDATE account SET money = money - 1 WHERE id = 1; UPDATE account SET money = money + 1 WHERE id = 2; INSERT INTO moves VALUES (1); COMMIT;\n`;
      const words =
        kind === 'postgresql'
          ? ['-Xq', '-d', server.urlOf('bank')]
          : ['--no-defaults', '-u', 'root', '-S', join(server.folder, 'sock'), '--database=bank'];
      const writer = spawn(CLIENT[kind], words, { stdio: ['pipe', 'ignore', 'ignore'] });
      const timer = setInterval(() => writer.stdin.write(transfer.repeat(3)), 2);
      await sleep(200);
      const { problems } = await backUp(given, server.urlOf('bank'));
      clearInterval(timer);
      writer.stdin.end();
      await once(writer, 'exit');
      assert.deepEqual(problems, []);
      await restoreInto(given, server.urlOf('bank copy'), { database: 'bank' });
      const sums = server.sql(
        'bank copy',
        'SELECT sum(money), sum(CASE id WHEN 2 THEN money ELSE 0 END) - (SELECT count(*) FROM moves) FROM account',
      );
      assert.equal(sums.trim(), '1000\t0');
      assert.notEqual(server.sql('bank', 'SELECT count(*) FROM moves').trim(), '0');
    });

    test('trap 20: a dumper that is killed half-way makes no database in the snapshot', async (t) => {
      const given = await library(t);
      const script = `case "$*" in *big*) "$REAL" "$@" | { head -c 2000000; kill -9 $$; };; esac; exec "$REAL" "$@"`;
      const environment = fakeProgram(join(given.folder, 'killed'), DUMPER[kind], script);
      const result = await backUp(given, server.urlOf('big'), { environment });
      assert.deepEqual(
        result.problems.map(({ code, during }) => `${code} ${during}`),
        ['DATABASE_FAILED export'],
      );
      assert.match(result.problems[0]?.message ?? '', /"big".*SIGKILL/);
      assert.deepEqual(
        (await paths(given)).filter((path) => path.includes('big')),
        [],
      );
      assert.ok(!result.databases.some(({ details }) => details['database'] === 'big'));
      const next = await backUp(given, server.urlOf('big'));
      assert.deepEqual(next.problems, []);
    });

    test('trap 20: a dumper that ends well without its last line makes none either, and the other database is there', async (t) => {
      const given = await library(t);
      const script = `case "$*" in *big*) "$REAL" "$@" | head -c 1000000; exit 0;; esac; exec "$REAL" "$@"`;
      const environment = fakeProgram(join(given.folder, 'cut'), DUMPER[kind], script);
      const servers = ['app', 'big'].map((name) => ({
        url: server.urlOf(name),
        environment: ownEnvironment(environment),
      }));
      const result = await given.backup({ databaseServers: servers });
      assert.deepEqual(
        result.problems.map(({ path }) => path),
        [`${FOLDER[kind]}/big.sql`],
      );
      assert.match(result.problems[0]?.message ?? '', /cut off/);
      const found = await paths(given);
      assert.ok(found.includes(`${FOLDER[kind]}/app.sql`) && !found.includes(`${FOLDER[kind]}/big.sql`), found.join());
      await assert.rejects(given.backup({ databaseServers: servers, strict: true }), { code: 'PROBLEMS_FOUND' });
      assert.equal((await given.repository.snapshots.list()).length, 1);
    });

    test('a database that does not exist, a server that is away and a missing program are problems that say so', async (t) => {
      const given = await library(t);
      const gone = await backUp(given, server.urlOf('nowhere'));
      assert.match(gone.problems[0]?.message ?? '', /no database "nowhere"/);
      const away = kind === 'postgresql' ? 'postgresql:///x?host=/nowhere' : 'mariadb:///x?socket=/nowhere';
      assert.match((await backUp(given, away)).problems[0]?.message ?? '', /nowhere/);
      const bare = await backUp(given, server.url, { environment: { PATH: '/nowhere' } });
      assert.match(bare.problems[0]?.message ?? '', /not? .*on the PATH: install/i);
      assert.equal(bare.snapshot?.databases.length, 0);
    });

    test('a night that changes one row in a hundred, here and there, adds less than a tenth', async (t) => {
      const given = await library(t);
      makeDatabase(server, 'nights', wordyTable(kind, 30_000));
      const first = await backUp(given, server.urlOf('nights'));
      for (const night of [1, 2, 3]) {
        const change = kind === 'postgresql' ? "'night ' || body" : "CONCAT('night ', body)";
        server.sql('nights', `UPDATE wordy SET body = ${change} WHERE id % 100 = ${night * 7};`);
        const next = await backUp(given, server.urlOf('nights'));
        const share = next.counts.dataAddedPacked / first.counts.dataAddedPacked;
        assert.ok(share < 0.1, `night ${night}: ${share}`);
      }
    });

    test('an interruption ends the dumper, and no snapshot is saved', async (t) => {
      const given = await library(t);
      const controller = new AbortController();
      const watch = whenRuns([`${DUMPER[kind]} -`, basename(server.folder), 'big'], () => controller.abort());
      const environment = fakeProgram(join(given.folder, 'slow'), DUMPER[kind], SLOW_SCRIPT);
      const run = backUp(given, server.urlOf('big'), { environment, signal: controller.signal });
      await assert.rejects(run, { code: 'INTERRUPTED' });
      watch.stop();
      assert.deepEqual(await given.repository.snapshots.list(), []);
    });

    test('a restore into a database that holds something is refused, and done with the word for it', async (t) => {
      const given = await library(t);
      await backUp(given, server.urlOf('app'));
      makeDatabase(server, 'other', 'CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1), (2);');
      await assert.rejects(restoreInto(given, server.urlOf('other')), { code: 'TARGET_NOT_EMPTY' });
      await assert.rejects(restoreInto(given, server.urlOf('other'), { database: 'none' }), { code: 'PATH_NOT_FOUND' });
      const plan = await restoreInto(given, server.urlOf('other'), { overwrite: true, dryRun: true });
      assert.equal(plan.objectsReplaced, 1);
      assert.equal(server.sql('other', 'SELECT count(*) FROM mine').trim(), '2');
      const done = await restoreInto(given, server.urlOf('other'), { overwrite: true });
      assert.deepEqual([done.created, done.objectsReplaced], [false, 1]);
      assert.equal(server.sql('other', 'SELECT count(*) FROM page').trim(), '500');
      assert.throws(() => server.sql('other', 'SELECT count(*) FROM mine'));
      const left = kind === 'mariadb' ? server.sql('', 'SHOW DATABASES') : '';
      assert.doesNotMatch(left, /#snap/);
    });

    test('a restore whose client is killed, or whose dump is bad, leaves what was there', async (t) => {
      const given = await library(t);
      await backUp(given, server.urlOf('big'));
      makeDatabase(server, 'kept', 'CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1), (2);');
      const watch = whenRuns(
        [CLIENT[kind], basename(server.folder), kind === 'postgresql' ? 'ON_ERROR_STOP=1 -o' : '#snap-new'],
        kill,
      );
      const run = restoreInto(given, server.urlOf('kept'), { database: 'big', overwrite: true });
      await assert.rejects(run, { code: 'DATABASE_FAILED' });
      watch.stop();
      assert.equal(server.sql('kept', 'SELECT count(*) FROM mine').trim(), '2');
      const fresh = restoreInto(given, server.urlOf('fresh'), {
        database: 'big',
        environment: await failing(given, kind),
      });
      await assert.rejects(fresh, { code: 'DATABASE_FAILED' });
      assert.throws(() => server.sql('fresh', `SELECT count(*) FROM ${LONG_TABLE[kind]}`));
      await restoreInto(given, server.urlOf('kept'), { database: 'big', overwrite: true });
      assert.equal(server.sql('kept', `SELECT count(*) FROM ${LONG_TABLE[kind]}`).trim(), '60000');
    });

    test('a server that is stopped half-way is a problem; the files are saved', async (t) => {
      const given = await library(t);
      const own = await startServer(kind);
      try {
        makeDatabase(own, 'big', longTable(kind, 60_000));
        const environment = fakeProgram(join(given.folder, 'slow'), DUMPER[kind], SLOW_SCRIPT);
        const watch = whenRuns([`${DUMPER[kind]} -`, basename(own.folder), 'big'], () =>
          own.stop(kind === 'postgresql' ? 'SIGQUIT' : 'SIGKILL'),
        );
        const result = await backUp(given, own.urlOf('big'), { environment });
        watch.stop();
        assert.ok(watch.seen);
        assert.ok(result.problemCount > 0);
        assert.ok(!(await paths(given)).some((path) => path.endsWith('big.sql')));
        assert.ok((await paths(given)).includes(`${given.source}/book.txt`));
      } finally {
        await own.stop('SIGKILL');
      }
    });
  });
}

/** Hands on some bytes and then waits, as a slow network does. */
const SLOW_SCRIPT = `case "$*" in *--version*) exec "$REAL" "$@";; esac
"$REAL" "$@" | (head -c 2000000; sleep 1; cat)
exit 9`;

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was quicker.
  }
}

/** A client that takes in a part of what it is fed, and fails. */
async function failing(given: Library, kind: Kind): Promise<{ readonly PATH: string }> {
  const isLoad = kind === 'postgresql' ? '*"-f -"*' : '*--database=*';
  const script = `case "$*" in ${isLoad}) head -c 3000000 | "$REAL" "$@"; exit 1;; esac; exec "$REAL" "$@"`;
  return fakeProgram(join(given.folder, 'failing'), CLIENT[kind], script);
}
