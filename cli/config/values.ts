/** Kinds of values that a configuration file holds. A schema's message is what was expected, as a noun. */

import * as v from 'valibot';
import { parseDuration, parsePositiveSize } from '../values.ts';

export const text = v.pipe(v.string('a text'), v.nonEmpty('a text that is not empty'));
export const flag = v.boolean('true or false');
export const wholeNumber = v.pipe(
  v.number('a whole number above zero'),
  v.integer('a whole number above zero'),
  v.minValue(1, 'a whole number above zero'),
  v.maxValue(999_999_999, 'a whole number below a thousand million'),
);

/** A night begins wherever its scheduler pleases: no path depends on a working directory. */
export const absolutePath = v.pipe(
  text,
  v.check((path) => path.startsWith('/'), 'an absolute path, which begins with /'),
);

/** A folder, or another kind of store with its scheme in front. */
export const location = v.pipe(
  text,
  v.check(
    (place) => /^(?:\/|[a-z][a-z0-9+.-]+:)/.test(place),
    'an absolute path, which begins with /, or a location such as s3:http://host/bucket',
  ),
);

export const texts = v.array(text, 'a list, each item on a line that begins with "- "');
export const absolutePaths = v.array(absolutePath, 'a list of paths, each on a line that begins with "- "');

/** Takes what the parser of a flag takes; numbers need no quotes. */
export function parsed<Value>(expected: string, parse: (text: string) => Value) {
  return v.pipe(
    v.union([v.string(), v.number()], expected),
    v.rawTransform(({ dataset, addIssue, NEVER }): Value => {
      try {
        return parse(String(dataset.value));
      } catch {
        addIssue({ message: expected });
        return NEVER;
      }
    }),
  );
}

export const size = parsed('a size such as 500K, 10M or 2G', parsePositiveSize);
export const rate = parsed('bytes a second, such as 50M', parsePositiveSize);
export const duration = parsed('a time such as 30s, 5m or 2h', (given) => {
  const ms = parseDuration(given);
  if (ms < 1000 || ms > DURATION_MS_MAX) throw new RangeError(given);
  return ms;
});
/** How often something is due, in milliseconds; undefined in a plan for what never is. */
export const every = parsed('how often: a time such as 12h or 7d, or never', (given): number | 'never' => {
  if (given === 'never') return 'never';
  const ms = parseDuration(given);
  if (ms < 1000) throw new RangeError(given);
  return ms;
});

/** Timers of Node hold no more. */
const DURATION_MS_MAX = 24 * 24 * 3600_000;

const SECRET_IN_ADDRESS = /^[a-z][a-z0-9+.-]*:\/\/[^/@]*:[^/@]+@/i;

export const databaseAddress = v.pipe(
  text,
  v.check(
    (url) => !SECRET_IN_ADDRESS.test(url),
    'an address without a password in it: name its file with password_file',
  ),
);

export const webAddress = v.pipe(
  text,
  v.check((url) => URL.canParse(url) && /^https?:\/\//i.test(url), 'an address that begins with https:// or http://'),
);
