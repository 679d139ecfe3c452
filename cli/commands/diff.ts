/** `snap diff A B [PATH]` and `snap diff A --live [PATH]` */

import type { Command } from 'commander';
import {
  type CellValue,
  CHANGE_KINDS,
  type Change,
  type ChangeKind,
  type DiffEvent,
  type DiffOptions,
  type DiffSummary,
  diff,
  diffText,
  EngineError,
  type TableChange,
  type TableRowChange,
} from '../../engine/index.ts';
import { absolutePath } from '../bytes.ts';
import { EXIT_OK, EXIT_PROBLEMS } from '../exit-codes.ts';
import { formatBytes, formatCount, formatTable, jsonPath, jsonProblem, printable } from '../render.ts';
import {
  addFilterOptions,
  type FilterOptions,
  filterOf,
  type GlobalOptions,
  type Interruption,
  newVerb,
  outputOf,
  run,
  withRepository,
  writeLines,
  writeOutput,
} from '../session.ts';

interface Options extends GlobalOptions, FilterOptions {
  readonly live?: boolean;
  readonly readData?: boolean;
  readonly ignoreInode?: boolean;
  readonly ignoreCtime?: boolean;
  readonly stat?: boolean;
  readonly nameOnly?: boolean;
  readonly text?: boolean;
  readonly rows?: boolean;
}

const LEGEND =
  '+ added  - removed  M content  U metadata  T type  R moved  ? bytes differ, size and times do not (bitrot)';

export function diffCommand(): Command {
  const command = newVerb('diff', 'What changed between two snapshots, or between a snapshot and the disk now.', [
    'snap diff latest~1 latest /srv/audiobooks',
    'snap diff latest --live --read-data',
  ])
    .argument('<before>', 'SNAP')
    .argument('[after]', 'SNAP; with --live the path')
    .argument('[path]', 'only this path and what lies below it')
    .option('--live', 'compare with the disk as it is now')
    .option('--read-data', 'with --live: read files that look unchanged, too')
    .option('--ignore-inode', 'with --live: inodes change by themselves there')
    .option('--ignore-ctime', 'with --live: change times move by themselves there')
    .option('--stat', 'only counts and bytes')
    .option('--name-only', 'only paths')
    .option('--text', 'a unified diff of one text file')
    .option('--rows', 'the rows of databases that differ');
  command.description(`${command.description()}\n\n${LEGEND}`);
  return addFilterOptions(command).action(run<Options>(execute));
}

interface Question {
  readonly before: string;
  readonly after: string | undefined;
  readonly path: Buffer | undefined;
}

function questionOf(options: Options, words: readonly string[]): Question {
  const [before = '', second, third] = words;
  if (options.live === true) {
    if (third !== undefined) {
      throw new EngineError('INVALID_ARGUMENT', 'With --live give one snapshot, and a path at most');
    }
    return { before, after: undefined, path: second === undefined ? undefined : absolutePath(second) };
  }
  for (const [flag, value] of [
    ['--read-data', options.readData],
    ['--ignore-inode', options.ignoreInode],
    ['--ignore-ctime', options.ignoreCtime],
  ] as const) {
    if (value === true) throw new EngineError('INVALID_ARGUMENT', `${flag} is for --live alone`);
  }
  if (second === undefined) throw new EngineError('INVALID_ARGUMENT', 'Name a second snapshot, or give --live');
  return { before, after: second, path: third === undefined ? undefined : absolutePath(third) };
}

async function execute(options: Options, interruption: Interruption, words: readonly string[]): Promise<number> {
  const question = questionOf(options, words);
  const { readData, ignoreInode, ignoreCtime } = options;
  const after = question.after ?? { live: { readData, ignoreInode, ignoreCtime } };
  const common = { before: question.before, after, path: question.path, filter: filterOf(options) };
  const { signal } = interruption;
  if (options.text === true) return executeText(options, { ...common, signal });
  let problems = 0;
  await withRepository(options, async (repository) => {
    const onlyCounts = options.stat === true || options.nameOnly === true;
    const events = diff(repository, { ...common, tables: !onlyCounts, rows: options.rows, signal });
    await writeLines(
      shown(events, options, () => problems++),
      (line) => line,
      signal,
    );
  });
  return problems > 0 ? EXIT_PROBLEMS : EXIT_OK;
}

async function executeText(options: Options, question: DiffOptions): Promise<number> {
  const { path } = question;
  if (path === undefined) throw new EngineError('INVALID_ARGUMENT', '--text is for one file: give its path');
  const text = await withRepository(options, (repository) => diffText(repository, { ...question, path }));
  if (outputOf(options).json) {
    await writeOutput(`${JSON.stringify({ message_type: 'text', ...jsonPath(path), diff: text.toString('utf8') })}\n`);
  } else await writeOutput(text);
  return EXIT_OK;
}

/** The lines of a diff; problems go to standard error. */
async function* shown(
  events: AsyncIterable<DiffEvent>,
  options: Options,
  onProblem: () => void,
): AsyncGenerator<string> {
  const { json, quiet } = outputOf(options);
  for await (const event of events) {
    if (event.event === 'problem') {
      onProblem();
      if (json) yield JSON.stringify({ message_type: 'error', ...jsonProblem(event.problem) });
      else process.stderr.write(`problem: ${printable(event.problem.message)}\n`);
      continue;
    }
    if (event.event !== 'summary' && options.stat === true) continue;
    if (json) yield JSON.stringify(jsonOf(event));
    else if (options.nameOnly === true) {
      if (event.event === 'change') yield printable(event.path.toString('utf8'));
    } else if (event.event !== 'summary') yield lineOf(event);
    else if (!quiet) yield summaryText(event);
  }
}

// ---- for programs

function jsonOf(event: Exclude<DiffEvent, { event: 'problem' }>): object {
  switch (event.event) {
    case 'change':
      return jsonChange(event);
    case 'table':
      return {
        message_type: 'change',
        ...jsonPath(event.path),
        change: 'content',
        table: event.table,
        table_change: event.change,
        rows_added: event.rowsAdded,
        rows_removed: event.rowsRemoved,
        rows_changed: event.rowsChanged,
        columns_added: event.columnsAdded,
        columns_removed: event.columnsRemoved,
        note: event.note,
      };
    case 'row':
      return {
        message_type: 'row',
        ...jsonPath(event.path),
        table: event.table,
        change: event.change,
        key: jsonCells(event.key),
        before: event.before === undefined ? undefined : jsonCells(event.before),
        after: event.after === undefined ? undefined : jsonCells(event.after),
      };
    case 'summary':
      return {
        message_type: 'summary',
        before: event.before.id,
        after: event.after?.id ?? null,
        ...event.counts,
        bytes_added: event.bytesAdded,
        bytes_removed: event.bytesRemoved,
        problem_count: event.problems,
      };
  }
}

function jsonChange(change: Change): object {
  return {
    message_type: 'change',
    ...jsonPath(change.path),
    change: change.change,
    type: change.type,
    type_before: change.typeBefore,
    ...(change.from === undefined ? {} : jsonPath(change.from, 'from')),
    fields: change.fields,
    size_before: change.sizeBefore ?? null,
    size_after: change.sizeAfter ?? null,
    bytes_added: change.bytesAdded,
    bytes_removed: change.bytesRemoved,
  };
}

function jsonCells(cells: { readonly [column: string]: CellValue }): object {
  return Object.fromEntries(
    Object.entries(cells).map(([column, value]) => {
      if (Buffer.isBuffer(value)) return [column, { base64: value.toString('base64') }];
      if (typeof value !== 'bigint') return [column, value];
      const number = Number(value);
      return [column, Number.isSafeInteger(number) ? number : value.toString()];
    }),
  ) as object;
}

// ---- for people

const LETTERS: { readonly [kind in ChangeKind]: string } = {
  added: '+',
  removed: '-',
  content: 'M',
  metadata: 'U',
  type: 'T',
  moved: 'R',
  bitrot: '?',
};

function lineOf(event: Change | TableChange | TableRowChange): string {
  if (event.event === 'table') return tableLine(event);
  if (event.event === 'row') return rowLine(event);
  const { change, path, type, from, fields } = event;
  const name = printable(path.toString('utf8')) + (type === 'dir' ? '/' : '');
  const origin = from === undefined ? '' : `${printable(from.toString('utf8'))}${type === 'dir' ? '/' : ''} -> `;
  return `${LETTERS[change]}    ${origin}${name}${detailOf(event)}${fieldsOf(change, fields)}`;
}

function fieldsOf(change: ChangeKind, fields: readonly string[]): string {
  return fields.length > 0 && (change === 'metadata' || change === 'moved') ? `  (${fields.join(', ')})` : '';
}

function detailOf({ change, typeBefore, type, sizeAfter, sizeBefore, bytesAdded, bytesRemoved }: Change): string {
  if (change === 'type') return `  (${typeBefore} -> ${type})`;
  if (change === 'added' && sizeAfter !== undefined) return `  ${formatBytes(sizeAfter)}`;
  if (change === 'removed' && sizeBefore !== undefined) return `  ${formatBytes(sizeBefore)}`;
  if (change !== 'content' && change !== 'bitrot') return '';
  return `  +${formatBytes(bytesAdded)} -${formatBytes(bytesRemoved)}`;
}

function tableLine(change: TableChange): string {
  const { table, rowsAdded, rowsRemoved, rowsChanged, columnsAdded, columnsRemoved, note } = change;
  const parts: string[] = [];
  if (change.change !== 'content') parts.push(`table ${change.change}`);
  if (rowsAdded !== undefined && rowsAdded > 0) parts.push(`+${formatCount(rowsAdded)} rows`);
  if (rowsRemoved !== undefined && rowsRemoved > 0) parts.push(`-${formatCount(rowsRemoved)} rows`);
  if (rowsChanged !== undefined && rowsChanged > 0) parts.push(`${formatCount(rowsChanged)} rows changed`);
  if (columnsAdded.length > 0) parts.push(`columns added: ${columnsAdded.join(', ')}`);
  if (columnsRemoved.length > 0) parts.push(`columns removed: ${columnsRemoved.join(', ')}`);
  if (note !== undefined) parts.push(note);
  return `       ${printable(table)}: ${printable(parts.join(', '))}`;
}

const ROW_LETTERS = { added: '+', removed: '-', changed: '~' } as const;

function rowLine({ change, key, before, after }: TableRowChange): string {
  const name = Object.entries(key).map(([column, value]) => `${column}=${cellText(value)}`);
  const columns = Object.keys(after ?? before ?? {});
  const values = columns.map((column) => {
    const [old, young] = [before?.[column], after?.[column]];
    if (change !== 'changed') return `${column}=${cellText(young ?? old ?? null)}`;
    return `${column}: ${cellText(old ?? null)} -> ${cellText(young ?? null)}`;
  });
  return printable(`         ${ROW_LETTERS[change]} ${name.join(', ')}  ${values.join(', ')}`);
}

const CELL_CHARACTERS_MAX = 60;

function cellText(value: CellValue): string {
  if (value === null) return 'NULL';
  if (Buffer.isBuffer(value)) return `${value.length} bytes`;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX)}…` : text;
}

function summaryText({ counts, bytesAdded, bytesRemoved, problems }: DiffSummary): string {
  const rows = CHANGE_KINDS.filter((kind) => counts[kind] > 0).map((kind) => [kind, formatCount(counts[kind])]);
  if (problems > 0) rows.push(['not readable', formatCount(problems)]);
  if (rows.length === 0) return 'Nothing changed.';
  rows.push(['bytes added', formatBytes(bytesAdded)], ['bytes removed', formatBytes(bytesRemoved)]);
  return formatTable(rows);
}
