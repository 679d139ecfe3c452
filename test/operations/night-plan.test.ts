import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  NIGHT_PARTS,
  type NightPart,
  type NightSchedule,
  type NightState,
  PART_STATUSES,
  type PartStatus,
} from '../../engine/operations/night/options.ts';
import { isFailure, nextState, obstacleTo, planNight } from '../../engine/operations/night/plan.ts';
import { type Candidate, Sample } from '../../engine/operations/night/sample.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;
const NOW = Date.parse('2026-11-25T02:00:00Z');

const WEEKLY: NightSchedule = {
  forgets: true,
  pruneEveryMs: 7 * DAY,
  checkEveryMs: 7 * DAY,
  checkParts: 3,
  copies: 1,
  rehearseEveryMs: 7 * DAY,
};

interface DueCase {
  readonly name: string;
  readonly schedule?: Partial<NightSchedule>;
  readonly state?: NightState;
  readonly due: readonly NightPart[];
}

const ALL = [...NIGHT_PARTS];
const without = (...parts: NightPart[]): NightPart[] => ALL.filter((part) => !parts.includes(part));

const DUE: readonly DueCase[] = [
  { name: 'all of it the first time', due: ALL },
  { name: 'nothing to forget without rules', schedule: { forgets: false }, due: without('forget') },
  { name: 'nowhere to copy to', schedule: { copies: 0 }, due: without('copy') },
  {
    name: 'never is never',
    schedule: { pruneEveryMs: undefined, checkEveryMs: undefined, rehearseEveryMs: undefined },
    due: ['backup', 'forget', 'copy'],
  },
  { name: 'pruned yesterday', state: { prunedMs: NOW - DAY }, due: without('prune') },
  { name: 'pruned six days ago', state: { prunedMs: NOW - 6 * DAY }, due: without('prune') },
  { name: 'pruned a week ago', state: { prunedMs: NOW - 7 * DAY }, due: ALL },
  { name: 'a night that begins ten minutes early', state: { prunedMs: NOW - 7 * DAY + HOUR / 6 }, due: ALL },
  {
    name: 'a night that begins half a day early',
    state: { prunedMs: NOW - 7 * DAY + 12 * HOUR },
    due: without('prune'),
  },
  {
    name: 'each day, a night an hour early',
    schedule: { checkEveryMs: DAY },
    state: { checkedMs: NOW - 23 * HOUR },
    due: ALL,
  },
  {
    name: 'each hour, half an hour later',
    schedule: { checkEveryMs: HOUR },
    state: { checkedMs: NOW - HOUR / 2 },
    due: without('check'),
  },
  { name: 'a clock that went back', state: { prunedMs: NOW + DAY, checkedMs: NOW + 1 }, due: ALL },
  {
    name: 'all done yesterday',
    state: { prunedMs: NOW - DAY, checkedMs: NOW - DAY, rehearsedMs: NOW - DAY },
    due: ['backup', 'forget', 'copy'],
  },
];

for (const { name, schedule, state, due } of DUE) {
  test(`planNight: ${name}`, () => {
    const plan = planNight({ ...WEEKLY, ...schedule }, state ?? {}, NOW);
    assert.deepEqual(
      plan.map(({ part }) => part),
      ALL,
      'every part is in the plan, in its order',
    );
    assert.deepEqual(
      plan.filter((one) => one.due).map(({ part }) => part),
      due,
    );
    for (const { why } of plan) assert.notEqual(why, '');
  });
}

test('planNight: parts of the data come round in turn', () => {
  const seen: (string | undefined)[] = [];
  let state: NightState = {};
  for (let night = 0; night < 5; night++) {
    const subset = planNight(WEEKLY, state, NOW).find(({ part }) => part === 'check')?.subset;
    seen.push(subset);
    state = nextState(state, NOW, [{ part: 'check', status: 'done', subset }]);
  }
  assert.deepEqual(seen, ['1/3', '2/3', '3/3', '1/3', '2/3']);
  const fewer = planNight({ ...WEEKLY, checkParts: 2 }, { checkedPart: 7 }, NOW);
  assert.equal(fewer.find(({ part }) => part === 'check')?.subset, '1/2', 'there are fewer parts than there were');
});

interface ObstacleCase {
  readonly before: Partial<Record<NightPart, PartStatus>>;
  /** Parts after it that cannot run. */
  readonly stopped: readonly NightPart[];
}

const OBSTACLES: readonly ObstacleCase[] = [
  { before: { backup: 'done' }, stopped: [] },
  { before: { backup: 'problems' }, stopped: [] },
  { before: { backup: 'suspect' }, stopped: [] },
  { before: { backup: 'damage' }, stopped: ['forget', 'prune'] },
  { before: { backup: 'failed' }, stopped: ['forget', 'prune', 'rehearsal'] },
  { before: { backup: 'skipped' }, stopped: ['forget', 'prune', 'rehearsal'] },
  { before: { backup: 'interrupted' }, stopped: ['forget', 'prune', 'check', 'copy', 'rehearsal'] },
  { before: { backup: 'done', forget: 'failed' }, stopped: ['prune'] },
  { before: { backup: 'done', forget: 'not-due' }, stopped: [] },
  { before: { backup: 'done', prune: 'failed' }, stopped: [] },
  { before: { backup: 'done', check: 'damage' }, stopped: [] },
  { before: { backup: 'done', copy: 'failed' }, stopped: [] },
  { before: { backup: 'done', copy: 'interrupted' }, stopped: ['rehearsal'] },
];

for (const { before, stopped } of OBSTACLES) {
  test(`obstacleTo: after ${JSON.stringify(before)}`, () => {
    const done = Object.entries(before).map(([part, status]) => ({ part: part as NightPart, status }));
    const last = Math.max(...done.map(({ part }) => ALL.indexOf(part)));
    const after = ALL.slice(last + 1);
    assert.deepEqual(
      after.filter((part) => obstacleTo(part, done) !== undefined),
      stopped.filter((part) => after.includes(part)),
    );
  });
}

test('nextState: only what was carried out counts as done', () => {
  const before: NightState = { prunedMs: 1, checkedMs: 2, checkedPart: 1, rehearsedMs: 3 };
  for (const status of PART_STATUSES) {
    const after = nextState(before, NOW, [
      { part: 'prune', status },
      { part: 'check', status, subset: '2/3' },
      { part: 'rehearsal', status },
    ]);
    const isDone = status === 'done' || status === 'problems';
    assert.deepEqual(
      after,
      isDone ? { prunedMs: NOW, checkedMs: NOW, checkedPart: 2, rehearsedMs: NOW } : before,
      status,
    );
  }
});

test('isFailure: unreadable files are none, a rehearsal with problems is one', () => {
  const failures = PART_STATUSES.filter((status) => isFailure('backup', status));
  assert.deepEqual(failures, ['suspect', 'damage', 'failed', 'interrupted', 'skipped']);
  assert.ok(isFailure('rehearsal', 'problems'));
});

test('a sample gives each file the same chance and keeps within its bounds', () => {
  const counts = new Map<number, number>();
  let seed = 1;
  // Park and Miller: the test is the same each time.
  const random = (): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let round = 0; round < 2000; round++) {
    const sample = new Sample({ files: 2, bytes: 100 }, random);
    for (let number = 0; number < 40; number++) sample.offer({ path: Buffer.from([number]), bytes: 10 });
    for (const { path } of sample.take()) counts.set(path[0] ?? 0, (counts.get(path[0] ?? 0) ?? 0) + 1);
  }
  assert.equal(counts.size, 40);
  for (const [number, count] of counts)
    assert.ok(count > 60 && count < 140, `file ${number}: ${count} times, not about 100`);
  const sample = new Sample({ files: 10, bytes: 100 }, random);
  const sizes = [101, 60, 60, 30, 1000];
  for (const bytes of sizes) sample.offer({ path: Buffer.from('x'), bytes });
  const taken: Candidate[] = sample.take();
  assert.ok(taken.length >= 1 && taken.reduce((sum, { bytes }) => sum + bytes, 0) <= 100);
});
