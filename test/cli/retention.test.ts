/** forget, undelete, tag and pin as somebody at a terminal meets them. */

import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CliFixture, lastJson } from '../support/cli.ts';

/** Three nights of one library. */
async function nights(t: TestContext, more: readonly string[] = []): Promise<CliFixture> {
  const cli = new CliFixture(t);
  mkdirSync(cli.source, { recursive: true });
  writeFileSync(join(cli.source, 'book'), 'Call me Ishmael.');
  await cli.init();
  for (const day of ['01', '02', '03']) {
    await cli.ok(['backup', cli.source, '--time', `2026-01-${day}T02:00:00Z`, '--host', 'shelf', ...more]);
  }
  return cli;
}

test('forget shows its plan, forgets, and undelete brings back', async (t) => {
  const cli = await nights(t);
  const all = await cli.json(['snapshots']);
  const policy = ['forget', '--keep-daily', '2', '--zone', 'UTC'];
  const dry = await cli.ok([...policy, '-n']);
  assert.match(dry.stdout, /keep daily 2.*UTC/);
  assert.match(dry.stdout, /keep 2:\n.*daily\n.*daily/);
  assert.match(dry.stdout, /would forget 1:\n.*2026-01-01/);
  assert.match(dry.stdout, /Dry run/);
  const [group] = await cli.json([...policy, '--dry-run']);
  assert.deepEqual(group.paths, [cli.source]);
  assert.equal(group.zone, 'UTC');
  assert.deepEqual([group.keep.length, group.remove.length], [2, 1]);
  assert.deepEqual(
    group.reasons.map((one: { snapshot: { id: string }; matches: string[] }) => [one.snapshot.id, one.matches]),
    [
      [all[2].id, ['daily snapshot']],
      [all[1].id, ['daily snapshot']],
    ],
  );
  assert.equal((await cli.json(['snapshots'])).length, 3, 'a dry run forgets nothing');
  const real = await cli.ok(policy);
  assert.match(real.stdout, /1 forgotten, 2 kept.*undelete/);
  assert.equal((await cli.json(['snapshots'])).length, 2);
  const gone = await cli.run(['ls', all[0].id]);
  assert.match(gone.stderr, /snap undelete/);
  const [forgotten] = await cli.json(['undelete']);
  assert.equal(forgotten.id, all[0].id);
  assert.ok(Date.parse(forgotten.forgotten_at) > Date.parse('2026-01-01'));
  assert.match((await cli.ok(['undelete'])).stdout, new RegExp(`${all[0].short_id}.*forgotten`));
  assert.match((await cli.ok(['undelete', all[0].short_id])).stdout, /1 brought back/);
  assert.deepEqual(await cli.json(['snapshots']), all);
  assert.match((await cli.ok(['undelete'])).stdout, /No forgotten snapshot/);
  await cli.ok(['forget', 'latest', 'latest~1', '--quiet']);
  assert.equal((await cli.json(['undelete', '--all'])).restored.length, 2);
});

test('21: what forget refuses; 2: what it does not understand', async (t) => {
  const cli = await nights(t, ['--tag', 'nightly']);
  for (const refused of [
    [],
    ['--keep-daily', '0'],
    ['--keep-last', '1', '--keep-tag', 'nigthly'],
    ['--keep-last', '1', '--tag', 'nigthly'],
    ['latest', 'latest~1', 'latest~2'],
  ]) {
    const run = await cli.run(['forget', ...refused]);
    assert.equal(run.code, 21, `${refused.join(' ')}: ${run.stderr}`);
    assert.match(run.stderr, /nothing was forgotten/);
  }
  for (const wrong of [
    ['--keep-daily', 'many'],
    ['--keep-within', '3 weeks'],
    ['--group-by', 'colour'],
    ['--keep-last', '1', '--zone', 'Europe/Atlantis'],
    ['latest', '--keep-last', '1'],
  ]) {
    const run = await cli.run(['forget', ...wrong]);
    assert.equal(run.code, 2, `${wrong.join(' ')}: ${run.stderr}`);
  }
  assert.equal((await cli.json(['snapshots'])).length, 3);
  await cli.ok(['forget', 'latest', 'latest~1', 'latest~2', '--unsafe-allow-remove-all']);
  assert.deepEqual(await cli.json(['snapshots']), []);
});

test('tag and pin edit without changing ids, and a pin protects', async (t) => {
  const cli = await nights(t, ['--tag', 'nightly']);
  const before = await cli.json(['snapshots']);
  const ids = (list: { id: string }[]): string[] => list.map(({ id }) => id);
  const added = await cli.json(['tag', '--add', 'yearbook', '--remove', 'nightly', 'latest~2']);
  assert.deepEqual([added.changed_snapshots, added.snapshots[0].tags], [1, ['yearbook']]);
  assert.match((await cli.ok(['tag', '--set', 'a', '--set', 'b', '--tag', 'nightly'])).stdout, /2 changed/);
  await cli.ok(['tag', '--set-label', 'books', '--host', 'shelf']);
  await cli.ok(['pin', 'latest~1']);
  const after = await cli.json(['snapshots']);
  assert.deepEqual(ids(after), ids(before));
  assert.deepEqual(
    after.map((one: { tags: string[] }) => one.tags),
    [['yearbook'], ['a', 'b'], ['a', 'b']],
  );
  assert.ok(after.every((one: { label: string }) => one.label === 'books'));
  assert.match((await cli.ok(['snapshots'])).stdout, /pinned/);
  assert.deepEqual(ids(await cli.json(['pin'])), [after[1].id]);
  const refused = await cli.run(['forget', 'latest~1']);
  assert.equal(refused.code, 21);
  assert.match(refused.stderr, /pinned/);
  const [group] = await cli.json(['forget', '--keep-last', '1', '--keep-tag', 'yearbook']);
  assert.deepEqual(
    group.reasons.map((one: { matches: string[] }) => one.matches),
    [['last snapshot'], ['pinned'], ['tag yearbook']],
  );
  await cli.ok(['pin', '--remove', 'latest~1']);
  assert.deepEqual(await cli.json(['pin']), []);
  for (const wrong of [['tag'], ['tag', 'latest'], ['tag', '--add', 'x'], ['pin', '--remove']]) {
    assert.equal((await cli.run(wrong)).code, 2, wrong.join(' '));
  }
});

test('trap 23: containers with random host names are one series, and a warning says what to do', async (t) => {
  const cli = new CliFixture(t);
  mkdirSync(cli.source, { recursive: true });
  writeFileSync(join(cli.source, 'book'), 'Call me Ishmael.');
  await cli.init();
  for (const host of ['0123456789ab', 'abcdef012345', '00ff00ff00ff'])
    await cli.ok(['backup', cli.source, '--host', host]);
  const run = await cli.ok(['forget', '--keep-last', '1', '--json']);
  assert.match(run.stderr, /3 host names look random.*SNAP_HOST/);
  const groups = lastJson(run.stdout);
  assert.deepEqual([groups.length, groups[0].keep.length, groups[0].remove.length], [1, 1, 2]);
});

test('trap 22: a backup of an emptied source is kept as suspect, 3; --strict makes it 1, --trust good', async (t) => {
  const cli = await nights(t);
  rmSync(join(cli.source, 'book'));
  const strict = await cli.run(['backup', cli.source, '--strict']);
  assert.equal(strict.code, 1, strict.stderr);
  assert.match(strict.stderr, /source is empty.*no snapshot was saved/);
  assert.equal((await cli.json(['snapshots'])).length, 3);
  const kept = await cli.run(['backup', cli.source, '--host', 'shelf']);
  assert.equal(kept.code, 3, kept.stderr);
  assert.match(kept.stdout, /Snapshot [0-9a-f]{8} saved/);
  assert.match(kept.stderr, /suspect: .*source is empty \(lost 1 of 1 files.*\n.*snap tag --trust [0-9a-f]{8}/);
  const again = await cli.run(['backup', cli.source, '--host', 'shelf', '--json']);
  assert.equal(again.code, 3);
  const summary = lastJson(again.stdout);
  assert.equal(summary.suspect, true);
  assert.match(summary.suspicion, /is empty/);
  const last = (await cli.json(['snapshots'])).at(-1);
  assert.deepEqual([last.id, last.suspect, last.suspicion], [summary.snapshot_id, true, summary.suspicion]);
  assert.match((await cli.ok(['snapshots'])).stdout, /\(suspect\)/);
  const [group] = await cli.json(['forget', '--keep-last', '1', '-n']);
  const flaws = group.reasons.map((one: { flaws: string[] }) => one.flaws);
  assert.deepEqual(flaws, [['suspect'], []], 'the newest good one stays beside the newest suspect one');
  await cli.ok(['tag', '--trust', 'latest']);
  assert.equal((await cli.run(['backup', cli.source, '--host', 'shelf'])).code, 0);
  assert.equal((await cli.run(['backup', cli.source, '--max-shrink', '120'])).code, 2);
});
