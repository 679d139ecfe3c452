/** What changed in a database: both images are put into a private folder and compared table by table. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, isEngineError } from '../../base/errors.ts';
import { DIFF_TABLE_ROWS_MAX } from '../../base/limits.ts';
import { createSqliteCapturer } from '../../databases/sqlite.ts';
import {
  type Cells,
  type ComparedRow,
  type ComparedTable,
  compareSqliteImages,
} from '../../databases/sqlite-compare.ts';
import { EXTENSION_DATABASE, type Node } from '../../format/row.ts';
import type { Repository } from '../../repository/repository.ts';
import { makeScratchFolder } from '../../repository/scratch-folders.ts';
import { writeImage } from '../../repository/write-image.ts';
import type { CellValue, TableChange, TableRowChange } from './options.ts';

export interface DatabasePair {
  readonly path: Buffer;
  readonly before: Node;
  /** Undefined for the live database at `path`. */
  readonly after: Node | undefined;
}

export function isDatabase(node: Node): boolean {
  return node.type === 'file' && node.extensions.some(({ tag }) => tag === EXTENSION_DATABASE);
}

/** One event for each table that differs. Where they cannot be compared, one that says why. */
export async function* compareDatabases(
  repository: Repository,
  pair: DatabasePair,
  options: { readonly rows: boolean; readonly signal: AbortSignal | undefined },
): AsyncGenerator<TableChange | TableRowChange> {
  const { signal } = options;
  const folder = makeScratchFolder(join(repository.cacheDirectory, 'scratch'));
  try {
    const before = join(folder, 'before');
    await writeImage(repository, pair.before, before, signal);
    let after = join(folder, 'after');
    if (pair.after === undefined) {
      const captured = await captureLive(pair.path, folder, signal);
      if ('note' in captured) {
        yield unknownTables(pair.path, captured.note);
        return;
      }
      after = captured.imagePath;
    } else await writeImage(repository, pair.after, after, signal);
    const rowsMax = options.rows ? DIFF_TABLE_ROWS_MAX : 0;
    const { found, message } = await compareSqliteImages({ before, after, rowsMax }, signal);
    for (const one of found) yield eventOf(pair.path, one);
    if (message !== undefined) yield unknownTables(pair.path, message);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function captureLive(
  path: Buffer,
  scratchDirectory: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly imagePath: string } | { readonly note: string }> {
  const capturer = createSqliteCapturer({ scratchDirectory, signal });
  try {
    const outcome = await capturer.capture(path);
    return outcome.kind === 'captured' ? outcome.capture : { note: 'it is no database any more' };
  } catch (error) {
    if (!isEngineError(error, 'DATABASE_FAILED')) throw error;
    return { note: errorMessage(error) };
  } finally {
    await capturer.close();
  }
}

function unknownTables(path: Buffer, note: string): TableChange {
  const unknown = { rowsAdded: undefined, rowsRemoved: undefined, rowsChanged: undefined };
  return {
    event: 'table',
    path,
    table: '*',
    change: 'content',
    ...unknown,
    columnsAdded: [],
    columnsRemoved: [],
    note,
  };
}

function eventOf(path: Buffer, found: ComparedTable | ComparedRow): TableChange | TableRowChange {
  if (found.kind === 'table') {
    const { kind: _, ...table } = found;
    return { event: 'table', path, ...table };
  }
  const { kind: _, key, before, after, ...row } = found;
  return { event: 'row', path, ...row, key: cellsOf(key) ?? {}, before: cellsOf(before), after: cellsOf(after) };
}

function cellsOf(cells: Cells | undefined): { readonly [column: string]: CellValue } | undefined {
  if (cells === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(cells).map(([column, value]) => [column, value instanceof Uint8Array ? Buffer.from(value) : value]),
  );
}
