/**
 * Decides which snapshots a policy keeps, and why. Pure: snapshots, policy, zone and moment go in, data comes out.
 *
 * Good snapshots are judged first, and alone. One with a flaw (suspect, partial, a database that could not be captured)
 * takes no good one's place; it is kept where a good one in its stead would be, each rule counting flawed ones apart.
 * So a week of failing nights costs no good night, and a library that always has one unreadable file is thinned out
 * like any other.
 */

import { EngineError } from '../../base/errors.ts';
import { CLOCK_AHEAD_MS_MAX } from '../../base/limits.ts';
import { DAY_MS, HOUR_MS, type Zone } from '../../base/zone.ts';
import { flawsOf, type SnapshotFlaw } from '../../repository/snapshot-flaws.ts';
import { type Snapshot, sortSnapshots, timeOf } from '../../repository/snapshots.ts';
import { type GroupBy, type GroupKey, groupKeyOf } from './groups.ts';
import { COUNT_RULES, type CountRule, countOf, momentBefore, type RetentionPolicy } from './policy.ts';

export type RetentionRule = CountRule | 'within' | 'tag' | 'pinned' | 'future' | 'newest';

/** Why a snapshot stays. */
export interface KeepReason {
  readonly rule: RetentionRule;
  /** In words: `daily snapshot`, `oldest monthly snapshot`, `within 14d`, `tag yearbook` ... */
  readonly text: string;
}

export interface RetentionDecision {
  readonly snapshot: Snapshot;
  readonly flaws: readonly SnapshotFlaw[];
  /** None: it goes. */
  readonly reasons: readonly KeepReason[];
}

/** Snapshots that are judged together, newest first. */
export interface RetentionGroup {
  readonly key: GroupKey;
  readonly keep: readonly RetentionDecision[];
  readonly remove: readonly RetentionDecision[];
}

export interface RetentionOptions {
  readonly policy: RetentionPolicy;
  /** Hours, days, weeks, months and years are this zone's. */
  readonly zone: Zone;
  readonly nowMs: number;
  /** Default: by label, those without one by their paths. */
  readonly groupBy?: GroupBy | undefined;
}

/** A plan for all groups, in order of their newest snapshots, the newest group last. */
export function planRetention(snapshots: readonly Snapshot[], options: RetentionOptions): RetentionGroup[] {
  const groups = new Map<string, { key: GroupKey; members: Snapshot[] }>();
  for (const snapshot of sortSnapshots(snapshots)) {
    const key = groupKeyOf(snapshot, options.groupBy);
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { key, members: [] };
    // The group that got a snapshot last comes last.
    groups.delete(text);
    groups.set(text, group);
    group.members.push(snapshot);
  }
  return [...groups.values()].map(({ key, members }) => planGroup(key, members, options));
}

class Member {
  readonly snapshot: Snapshot;
  readonly flaws: readonly SnapshotFlaw[];
  readonly ms: number;
  readonly reasons: KeepReason[] = [];

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.flaws = flawsOf(snapshot);
    this.ms = timeOf(snapshot);
    if (Number.isNaN(this.ms)) {
      throw new EngineError('OBJECT_CORRUPT', `Snapshot ${snapshot.id} has no time: "${snapshot.time}" is none`);
    }
  }

  get isGood(): boolean {
    return this.flaws.length === 0;
  }
}

function planGroup(key: GroupKey, oldestFirst: readonly Snapshot[], options: RetentionOptions): RetentionGroup {
  const { policy, zone, nowMs } = options;
  const members = oldestFirst.map((snapshot) => new Member(snapshot)).reverse();
  // What a wrong clock dated ahead would be the newest for years: it stays, and no rule counts it (trap 21).
  const isFuture = (member: Member): boolean => member.ms > nowMs + CLOCK_AHEAD_MS_MAX;
  const present = members.filter((member) => !isFuture(member));
  for (const member of members) {
    if (isFuture(member)) member.reasons.push({ rule: 'future', text: 'dated in the future' });
    if (member.snapshot.pinned) member.reasons.push({ rule: 'pinned', text: 'pinned' });
  }
  const good = present.filter((member) => member.isGood);
  // Where there is no good one, the others are all there is.
  const leading = good.length > 0 ? good : present;
  const following = good.length > 0 ? present.filter((member) => !member.isGood) : [];
  for (const rule of COUNT_RULES) {
    const count = countOf(policy, rule);
    if (count > 0) keepByCount({ rule, count, bucketOf: bucketsOf(rule, zone) }, leading, following);
  }
  keepWithin(present, leading[0], options);
  for (const tag of policy.keepTags ?? []) {
    for (const { snapshot, reasons } of members) {
      if (snapshot.tags.includes(tag)) reasons.push({ rule: 'tag', text: `tag ${tag}` });
    }
  }
  const newest = leading[0];
  if (newest?.reasons.length === 0) {
    newest.reasons.push({ rule: 'newest', text: newest.isGood ? 'newest good snapshot' : 'newest snapshot' });
  }
  const decisions = members.map(({ snapshot, flaws, reasons }): RetentionDecision => ({ snapshot, flaws, reasons }));
  return {
    key,
    keep: decisions.filter(({ reasons }) => reasons.length > 0),
    remove: decisions.filter(({ reasons }) => reasons.length === 0),
  };
}

interface CountedRule {
  readonly rule: CountRule;
  readonly count: number;
  readonly bucketOf: (member: Member) => string | number;
}

/** The newest of each bucket, for as many buckets as the rule counts; both lists newest first. */
function keepByCount(counted: CountedRule, leading: readonly Member[], following: readonly Member[]): void {
  const { rule, count, bucketOf } = counted;
  const taken = new Set<string | number>();
  const keptMs: number[] = [];
  for (const member of leading) {
    if (keptMs.length >= count) break;
    const bucket = bucketOf(member);
    const isFirst = !taken.has(bucket);
    // While there is room the oldest stays as well: what is kept reaches back as far as it can.
    if (!isFirst && member !== leading.at(-1)) continue;
    taken.add(bucket);
    keptMs.push(member.ms);
    member.reasons.push({ rule, text: `${isFirst ? '' : 'oldest '}${rule} snapshot` });
  }
  let kept = 0;
  let newer = 0;
  for (const member of following) {
    while (newer < keptMs.length && (keptMs[newer] ?? 0) > member.ms) newer++;
    if (kept >= count || newer >= count) break;
    const bucket = bucketOf(member);
    if (taken.has(bucket)) continue;
    taken.add(bucket);
    kept++;
    member.reasons.push({ rule, text: `${rule} snapshot` });
  }
}

function bucketsOf(rule: CountRule, zone: Zone): (member: Member) => string | number {
  const wall = ({ ms }: Member): Date => new Date(zone.wallMs(ms));
  switch (rule) {
    case 'last':
      return ({ snapshot }) => snapshot.id;
    case 'hourly':
      // The hour that comes twice when the clocks go back is two hours.
      return ({ ms }) => `${Math.floor(zone.wallMs(ms) / HOUR_MS)} ${zone.offsetMs(ms)}`;
    case 'daily':
      return ({ ms }) => Math.floor(zone.wallMs(ms) / DAY_MS);
    case 'weekly':
      // 1970 began on a Thursday, and ISO weeks begin on Mondays.
      return ({ ms }) => Math.floor((Math.floor(zone.wallMs(ms) / DAY_MS) + 3) / 7);
    case 'monthly':
      return (member) => wall(member).getUTCFullYear() * 12 + wall(member).getUTCMonth();
    case 'yearly':
      return (member) => wall(member).getUTCFullYear();
  }
}

/** Counted back from the newest good one and not from now: a library that rests keeps its history. */
function keepWithin(members: readonly Member[], newest: Member | undefined, options: RetentionOptions): void {
  const { keepWithin: span } = options.policy;
  if (span === undefined || newest === undefined) return;
  const since = momentBefore(newest.ms, span, options.zone);
  for (const member of members) {
    if (member.ms >= since) member.reasons.push({ rule: 'within', text: `within ${span}` });
  }
}
