/** Retention as a pure plan: tables of cases, and a property against a plain model. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { DAY_MS, HOUR_MS, Zone } from '../../engine/base/zone.ts';
import { warnOfHosts } from '../../engine/operations/forget/groups.ts';
import { planRetention, type RetentionGroup } from '../../engine/operations/forget/plan-retention.ts';
import { momentBefore, type RetentionPolicy, requirePolicy } from '../../engine/operations/forget/policy.ts';
import type { Snapshot } from '../../engine/repository/snapshots.ts';
import { randomFor, rounds } from '../support/random.ts';
import { isoWeek, keptReasons, keptTimes, modelBucket, modelKeeps, snapshotOf } from '../support/retention.ts';

const NOW_MS = Date.parse('2026-12-01T00:00:00Z');

function plan(snapshots: readonly Snapshot[], policy: RetentionPolicy, zone = 'UTC'): RetentionGroup[] {
  return planRetention(snapshots, { policy, zone: new Zone(zone), nowMs: NOW_MS });
}

interface Case {
  readonly what: string;
  readonly zone: string;
  readonly policy: RetentionPolicy;
  readonly times: readonly string[];
  readonly kept: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: 'the newest of each day, and the oldest while there is room',
    zone: 'UTC',
    policy: { keepDaily: 3 },
    times: ['2026-01-01T01:00Z', '2026-01-01T02:00Z', '2026-01-02T01:00Z', '2026-01-02T02:00Z'],
    kept: ['2026-01-01T01:00Z', '2026-01-01T02:00Z', '2026-01-02T02:00Z'],
  },
  {
    what: 'days without a snapshot do not count',
    zone: 'UTC',
    policy: { keepDaily: 2 },
    times: ['2025-01-01T01:00Z', '2025-06-01T02:00Z', '2026-01-02T01:00Z'],
    kept: ['2025-06-01T02:00Z', '2026-01-02T01:00Z'],
  },
  {
    what: 'clocks go forward: 23:30 of the short day is the same day as its 00:30',
    zone: 'Europe/Berlin',
    policy: { keepDaily: 2 },
    times: ['2026-03-28T23:30+01:00', '2026-03-29T00:30+01:00', '2026-03-29T23:30+02:00', '2026-03-30T00:30+02:00'],
    kept: ['2026-03-29T23:30+02:00', '2026-03-30T00:30+02:00'],
  },
  {
    what: 'clocks go forward: the hours around the gap are neighbours',
    zone: 'Europe/Berlin',
    policy: { keepHourly: 2 },
    times: ['2026-03-29T01:10+01:00', '2026-03-29T01:50+01:00', '2026-03-29T03:10+02:00'],
    kept: ['2026-03-29T01:50+01:00', '2026-03-29T03:10+02:00'],
  },
  {
    what: 'clocks go back: the long day is one day',
    zone: 'Europe/Berlin',
    policy: { keepDaily: 2 },
    times: ['2026-10-24T23:30+02:00', '2026-10-25T00:30+02:00', '2026-10-25T23:30+01:00', '2026-10-26T00:30+01:00'],
    kept: ['2026-10-25T23:30+01:00', '2026-10-26T00:30+01:00'],
  },
  {
    what: 'clocks go back: the hour that comes twice is two hours',
    zone: 'Europe/Berlin',
    policy: { keepHourly: 3 },
    times: ['2026-10-25T01:30+02:00', '2026-10-25T02:10+02:00', '2026-10-25T02:30+02:00', '2026-10-25T02:30+01:00'],
    kept: ['2026-10-25T01:30+02:00', '2026-10-25T02:30+02:00', '2026-10-25T02:30+01:00'],
  },
  {
    what: 'the same snapshots in New York fall on other days than in UTC',
    zone: 'America/New_York',
    policy: { keepDaily: 2 },
    times: ['2026-11-01T03:00Z', '2026-11-01T05:00Z', '2026-11-02T04:59Z', '2026-11-02T05:00Z'],
    kept: ['2026-11-02T04:59Z', '2026-11-02T05:00Z'],
  },
  {
    what: "clocks that go back one minute after midnight (St. John's) show the new day twice",
    zone: 'America/St_Johns',
    policy: { keepDaily: 2 },
    times: ['2006-10-28T12:00-02:30', '2006-10-29T00:00:30-02:30', '2006-10-28T23:30-03:30', '2006-10-29T12:00-03:30'],
    kept: ['2006-10-28T23:30-03:30', '2006-10-29T12:00-03:30'],
  },
  {
    what: 'half an hour of daylight saving (Lord Howe)',
    zone: 'Australia/Lord_Howe',
    policy: { keepHourly: 2 },
    times: ['2026-04-05T01:10+11:00', '2026-04-05T01:45+11:00', '2026-04-05T01:45+10:30'],
    kept: ['2026-04-05T01:45+11:00', '2026-04-05T01:45+10:30'],
  },
  {
    what: 'a day that an island left out (Apia)',
    zone: 'Pacific/Apia',
    policy: { keepDaily: 2 },
    times: ['2011-12-29T12:00-10:00', '2011-12-29T23:59-10:00', '2011-12-31T00:01+14:00'],
    kept: ['2011-12-29T23:59-10:00', '2011-12-31T00:01+14:00'],
  },
  {
    what: 'leap day: a day, and the end of its month',
    zone: 'UTC',
    policy: { keepDaily: 2, keepMonthly: 2 },
    times: ['2024-02-28T12:00Z', '2024-02-29T12:00Z', '2024-03-01T12:00Z'],
    kept: ['2024-02-29T12:00Z', '2024-03-01T12:00Z'],
  },
  {
    what: 'ISO weeks begin on Mondays',
    zone: 'UTC',
    policy: { keepWeekly: 2 },
    times: ['2026-01-04T23:00Z', '2026-01-05T01:00Z', '2026-01-11T23:00Z', '2026-01-12T00:00Z'],
    kept: ['2026-01-11T23:00Z', '2026-01-12T00:00Z'],
  },
  {
    what: 'an ISO week lies in two years, and counts once',
    zone: 'UTC',
    policy: { keepWeekly: 2 },
    times: ['2024-12-29T12:00Z', '2024-12-30T12:00Z', '2024-12-31T12:00Z', '2025-01-01T12:00Z', '2025-01-05T12:00Z'],
    kept: ['2024-12-29T12:00Z', '2025-01-05T12:00Z'],
  },
  {
    what: 'week 53',
    zone: 'UTC',
    policy: { keepWeekly: 2 },
    times: ['2020-12-27T12:00Z', '2020-12-28T12:00Z', '2021-01-03T12:00Z', '2021-01-04T12:00Z'],
    kept: ['2021-01-03T12:00Z', '2021-01-04T12:00Z'],
  },
  {
    what: 'years end with the zone',
    zone: 'Pacific/Auckland',
    policy: { keepYearly: 2 },
    times: ['2025-12-31T10:00Z', '2025-12-31T12:00Z', '2026-06-01T00:00Z'],
    kept: ['2025-12-31T10:00Z', '2026-06-01T00:00Z'],
  },
  {
    what: 'unlimited keeps one of each',
    zone: 'UTC',
    policy: { keepMonthly: 'unlimited' },
    times: ['2025-01-01T00:00Z', '2025-02-01T00:00Z', '2025-02-02T00:00Z', '2026-02-02T00:00Z'],
    kept: ['2025-01-01T00:00Z', '2025-02-02T00:00Z', '2026-02-02T00:00Z'],
  },
  {
    what: 'keep-last counts snapshots',
    zone: 'UTC',
    policy: { keepLast: 2 },
    times: ['2026-01-01T01:00Z', '2026-01-01T02:00Z', '2026-01-01T02:00:01Z'],
    kept: ['2026-01-01T02:00Z', '2026-01-01T02:00:01Z'],
  },
  {
    what: 'keep-within is counted back from the newest, across a change of clocks by the calendar',
    zone: 'Europe/Berlin',
    policy: { keepWithin: '1d' },
    times: ['2026-03-28T11:59+01:00', '2026-03-28T12:00+01:00', '2026-03-29T12:00+02:00'],
    kept: ['2026-03-28T12:00+01:00', '2026-03-29T12:00+02:00'],
  },
  {
    what: 'a month before the 31st of March is the end of February',
    zone: 'UTC',
    policy: { keepWithin: '1m' },
    times: ['2024-02-29T11:59Z', '2024-02-29T12:00Z', '2024-03-31T12:00Z'],
    kept: ['2024-02-29T12:00Z', '2024-03-31T12:00Z'],
  },
  {
    what: 'snapshots of the future stay, and take nobody’s place (trap 21)',
    zone: 'UTC',
    policy: { keepLast: 1, keepWithin: '2d' },
    times: ['2026-11-01T00:00Z', '2026-11-30T00:00Z', '2026-12-01T00:30Z', '2026-12-01T01:01Z', '2099-01-01T00:00Z'],
    kept: ['2026-11-30T00:00Z', '2026-12-01T00:30Z', '2026-12-01T01:01Z', '2099-01-01T00:00Z'],
  },
];

for (const { what, zone, policy, times, kept } of CASES) {
  test(`retention: ${what}`, () => {
    const groups = plan(
      times.map((time) => snapshotOf(time)),
      policy,
      zone,
    );
    assert.deepEqual(keptTimes(groups), [...kept].sort());
  });
}

test('trap 24: the same nights give the same plan in summer and winter, whatever zone wrote the times', () => {
  for (const zone of ['Europe/Berlin', 'America/New_York', 'Australia/Sydney', 'UTC']) {
    // Each night at half past two by UTC for two years, so that both changes of clocks are crossed.
    const nights = Array.from({ length: 700 }, (_, night) => NOW_MS - (night + 1) * DAY_MS + 2.5 * HOUR_MS);
    const groups = plan(
      nights.map((ms) => snapshotOf(ms)),
      { keepDaily: 600 },
      zone,
    );
    assert.equal(groups[0]?.keep.length, 600, zone);
  }
});

function flawed(time: string, flaw: 'suspect' | 'partial' | 'database'): Snapshot {
  if (flaw === 'suspect') return snapshotOf(time, { suspect: true, suspicion: 'empty' });
  if (flaw === 'partial') return snapshotOf(time, { problemCount: 1 });
  const database = { path: Buffer.from('/db'), kind: 'sqlite', bytes: 1, check: 'unverified', durationSeconds: 0 };
  return snapshotOf(time, { databases: [{ ...database, details: {} }] });
}

for (const flaw of ['suspect', 'partial', 'database'] as const) {
  test(`trap 22: ${flaw} snapshots never push a good one out`, () => {
    const good = ['2026-01-01T02:00Z', '2026-01-02T02:00Z', '2026-01-03T02:00Z'];
    const bad = Array.from({ length: 60 }, (_, night) => new Date(Date.UTC(2026, 0, 4 + night, 2)).toISOString());
    const snapshots = [...good.map((time) => snapshotOf(time)), ...bad.map((time) => flawed(time, flaw))];
    for (const policy of [{ keepLast: 2 }, { keepDaily: 2 }]) {
      const times = keptTimes(plan(snapshots, policy));
      assert.deepEqual(times, ['2026-01-02T02:00Z', '2026-01-03T02:00Z', ...bad.slice(-2)]);
    }
    const [group] = plan(snapshots, { keepWithin: '1d' });
    assert.deepEqual(keptTimes(group === undefined ? [] : [group]), [...good.slice(1), ...bad]);
  });
}

test('a flawed snapshot goes where a good one in its place would go, or where a good one stands for its bucket', () => {
  const snapshots = [
    flawed('2026-01-01T02:00Z', 'partial'),
    snapshotOf('2026-01-02T02:00Z'),
    snapshotOf('2026-01-03T02:00Z'),
    flawed('2026-01-03T03:00Z', 'partial'),
    flawed('2026-01-04T02:00Z', 'partial'),
  ];
  assert.deepEqual(keptTimes(plan(snapshots, { keepDaily: 2 })), [
    '2026-01-02T02:00Z',
    '2026-01-03T02:00Z',
    '2026-01-04T02:00Z',
  ]);
});

test('where all are partial they are thinned out like good ones', () => {
  const times = Array.from({ length: 30 }, (_, night) => new Date(Date.UTC(2026, 0, 1 + night)).toISOString());
  const policy = { keepDaily: 3, keepMonthly: 2 };
  const partial = keptTimes(
    plan(
      times.map((time) => flawed(time, 'partial')),
      policy,
    ),
  );
  assert.deepEqual(
    partial,
    keptTimes(
      plan(
        times.map((time) => snapshotOf(time)),
        policy,
      ),
    ),
  );
});

test('the newest good one of a group never goes, nor the newest where none is good', () => {
  const label = (name: string): Partial<Snapshot> => ({ label: name });
  const snapshots = [
    snapshotOf('2026-01-01T00:00Z', { tags: ['yearbook'], label: 'a' }),
    snapshotOf('2026-01-02T00:00Z', label('a')),
    snapshotOf('2026-01-03T00:00Z', { label: 'a', suspect: true }),
    snapshotOf('2026-01-01T00:00Z', label('b')),
    snapshotOf('2026-01-02T00:00Z', { label: 'c', problemCount: 1 }),
    snapshotOf('2026-01-01T00:00Z', { label: 'c', problemCount: 1 }),
  ];
  const groups = plan(snapshots, { keepTags: ['yearbook'] });
  const kept = groups.map(({ key, keep }) => [
    key.label,
    keep.map(({ snapshot, reasons }) => [snapshot.time, reasons.map(({ text }) => text)]),
  ]);
  assert.deepEqual(Object.fromEntries(kept), {
    a: [
      ['2026-01-02T00:00Z', ['newest good snapshot']],
      ['2026-01-01T00:00Z', ['tag yearbook']],
    ],
    b: [['2026-01-01T00:00Z', ['newest good snapshot']]],
    c: [['2026-01-02T00:00Z', ['newest snapshot']]],
  });
});

test('pinned ones stay, and each kept snapshot names all its rules', () => {
  const snapshots = [
    snapshotOf('2025-01-01T00:00Z', { pinned: true }),
    snapshotOf('2026-01-01T00:00Z', { tags: ['yearbook'] }),
    snapshotOf('2026-01-02T00:00Z'),
  ];
  const [group] = plan(snapshots, { keepLast: 1, keepDaily: 1, keepWithin: '12h', keepTags: ['yearbook'] });
  assert.deepEqual(
    group?.keep.map(({ reasons }) => reasons.map(({ rule }) => rule)),
    [['last', 'daily', 'within'], ['tag'], ['pinned']],
  );
  assert.deepEqual(
    group?.keep[0]?.reasons.map(({ text }) => text),
    ['last snapshot', 'daily snapshot', 'within 12h'],
  );
});

test('trap 23: groups are by label, else by paths and never by host; other fields when they are asked for', () => {
  const paths = [Buffer.from('/b'), Buffer.from('/a')];
  const snapshots = [
    snapshotOf('2026-01-01T00:00Z', { host: '0123456789ab', paths }),
    snapshotOf('2026-01-02T00:00Z', { host: 'ba9876543210', paths: [...paths].reverse() }),
    snapshotOf('2026-01-03T00:00Z', { host: 'shelf', label: 'books', paths }),
    snapshotOf('2026-01-04T00:00Z', { host: 'shelf', label: 'books' }),
  ];
  const keys = (groupBy?: readonly ('host' | 'label' | 'tags' | 'paths')[]): unknown[] =>
    planRetention(snapshots, { policy: { keepLast: 1 }, zone: new Zone('UTC'), nowMs: NOW_MS, groupBy }).map(
      ({ key, keep, remove }) => [key, keep.length, remove.length],
    );
  assert.deepEqual(keys(), [
    [{ paths: ['/a', '/b'] }, 1, 1],
    [{ label: 'books' }, 1, 1],
  ]);
  assert.deepEqual(keys(['host']), [
    [{ host: '0123456789ab' }, 1, 0],
    [{ host: 'ba9876543210' }, 1, 0],
    [{ host: 'shelf' }, 1, 1],
  ]);
  assert.deepEqual(keys([]), [[{}, 1, 3]]);
  assert.match(warnOfHosts(snapshots, undefined) ?? '', /2 host names look random.*SNAP_HOST/);
  assert.match(warnOfHosts(snapshots, ['host']) ?? '', /never goes/);
  assert.equal(warnOfHosts(snapshots.slice(1), undefined), undefined);
  const pods = ['snap-7d9f8b6c5d-x2x4z', 'snap-7d9f8b6c5d-abcde'].map((host) => snapshotOf(0, { host }));
  assert.notEqual(warnOfHosts(pods, undefined), undefined);
});

test('trap 21: a policy that keeps nothing is refused, and so is one that cannot be meant', () => {
  for (const policy of [{}, { keepLast: 0 }, { keepDaily: 0, keepTags: [] }]) {
    assert.throws(() => requirePolicy(policy), { code: 'RETENTION_REFUSED' });
  }
  const wrong: readonly RetentionPolicy[] = [
    { keepLast: -1 },
    { keepDaily: 1.5 },
    { keepDaily: Number.NaN },
    { keepLast: 1e9 },
    { keepTags: [''] },
    { keepWithin: '' },
    { keepWithin: '3 weeks' },
    { keepWithin: '5' },
    { keepWithin: '-1d' },
  ];
  for (const policy of wrong) {
    assert.throws(
      () => requirePolicy({ keepLast: 1, ...policy }),
      { code: 'INVALID_ARGUMENT' },
      JSON.stringify(policy),
    );
  }
  requirePolicy({ keepYearly: 'unlimited' });
  requirePolicy({ keepWithin: '1y6m2w3d12h' });
  assert.throws(() => new Zone('Europe/Atlantis'), { code: 'INVALID_ARGUMENT' });
});

test('spans go back on the calendar of the zone, and further than any calendar', () => {
  const berlin = new Zone('Europe/Berlin');
  const before = (time: string, span: string): string =>
    new Date(momentBefore(Date.parse(time), span, berlin)).toISOString();
  assert.equal(before('2026-03-30T02:30+02:00', '1d'), '2026-03-29T00:30:00.000Z', 'a time that the clocks skipped');
  assert.equal(before('2026-10-26T02:30+01:00', '1d'), '2026-10-25T00:30:00.000Z', 'the first of two');
  assert.equal(before('2026-10-26T02:30+01:00', '24h'), '2026-10-25T01:30:00.000Z');
  assert.equal(before('2028-02-29T12:00+01:00', '1y'), '2027-02-28T11:00:00.000Z');
  assert.equal(before('2026-01-01T00:00+01:00', '1w2d1h'), '2025-12-22T22:00:00.000Z');
  assert.equal(momentBefore(0, '999999y', berlin), Number.NEGATIVE_INFINITY);
});

test('a snapshot whose time cannot be read is not guessed about', () => {
  assert.throws(
    () => plan([snapshotOf('soon')], { keepLast: 1 }),
    (error) => isEngineError(error, 'OBJECT_CORRUPT'),
  );
});

test('the model agrees about ISO weeks', () => {
  for (const [day, week] of [
    ['2020-12-31', '2020-W53'],
    ['2021-01-03', '2020-W53'],
    ['2021-01-04', '2021-W1'],
    ['2024-12-30', '2025-W1'],
    ['2026-01-01', '2026-W1'],
  ] as const) {
    assert.equal(isoWeek(new Date(`${day}T00:00:00Z`)), week);
  }
});

const ZONES = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Pacific/Apia'];
const RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;

test('retention does what a plain model does, for random histories, policies and zones', (t) => {
  const random = randomFor(t);
  for (let round = 0; round < rounds(150); round++) {
    const zone = ZONES[random.below(ZONES.length)] ?? 'UTC';
    // Steps from minutes to months, often around a change of clocks.
    const step = [10 * 60_000, HOUR_MS / 2, 5 * HOUR_MS, DAY_MS, 9 * DAY_MS][random.below(5)] ?? DAY_MS;
    let ms = Date.parse(random.below(2) === 0 ? '2026-03-31T00:00Z' : '2026-11-03T00:00Z');
    const badShare = [0, 0.1, 0.5, 1][random.below(4)] ?? 0;
    const snapshots = Array.from({ length: 1 + random.below(60) }, () => {
      ms -= 1 + Math.floor(random.next() * 2 * step);
      return snapshotOf(ms, random.next() < badShare ? { suspect: random.below(2) === 0, problemCount: 1 } : {});
    });
    const counts = RULES.map((rule) => ({ name: rule, zone, count: random.below(3) === 0 ? random.below(12) : 0 }));
    const expected = new Map<string, string[]>();
    for (const rule of counts) {
      if (rule.count === 0) continue;
      for (const [id, reason] of modelKeeps(snapshots, rule)) expected.set(id, [...(expected.get(id) ?? []), reason]);
    }
    const anyGood = snapshots.some((one) => one.problemCount === 0);
    const newest = snapshots.find((one) => !anyGood || one.problemCount === 0);
    if (newest !== undefined && !expected.has(newest.id)) {
      expected.set(newest.id, [anyGood ? 'newest good snapshot' : 'newest snapshot']);
    }
    const [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly] = counts.map(({ count }) => count);
    const shuffled = [...snapshots].sort(() => random.next() - 0.5);
    const policy = { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly };
    const groups = plan(shuffled, policy, zone);
    const model = [...expected].map(([id, reasons]) => `${id}: ${reasons.sort()}`).sort();
    assert.deepEqual(keptReasons(groups), model, `round ${round}, ${zone}, ${JSON.stringify(policy)}`);
    assert.equal(groups[0]?.remove.length, snapshots.length - model.length);
  }
});

test('10,000 snapshots are planned in a moment', () => {
  const snapshots = Array.from({ length: 10_000 }, (_, hour) => snapshotOf(NOW_MS - hour * HOUR_MS));
  const begunMs = performance.now();
  const policy = { keepHourly: 48, keepDaily: 30, keepWeekly: 12, keepMonthly: 24, keepYearly: 10, keepWithin: '2d' };
  const [group] = plan(snapshots, policy, 'Europe/Berlin');
  const durationMs = performance.now() - begunMs;
  assert.ok(durationMs < 2000, `${durationMs} ms`);
  assert.equal((group?.keep.length ?? 0) + (group?.remove.length ?? 0), 10_000);
  const days = new Set(group?.keep.map(({ snapshot }) => modelBucket('daily', 'Europe/Berlin', snapshot)));
  assert.ok(days.size >= 30);
});
