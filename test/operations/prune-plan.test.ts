import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB, PACK_SMALL_BYTES } from '../../engine/base/limits.ts';
import { type PlanOptions, planPrune } from '../../engine/operations/prune/plan.ts';
import type { PackUsage } from '../../engine/repository/survey.ts';
import { randomFor, rounds } from '../support/random.ts';

const FULL = 24 * MIB;

/** A pack of `bytes` of which a share is live. */
function pack(share: number, fields: Partial<PackUsage> = {}): PackUsage {
  const bytes = fields.bytes ?? FULL;
  const liveBytes = bytes * share;
  return {
    kind: 'data',
    bytes,
    plainBytes: bytes,
    liveBytes,
    liveBlobs: share > 0 ? 10 : 0,
    duplicateBlobs: 0,
    ...fields,
  };
}

interface Case {
  readonly name: string;
  readonly packs: readonly PackUsage[];
  readonly options?: Partial<PlanOptions>;
  readonly drop?: readonly number[];
  readonly repack?: readonly number[];
}

const small = (mib: number, fields: Partial<PackUsage> = {}): PackUsage => pack(1, { bytes: mib * MIB, ...fields });

const CASES: readonly Case[] = [
  { name: 'nothing is there', packs: [] },
  { name: 'all is needed', packs: [pack(1), pack(1)] },
  { name: 'nothing is needed', packs: [pack(0), pack(0)], drop: [0, 1] },
  { name: 'a pack that no segment names', packs: [pack(1), pack(0, { plainBytes: 0 })], drop: [1] },
  { name: 'within the limit', packs: [pack(0.97), pack(1)], options: { maxUnused: { share: 0.05 } } },
  { name: 'above the limit: the worst goes first', packs: [pack(0.9), pack(0.2), pack(1)], repack: [1] },
  { name: 'as many as it takes', packs: [pack(0.5), pack(0.6), pack(0.99)], repack: [0, 1] },
  { name: 'nothing may stay unused', packs: [pack(0.999), pack(1)], options: { maxUnused: { share: 0 } }, repack: [0] },
  { name: 'all may stay unused', packs: [pack(0.01), pack(0)], options: { maxUnused: { share: 1 } }, drop: [1] },
  {
    name: 'a limit in bytes',
    packs: [pack(0.5), pack(0.75)],
    options: { maxUnused: { bytes: 7 * MIB } },
    repack: [0],
  },
  {
    name: 'no more is repacked than may be',
    packs: [pack(0.1), pack(0.2), pack(0.3, { bytes: 2 * MIB })],
    options: { maxRepackBytes: FULL + 3 * MIB },
    repack: [0, 2],
  },
  {
    name: 'nothing but duplicates: read before it goes, whatever the limit',
    packs: [pack(0, { duplicateBlobs: 5 }), pack(1)],
    options: { maxUnused: { share: 1 } },
    repack: [0],
  },
  {
    name: 'small packs are merged once they make one that is not',
    packs: [small(2), small(3), small(2)],
    repack: [0, 1, 2],
  },
  { name: 'small packs that make a small one stay', packs: [small(1), small(2), small(2)] },
  { name: 'a small pack alone stays', packs: [small(5), pack(1)] },
  { name: 'trees and data are never merged', packs: [small(4, { kind: 'tree' }), small(4)] },
  {
    name: 'small packs join what is repacked anyway',
    packs: [pack(0.3), small(0.5), small(0.5)],
    repack: [0, 1, 2],
  },
];

for (const { name, packs, options, drop = [], repack = [] } of CASES) {
  test(`planPrune: ${name}`, () => {
    const plan = planPrune(packs, { maxUnused: { share: 0.05 }, ...options });
    assert.deepEqual({ drop: plan.drop, repack: plan.repack }, { drop, repack });
  });
}

test('planPrune accounts for every pack and byte, keeps what is needed, and stays within its limits', (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(300); round++) {
    const packs = Array.from({ length: random.below(30) }, () =>
      pack([0, 1, random.next()][random.below(3)] ?? 0, {
        bytes: 4096 + random.below([PACK_SMALL_BYTES, FULL][random.below(2)] ?? FULL),
        kind: random.below(3) === 0 ? 'tree' : 'data',
        duplicateBlobs: random.below(4) === 0 ? 3 : 0,
      }),
    );
    const share = random.next();
    const maxRepackBytes = random.below(2) === 0 ? undefined : random.below(100 * MIB);
    const plan = planPrune(packs, { maxUnused: { share }, maxRepackBytes });
    const total = packs.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.equal(plan.kept.packs + plan.dropped.packs + plan.repacked.packs, packs.length);
    assert.equal(plan.kept.bytes + plan.dropped.bytes + plan.repacked.bytes, total);
    assert.equal(new Set([...plan.drop, ...plan.repack]).size, plan.drop.length + plan.repack.length);
    for (const number of plan.drop) {
      assert.ok(packs[number]?.liveBlobs === 0 && packs[number]?.duplicateBlobs === 0);
    }
    assert.ok(plan.repacked.bytes <= (maxRepackBytes ?? total));
    const after = plan.kept.bytes + plan.bytesRewritten;
    if (maxRepackBytes === undefined) assert.ok(plan.bytesUnused <= share * after + packs.length);
  }
});
