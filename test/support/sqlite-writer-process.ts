/** The process behind sqlite-writer.ts: commits into a database, or two, every few milliseconds, or does one thing that it is told. */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import type { WriterOrder, WriterReport } from './sqlite-writer.ts';

const [, , path = '', pauseText = '2', busyText = '5000', synchronous = 'OFF', mode = '', other = ''] = process.argv;
const pauseMs = Number(pauseText);

function open(file: string): Database.Database {
  const opened = new Database(file, { timeout: Number(busyText) });
  opened.pragma(`synchronous = ${synchronous}`);
  return opened;
}

/** One change of the database of this name. */
function changeOf(connection: Database.Database, name: string): (amount: number, id: number) => void {
  const accounts = Number(connection.prepare(`SELECT count(*) FROM ${name}.left_side`).pluck().get());
  const take = connection.prepare(`UPDATE ${name}.left_side SET amount = amount - ? WHERE id = ?`);
  const give = connection.prepare(`UPDATE ${name}.right_side SET amount = amount + ? WHERE id = ?`);
  const next = connection.prepare(`INSERT INTO ${name}.sequence (number) SELECT 1 + max(number) FROM ${name}.sequence`);
  return (amount, id) => {
    take.run(amount, 1 + (id % accounts));
    next.run();
    give.run(amount, accounts - (id % accounts));
  };
}

const database = open(path);

function committer(): (amount: number, id: number) => void {
  if (mode === 'attached') database.prepare('ATTACH ? AS other').run(other);
  if (mode === 'attached') database.pragma(`other.synchronous = ${synchronous}`);
  const changes = [changeOf(database, 'main')];
  if (mode === 'attached') changes.push(changeOf(database, 'other'));
  const first = database.transaction((amount: number, id: number) => {
    for (const change of changes) change(amount, id);
  });
  if (mode !== 'in-turn') return first.immediate;
  const second = open(other);
  const then = second.transaction(changeOf(second, 'main'));
  return (amount, id) => {
    first.immediate(amount, id);
    then.immediate(amount, id);
  };
}

const commit = committer();

const report = { commits: 0, failures: [] as string[], longestMs: 0 };
let stopped = false;

async function work(): Promise<void> {
  for (let round = 0; !stopped; round++) {
    const started = performance.now();
    try {
      commit(1 + (round % 7), round * 7919);
      report.commits++;
    } catch (error) {
      report.failures.push(String(error));
    }
    report.longestMs = Math.max(report.longestMs, performance.now() - started);
    // Without a pause, orders still come in.
    if (pauseMs > 0) await sleep(pauseMs);
    else await nextTurn();
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
  if (order === 'commit') commit(5, 0);
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
