/** Text for people: sizes, times, tables, progress. Results go to standard output, everything else to standard error. */

import { styleText } from 'node:util';
import {
  type Damage,
  type DatabaseRecord,
  type Monitor,
  type Problem,
  type Progress,
  SHORT_ID_LENGTH,
} from '../engine/index.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(value < 10 ? 2 : 1)} ${UNITS[unit]}`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Names may hold anything: control characters never reach a terminal, nor those of ISO 6429, which JSON lets through. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    character < '\u007f'
      ? JSON.stringify(character).slice(1, -1)
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Rows as columns, the last one ragged. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    });
  return rows
    .map((row) =>
      row
        .map((cell, index) => (index === row.length - 1 ? cell : cell.padEnd(widths[index] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbosity: number;
  readonly color: boolean;
}

const REDRAW_MS = 100;
const PLAIN_MS = 10_000;
const JSON_STATUS_MS = 1000;

/** Shows how a long verb goes: a line that is redrawn on a terminal, plain lines in a pipe, JSON Lines, or (quiet) only its problems. */
export class ProgressView implements Monitor {
  readonly #options: OutputOptions;
  readonly #verb: string;
  readonly #startedMs = performance.now();
  readonly #isTerminal: boolean;
  #lastMs = 0;
  #drawn = false;

  constructor(options: OutputOptions, verb: string) {
    this.#options = options;
    this.#verb = verb;
    this.#isTerminal = process.stderr.isTTY === true && !options.json;
  }

  /** Somebody looks at the percentage: a person, or a program that reads JSON. */
  get wantsTotals(): boolean {
    return !this.#options.quiet && (this.#isTerminal || this.#options.json);
  }

  progress(progress: Progress): void {
    if (this.#options.quiet) return;
    const now = performance.now();
    const interval = this.#options.json ? JSON_STATUS_MS : this.#isTerminal ? REDRAW_MS : PLAIN_MS;
    if (now - Math.max(this.#lastMs, this.#isTerminal || this.#options.json ? 0 : this.#startedMs) < interval) return;
    this.#lastMs = now;
    const seconds = (now - this.#startedMs) / 1000;
    if (this.#options.json) process.stdout.write(`${JSON.stringify(statusOf(progress, seconds))}\n`);
    else if (this.#isTerminal) this.#draw(progress, seconds);
    else process.stderr.write(`${this.#line(progress, seconds)}\n`);
  }

  #line(progress: Progress, seconds: number): string {
    const share = shareOf(progress);
    const parts = [
      share === undefined ? this.#verb : `${(share * 100).toFixed(1).padStart(5)} %`,
      `${formatCount(progress.filesDone)} files, ${formatBytes(progress.bytesDone)}`,
      `${formatBytes(progress.bytesDone / Math.max(seconds, 0.1))}/s`,
      `${formatBytes(progress.bytesNew)} new`,
    ];
    if (share !== undefined && share > 0.01) parts.push(`${formatDuration(seconds / share - seconds)} left`);
    if (progress.problems > 0) parts.push(`${progress.problems} problems`);
    return parts.join('  ');
  }

  #draw(progress: Progress, seconds: number): void {
    const { columns } = process.stderr;
    // A terminal that does not know its width says 0.
    const width = columns > 0 ? columns : 80;
    const path = progress.currentPath === undefined ? '' : printable(progress.currentPath);
    const second = path.length > width - 3 ? `…${path.slice(-(width - 4))}` : path;
    this.#erase();
    process.stderr.write(`${this.#line(progress, seconds).slice(0, width - 1)}\n${second}`);
    this.#drawn = true;
  }

  #erase(): void {
    if (this.#drawn) process.stderr.write('\r\u001b[K\u001b[1A\r\u001b[K');
    this.#drawn = false;
  }

  problem(problem: Problem): void {
    this.#erase();
    if (this.#options.json) {
      const { path, pathBase64, during, code, message } = problem;
      const line = {
        message_type: 'error',
        item: path,
        ...(pathBase64 === undefined ? {} : { path_base64: pathBase64 }),
        during,
        code,
        error: { message },
      };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    } else process.stderr.write(`${this.#paint('yellow', 'problem:')} ${printable(problemText(problem))}\n`);
  }

  damage({ object, code, message }: Damage): void {
    this.#erase();
    if (this.#options.json) {
      const line = { message_type: 'error', item: object, during: 'repository', code, error: { message } };
      process.stdout.write(`${JSON.stringify(line)}\n`);
    } else process.stderr.write(`${this.#paint('yellow', 'damage:')} ${printable(`${object}: ${message}`)}\n`);
  }

  note(text: string): void {
    this.#erase();
    if (!this.#options.quiet && !this.#options.json) process.stderr.write(`${printable(text)}\n`);
  }

  /** Takes the last drawing away. */
  done(): void {
    this.#erase();
  }

  #paint(color: 'yellow', text: string): string {
    return this.#options.color && process.stderr.isTTY ? styleText(color, text) : text;
  }
}

/** With the path that it is about, which some messages name themselves. */
export function problemText({ path, message }: Problem): string {
  return path === '' || message.includes(path) ? message : `${path}: ${message}`;
}

function shareOf(progress: Progress): number | undefined {
  const { bytesDone, bytesTotal, filesDone, filesTotal } = progress;
  if (bytesTotal !== undefined && bytesTotal > 0) return Math.min(1, bytesDone / bytesTotal);
  if (filesTotal !== undefined && filesTotal > 0) return Math.min(1, filesDone / filesTotal);
  return undefined;
}

function statusOf(progress: Progress, seconds: number): object {
  const share = shareOf(progress);
  return {
    message_type: 'status',
    percent_done: share ?? 0,
    total_files: progress.filesTotal,
    files_done: progress.filesDone,
    total_bytes: progress.bytesTotal,
    bytes_done: progress.bytesDone,
    bytes_new: progress.bytesNew,
    seconds_elapsed: Math.round(seconds),
    seconds_remaining: share === undefined || share === 0 ? undefined : Math.round(seconds / share - seconds),
    error_count: progress.problems,
    current_files: progress.currentPath === undefined ? [] : [progress.currentPath],
  };
}

/** `filesNew` as `files_new`. */
export function snakeCase(object: object): { [key: string]: unknown } {
  const entries = Object.entries(object).map(([key, value]: [string, unknown]) => [
    key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]);
  return Object.fromEntries(entries) as { [key: string]: unknown };
}

/** A path in JSON: text, and the bytes beside it where it is not UTF-8. */
export function jsonPath(path: Buffer, key = 'path'): { [key: string]: string } {
  const text = path.toString('utf8');
  if (Buffer.from(text, 'utf8').equals(path)) return { [key]: text };
  return { [key]: text, [`${key}_base64`]: path.toString('base64') };
}

const TYPE_LETTERS: { readonly [bits: number]: string } = { 1: 'p', 2: 'c', 4: 'd', 6: 'b', 8: '-', 10: 'l', 12: 's' };

/** As `ls -l` shows it: `drwxr-sr-t`. */
export function formatMode(mode: number): string {
  const triple = (bits: number, special: boolean, letter: string): string => {
    const execute = (bits & 1) !== 0;
    const last = special ? (execute ? letter : letter.toUpperCase()) : execute ? 'x' : '-';
    return `${(bits & 4) !== 0 ? 'r' : '-'}${(bits & 2) !== 0 ? 'w' : '-'}${last}`;
  };
  return (
    (TYPE_LETTERS[mode >> 12] ?? '?') +
    triple(mode >> 6, (mode & 0o4000) !== 0, 's') +
    triple(mode >> 3, (mode & 0o2000) !== 0, 's') +
    triple(mode, (mode & 0o1000) !== 0, 't')
  );
}

/** A snapshot's time as a person on this machine reads it. */
export function formatLocalTime(time: string): string {
  const date = new Date(time);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_LENGTH);
}

export function jsonProblem({ path, pathBase64, during, code, message }: Problem): object {
  return { path, ...(pathBase64 === undefined ? {} : { path_base64: pathBase64 }), during, code, message };
}

export function jsonDatabase({ path, kind, bytes, check, durationSeconds, details }: DatabaseRecord): object {
  const { moment, momentWith } = details;
  return {
    ...jsonPath(path),
    kind,
    bytes,
    check,
    duration_seconds: durationSeconds,
    ...(moment === undefined ? {} : { moment }),
    ...(momentWith === undefined ? {} : { moment_with: momentWith }),
  };
}
