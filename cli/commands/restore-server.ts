/** What a restore with a profile says of the server, in words and in JSON. */

import type { NextStep, RestoredServer, RewriteState, RewrittenDatabase } from '../../engine/index.ts';
import { formatCount, jsonPath, printable } from '../render.ts';
import { jsonServerCheck, serverCheckLines } from '../server-checks.ts';
import { print } from '../session.ts';

const MISSES_SHOWN_MAX = 10;

export function serverJson(server: RestoredServer): object {
  const { profile, title, folder, paths, databases, checks, checksError, next } = server;
  return {
    profile,
    title,
    ...jsonPath(folder, 'folder'),
    paths: paths.map((path) => path.toString('utf8')),
    databases: databases.map(({ path, state, columns, missing, leftovers }) => ({
      ...jsonPath(path),
      state,
      columns,
      missing,
      leftovers,
    })),
    checks: checks.map(jsonServerCheck),
    ...(checksError === undefined ? {} : { checks_error: { code: checksError.code, message: checksError.message } }),
    next: next.map(({ kind, text, command }) => ({ kind, text, ...(command === undefined ? {} : { command }) })),
  };
}

/** What is said of the paths in a database. */
const STATES: { readonly [state in RewriteState]: string } = {
  planned: 'paths that would be rewritten',
  rewritten: 'paths that were rewritten',
  kept: 'left as it is, with paths that a restore like this one rewrites',
  failed: 'paths were not rewritten, and what was there is there still',
  unchanged: 'no path in it is mapped',
};

/** Each column with its rows. */
export function printRewrites({ databases }: RestoredServer): void {
  const told = databases.filter(({ state, leftovers }) => state !== 'unchanged' || leftovers.length > 0);
  for (const database of told) printDatabase(database);
}

function printDatabase({ path, state, columns, missing, leftovers }: RewrittenDatabase): void {
  print(`${printable(path.toString('utf8'))}: ${STATES[state]}`);
  const rows = [
    ...columns.map(({ table, column, values }) => ({ name: `${table}.${column}`, what: rowCount(values) })),
    ...missing.map(({ table, column }) => ({ name: `${table}.${column}`, what: 'is not there in this version' })),
    ...leftovers.map(({ table, column, values }) => ({
      name: `${table}.${column}`,
      what: `${rowCount(values)} with an old path still`,
    })),
  ];
  const width = Math.max(...rows.map(({ name }) => printable(name).length));
  for (const { name, what } of rows) print(`  ${printable(name).padEnd(width)}  ${what}`);
}

function rowCount(rows: number): string {
  return `${formatCount(rows)} ${rows === 1 ? 'row' : 'rows'}`;
}

/** Whether its rows and the files that came back with them agree. */
export function printChecks({ title, checks, checksError }: RestoredServer): void {
  for (const check of checks) for (const line of serverCheckLines(check, MISSES_SHOWN_MAX)) print(printable(line));
  if (checksError !== undefined) print(`${title} was not checked to the end: ${printable(checksError.message)}`);
}

/** What is to be done now, in order. */
export function printNext({ next }: RestoredServer): void {
  if (next.length > 0) print('Next:');
  for (const [at, step] of next.entries()) printStep(at + 1, step);
}

function printStep(number: number, { text, command }: NextStep): void {
  print(`  ${number}. ${printable(text)}`);
  if (command !== undefined) print(`     ${printable(command)}`);
}
