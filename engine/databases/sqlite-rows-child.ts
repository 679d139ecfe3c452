/** The child process that reads rows of an image; sqlite-rows.ts says why it is one. */

import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { DATABASE_ROWS_BATCH } from '../base/limits.ts';
import { placedKey } from '../base/server-paths.ts';
import type { Row, RowsOrder, RowsReply, RowsRequest } from './sqlite-rows.ts';

let rows: Iterator<Row> | undefined;

function start({ image, sql, parameters = [], places }: RowsRequest): Iterator<Row> {
  // A large sort goes to files: beside the image, which is as private, and not into memory.
  process.env['SQLITE_TMPDIR'] = dirname(image);
  const connection = new Database(image, { fileMustExist: true });
  connection.pragma('query_only = ON');
  connection.pragma('temp_store = FILE');
  // Views of a database that somebody else made call nothing but what is harmless.
  connection.pragma('trusted_schema = OFF');
  if (places !== undefined) {
    connection.function('tree_key', { deterministic: true }, (said: unknown) => placedKey(said, places) ?? null);
  }
  return connection
    .prepare(sql)
    .raw()
    .iterate(...parameters) as IterableIterator<Row>;
}

function next(order: RowsOrder): RowsReply {
  try {
    if (order !== 'more') rows = start(order);
    const batch: Row[] = [];
    while (rows !== undefined && batch.length < DATABASE_ROWS_BATCH) {
      const { done, value } = rows.next();
      if (done === true) rows = undefined;
      else batch.push(value);
    }
    return batch.length === 0 ? { kind: 'end' } : { kind: 'rows', rows: batch };
  } catch (error) {
    return { kind: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

process.on('message', (order: RowsOrder) => process.send?.(next(order)));
// Without its parent it has nothing to do; a Ctrl-C that reaches both is the parent's to handle.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
