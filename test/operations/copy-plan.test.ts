import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlobId, SnapshotId } from '../../engine/base/ids.ts';
import { nearestPair, planCopy } from '../../engine/operations/copy/plan.ts';
import type { Snapshot } from '../../engine/repository/snapshots.ts';

function snapshot(number: number, given: Partial<Snapshot> = {}): Snapshot {
  return {
    id: String(number).repeat(64).slice(0, 64) as SnapshotId,
    time: `2026-03-0${number}T02:00:00.000+00:00`,
    startedNs: BigInt(number) * 1_000_000_000n,
    host: 'host',
    user: 'user',
    label: '',
    tags: [],
    paths: [Buffer.from('/srv')],
    parent: undefined,
    tree: Buffer.alloc(16, number) as BlobId,
    mounts: [],
    users: {},
    groups: {},
    rules: {},
    leftOut: { count: 0, content: [] },
    problems: [],
    problemCount: 0,
    databases: [],
    summary: {} as Snapshot['summary'],
    program: 'snap',
    pinned: false,
    suspect: false,
    forgotten: false,
    ...given,
  };
}

/** As a copy lies in another repository: with ids of that one. */
function copyOf(original: Snapshot): Snapshot {
  const id = original.id.replaceAll(/./g, 'f') as SnapshotId;
  return { ...original, id, parent: id, tree: Buffer.alloc(16, 0xee) as BlobId };
}

test('planCopy copies what is wanted and not there, oldest first, and knows copies by what they record', () => {
  const [one, two, three] = [snapshot(1), snapshot(2), snapshot(3)];
  const wanted = new Set([three.id, one.id, two.id]);
  const plan = planCopy(wanted, [three, one, two], [copyOf(two), snapshot(7)]);
  assert.deepEqual(plan.toCopy, [one, three]);
  assert.deepEqual(
    plan.present.map(({ source }) => source),
    [two],
  );
  const few = planCopy(new Set([three.id]), [one, two, three], [copyOf(two)]);
  assert.deepEqual([few.toCopy, few.present], [[three], []]);
  assert.deepEqual(
    few.pairs.map(({ source }) => source),
    [two],
  );
  for (const change of [{ label: 'x' }, { tags: ['x'] }]) {
    const edited = planCopy(new Set([one.id]), [one], [{ ...copyOf(one), ...change }]);
    assert.deepEqual(edited.toCopy, [], 'tags and labels are edited on either side');
  }
  for (const change of [{ host: 'x' }, { startedNs: 5n }, { problemCount: 1 }]) {
    assert.deepEqual(planCopy(new Set([one.id]), [one], [{ ...copyOf(one), ...change }]).toCopy, [one]);
  }
});

test('nearestPair prefers the parent, then the newest of the same paths, then the newest', () => {
  const pair = (source: Snapshot) => ({ source, target: copyOf(source) });
  const other = { paths: [Buffer.from('/other')] };
  const pairs = [pair(snapshot(1)), pair(snapshot(3)), pair(snapshot(2)), pair(snapshot(4, other))];
  assert.equal(nearestPair(snapshot(9, { parent: snapshot(1).id }), pairs), pairs[0]);
  assert.equal(nearestPair(snapshot(9), pairs), pairs[1]);
  assert.equal(nearestPair(snapshot(9, { paths: [Buffer.from('/none')] }), pairs), pairs[3]);
  assert.equal(nearestPair(snapshot(9), []), undefined);
});
