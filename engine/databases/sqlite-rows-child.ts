/** The child process that reads rows of an image; sqlite-rows.ts says why it is one. */

import Database from 'better-sqlite3';
import { DATABASE_ROWS_BATCH } from '../base/limits.ts';
import type { Row, RowsOrder, RowsReply, RowsRequest } from './sqlite-rows.ts';

let rows: Iterator<Row> | undefined;

function start({ image, sql, parameters = [] }: RowsRequest): Iterator<Row> {
  const connection = new Database(image, { fileMustExist: true });
  connection.pragma('query_only = ON');
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
