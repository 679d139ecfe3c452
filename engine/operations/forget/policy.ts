/** What a person wants to keep, and whether that can be meant. */

import { EngineError } from '../../base/errors.ts';
import { RETENTION_COUNT_MAX } from '../../base/limits.ts';
import { DATE_MS_MAX, DAY_MS, HOUR_MS, type Zone } from '../../base/zone.ts';
import type { JsonObject } from '../../format/canonical-json.ts';

/** How many snapshots or buckets a rule keeps. */
export type RetentionCount = number | 'unlimited';

/** Rules of which each keeps what it wants: a snapshot goes when none wants it. */
export interface RetentionPolicy {
  readonly keepLast?: RetentionCount | undefined;
  /** The newest snapshot of each of so many hours that have one; days, weeks, months and years likewise. */
  readonly keepHourly?: RetentionCount | undefined;
  readonly keepDaily?: RetentionCount | undefined;
  /** ISO weeks: they begin on Mondays. */
  readonly keepWeekly?: RetentionCount | undefined;
  readonly keepMonthly?: RetentionCount | undefined;
  readonly keepYearly?: RetentionCount | undefined;
  /** All that are no older than this before the newest good one: `1y6m2w3d12h`, any of them. */
  readonly keepWithin?: string | undefined;
  /** All that carry one of these. */
  readonly keepTags?: readonly string[] | undefined;
}

export const COUNT_RULES = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type CountRule = (typeof COUNT_RULES)[number];

/** How many a rule keeps; 0 where it is not part of the policy. */
export function countOf(policy: RetentionPolicy, rule: CountRule): number {
  const counts: { readonly [rule in CountRule]: RetentionCount | undefined } = {
    last: policy.keepLast,
    hourly: policy.keepHourly,
    daily: policy.keepDaily,
    weekly: policy.keepWeekly,
    monthly: policy.keepMonthly,
    yearly: policy.keepYearly,
  };
  const count = counts[rule] ?? 0;
  return count === 'unlimited' ? Number.POSITIVE_INFINITY : count;
}

/**
 * INVALID_ARGUMENT for values that no policy can have; RETENTION_REFUSED for one that keeps nothing, which is a mistake
 * and never a wish (trap 21).
 */
export function requirePolicy(policy: RetentionPolicy): void {
  for (const rule of COUNT_RULES) {
    const count = countOf(policy, rule);
    if (count === Number.POSITIVE_INFINITY || (Number.isInteger(count) && count >= 0 && count <= RETENTION_COUNT_MAX))
      continue;
    throw new EngineError(
      'INVALID_ARGUMENT',
      `keep-${rule} is "unlimited" or a whole number up to ${RETENTION_COUNT_MAX}, not ${count}`,
    );
  }
  const { keepTags = [], keepWithin } = policy;
  if (keepTags.includes('')) throw new EngineError('INVALID_ARGUMENT', 'keep-tag wants a tag, not an empty text');
  if (keepWithin !== undefined) parseSpan(keepWithin);
  if (keepTags.length > 0 || keepWithin !== undefined) return;
  if (COUNT_RULES.some((rule) => countOf(policy, rule) > 0)) return;
  throw new EngineError(
    'RETENTION_REFUSED',
    'The policy keeps nothing, so nothing was forgotten. Say what to keep, such as --keep-daily 7 --keep-monthly 12',
  );
}

/** A length of time on the calendar. */
interface Span {
  readonly months: number;
  readonly days: number;
  readonly hours: number;
}

const SPAN_UNITS: { readonly [unit: string]: Span } = {
  y: { months: 12, days: 0, hours: 0 },
  m: { months: 1, days: 0, hours: 0 },
  w: { months: 0, days: 7, hours: 0 },
  d: { months: 0, days: 1, hours: 0 },
  h: { months: 0, days: 0, hours: 1 },
};

function parseSpan(text: string): Span {
  const span = { months: 0, days: 0, hours: 0 };
  if (!/^(?:\d{1,6}[ymwdh])+$/.test(text)) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `keep-within is made of years, months, weeks, days and hours, such as 1y6m, 2w or 36h, not "${text}"`,
    );
  }
  for (const [, count, unit = ''] of text.matchAll(/(\d+)([ymwdh])/g)) {
    const one = SPAN_UNITS[unit];
    if (one === undefined) continue;
    span.months += Number(count) * one.months;
    span.days += Number(count) * one.days;
    span.hours += Number(count) * one.hours;
  }
  return span;
}

/** The moment a span before another one: months and days on the zone's calendar, hours as they pass. */
export function momentBefore(ms: number, text: string, zone: Zone): number {
  const { months, days, hours } = parseSpan(text);
  const wall = new Date(zone.wallMs(ms));
  if (months > 0 || days > 0) {
    const first = new Date(wall);
    first.setUTCDate(1);
    first.setUTCMonth(first.getUTCMonth() - months);
    // The 31st of a month that has 30 days is its last one.
    const last = new Date(first);
    last.setUTCMonth(last.getUTCMonth() + 1, 0);
    const day = Math.min(wall.getUTCDate(), last.getUTCDate());
    first.setUTCDate(day - days);
    // Further than any calendar reaches back: everything.
    if (!(first.getTime() > 2 * DAY_MS - DATE_MS_MAX)) return Number.NEGATIVE_INFINITY;
    return zone.momentOfWall(first.getTime()) - hours * HOUR_MS;
  }
  return ms - hours * HOUR_MS;
}

/** For the repository's `retention` annotation. */
export function policyJson(policy: RetentionPolicy): JsonObject {
  return {
    keepLast: policy.keepLast ?? 0,
    keepHourly: policy.keepHourly ?? 0,
    keepDaily: policy.keepDaily ?? 0,
    keepWeekly: policy.keepWeekly ?? 0,
    keepMonthly: policy.keepMonthly ?? 0,
    keepYearly: policy.keepYearly ?? 0,
    keepWithin: policy.keepWithin ?? null,
    keepTags: [...new Set(policy.keepTags ?? [])].sort(),
  };
}

/** In words, for people: `last 3, daily 7, within 14d, tag yearbook`. */
export function describePolicy(policy: RetentionPolicy): string {
  const parts = COUNT_RULES.filter((rule) => countOf(policy, rule) > 0).map((rule) => {
    const count = countOf(policy, rule);
    return `${rule} ${count === Number.POSITIVE_INFINITY ? 'unlimited' : count}`;
  });
  if (policy.keepWithin !== undefined) parts.push(`within ${policy.keepWithin}`);
  for (const tag of policy.keepTags ?? []) parts.push(`tag ${tag}`);
  return parts.join(', ');
}
