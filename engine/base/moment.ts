/** A moment as a person writes it: `2026-03-01`, `2026-03-01T02:00`, `yesterday`, `3 weeks ago`. */

import { EngineError } from './errors.ts';

const DATE =
  /^(\d{4})-(\d{2})(?:-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;
const AGO = /^(\d{1,6}|an?)\s*(second|minute|hour|day|week|month|year)s?\s+ago$/i;

/** The fields of a local date, as Date's constructor takes them: month from 0. */
type Fields = [year: number, month: number, day: number, hour: number, minute: number, second: number, ms: number];

/**
 * Milliseconds since 1970. A bare day or month means its end, in this process's own zone unless one is given; units of a
 * day and more are counted on the calendar, so that `1 day ago` has the same time of day across a change of clocks.
 * INVALID_ARGUMENT for what is no moment.
 */
export function parseMoment(text: string, now: Date): number {
  const words = text.trim().replace(/\s+/g, ' ');
  const found = parseWord(words.toLowerCase(), now) ?? parseAgo(words, now) ?? parseDate(words);
  if (found === undefined) {
    throw new EngineError(
      'INVALID_ARGUMENT',
      `"${text}" is no moment: give a date (2026-03-01), a date and time (2026-03-01T02:00), yesterday, or "3 weeks ago"`,
    );
  }
  return found;
}

function endOfDay(now: Date, days: number): number {
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() + days + 1).getTime() - 1;
}

function parseWord(word: string, now: Date): number | undefined {
  if (word === 'now') return now.getTime();
  if (word === 'today') return endOfDay(now, 0);
  return word === 'yesterday' ? endOfDay(now, -1) : undefined;
}

function parseAgo(text: string, now: Date): number | undefined {
  const match = AGO.exec(text);
  if (match === null) return undefined;
  const count = /^a/i.test(match[1] ?? '') ? 1 : Number(match[1]);
  const fields: Fields = [
    now.getFullYear(),
    now.getMonth(),
    now.getDate(),
    now.getHours(),
    now.getMinutes(),
    now.getSeconds(),
    now.getMilliseconds(),
  ];
  switch ((match[2] ?? '').toLowerCase()) {
    case 'second':
      return now.getTime() - count * 1000;
    case 'minute':
      return now.getTime() - count * 60_000;
    case 'hour':
      return now.getTime() - count * 3_600_000;
    case 'day':
      fields[2] -= count;
      return localTime(fields);
    case 'week':
      fields[2] -= 7 * count;
      return localTime(fields);
    case 'month':
      return monthsBefore(fields, count);
    default:
      return monthsBefore(fields, 12 * count);
  }
}

/** The 31st of a month that has 30 days is its last one. */
function monthsBefore(fields: Fields, months: number): number {
  const [year, month, day] = fields;
  const last = new Date(year, month - months + 1, 0).getDate();
  fields[1] -= months;
  fields[2] = Math.min(day, last);
  return localTime(fields);
}

/** Years below 100 are not taken for those of the last century. */
function localTime([year, month, day, ...time]: Fields): number {
  const date = new Date(2000, 0, 1, ...time);
  date.setFullYear(year, month, day);
  return date.getTime();
}

function parseDate(text: string): number | undefined {
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, year = '', month = '', day, hour, minute = '0', second = '0', fraction = ''] = match;
  const zone = match[8];
  const fields: Fields = [Number(year), Number(month) - 1, Number(day ?? 1), Number(hour ?? 0), Number(minute), 0, 0];
  fields[5] = Number(second);
  fields[6] = Math.floor(Number(`0.${fraction || '0'}`) * 1000);
  if (!exists(fields)) return undefined;
  if (hour !== undefined) return inZone(fields, zone);
  // The end of a day or a month is the last millisecond before the next one.
  const next: Fields = [...fields];
  if (day === undefined) next[1]++;
  else next[2]++;
  return inZone(next, zone) - 1;
}

function exists([year, month, day, hour, minute, second]: Fields): boolean {
  const date = new Date(Date.UTC(2000, 0, 1));
  date.setUTCFullYear(year, month, day);
  return date.getUTCMonth() === month && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
}

function inZone(fields: Fields, zone: string | undefined): number {
  if (zone === undefined) return localTime(fields);
  const [year, month, day, ...time] = fields;
  const date = new Date(Date.UTC(2000, 0, 1, ...time));
  date.setUTCFullYear(year, month, day);
  const offset = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (offset === null) return date.getTime();
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  return date.getTime() - (offset[1] === '-' ? -minutes : minutes) * 60_000;
}
