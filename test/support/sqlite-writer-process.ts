/** The process behind sqlite-writer.ts: commits into a database every few milliseconds, or does one thing that it is told. */

import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { WriterOrder, WriterReport } from './sqlite-writer.ts';

const [, , path = '', pauseText = '2', busyText = '5000'] = process.argv;
const pauseMs = Number(pauseText);

const database = new Database(path, { timeout: Number(busyText) });
database.pragma('synchronous = OFF');
const accounts = Number(database.prepare('SELECT count(*) FROM left_side').pluck().get());
const take = database.prepare('UPDATE left_side SET amount = amount - ? WHERE id = ?');
const give = database.prepare('UPDATE right_side SET amount = amount + ? WHERE id = ?');
const next = database.prepare('INSERT INTO sequence (number) SELECT 1 + max(number) FROM sequence');
const commit = database.transaction((amount: number, id: number) => {
  take.run(amount, id);
  next.run();
  give.run(amount, accounts + 1 - id);
});

const report = { commits: 0, failures: [] as string[], longestMs: 0 };
let stopped = false;

async function work(): Promise<void> {
  for (let round = 0; !stopped; round++) {
    const started = performance.now();
    try {
      commit.immediate(1 + (round % 7), 1 + ((round * 7919) % accounts));
      report.commits++;
    } catch (error) {
      report.failures.push(String(error));
    }
    report.longestMs = Math.max(report.longestMs, performance.now() - started);
    await sleep(pauseMs);
  }
}

/** Leaves the database in the middle of a transaction that has reached the disk in part. */
function beginAndSpill(): void {
  database.pragma('cache_size = 5');
  database.exec('BEGIN IMMEDIATE');
  database.exec('UPDATE left_side SET amount = amount - 1000000, note = note || note');
  database.exec('INSERT INTO sequence (number) SELECT 1000000 + id FROM left_side');
}

function answer(message: WriterReport): void {
  process.send?.(message);
}

let working: Promise<void> | undefined;
process.on('message', async (order: WriterOrder) => {
  if (order === 'work') working = work();
  if (order === 'lock') database.exec('BEGIN EXCLUSIVE');
  if (order === 'unlock') database.exec('COMMIT');
  if (order === 'spill') beginAndSpill();
  if (order === 'hold-open') database.prepare('SELECT 1 FROM sequence').get();
  if (order === 'commit') commit.immediate(5, 1);
  if (order === 'stop') {
    stopped = true;
    await working;
    database.close();
    answer({ done: order, ...report });
    process.disconnect();
    return;
  }
  answer({ done: order, ...report });
});
answer({ done: 'start', ...report });
