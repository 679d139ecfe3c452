import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { SnapshotId } from '../../engine/base/ids.ts';
import { Repository } from '../../engine/repository/repository.ts';
import { openLocation } from '../../engine/storage/open.ts';
import { CliFixture } from '../support/cli.ts';
import { Random } from '../support/random.ts';
import { treeState } from '../support/tree-state.ts';

const OPEN = ['--insecure-no-password'];

/** A repository whose first snapshot is forgotten. */
async function forgotten(t: TestContext): Promise<CliFixture> {
  const cli = new CliFixture(t);
  const random = new Random(5);
  mkdirSync(cli.source);
  writeFileSync(join(cli.source, 'stays'), random.bytes(50_000));
  writeFileSync(join(cli.source, 'goes'), random.bytes(500_000));
  await cli.ok(['init', ...OPEN]);
  const { snapshot_id: snapshot } = await cli.json([
    'backup',
    cli.source,
    '--workers',
    '1',
    '--max-shrink',
    '100',
    ...OPEN,
  ]);
  rmSync(join(cli.source, 'goes'));
  await cli.ok(['backup', cli.source, '--max-shrink', '100', ...OPEN]);
  const backend = await openLocation(cli.repository);
  const repository = await Repository.open({ backend, credential: { type: 'none' }, cacheDirectory: cli.cache });
  const annotations = await repository.snapshots.annotations();
  await annotations.add(repository, { kind: 'forgotten', snapshot: snapshot as SnapshotId, value: true });
  await repository.close();
  return cli;
}

const SUMMARY_KEYS = [
  'packs_kept',
  'packs_repacked',
  'packs_marked',
  'packs_removed',
  'bytes_before',
  'bytes_after',
  'bytes_freed',
];

test('snap prune: the plan with -n, then the very same, then nothing', async (t) => {
  const cli = await forgotten(t);
  const plan = await cli.json(['prune', '-n', '--max-unused', '0%', ...OPEN]);
  for (const key of SUMMARY_KEYS) assert.equal(typeof plan[key], 'number', key);
  assert.equal(plan.message_type, 'summary');
  const shown = await cli.ok(['prune', '--dry-run', '--max-unused', '0%', ...OPEN]);
  assert.match(shown.stdout, /Would repack 1 pack \([^)]* would be copied/);
  assert.match(shown.stdout, /Nothing was changed/);
  const done = await cli.json(['prune', '--max-unused', '0%', ...OPEN]);
  assert.equal(done.packs_repacked, plan.packs_repacked);
  assert.equal(done.bytes_before, plan.bytes_before);
  assert.ok(done.bytes_freed > 490_000);
  assert.equal(done.packs_marked, 0);
  const again = await cli.ok(['prune', '--max-unused', '0%', ...OPEN]);
  assert.match(again.stdout, /^0 packs removed/m);
  await cli.ok(['check', '--read-data', ...OPEN]);
  const target = join(cli.folder, 'target');
  await cli.ok(['restore', `latest:${cli.source}`, '--target', target, ...OPEN]);
  assert.deepEqual(treeState(target), treeState(cli.source));
});

test('snap prune: what may stay unused, what is repacked at most, and wrong values', async (t) => {
  const cli = await forgotten(t);
  assert.equal((await cli.json(['prune', '-n', '--max-unused', 'unlimited', ...OPEN])).packs_repacked, 0);
  assert.equal((await cli.json(['prune', '-n', '--max-unused', '1M', ...OPEN])).packs_repacked, 0);
  assert.equal((await cli.json(['prune', '-n', '--max-repack-size', '1K', ...OPEN])).packs_repacked, 0);
  assert.equal((await cli.json(['prune', '-n', ...OPEN])).packs_repacked, 1);
  for (const wrong of ['101%', 'x', '-1%'])
    assert.equal((await cli.run(['prune', '--max-unused', wrong, ...OPEN])).code, 2);
  for (const wrong of ['5', '1w', '']) assert.equal((await cli.run(['prune', '--grace', wrong, ...OPEN])).code, 2);
  const marked = await cli.json(['prune', '--grace', '1h', ...OPEN]);
  assert.ok(marked.packs_marked > 0 && marked.packs_removed === 0);
  assert.ok((await cli.json(['prune', '--now', ...OPEN])).packs_removed > 0);
  await cli.ok(['check', '--read-data', ...OPEN]);
});
