import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { SAFETY_LABEL } from '../../engine/repository/snapshots.ts';
import { CliFixture } from '../support/cli.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';
import { makeShelf, readShelf } from '../support/sqlite-writer.ts';
import { treeState } from '../support/tree-state.ts';

const OPEN = ['--insecure-no-password'];

function makeSource(source: string, random: Random): void {
  mkdirSync(source);
  for (let folder = 0; folder < 8; folder++) {
    mkdirSync(join(source, `folder ${folder}`));
    for (let file = 0; file < 40; file++) {
      writeFileSync(join(source, `folder ${folder}`, `${file}`), random.bytes(50 + random.below(8000)));
    }
  }
  for (let file = 0; file < 3; file++) writeFileSync(join(source, `large ${file}`), random.bytes(5_000_000));
}

/** What went wrong: files edited, gone and added, and a server that wrote on. */
function vandalise(source: string, random: Random, round: number): void {
  for (let count = 0; count < 30; count++) {
    const folder = join(source, `folder ${random.below(8)}`);
    if (!existsSync(folder)) continue;
    const file = join(folder, `${random.below(40)}`);
    if (random.below(3) === 0) rmSync(file, { force: true });
    else appendFileSync(file, random.bytes(100));
  }
  rmSync(join(source, `folder ${random.below(8)}`), { recursive: true, force: true });
  const large = readFileSync(join(source, 'large 1'));
  large.writeUInt8(random.below(256), random.below(large.length));
  writeFileSync(join(source, 'large 1'), large);
  mkdirSync(join(source, `extra ${round}`, 'deep'), { recursive: true });
  for (let count = 0; count < 40; count++) writeFileSync(join(source, `extra ${round}`, 'deep', `${count}`), 'x');
  const database = new Database(join(source, 'server.db'));
  const last = Number(database.prepare('SELECT max(number) FROM sequence').pluck().get());
  database.transaction(() => {
    for (let count = 1; count <= 5; count++) database.prepare('INSERT INTO sequence VALUES (?)').run(last + count);
  })();
  database.close();
}

/** The files but the database, whose bytes are not those of the live one. */
function filesOf(folder: string): Map<string, string> {
  const state = treeState(folder);
  for (const name of [...state.keys()])
    if (name.startsWith('server.db') || name.startsWith('.snap')) state.delete(name);
  return state;
}

async function killed(cli: CliFixture, parameters: readonly string[], afterMs: number): Promise<boolean> {
  const child = cli.spawn([...parameters, ...OPEN]);
  child.stdout?.resume();
  let told = '';
  child.stderr?.on('data', (text: Buffer) => {
    told += text.toString();
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  if (code !== null) assert.equal(code, 0, told);
  return code === null;
}

/** A copy, so that SQLite tidies nothing up that the next run is to find. */
function commitsOf(cli: CliFixture): number {
  const copy = join(cli.folder, 'look');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  for (const name of readdirSync(cli.source)) {
    if (name.startsWith('server.db')) cpSync(join(cli.source, name), join(copy, name));
  }
  return readShelf(join(copy, 'server.db')).commits;
}

for (const journalMode of ['wal', 'delete'] as const) {
  test(`trap 35: a restore in place killed at any moment and run again ends with the very tree, ${journalMode}`, async (t: TestContext) => {
    const random = randomFor(t);
    const cli = new CliFixture(t);
    makeSource(cli.source, random);
    makeShelf(join(cli.source, 'server.db'), { journalMode });
    await cli.ok(['init', ...OPEN]);
    await sleep(30);
    await cli.ok(['backup', cli.source, ...OPEN]);
    const good = filesOf(cli.source);
    const commits = commitsOf(cli);
    const restore = ['restore', 'latest', '--in-place', '--delete'];
    let kills = 0;
    let safe = 0;
    for (let round = 0; kills < rounds(12); round++) {
      vandalise(cli.source, random, round);
      const bad = { files: filesOf(cli.source), commits: commitsOf(cli) };
      const before = new Set((await snapshots(cli)).map(({ id }) => id));
      for (let attempt = 0; ; attempt++) {
        assert.ok(attempt < 30, 'it comes to an end');
        if (!(await killed(cli, restore, 300 + attempt * 150 + random.below(1500)))) break;
        kills++;
        const found = commitsOf(cli);
        assert.ok(found === commits || found === bad.commits, `${found} commits are of no moment`);
      }
      assert.deepEqual(filesOf(cli.source), good);
      assert.equal(commitsOf(cli), commits);
      assert.deepEqual(
        readdirSync(cli.source).filter((name) => /^\.snap|-wal$|-shm$|-journal$|before-restore$/.test(name)),
        [],
      );
      const [first] = (await snapshots(cli)).filter(({ id, label }) => label === SAFETY_LABEL && !before.has(id));
      assert.ok(first !== undefined, 'a safety snapshot was taken before the first change');
      if (round % 3 > 0) continue;
      const target = join(cli.folder, 'before');
      await cli.ok(['restore', `${first.id}:${cli.source}`, '--target', target, ...OPEN]);
      assert.deepEqual(filesOf(target), bad.files);
      assert.equal(readShelf(join(target, 'server.db')).commits, bad.commits);
      rmSync(target, { recursive: true });
      safe++;
    }
    t.diagnostic(`${kills} kills, ${safe} safety snapshots restored`);
  });
}

async function snapshots(cli: CliFixture): Promise<{ readonly id: string; readonly label: string }[]> {
  return JSON.parse((await cli.ok(['snapshots', '--json', ...OPEN])).stdout);
}
