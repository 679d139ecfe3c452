/** What a snapshot says of the run that made it, whatever the verb. */

import { userInfo } from 'node:os';

export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

/** ISO 8601 in local time with its offset. */
export function isoWithZone(date: Date): string {
  const offset = -date.getTimezoneOffset();
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
  const sign = offset < 0 ? '-' : '+';
  const two = (value: number): string => String(Math.floor(Math.abs(value))).padStart(2, '0');
  return `${local}${sign}${two(offset / 60)}:${two(offset % 60)}`;
}

/** Now, as change times count: nanoseconds since 1970. */
export function nowNs(): bigint {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}
