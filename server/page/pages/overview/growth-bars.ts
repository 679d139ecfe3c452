/** What the chart of growth draws. Pure. */

import type { GrowthDay } from '../../api-types.ts';

const DAY_MS = 24 * 3600_000;
/** How much taller than the others a bar may be before it is cut off: the first night stores everything. */
const TALLER_MAX = 5;
const DAYS_SHOWN_MAX = 60;

export interface Bar {
  readonly date: string;
  readonly bytes: number;
  /** Of the chart's height. */
  readonly part: number;
  readonly isCut: boolean;
}

export interface Bars {
  readonly bars: readonly Bar[];
  /** What the top of the chart stands for. */
  readonly topBytes: number;
}

/** Days without a snapshot are there, too, with nothing. `days`: the oldest first. */
export function barsOf(days: readonly GrowthDay[]): Bars {
  const all = withEmptyDays(days).slice(-DAYS_SHOWN_MAX);
  const sizes = all.map(({ bytes }) => bytes).filter((bytes) => bytes > 0);
  const most = Math.max(1, ...sizes);
  const others = sizes.filter((bytes) => bytes !== most);
  const usual = Math.max(1, ...others);
  const topBytes = others.length > 0 && most > usual * TALLER_MAX ? usual : most;
  const bars = all.map(({ date, bytes }) => ({
    date,
    bytes,
    part: Math.min(1, bytes / topBytes),
    isCut: bytes > topBytes,
  }));
  return { bars, topBytes };
}

function withEmptyDays(days: readonly GrowthDay[]): { readonly date: string; readonly bytes: number }[] {
  const bytesOn = new Map(days.map(({ date, data_added_packed: bytes }) => [date, bytes]));
  const [first, last] = [days[0]?.date, days.at(-1)?.date];
  if (first === undefined || last === undefined) return [];
  const endMs = Date.parse(last);
  const beginMs = Math.max(Date.parse(first), endMs - (DAYS_SHOWN_MAX - 1) * DAY_MS);
  const all: { date: string; bytes: number }[] = [];
  for (let ms = beginMs; ms <= endMs; ms += DAY_MS) {
    const date = new Date(ms).toISOString().slice(0, 10);
    all.push({ date, bytes: bytesOn.get(date) ?? 0 });
  }
  return all;
}
