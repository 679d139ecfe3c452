import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { check } from '../../engine/operations/check/check.ts';
import { restore } from '../../engine/operations/restore/restore.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { createLocation } from '../../engine/storage/open.ts';
import { CliFixture } from '../support/cli.ts';
import { type Random, randomFor, rounds } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const OPEN = ['--insecure-no-password'];
/** A run of the command line on this library takes about so long. */
const RUN_MS = 500;

function makeSource(source: string, random: Random): void {
  mkdirSync(source);
  for (let folder = 0; folder < 12; folder++) {
    mkdirSync(join(source, `folder ${folder}`));
    for (let file = 0; file < 60; file++) {
      writeFileSync(join(source, `folder ${folder}`, `${file}`), random.bytes(50 + random.below(8000)));
    }
  }
  for (let file = 0; file < 4; file++) writeFileSync(join(source, `large ${file}`), random.bytes(3_000_000));
}

/** A little of everything that happens to a library in a day. */
function changeSource(source: string, random: Random, round: number): void {
  const folder = join(source, `folder ${random.below(12)}`);
  const file = join(folder, `${random.below(60)}`);
  switch (random.below(5)) {
    case 0:
      appendFileSync(file, random.bytes(100));
      break;
    case 1:
      rmSync(file, { force: true });
      break;
    case 2:
      writeFileSync(join(folder, `new ${round}`), random.bytes(200_000));
      break;
    case 3:
      appendFileSync(join(source, `large ${random.below(4)}`), random.bytes(500_000));
      break;
    default:
      renameSync(folder, `${folder} moved`);
      renameSync(`${folder} moved`, folder);
  }
}

/** What was left half written is a day old, and so nobody's. */
function ageTemporaries(cli: CliFixture): void {
  const folder = join(cli.repository, 'tmp');
  for (const name of readdirSync(folder)) utimesSync(join(folder, name), 1, 1);
}

async function killed(cli: CliFixture, parameters: readonly string[], afterMs: number): Promise<boolean> {
  const child = cli.spawn([...parameters, ...OPEN]);
  child.stdout?.resume();
  child.stderr?.resume();
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  return code === null;
}

async function opened(cli: CliFixture): Promise<Repository> {
  const backend = await createLocation(cli.repository);
  return Repository.open({ backend, credential: { type: 'none' }, cacheDirectory: cli.cache });
}

async function sound(cli: CliFixture): Promise<void> {
  const { errors } = await check(await opened(cli), { readData: true });
  assert.deepEqual(errors, []);
}

async function comesBack(cli: CliFixture, snapshot: string, expected: ReadonlyMap<string, string>): Promise<void> {
  const target = join(cli.folder, `restored ${snapshot}`);
  const result = await restore(await opened(cli), {
    snapshot,
    path: Buffer.from(cli.source),
    target: Buffer.from(target),
  });
  assert.equal(result.problemCount, 0);
  assert.deepEqual(treeState(target), expected);
  rmSync(target, { recursive: true });
}

async function snapshotIds(cli: CliFixture): Promise<string[]> {
  return (await (await opened(cli)).snapshots.list()).map(({ id }) => id);
}

test('a backup killed at any moment loses nothing: every snapshot listed restores, the next run succeeds', async (t: TestContext) => {
  const random = randomFor(t);
  const cli = new CliFixture(t);
  makeSource(cli.source, random);
  await cli.ok(['init', ...OPEN]);
  const states = new Map<string, ReadonlyMap<string, string>>();
  const note = async (): Promise<void> => {
    const state = treeState(cli.source);
    for (const id of await snapshotIds(cli)) if (!states.has(id)) states.set(id, state);
  };
  let kills = 0;
  for (let round = 0; kills < rounds(150) && round < rounds(400); round++) {
    changeSource(cli.source, random, round);
    if (await killed(cli, ['backup', cli.source], 100 + random.below(RUN_MS))) kills++;
    await note();
    if (round % 25 === 24) {
      ageTemporaries(cli);
      await cli.ok(['backup', cli.source, ...OPEN]);
      await note();
      await sound(cli);
      assert.deepEqual(readdirSync(join(cli.repository, 'tmp')), [], 'the next run removed what was half written');
      assert.deepEqual(readdirSync(join(cli.repository, 'locks')), [], 'and the leases of the dead');
    }
  }
  t.diagnostic(`${kills} kills, ${states.size} snapshots`);
  await sound(cli);
  for (const [id, state] of states) await comesBack(cli, id, state);
});

test('trap 35: a restore killed at any moment and run again ends with the very tree', async (t: TestContext) => {
  const random = randomFor(t);
  const cli = new CliFixture(t);
  makeSource(cli.source, random);
  await cli.ok(['init', ...OPEN]);
  await cli.ok(['backup', cli.source, ...OPEN]);
  const expected = treeState(cli.source);
  const target = join(cli.folder, 'target');
  const parameters = ['restore', `latest:${cli.source}`, '--target', target];
  let kills = 0;
  while (kills < rounds(50)) {
    rmSync(target, { recursive: true, force: true });
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt < 20, 'it comes to an end');
      if (!(await killed(cli, parameters, 150 + attempt * 100 + random.below(RUN_MS)))) break;
      kills++;
    }
    assert.deepEqual(treeState(target), expected);
  }
});
