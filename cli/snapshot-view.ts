/** How snapshots are shown: as JSON, and in lines for people. */

import { type AnnotateResult, SHORT_ID_LENGTH, type Snapshot } from '../engine/index.ts';
import { formatCount, formatTable, jsonDatabase, type OutputOptions, printable, snakeCase } from './render.ts';
import { print, printJson } from './session.ts';

export function jsonSnapshot(snapshot: Snapshot): object {
  const isText = (path: Buffer): boolean => Buffer.from(path.toString('utf8')).equals(path);
  return {
    id: snapshot.id,
    short_id: snapshot.id.slice(0, SHORT_ID_LENGTH),
    time: snapshot.time,
    host: snapshot.host,
    user: snapshot.user,
    label: snapshot.label,
    tags: snapshot.tags,
    paths: snapshot.paths.map((path) => path.toString('utf8')),
    ...(snapshot.paths.every(isText) ? {} : { paths_base64: snapshot.paths.map((path) => path.toString('base64')) }),
    parent: snapshot.parent ?? null,
    tree: snapshot.tree.toString('hex'),
    pinned: snapshot.pinned,
    suspect: snapshot.suspect,
    ...(snapshot.suspicion === undefined ? {} : { suspicion: snapshot.suspicion }),
    databases: snapshot.databases.map(jsonDatabase),
    problem_count: snapshot.problemCount,
    program: snapshot.program,
    summary: snakeCase(snapshot.summary),
  };
}

export function localTime(time: string): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** What a person should know of it before trusting it. */
export function marksOf(snapshot: Snapshot): string {
  const marks = [
    ...(snapshot.pinned ? ['pinned'] : []),
    ...(snapshot.suspect ? ['suspect'] : []),
    ...(snapshot.problemCount > 0 ? [`${formatCount(snapshot.problemCount)} problems`] : []),
  ];
  return marks.length === 0 ? '' : `  (${marks.join(', ')})`;
}

/** One line for each snapshot: id, time, host, label and tags, and what is said of it. */
export function snapshotLines(rows: readonly { readonly snapshot: Snapshot; readonly note: string }[]): string {
  return formatTable(
    rows.map(({ snapshot, note }) => [
      `  ${snapshot.id.slice(0, SHORT_ID_LENGTH)}`,
      localTime(snapshot.time),
      printable(snapshot.host),
      printable([snapshot.label, ...snapshot.tags].filter((word) => word !== '').join(',')),
      printable(note) + marksOf(snapshot),
    ]),
  );
}

/** What an edit of tags, label, pin or trust came to. */
export function showEdit({ changed, unchanged }: AnnotateResult, output: OutputOptions): void {
  if (output.json) {
    printJson({
      changed_snapshots: changed.length,
      snapshots: changed.map(jsonSnapshot),
      unchanged: unchanged.map(({ id }) => id),
    });
  } else if (!output.quiet) {
    if (changed.length > 0) print(snapshotLines(changed.map((snapshot) => ({ snapshot, note: '' }))));
    const rest = unchanged.length > 0 ? `, ${formatCount(unchanged.length)} had it already` : '';
    print(`${formatCount(changed.length)} changed${rest}.`);
  }
}
