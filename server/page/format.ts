/** Numbers, sizes and times for people. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const COUNT = new Intl.NumberFormat('en');

export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** `3 files`, `1 file`. */
export function formatItems(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${bytes < 0 ? '−' : ''}${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function formatDuration(seconds: number): string {
  if (seconds < 1) return 'under a second';
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const SHORT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export function formatExact(ms: number): string {
  return EXACT.format(ms);
}

export function formatShort(ms: number): string {
  return SHORT.format(ms);
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });

/** Of a day such as 2026-03-01. */
export function formatDay(date: string): string {
  const ms = Date.parse(date);
  return Number.isNaN(ms) ? date : DAY.format(ms);
}

const STEPS: readonly (readonly [number, Intl.RelativeTimeFormatUnit])[] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  // Weeks would make several nights of a list look alike.
  [30, 'day'],
  [12, 'month'],
  [Number.POSITIVE_INFINITY, 'year'],
];

/** `2 hours ago`, `in 3 days`. */
export function formatRelative(ms: number, nowMs: number): string {
  let value = (ms - nowMs) / 1000;
  // Clocks of two machines differ by a little.
  if (Math.abs(value) < 45) return value > 10 ? 'in a moment' : 'just now';
  for (const [size, unit] of STEPS) {
    if (Math.abs(Math.round(value)) < size) return RELATIVE.format(Math.round(value), unit);
    value /= size;
  }
  return formatShort(ms);
}
