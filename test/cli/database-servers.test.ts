import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { CliFixture, type Json, jsonLines, lastJson, type Run } from '../support/cli.ts';
import { lacks, startServer, type TestServer } from '../support/database-servers.ts';
import { CLIENT, LONG_TABLE, longTable, makeDatabase, processes, whenRuns } from '../support/server-fixtures.ts';

const SECRET = 'seCret-w0rd-77';

async function fixture(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  await cli.init();
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'book.txt'), 'a book');
  return cli;
}

/** Runs, and looks at the arguments of all processes meanwhile. */
async function watched(cli: CliFixture, words: readonly string[], env: { [name: string]: string }): Promise<Run> {
  const seen = new Set<string>();
  const timer = setInterval(() => {
    for (const one of processes()) seen.add(one.words);
  }, 3);
  const run = await cli.run(words, { env });
  clearInterval(timer);
  assert.ok(![...seen].some((one) => one.includes(SECRET)), 'a password is among the arguments of a process');
  assert.ok(!`${run.stdout}${run.stderr}`.includes(SECRET), `${run.stdout}${run.stderr}`);
  return run;
}

const FLAG = { postgresql: '--postgres', mariadb: '--mariadb' } as const;

for (const kind of ['postgresql', 'mariadb'] as const) {
  describe(`snap with ${kind}`, { skip: lacks(kind) }, () => {
    let server: TestServer;
    /** Of a user with a password, through TCP. */
    let tcpUrl: string;
    before(async () => {
      server = await startServer(kind);
      makeDatabase(server, 'app');
      makeDatabase(server, 'big', longTable(kind, 60_000));
      if (kind === 'postgresql') server.sql('postgres', `CREATE ROLE ann SUPERUSER LOGIN PASSWORD '${SECRET}'`);
      else
        server.sql('', `CREATE USER ann@'127.0.0.1' IDENTIFIED BY '${SECRET}'; GRANT ALL ON *.* TO ann@'127.0.0.1';`);
      tcpUrl = server.tcpUrl.replace(/\/\/\w+@/, '//ann@');
    });
    after(() => server.stop());

    test('passwords come by file or environment; none is ever seen, and a wrong one is a problem', async (t) => {
      const cli = await fixture(t);
      const variable = kind === 'postgresql' ? 'PGPASSWORD' : 'MYSQL_PWD';
      const file = join(cli.folder, 'database password');
      writeFileSync(file, `${SECRET}\n`);
      const inFile = `${tcpUrl}/app?password_file=${encodeURIComponent(file)}`;
      const options = join(cli.folder, 'options');
      if (kind === 'postgresql') writeFileSync(options, `*:*:*:ann:${SECRET}\n`);
      else writeFileSync(options, `[client]\npassword=${SECRET}\n`);
      chmodSync(options, 0o600);
      const ways: [string, { [name: string]: string }][] = [
        [`${tcpUrl}/app`, { [variable]: SECRET }],
        [inFile, {}],
        kind === 'postgresql'
          ? [`${tcpUrl}/app`, { PGPASSFILE: options }]
          : [`${tcpUrl}/app?defaults-extra-file=${encodeURIComponent(options)}`, {}],
      ];
      for (const [url, env] of ways) {
        const run = await watched(cli, ['backup', cli.source, FLAG[kind], url, '--json'], env);
        assert.equal(run.code, 0, run.stderr + run.stdout);
        const summary = lastJson(run.stdout);
        const record = summary.databases.find((one: Json) => one.path.endsWith('/app.sql'));
        assert.deepEqual([record.kind, record.check, record.bytes > 1000], [kind, 'ok', true]);
        assert.equal(typeof record.duration_seconds, 'number');
      }
      const into = [
        'restore',
        'latest',
        '--database',
        'app',
        '--into',
        inFile.replace('/app?', '/by%20tcp?'),
        '--json',
      ];
      const restored = await watched(cli, into, {});
      assert.equal(restored.code, 0, restored.stderr);
      assert.equal(lastJson(restored.stdout).created, true);

      const wrong = await watched(cli, ['backup', cli.source, FLAG[kind], `${tcpUrl}/app`, '--json'], {
        [variable]: `x${SECRET}`,
      });
      assert.equal(wrong.code, 3);
      const [problem] = lastJson(wrong.stdout).problems;
      assert.match(problem.message, kind === 'postgresql' ? /password authentication failed/ : /Access denied/);
      const snapshots = await cli.ok(['snapshots', '--json']);
      assert.ok(!snapshots.stdout.includes(SECRET));
      const bad = await watched(cli, ['restore', 'latest~1', ...into.slice(2)], {});
      assert.equal(bad.code, 21);
      const refused = await cli.run(['backup', cli.source, FLAG[kind], tcpUrl.replace('ann@', `ann:${SECRET}@`)]);
      assert.deepEqual([refused.code, refused.stderr.includes(SECRET)], [2, false]);
      assert.match(refused.stderr, new RegExp(variable));
      const target = await cli.run([...into.slice(0, 4), '--into', tcpUrl.replace('ann@', `ann:${SECRET}@`)]);
      assert.deepEqual([target.code, target.stderr.includes(SECRET)], [2, false]);
    });

    test('exit codes and results: one that fails, --strict, several databases, restores', async (t) => {
      const cli = await fixture(t);
      const both = [FLAG[kind], server.urlOf('app'), FLAG[kind], server.urlOf('nowhere')];
      const strict = await cli.run(['backup', cli.source, ...both, '--strict']);
      assert.equal(strict.code, 1);
      assert.deepEqual(JSON.parse((await cli.ok(['snapshots', '--json'])).stdout), []);
      const partly = await cli.run(['backup', cli.source, ...both, '--json']);
      assert.equal(partly.code, 3);
      const error = jsonLines(partly.stdout).find((line) => line.message_type === 'error');
      assert.match(error.item, /\/\.snap-databases\/\w+\/nowhere\.sql$/);
      const text = await cli.ok(['backup', cli.source, FLAG[kind], server.urlOf('big')]);
      assert.match(text.stdout, new RegExp(`database +/\\.snap-databases/${kind}/big\\.sql \\(${kind}, `));
      const cat = await cli.ok(['cat', `latest:/.snap-databases/${kind}/big.sql`]);
      assert.match(cat.stdout, kind === 'postgresql' ? /database dump complete/ : /-- Dump completed\n/);
      const restore = ['restore', 'latest', '--database', 'big'];
      assert.equal((await cli.run(restore)).code, 2);
      assert.equal((await cli.run(['restore', 'latest', '--into', server.url])).code, 2);
      assert.equal((await cli.run([...restore, '--into', server.url, '--target', '/tmp/x'])).code, 2);
      assert.equal((await cli.run([...restore, '--into', server.url, '--overwrite', 'never'])).code, 2);
      assert.equal((await cli.run([...restore, '--into', 'sqlite:///x'])).code, 2);
      assert.equal((await cli.run(['restore', 'latest', '--database', 'none', '--into', server.url])).code, 1);
      const refused = await cli.run([...restore, '--into', server.url, '--json']);
      assert.deepEqual([refused.code, lastJson(refused.stderr).error_code], [21, 'TARGET_NOT_EMPTY']);
      const planned = await cli.ok([...restore, '--into', server.urlOf('new one'), '-n']);
      assert.match(planned.stdout, /would be made/);
      const done = await cli.json([...restore, '--into', server.urlOf('new one')]);
      assert.deepEqual(
        [done.message_type, done.database, done.kind, done.created, done.rows],
        [
          'summary',
          'new one',
          kind,
          true,
          [{ table: kind === 'postgresql' ? 'public.long' : LONG_TABLE[kind], rows: 60_000 }],
        ],
      );
      assert.equal((await cli.run(['backup', FLAG[kind], 'http://x', cli.source])).code, 2);
      assert.equal((await cli.run(['backup', '--stdin', FLAG[kind], server.url])).code, 2);
    });

    test('snap killed in the middle of a restore leaves what was there', async (t) => {
      const cli = await fixture(t);
      await cli.ok(['backup', cli.source, FLAG[kind], server.urlOf('big')]);
      makeDatabase(server, 'kept', 'CREATE TABLE mine (id int PRIMARY KEY); INSERT INTO mine VALUES (1), (2);');
      const words = ['restore', 'latest', '--database', 'big', '--into', server.urlOf('kept'), '--overwrite', 'always'];
      for (const delayMs of [0, 40, 90, 150]) {
        const run = await cli.run(words, {
          onStart: (child) => {
            const mark = kind === 'postgresql' ? 'ON_ERROR_STOP=1 -o' : '#snap-new';
            const watch = whenRuns([CLIENT[kind], basename(server.folder), mark], () => {
              setTimeout(() => child.kill('SIGKILL'), delayMs);
            });
            child.on('exit', () => watch.stop());
          },
        });
        if (run.code === 0) break;
        assert.equal(run.signal, 'SIGKILL');
        assert.equal(server.sql('kept', 'SELECT count(*) FROM mine').trim(), '2', `after ${delayMs} ms`);
        assert.throws(() => server.sql('kept', `SELECT count(*) FROM ${LONG_TABLE[kind]}`));
      }
      await cli.ok(words);
      assert.equal(server.sql('kept', `SELECT count(*) FROM ${LONG_TABLE[kind]}`).trim(), '60000');
      if (kind === 'mariadb') assert.doesNotMatch(server.sql('', 'SHOW DATABASES'), /#snap/);
    });
  });
}

describe('roles of postgresql', { skip: lacks('postgresql') }, () => {
  test('roles are in the snapshot, and what a restore misses is named', async (t) => {
    const [server, other] = [await startServer('postgresql'), await startServer('postgresql')];
    t.after(async () => {
      await server.stop();
      await other.stop();
    });
    const cli = await fixture(t);
    makeDatabase(server, 'app');
    await cli.ok(['backup', cli.source, '--postgres', server.urlOf('app'), '--postgres', other.url]);
    const { stdout } = await cli.ok(['ls', 'latest:/.snap-databases/postgresql']);
    const folders = stdout.trim().split('\n');
    assert.equal(folders.length, 2, stdout);
    const folder = folders.find((one) => one.includes(basename(server.folder))) ?? '';
    const roles = (await cli.ok(['cat', `latest:${folder}/globals.sql`])).stdout;
    assert.match(roles, /CREATE ROLE writer;[\s\S]*SCRAM-SHA-256[\s\S]*database cluster dump complete/);
    const words = ['restore', 'latest', '--database', 'app', '--into', other.url];
    const missing = await cli.run(words);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /role "writer" does not exist[\s\S]*globals\.sql/);
    assert.equal(other.sql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'app'").trim(), '0');
    other.sql('postgres', roles.replaceAll(/^CREATE ROLE owner;$|^ALTER ROLE owner .*$/gm, ''));
    await cli.ok(words);
    assert.equal(other.sql('app', "SELECT tableowner FROM pg_tables WHERE tablename = 'book'").trim(), 'writer');
    assert.equal(existsSync('/.snap-databases'), false);
  });
});
