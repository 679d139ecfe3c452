/** Snapshots for retention, and a plain model of it that is slow and says what it means. */

import type { SnapshotId } from '../../engine/base/ids.ts';
import type { RetentionGroup } from '../../engine/operations/forget/plan-retention.ts';
import type { Snapshot } from '../../engine/repository/snapshots.ts';
import { snapshotRecord } from './snapshot-record.ts';

let made = 0;

/** Good, of `/library`, unless told otherwise. */
export function snapshotOf(time: string | number, fields: Partial<Snapshot> = {}): Snapshot {
  const text = typeof time === 'number' ? new Date(time).toISOString() : time;
  const id = (++made).toString(16).padStart(64, '0') as SnapshotId;
  const none = { pinned: false, suspect: false, forgotten: false };
  return { ...snapshotRecord({ time: text, startedNs: BigInt(made) }), ...none, id, ...fields };
}

/** Times of what is kept, oldest first. */
export function keptTimes(groups: readonly RetentionGroup[]): string[] {
  return groups.flatMap((group) => group.keep.map(({ snapshot }) => snapshot.time)).sort();
}

/** What stays and why, as `id: reason, reason`. */
export function keptReasons(groups: readonly RetentionGroup[]): string[] {
  return groups
    .flatMap((group) => group.keep)
    .map(({ snapshot, reasons }) => `${snapshot.id}: ${reasons.map(({ text }) => text).sort()}`)
    .sort();
}

const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** A bucket's name, from the fields of the wall clock as the runtime prints them. */
export function modelBucket(rule: string, zone: string, snapshot: Snapshot): string {
  if (rule === 'last') return snapshot.id;
  let format = FORMATS.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      timeZoneName: 'longOffset',
    });
    FORMATS.set(zone, format);
  }
  const parts = new Map(format.formatToParts(Date.parse(snapshot.time)).map(({ type, value }) => [type, value]));
  const part = (name: string): string => parts.get(name as never) ?? '';
  const [year, month, day] = [part('year'), part('month'), part('day')];
  if (rule === 'yearly') return year;
  if (rule === 'monthly') return `${year}-${month}`;
  if (rule === 'daily') return `${year}-${month}-${day}`;
  if (rule === 'hourly') return `${year}-${month}-${day} ${part('hour')} ${part('timeZoneName')}`;
  return isoWeek(new Date(`${year}-${month}-${day}T00:00:00Z`));
}

/** ISO 8601: the year and week of the week's Thursday. */
export function isoWeek(day: Date): string {
  const thursday = new Date(day.getTime() + (4 - (day.getUTCDay() || 7)) * 86_400_000);
  const year = thursday.getUTCFullYear();
  const days = (thursday.getTime() - Date.UTC(year, 0, 1)) / 86_400_000;
  return `${year}-W${Math.floor(days / 7) + 1}`;
}

/** Ids that one rule keeps, of one group, all times different, none in the future. */
export function modelKeeps(
  snapshots: readonly Snapshot[],
  rule: { readonly name: string; readonly count: number; readonly zone: string },
): Map<string, string> {
  const isGood = (one: Snapshot): boolean => !one.suspect && one.problemCount === 0;
  const ms = (one: Snapshot): number => Date.parse(one.time);
  const bucket = (one: Snapshot): string => modelBucket(rule.name, rule.zone, one);
  const anyGood = snapshots.some(isGood);
  const leading = snapshots.filter((one) => isGood(one) || !anyGood);
  const newestOfBucket = (among: readonly Snapshot[], one: Snapshot): boolean =>
    !among.some((other) => ms(other) > ms(one) && bucket(other) === bucket(one));
  const newerBuckets = (among: readonly Snapshot[], one: Snapshot): number =>
    new Set(among.filter((other) => ms(other) > ms(one)).map(bucket)).size;
  const kept = new Map<string, string>();
  for (const one of leading) {
    if (newestOfBucket(leading, one) && newerBuckets(leading, one) < rule.count) {
      kept.set(one.id, `${rule.name} snapshot`);
    } else if (leading.every((other) => ms(other) >= ms(one)) && new Set(leading.map(bucket)).size < rule.count) {
      kept.set(one.id, `oldest ${rule.name} snapshot`);
    }
  }
  const keptGood = leading.filter(({ id }) => kept.has(id));
  const eligible = snapshots.filter(
    (one) =>
      anyGood &&
      !isGood(one) &&
      !keptGood.some((other) => bucket(other) === bucket(one)) &&
      keptGood.filter((other) => ms(other) > ms(one)).length < rule.count,
  );
  for (const one of eligible) {
    if (newestOfBucket(eligible, one) && newerBuckets(eligible, one) < rule.count) {
      kept.set(one.id, `${rule.name} snapshot`);
    }
  }
  return kept;
}
