/** `snap restore SNAP --profile NAME`: what a person and a program see of it. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { CliFixture, jsonLines } from '../support/cli.ts';
import { Holder } from '../support/holder.ts';
import { assertAgree, type Machine, machineIn, makeMachine } from '../support/server-machine.ts';

interface Move {
  readonly cli: CliFixture;
  readonly old: Machine;
  readonly new: Machine;
  readonly words: readonly string[];
}

async function given(t: TestContext): Promise<Move> {
  const cli = new CliFixture(t);
  await cli.init();
  const old = makeMachine(join(cli.folder, 'old'));
  const more = new Database(old.database);
  more.exec('CREATE TABLE notes (text TEXT); DROP TABLE feedEpisodes');
  more.prepare('INSERT INTO notes VALUES (?)').run(join(old.library, 'x'));
  more.close();
  await sleep(30);
  await cli.ok(['backup', old.server, old.library, join(old.folder, 'srv/unrelated'), '--profile', 'audiobookshelf']);
  const fresh = machineIn(join(cli.folder, 'new'));
  const words = ['restore', 'latest', '--profile', 'audiobookshelf', '--map', `${old.folder}=${fresh.folder}`];
  return { cli, old, new: fresh, words };
}

test('a server comes up on a new machine in one line, and the account says what was rewritten and what is next', async (t) => {
  const { cli, new: fresh, words } = await given(t);
  const plan = await cli.ok([...words, '--dry-run']);
  assert.equal(existsSync(fresh.folder), false);
  assert.match(plan.stdout, /Dry run of snapshot/);
  const about = `${fresh.database}: paths that would be rewritten\n`;
  assert.ok(plan.stdout.includes(about), plan.stdout);
  assert.match(plan.stdout, /^ {2}libraryFolders\.path +1 row$/m);
  assert.match(plan.stdout, /^ {2}books\.audioFiles +4 rows$/m);
  assert.match(plan.stdout, /^ {2}feedEpisodes\.filePath +is not there in this version$/m);
  assert.match(plan.stdout, /^ {2}notes\.text +1 row with an old path still$/m);
  assert.doesNotMatch(plan.stdout, /Next:/);
  const done = await cli.ok(words);
  assertAgree(fresh);
  assert.ok(done.stdout.includes(`${fresh.database}: paths that were rewritten\n`), done.stdout);
  assert.match(done.stdout, /^ {2}notes\.text +1 row with an old path still$/m);
  assert.match(
    done.stdout,
    /Next:\n {2}1\. Start Audiobookshelf: docker start audiobookshelf.*\n {2}2\. Scan each library once/,
  );
});

test('in JSON: each database, its state, columns, leftovers, and the next steps; exit code 0 although something is left over', async (t) => {
  const { cli, old, new: fresh, words } = await given(t);
  const { server: planned } = await cli.json([...words, '--dry-run']);
  const { server, problem_count } = await cli.json(words);
  assert.equal(problem_count, 0);
  assert.deepEqual([server.profile, server.title, server.folder], ['audiobookshelf', 'Audiobookshelf', old.server]);
  assert.deepEqual(server.paths.sort(), [`${old.server}/config`, `${old.server}/metadata`, old.library].sort());
  const [database] = server.databases;
  assert.deepEqual([database.path, database.state], [fresh.database, 'rewritten']);
  assert.deepEqual(database.leftovers, [{ table: 'notes', column: 'text', values: 1 }]);
  assert.deepEqual(database.missing, [{ table: 'feedEpisodes', column: 'filePath' }]);
  assert.ok(
    database.columns.some(
      (one: { column: string; values: number }) => one.column === 'libraryFiles' && one.values === 4,
    ),
  );
  assert.deepEqual(planned.databases, [{ ...database, state: 'planned' }]);
  assert.deepEqual(planned.checks, []);
  const [checked] = server.checks;
  assert.deepEqual([checked.check, checked.miss_count, checked.rows_checked], ['audiobookshelf-items', 0, 12]);
  assert.deepEqual(
    server.next.map(({ kind }: { kind: string }) => kind),
    ['start', 'afterwards'],
  );
});

test('a book that the snapshot lacks is named by its title once the server is back, and fails nothing', async (t) => {
  const { cli, old, words } = await given(t);
  rmSync(join(old.library, 'Austen/Emma/book.m4b'));
  await cli.ok(['backup', old.server, old.library, join(old.folder, 'srv/unrelated'), '--profile', 'audiobookshelf']);
  const done = await cli.ok(words);
  assert.match(done.stdout, /^Audiobookshelf in .*: 12 files and folders that its database names, 1 amiss$/m);
  assert.match(done.stdout, /^ {2}.*"Austen\/Emma".*book\.m4b$/m);
  const { server } = await cli.json([...words, '--overwrite', 'if-changed']);
  assert.equal(server.checks[0].misses[0].title, 'Austen/Emma');
  const { server: part } = await cli.json([...words, '--overwrite', 'if-changed', '--exclude', '*.jpg']);
  assert.deepEqual(part.checks, [], 'where only a part came back, the snapshot says nothing of it');
});

test('a running server is refused with 21, by its name and how it is stopped', async (t) => {
  const { cli, old } = await given(t);
  const database = new Database(old.database);
  database.exec("UPDATE books SET title = 'x'");
  database.close();
  const holder = await Holder.start(t, old.database);
  const before = readFileSync(old.database);
  const refused = await cli.run(['restore', 'latest', '--profile', 'audiobookshelf', '--in-place']);
  assert.equal(refused.code, 21);
  assert.match(refused.stderr, /in use by process \d+.*Stop Audiobookshelf \(docker stop audiobookshelf/);
  assert.deepEqual(readFileSync(old.database), before);
  await holder.stop();
  const done = await cli.ok(['restore', 'latest', '--profile', 'audiobookshelf', '--in-place']);
  assert.match(done.stdout, /Next:/);
  await cli.ok(['restore', '--rollback']);
  const rows = new Database(old.database, { readonly: true });
  assert.equal(rows.prepare('SELECT title FROM books').pluck().get(), 'x');
  rows.close();
});

test('what contradicts itself is a wrong usage; what is not there is named; without the profile a note says what it would do', async (t) => {
  const { cli, words, old, new: fresh } = await given(t);
  for (const [parameters, code, message] of [
    [[...words, '--map', '/nowhere=/x'], 2, /Nothing of Audiobookshelf lies below \/nowhere/],
    [['restore', 'latest', '--profile', 'komga', '--in-place'], 1, /holds no folder of Komga/],
    [['restore', 'latest', '--profile', 'nothing', '--in-place'], 2, /There is no profile "nothing"/],
    [['restore', '--rollback', '--profile', 'audiobookshelf'], 2, /A rollback/],
    [['restore', 'latest', '--profile', 'audiobookshelf'], 2, /Say where to restore to/],
    [
      ['restore', 'latest', '--profile', 'audiobookshelf', '--database', 'x', '--into', 'postgresql:///x'],
      2,
      /restored alone/,
    ],
  ] as const) {
    const run = await cli.run(parameters);
    assert.equal(run.code, code, run.stderr);
    assert.match(run.stderr, message);
  }
  assert.equal(existsSync(fresh.folder), false);
  const plain = await cli.ok(['restore', 'latest', '--map', `${old.folder}=${fresh.folder}`]);
  assert.match(plain.stderr, /--profile audiobookshelf would rewrite those that --map moves/);
  assert.equal(readdirSync(join(fresh.folder, 'srv')).length, 3);
  const lines = jsonLines((await cli.ok([...words, '--overwrite', 'if-changed', '--json'])).stdout);
  assert.equal(lines.at(-1).server.databases[0].state, 'rewritten');
  assertAgree(fresh);
});
