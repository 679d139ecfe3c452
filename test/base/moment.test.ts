import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../engine/base/errors.ts';
import { parseMoment } from '../../engine/base/moment.ts';

/** In Berlin, where clocks go forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00. */
function inBerlin(act: () => void): void {
  const before = process.env['TZ'];
  process.env['TZ'] = 'Europe/Berlin';
  try {
    act();
  } finally {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  }
}

const NOW = '2026-03-31T12:34:56.789+02:00';

/** What is written, and the moment as ISO 8601. */
const MOMENTS: readonly (readonly [string, string])[] = [
  ['2026-03-01', '2026-03-01T23:59:59.999+01:00'],
  ['2026-03-29', '2026-03-29T23:59:59.999+02:00'],
  ['2026-10-25', '2026-10-25T23:59:59.999+01:00'],
  ['2024-02-29', '2024-02-29T23:59:59.999+01:00'],
  ['2026-02', '2026-02-28T23:59:59.999+01:00'],
  ['2025-12', '2025-12-31T23:59:59.999+01:00'],
  ['2026-03-01T02:00', '2026-03-01T02:00:00.000+01:00'],
  ['2026-03-01 02:00:07', '2026-03-01T02:00:07.000+01:00'],
  ['2026-03-01T02:00:07.25', '2026-03-01T02:00:07.250+01:00'],
  ['2026-03-01T02:00Z', '2026-03-01T02:00:00.000Z'],
  ['2026-03-01T02:00:00-05:30', '2026-03-01T02:00:00.000-05:30'],
  ['2026-03-01T02:00+0200', '2026-03-01T02:00:00.000+02:00'],
  ['2026-03-01Z', '2026-03-01T23:59:59.999Z'],
  ['2026-03-01+09:00', '2026-03-01T23:59:59.999+09:00'],
  // This half hour does not exist: it is taken as an hour later.
  ['2026-03-29T02:30', '2026-03-29T03:30:00.000+02:00'],
  ['now', NOW],
  ['today', '2026-03-31T23:59:59.999+02:00'],
  ['Yesterday', '2026-03-30T23:59:59.999+02:00'],
  ['90 seconds ago', '2026-03-31T12:33:26.789+02:00'],
  ['5 minutes ago', '2026-03-31T12:29:56.789+02:00'],
  ['an hour ago', '2026-03-31T11:34:56.789+02:00'],
  ['1 day ago', '2026-03-30T12:34:56.789+02:00'],
  // Across the change of clocks the time of day stays.
  ['3 days ago', '2026-03-28T12:34:56.789+01:00'],
  ['3  weeks   ago', '2026-03-10T12:34:56.789+01:00'],
  ['a month ago', '2026-02-28T12:34:56.789+01:00'],
  ['13 months ago', '2025-02-28T12:34:56.789+01:00'],
  ['2 years ago', '2024-03-31T12:34:56.789+02:00'],
];

test('moments in words and dates, in local time unless a zone is given', () => {
  inBerlin(() => {
    for (const [text, expected] of MOMENTS) {
      const found = new Date(parseMoment(text, new Date(NOW))).toISOString();
      assert.equal(found, new Date(expected).toISOString(), text);
    }
  });
});

test('what is no moment is refused, and the message shows how one looks', () => {
  for (const text of [
    '',
    'tomorrow?',
    '2026',
    '2026-13-01',
    '2026-02-29',
    '2026-3-1',
    '2026-03-01T24:00',
    '01.03.2026',
    '-3 days ago',
    '3 days',
    '2026-03-01T02',
  ]) {
    assert.throws(
      () => parseMoment(text, new Date(NOW)),
      (error) => isEngineError(error, 'INVALID_ARGUMENT') && /2026-03-01T02:00/.test(error.message),
      text,
    );
  }
});
