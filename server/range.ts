/** Ranges of bytes as clients ask for them (RFC 9110). Pure. */

import { ServerError } from './problems.ts';

export interface ByteRange {
  readonly start: number;
  /** The byte behind the last one. */
  readonly end: number;
}

/**
 * Undefined: the whole is asked for. Several ranges at once, which nobody needs, are answered with the whole, as the
 * standard allows; so is a range of another version than `etag`. RANGE_INVALID for what lies behind the end.
 */
export function rangeOf(
  { range, 'if-range': ifRange }: { readonly range?: string | undefined; readonly 'if-range'?: string | undefined },
  { bytes, etag }: { readonly bytes: number; readonly etag: string },
): ByteRange | undefined {
  if (range === undefined || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.replaceAll(' ', ''));
  if (found === null) return undefined;
  const [, first = '', last = ''] = found;
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, bytes - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes : Math.min(bytes, Number(last) + 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  if (start < bytes && start < end) return { start, end };
  throw new ServerError('RANGE_INVALID', `There are ${bytes} bytes, and none from ${start} on`, {
    'content-range': `bytes */${bytes}`,
  });
}
