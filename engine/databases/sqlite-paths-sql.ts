/** The pieces of SQL by which paths are found and rewritten. */

import { PATH_VALUE_BYTES_MAX } from '../base/limits.ts';
import type { PathRule } from './path-values.ts';

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** True for a text that may be a path, a URL or JSON, by its first letter, and is not too long to be looked at. */
export function pathsOf(value: string): string {
  return `typeof(${value}) = 'text' AND ${beginsLikePaths(value)} AND octet_length(${value}) <= ${PATH_VALUE_BYTES_MAX}`;
}

/** A slash, `file:`, an object, an array or a string of JSON, and the spaces that may stand before those. */
export function beginsLikePaths(value: string): string {
  return `substr(${value}, 1, 1) IN ('/', 'f', 'F', '{', '[', '"', ' ', char(9), char(10), char(13))`;
}

/** The bytes of a text that has the replacement character in it; NULL for any other. */
export function bytesIfReplaced(value: string): string {
  return `CASE WHEN instr(${value}, char(65533)) > 0 THEN CAST(${value} AS BLOB) END`;
}

/** SQLite counts letters, not the units of a JavaScript text. */
function lengthOf(text: string): number {
  return [...text].length;
}

/** By bytes, whatever the column's collation says. What holds a zero byte is no path, and would be cut off there. */
export function textFits(rules: readonly PathRule[], value: string): string {
  const fits = rules.flatMap(({ from }) =>
    from === '' ? [isBelow(value, from)] : [is(value, from), isBelow(value, from)],
  );
  return `instr(${value}, char(0)) = 0 AND (${fits.join(' OR ')})`;
}

/** The new path of a text that fits. What follows the rule's path is taken over by SQLite, also where it is no text. */
export function textExpression(rules: readonly PathRule[], value: string): string {
  const cases = rules.flatMap(({ from, to }) => {
    const self = `WHEN ${is(value, from === '' ? '/' : from)} THEN ${literal(to === '' ? '/' : to)}`;
    const below = `WHEN ${isBelow(value, from)} THEN ${literal(to)} || substr(${value}, ${lengthOf(from) + 1})`;
    return [self, below];
  });
  return `CASE ${cases.join(' ')} END`;
}

function is(value: string, path: string): string {
  return `${value} COLLATE BINARY = ${literal(path)}`;
}

function isBelow(value: string, path: string): string {
  return `substr(${value}, 1, ${lengthOf(path) + 1}) COLLATE BINARY = ${literal(`${path}/`)}`;
}
