/** Parsers of option values; what does not fit is a usage error (exit 2). */

import { InvalidArgumentError } from 'commander';
import {
  GROUP_FIELDS,
  type GroupBy,
  isEngineError,
  parseMoment,
  type RetentionCount,
  type UnusedLimit,
} from '../engine/index.ts';

const UNITS: { readonly [unit: string]: number } = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** `10M`, `2G`, `1.5T`; binary units. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?(?:\/s)?$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('Give a size such as 500K, 10M or 2G.');
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? 1));
}

/** A size or rate that nothing could go on with if it were zero. */
export function parsePositiveSize(text: string): number {
  const size = parseSize(text);
  if (size < 1) throw new InvalidArgumentError('Give a size above zero, such as 500K, 10M or 2G.');
  return size;
}

/** `5%` of what is kept, a size, or `unlimited`. */
export function parseUnused(text: string): UnusedLimit {
  if (text === 'unlimited') return { share: 1 };
  const percent = /^(\d{1,3}(?:\.\d+)?)%$/.exec(text);
  if (percent !== null && Number(percent[1]) <= 100) return { share: Number(percent[1]) / 100 };
  if (/%$/.test(text)) throw new InvalidArgumentError('Give a share such as 5%, a size such as 2G, or unlimited.');
  return { bytes: parseSize(text) };
}

const SECONDS: { readonly [unit: string]: number } = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `0s`, `30m`, `2h`, `1d`; milliseconds. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d+)?)([smhd])$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Give a time such as 0s, 30m, 2h or 1d.');
  return Math.floor(Number(match[1]) * (SECONDS[match[2] ?? ''] ?? 1) * 1000);
}

export function parsePositive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('Give a whole number above zero.');
  return Number(text);
}

export function parseCompression(text: string): number | 'off' {
  if (text === 'off') return 'off';
  const level = Number(text);
  if (!Number.isInteger(level) || level < 1 || level > 19)
    throw new InvalidArgumentError('Give "off" or a level from 1 to 19.');
  return level;
}

export function parseDate(text: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw new InvalidArgumentError('Give a time such as 2026-03-01T02:00.');
  return date;
}

/** A moment in a person's words, as milliseconds since 1970. */
export function parseWhen(text: string): number {
  try {
    return parseMoment(text, new Date());
  } catch (error) {
    if (isEngineError(error, 'INVALID_ARGUMENT')) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** `host,label`; an empty text means that all are one group. */
export function parseGroupBy(text: string): GroupBy {
  if (text === '') return [];
  return text.split(',').map((word) => {
    const field = GROUP_FIELDS.find((known) => known === word.trim());
    if (field === undefined) throw new InvalidArgumentError(`Give some of ${GROUP_FIELDS.join(', ')}.`);
    return field;
  });
}

/** How many a rule keeps. -1 is restic's word for all. */
export function parseRetentionCount(text: string): RetentionCount {
  if (text === 'unlimited' || text === '-1') return 'unlimited';
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError('Give a whole number or "unlimited".');
  return Number(text);
}

export function parsePercent(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*%?$/.exec(text);
  const percent = Number(match?.[1] ?? Number.NaN);
  if (!(percent >= 0 && percent <= 100)) throw new InvalidArgumentError('Give a percentage from 0 to 100.');
  return percent;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `127.0.0.1:8480`, `[::1]:8480`, `:8480` (this machine alone), `0.0.0.0:8480` (everybody). Port 0: any free one. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]*)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new InvalidArgumentError('Give an address such as 127.0.0.1:8480, [::1]:8480 or 0.0.0.0:8480.');
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '127.0.0.1' : host, port };
}

/** `/snap`; without a slash at its end. `/` is the top, and empty. */
export function parseBasePath(text: string): string {
  const path = text.replace(/\/+$/, '');
  if (path !== '' && !/^(?:\/[A-Za-z0-9._~-]+)+$/.test(path)) {
    throw new InvalidArgumentError('Give a path such as /snap.');
  }
  return path;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
