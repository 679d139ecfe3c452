/** What was found where rows of servers were held against files, in words and in JSON. */

import { missText, type ServerCheck, type ServerMiss } from '../engine/index.ts';
import { formatCount, jsonPath } from './render.ts';

export function jsonServerCheck(check: ServerCheck): object {
  const { profile, folder, database, problem } = check;
  return {
    check: check.check,
    profile,
    ...jsonPath(folder, 'folder'),
    ...jsonPath(database, 'database'),
    rows_checked: check.rowsChecked,
    files_checked: check.filesChecked,
    left_out: check.leftOut,
    unjudged: check.unjudged,
    miss_count: check.missCount,
    misses: check.misses.map(jsonMiss),
    ...(problem === undefined ? {} : { problem: { code: problem.code, message: problem.message } }),
  };
}

function jsonMiss({ what, title, path, entries }: ServerMiss): object {
  return { what, title, ...jsonPath(path), entries };
}

/** One line that says how it went, then misses, at most `missesMax`. */
export function serverCheckLines(check: ServerCheck, missesMax: number): string[] {
  const { title, folder, rowsChecked, leftOut, unjudged, misses, missCount, problem } = check;
  const where = `${title} in ${folder.toString('utf8')}`;
  if (problem !== undefined) return [`${where} was not checked: ${problem.message}`];
  const named = `${formatCount(rowsChecked)} files and folders that its database names`;
  const asides = [
    ...(leftOut > 0 ? [`, ${formatCount(leftOut)} were left out of the snapshot on purpose`] : []),
    ...(unjudged > 0 ? [`, ${formatCount(unjudged)} could not be looked for`] : []),
  ];
  const aside = asides.join('');
  if (missCount === 0) return [`${where}: ${named}${aside}, nothing amiss`];
  const told = misses.slice(0, missesMax).map((miss) => `  ${missText(miss)}`);
  const more = missCount - told.length;
  const rest = more > 0 ? [`  and ${formatCount(more)} more`] : [];
  return [`${where}: ${named}${aside}, ${formatCount(missCount)} amiss`, ...told, ...rest];
}
